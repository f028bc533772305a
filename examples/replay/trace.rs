//! Traces of LLM calls: three formats, recognized by their content.
//!
//! - Agent CSV: a header with `in`, `out`, `model` and `derived_prefix_tokens`. Each call names its model, and how
//!   much of its input a cache would have known.
//! - Azure CSV: a header with `ContextTokens` and `GeneratedTokens`, and nothing about models or caches.
//! - JSON lines: one object per line, with `input_length` and `output_length` (Mooncake's format).
//!
//! Agent CSV may also name each call's run (`trace_id`) and agent (`agent`), which is read apart, for a tree of them.
//! Other columns and fields are ignored. Every amount is read as an exact integer, and every error names its line.

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::input::{object, quoted, whole_number, BadInput, Input};

/// One call of a trace.
pub(crate) struct Call {
    /// Where it stands in the file, for errors that are only found when it is priced.
    pub(crate) line: usize,
    pub(crate) model: Option<String>,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// How many of the input tokens a cache knew; `None` if the trace does not say.
    pub(crate) prefix_tokens: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    AgentCsv,
    AzureCsv,
    JsonLines,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::AgentCsv => "agent CSV",
            Format::AzureCsv => "Azure CSV",
            Format::JsonLines => "JSON lines",
        })
    }
}

/// The calls of a trace in file order: at least one.
pub(crate) fn read(file: &Input) -> Result<(Format, Vec<Call>), BadInput> {
    let text = file.text.trim_start();
    if text.is_empty() {
        return Err(file.bad(1, "an empty trace: no calls to replay"));
    }
    let (format, calls) = if text.starts_with('{') {
        (Format::JsonLines, read_json_lines(file)?)
    } else {
        read_csv(file)?
    };
    if calls.is_empty() {
        return Err(file.bad(1, "an empty trace: no calls after the header"));
    }
    Ok((format, calls))
}

/// The names of the columns that a format of CSV has to have.
struct Columns {
    format: Format,
    input: &'static str,
    output: &'static str,
    model: Option<&'static str>,
    prefix: Option<&'static str>,
}

const KNOWN: [Columns; 2] = [
    Columns {
        format: Format::AgentCsv,
        input: "in",
        output: "out",
        model: Some("model"),
        prefix: Some("derived_prefix_tokens"),
    },
    Columns {
        format: Format::AzureCsv,
        input: "ContextTokens",
        output: "GeneratedTokens",
        model: None,
        prefix: None,
    },
];

fn read_csv(file: &Input) -> Result<(Format, Vec<Call>), BadInput> {
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| bad_record(file, &error))?
        .clone();
    let column = |name: &str| headers.iter().position(|header| header.trim() == name);
    let known = KNOWN
        .iter()
        .find(|known| column(known.input).is_some() && column(known.output).is_some())
        .ok_or_else(|| {
            let first = file.text.lines().find(|line| !line.trim().is_empty());
            let line = file.line_at(file.text.len() - file.text.trim_start().len());
            let what = "is neither a CSV header with in and out, or with ContextTokens and GeneratedTokens, \
                        nor a JSON object";
            file.bad(line, format!("{} {what}", quoted(first.unwrap_or(""))))
        })?;
    let required = |name: &str| {
        column(name).ok_or_else(|| file.bad(1, format!("the header has no column {name}")))
    };
    let input = required(known.input)?;
    let output = required(known.output)?;
    let model = known.model.map(required).transpose()?;
    let prefix = known.prefix.map(required).transpose()?;

    let mut calls = Vec::new();
    let mut lines = Lines::of(file);
    for record in reader.records() {
        let record = record.map_err(|error| bad_record(file, &error))?;
        let line = lines.line_at(record.position().map_or(0, |at| at.byte() as usize));
        let bad = |what: String| file.bad(line, what);
        let amount = |index: usize| amount(&headers[index], &record[index]).map_err(bad);
        let call = Call {
            line,
            model: model
                .map(|index| record[index].trim())
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            input_tokens: amount(input)?,
            output_tokens: amount(output)?,
            prefix_tokens: prefix.map(amount).transpose()?,
        };
        if let Some(prefix) = call.prefix_tokens {
            if prefix > call.input_tokens {
                let (name, of) = (known.prefix.unwrap_or_default(), known.input);
                let input = call.input_tokens;
                return Err(bad(format!("{name} {prefix} is more than {of} {input}")));
            }
        }
        calls.push(call);
    }
    Ok((known.format, calls))
}

