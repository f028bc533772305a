//! What calls used, and what they cost, from the usage in the answers of five kinds of providers.
//!
//! ```sh
//! cargo run --release --example provider_usage -- examples/provider_usage/samples.jsonl
//! ```
//!
//! Reads a line of JSON for each answer, from a file or from standard input: its `shape` (`openai_chat`,
//! `openai_responses`, `anthropic_messages`, `bedrock_converse` or `gemini`), its `model`, and its `usage`, as the
//! provider sent it. Writes for each a line with `uncached_input`, `cache_read`, `cache_write` and `output` in tokens
//! and `cost_usd` in dollars, which is null for a model without a price, or a line with an `error`.
//!
//! [`shapes`] has what differs from provider to provider. The prices are those of the crate
//! `genai-prices`: list prices of today for more than a thousand models. Fees that are not for tokens, such as
//! those of searches, are not in the cost, unless the provider reports the cost itself.

// As a user would write it.
#![allow(unreachable_pub)]

mod shapes;

use std::fmt::Display;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use clap::Parser;
use genai_prices::{PriceRequest, UsageKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use token_budget_pool::{TokenCounts, Usage, Usd};

use shapes::Part;

/// What calls used, and what they cost, from the usage in the answers of five kinds of providers.
#[derive(Parser)]
struct Args {
    /// Lines of JSON: {"shape", "model", "usage"}. Without it, standard input is read.
    file: Option<std::path::PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    shape: String,
    model: Option<String>,
    usage: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Used {
        uncached_input: u64,
        cache_read: u64,
        cache_write: u64,
        output: u64,
        cost_usd: Option<Box<RawValue>>,
    },
    Error {
        error: String,
    },
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    let input: Box<dyn BufRead> = match &args.file {
        None => Box::new(io::stdin().lock()),
        Some(path) => {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            Box::new(io::BufReader::new(
                std::fs::File::open(path).map_err(named)?,
            ))
        }
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    for line in input.split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let told = used(&line).unwrap_or_else(|error| Line::Error { error });
        serde_json::to_writer(&mut output, &told)?;
        writeln!(output)?;
    }
    output.flush()
}

fn used(line: &[u8]) -> Result<Line, String> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let answer: Answer = serde_path_to_error::deserialize(&mut json).map_err(told)?;
    json.end().map_err(told)?;
    let parts = shapes::parts(&answer.shape, answer.usage).map_err(told)?;
    let sum = |count: fn(&TokenCounts) -> u64| {
        let mut counts = parts.iter().map(|part| count(&part.counts));
        let sum = counts.try_fold(0, u64::checked_add);
        sum.ok_or_else(|| "the tokens of all steps are too many".to_owned())
    };
    let usage = parts.iter().try_fold(Usage::ZERO, |sum, part| {
        let model = part.model.as_ref().or(answer.model.as_ref());
        sum.checked_add(usage(model.map(String::as_str), part))
            .ok_or_else(|| "the cost is more than fits".to_owned())
    })?;
    Ok(Line::Used {
        uncached_input: sum(TokenCounts::uncached_input)?,
        cache_read: sum(TokenCounts::cache_read)?,
        cache_write: sum(TokenCounts::cache_write)?,
        output: sum(TokenCounts::output)?,
        // The digits of the amount, and not those of the nearest `f64`.
        cost_usd: usage
            .cost
            .map(|cost| RawValue::from_string(cost.to_string()))
            .transpose()
            .map_err(told)?,
    })
}

/// What to settle a call with.
fn usage(model: Option<&str>, part: &Part) -> Usage {
    let usage = Usage::from(part.counts);
    // What the provider reports itself is in there, and it knows better than a price list.
    if usage.cost.is_some() || part.at_other_rates {
        return usage;
    }
    match model.and_then(|model| list_price(model, part)) {
        Some(cost) => usage.cost(cost),
        // The pool counts the call as unpriced, at its assumed cost.
        None => usage,
    }
}

/// What these tokens cost by the list of `genai-prices`, which has rates for long prompts and for cache
/// writes too. `None` for a model that is not in it, or that has no rate for audio or images and used some.
fn list_price(model: &str, part: &Part) -> Option<Usd> {
    let (counts, media) = (&part.counts, &part.media);
    let tokens = |count: u64| count as f64;
    let text = genai_prices::Usage::from([
        (UsageKey::INPUT_TOKENS, tokens(counts.input())),
        (UsageKey::CACHE_READ_TOKENS, tokens(counts.cache_read())),
        (UsageKey::CACHE_WRITE_TOKENS, tokens(counts.cache_write())),
        (
            UsageKey::CACHE_WRITE_1H_TOKENS,
            tokens(counts.cache_write_1h()),
        ),
        (UsageKey::OUTPUT_TOKENS, tokens(counts.output())),
    ]);
    let price = |usage: &genai_prices::Usage| {
        let price = genai_prices::calculate(&PriceRequest::new(model, usage)).ok()?;
        // A warning says that something is not in the price.
        price.warnings.is_empty().then_some(price.total_price)
    };
    let as_text = price(&text)?;
    let mut all = text.clone();
    for (kind, count) in [
        (UsageKey::INPUT_AUDIO_TOKENS, media.audio_in),
        (UsageKey::CACHE_AUDIO_READ_TOKENS, media.cached_audio),
        (UsageKey::OUTPUT_AUDIO_TOKENS, media.audio_out),
        (UsageKey::OUTPUT_IMAGE_TOKENS, media.images_out),
    ] {
        if count > 0 {
            all.insert(kind.clone(), tokens(count));
            let mut alone = text.clone();
            alone.insert(kind, tokens(count));
            // Without a rate of its own it would be priced as text.
            if price(&alone).is_some_and(|price| price == as_text) {
                return None;
            }
        }
    }
    Usd::from_f64(price(&all)?).ok()
}

fn told(error: impl Display) -> String {
    error.to_string()
}
