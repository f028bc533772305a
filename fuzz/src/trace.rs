//! Traces of the example `replay`.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::refusal;
use super::replay;
use super::replay::input::Input;
use super::replay::trace::{self, Call, Format};

const FILE: &str = "trace.csv";

pub fn check(bytes: &[u8]) -> bool {
    replay::check_file(FILE, bytes, check_file)
}

fn check_file(file: &Input, bytes: &[u8]) -> bool {
    let text = &file.text;
    let is_json = text.trim_start().starts_with('{');
    let expected = match is_json {
        true => json_lines(text),
        false => csv(text),
    };
    match trace::read(file) {
        Ok((format, calls)) => {
            assert_eq!(format == Format::JsonLines, is_json);
            are_in_order(&calls, text);
            // What is quoted is beyond a simple reader.
            if is_json || !text.contains('"') {
                let calls: Vec<Simple> = calls.into_iter().map(Simple::from).collect();
                assert_eq!(Some(calls), expected);
            }
            true
        }
        Err(error) => {
            refusal::explains_itself(&error, FILE, bytes);
            let none = expected.unwrap_or_default().is_empty();
            let beyond = text.contains('"') && !is_json;
            let twice = error.to_string().contains("duplicate field");
            assert!(none || beyond || twice, "{error}");
            false
        }
    }
}

/// There are some, each on a line of its own and in the order of the file.
fn are_in_order(calls: &[Call], text: &str) {
    assert!(!calls.is_empty());
    let lines: Vec<usize> = calls.iter().map(|call| call.line).collect();
    assert!(lines.windows(2).all(|pair| pair[0] <= pair[1]), "{lines:?}");
    let last = 1 + text.matches('\n').count();
    assert!(
        lines.iter().all(|line| (1..=last).contains(line)),
        "{lines:?}"
    );
}

/// A call without its place.
#[derive(Debug, PartialEq)]
struct Simple {
    model: Option<String>,
    input: u64,
    output: u64,
    prefix: Option<u64>,
}

impl From<Call> for Simple {
    fn from(call: Call) -> Simple {
        Simple {
            model: call.model,
            input: call.input_tokens,
            output: call.output_tokens,
            prefix: call.prefix_tokens,
        }
    }
}

fn count(digits: &str) -> Option<u64> {
    // Rust reads a plus sign, too.
    digits.parse().ok().filter(|_| !digits.starts_with('+'))
}

fn json_lines(text: &str) -> Option<Vec<Simple>> {
    let call = |line: &str| {
        let object: BTreeMap<String, &RawValue> = serde_json::from_str(line).ok()?;
        Some(Simple {
            model: None,
            input: count(object.get("input_length")?.get())?,
            output: count(object.get("output_length")?.get())?,
            prefix: None,
        })
    };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(call)
        .collect()
}

/// A table without quotes.
fn csv(text: &str) -> Option<Vec<Simple>> {
    // The csv crate takes one off, too.
    let mut rows = text
        .trim_start_matches('\u{feff}')
        .split(['\r', '\n'])
        .filter(|row| !row.is_empty())
        .map(|row| row.split(',').collect::<Vec<_>>());
    let header = rows.next()?;
    let column = |name| header.iter().position(|column| column.trim() == name);
    let agents = column("in").zip(column("out"));
    let azure = || column("ContextTokens").zip(column("GeneratedTokens"));
    let (input, output) = agents.or_else(azure)?;
    let cached = match agents {
        Some(_) => Some((column("model")?, column("derived_prefix_tokens")?)),
        None => None,
    };
    rows.map(|row| {
        let input = count(row.get(input)?)?;
        let (model, prefix) = match cached {
            Some((model, prefix)) => (row.get(model)?.trim(), Some(count(row.get(prefix)?)?)),
            None => ("", None),
        };
        let call = Simple {
            model: (!model.is_empty()).then(|| model.to_owned()),
            input,
            output: count(row.get(output)?)?,
            prefix,
        };
        (row.len() == header.len() && prefix <= Some(input)).then_some(call)
    })
    .collect()
}