/// Who made a call. Both may be empty.
pub(crate) struct Caller {
    pub(crate) run: String,
    pub(crate) agent: String,
}

/// Who made each of the calls that [`read`] gets from this agent CSV. A file without the column `agent` names none.
pub(crate) fn read_callers(file: &Input) -> Result<Vec<Caller>, BadInput> {
    let mut reader = csv::Reader::from_reader(file.text.as_bytes());
    let headers = reader.headers().map_err(|error| bad_record(file, &error))?;
    let column = |name: &str| headers.iter().position(|header| header.trim() == name);
    let run = column("trace_id").ok_or_else(|| {
        let what = "the header has no column trace_id, which --tree needs";
        file.bad(1, what)
    })?;
    let agent = column("agent");
    let callers = reader.records().map(|record| {
        let record = record.map_err(|error| bad_record(file, &error))?;
        let name = |index: usize| record[index].trim().to_owned();
        Ok(Caller {
            run: name(run),
            agent: agent.map(name).unwrap_or_default(),
        })
    });
    callers.collect()
}

/// Line numbers for offsets that only grow, so that a file is counted through once.
///
/// The reader's own count is not used: it gives the end of the line before for files with CRLF ends and for
/// records that follow blank lines.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(file: &'a Input) -> Lines<'a> {
        Lines {
            text: file.text.as_bytes(),
            counted: 0,
            line: 1,
        }
    }

    fn line_at(&mut self, offset: usize) -> usize {
        let mut at = offset.max(self.counted);
        while matches!(self.text.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        let passed = &self.text[self.counted..at];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.counted = at;
        self.line
    }
}

fn bad_record(file: &Input, error: &csv::Error) -> BadInput {
    let offset = error.position().map_or(0, |at| at.byte() as usize);
    let line = Lines::of(file).line_at(offset);
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => {
            let text = file.text.lines().nth(line - 1).unwrap_or("");
            let what = format!("{len} fields where the header has {expected_len}");
            file.bad(line, format!("{what}: {}", quoted(text)))
        }
        _ => file.bad(line, error),
    }
}

// As raw text, so that no amount goes through a float and each can be named with the value that the file has.
#[derive(Deserialize)]
#[serde(expecting = "an object with input_length and output_length")]
struct JsonCall<'a> {
    #[serde(borrow)]
    input_length: Option<&'a RawValue>,
    #[serde(borrow)]
    output_length: Option<&'a RawValue>,
}

fn read_json_lines(file: &Input) -> Result<Vec<Call>, BadInput> {
    let mut calls = Vec::new();
    for (index, text) in file.text.lines().enumerate() {
        let line = index + 1;
        if text.trim().is_empty() {
            continue;
        }
        let json: JsonCall = object(text)
            .map_err(|(_, what)| file.bad(line, format!("{what} in {}", quoted(text))))?;
        let amount = |name, raw: Option<&RawValue>| {
            amount(name, raw.map_or("", RawValue::get)).map_err(|what| file.bad(line, what))
        };
        calls.push(Call {
            line,
            model: None,
            input_tokens: amount("input_length", json.input_length)?,
            output_tokens: amount("output_length", json.output_length)?,
            prefix_tokens: None,
        });
    }
    Ok(calls)
}

fn amount(name: &str, text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Err(format!("{name} is missing"));
    }
    whole_number(text).map_err(|flaw| format!("{name} {} {flaw}", quoted(text)))
}
