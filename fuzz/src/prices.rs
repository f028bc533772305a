//! Price files of the example `replay`, and the library's own reader of a model's entry in them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_budget_pool::{Price, Usage, Usd};

use super::amount;
use super::decimal;
use super::json;
use super::refusal;
use super::replay;
use super::replay::input::{BadInput, Input};
use super::replay::prices::{CallPrice, Prices};
use super::replay::trace::Call;

const FILE: &str = "prices.json";

pub fn check(bytes: &[u8]) -> bool {
    replay::check_file(FILE, bytes, check_file)
}

fn check_file(file: &Input, bytes: &[u8]) -> bool {
    check_entry(&file.text);
    for entry in entries(&file.text).into_iter().flatten() {
        check_entry(entry.1.get());
    }
    let expected = models(&file.text);
    match Prices::read(file) {
        Ok(prices) => {
            assert!(prices.of("a model of no file").is_none());
            for (model, rates) in expected.expect("a table of decimal numbers") {
                let price = prices.of(&model).expect("a model of the file");
                check_price(price, rates, bytes);
            }
            true
        }
        Err(error) => {
            refusal::explains_itself(&error, FILE, bytes);
            let twice = error.to_string().contains("duplicate field");
            assert!(expected.is_none() || twice, "{error}");
            false
        }
    }
}

const FIELDS: [&str; 4] = [
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
];

/// Of each of the fields, in nano-dollars per million tokens.
type Rates = [Option<u64>; 4];

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    models: BTreeMap<String, &'a RawValue>,
}

/// Each model with its entry.
fn entries(text: &str) -> Option<BTreeMap<String, &RawValue>> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let File { models } = serde_json::from_str(text).ok()?;
    Some(models)
}

/// The rates of each model. `None` if the text is no table of them.
fn models(text: &str) -> Option<BTreeMap<String, Rates>> {
    type Object<'a> = BTreeMap<String, &'a RawValue>;

    let rates = |entry: &RawValue| {
        let entry: Object = serde_json::from_str(entry.get()).ok()?;
        let mut rates = Rates::default();
        for (rate, field) in rates.iter_mut().zip(FIELDS) {
            let text = entry.get(field).map(|value| value.get());
            if let Some(text) = text.filter(|&text| text != "null") {
                *rate = Some(decimal::scaled(text, 15)?);
            }
        }
        Some(rates)
    };
    entries(text)?
        .into_iter()
        .map(|(model, entry)| Some((model, rates(entry)?)))
        .collect()
}

fn check_price(price: Result<CallPrice, BadInput>, rates: Rates, bytes: &[u8]) {
    let [input, output, read, write] = rates;
    let (Some(input), Some(output)) = (input, output) else {
        let error = price.err().expect("no price without its two main rates");
        refusal::explains_itself(&error, FILE, bytes);
        let missing = FIELDS[usize::from(input.is_some())];
        let what = format!(": {missing} is missing");
        assert!(error.to_string().ends_with(&what), "{error}");
        return;
    };
    // What is not priced as written to a cache is ordinary input, and what is not priced as
    // read from one costs what it does elsewhere.
    let write = write.filter(|&write| write > 0).unwrap_or(input);
    let read = read.unwrap_or(write);

    let price = price.expect("a price");
    let call = |input_tokens, output_tokens, prefix_tokens| Call {
        line: 1,
        model: None,
        input_tokens,
        output_tokens,
        prefix_tokens,
    };
    let usage =
        |input, output, nanos| Some(Usage::tokens(input, output).cost(Usd::from_nanos(nanos)));
    const M: u64 = 1_000_000;
    assert_eq!(price.actual(&call(M, 0, None)), usage(M, 0, input));
    assert_eq!(price.actual(&call(0, M, None)), usage(0, M, output));
    assert_eq!(price.actual(&call(M, 0, Some(M))), usage(M, 0, read));
    assert_eq!(price.actual(&call(M, 0, Some(0))), usage(M, 0, write));
    let highest = input.max(read).max(write);
    assert_eq!(price.worst_case(&call(M, 0, None), 0), usage(M, 0, highest));
}

/// Reads a model's entry as the library does, and by hand.
fn check_entry(entry: &str) {
    let expected = Listed::of(entry);
    match serde_json::from_str::<Price>(entry) {
        Ok(price) => match expected {
            Some(expected) => {
                assert_eq!(expected.wrong, [""; 0], "{entry}");
                assert_eq!(amount::rates(price), expected.rates, "{entry}");
            }
            // serde takes an array for the fields of an object in a row.
            None => assert!(entry.trim_start().starts_with('['), "{entry}"),
        },
        Err(error) => {
            if let Some(expected) = expected {
                let message = error.to_string();
                let named = expected.wrong.iter().any(|field| message.contains(field));
                assert!(named, "{message}");
            }
        }
    }
}

/// A model's entry, read for the library's `Price`.
struct Listed {
    /// Input, output, cache reads, cache writes.
    rates: [Usd; 4],
    /// The fields that are missing, that are there twice, or that are not what they should be.
    wrong: Vec<String>,
}

impl Listed {
    /// `None` if the text is not an object.
    fn of(entry: &str) -> Option<Listed> {
        // OpenRouter's names.
        const ALIASES: [&str; 4] = [
            "prompt",
            "completion",
            "input_cache_read",
            "input_cache_write",
        ];

        let all = json::object(entry)?;
        let mut wrong = Vec::new();
        let mut rate = |index: usize| {
            let names = [FIELDS[index], ALIASES[index]];
            let named = |(name, _): &&(String, _)| names.contains(&name.as_str());
            let values: Vec<&str> = all
                .iter()
                .filter(named)
                .map(|field| field.1.get())
                .collect();
            let is_optional = index >= 2;
            let rate = match values[..] {
                [] | ["null"] if is_optional => return None,
                [value] => nearest_rate(value),
                _ => None,
            };
            if rate.is_none() {
                wrong.push(FIELDS[index].to_owned());
            }
            rate
        };
        let (input, output) = (rate(0).unwrap_or(0), rate(1).unwrap_or(0));
        let read = rate(2).unwrap_or(input);
        let write = rate(3).filter(|&write| write > 0).unwrap_or(input);
        let mut seen = Vec::new();
        for (name, value) in &all {
            if name == "overrides" {
                let none = serde_json::from_str::<Option<Vec<&RawValue>>>(value.get());
                if !none.is_ok_and(|overrides| overrides.unwrap_or_default().is_empty()) {
                    wrong.push(name.clone());
                }
            }
            let Some(other) = other_rate(name) else {
                continue;
            };
            let is_rate = value.get() == "null" || nearest_rate(value.get()).is_some();
            if !is_rate || seen.contains(&other) {
                wrong.push(name.clone());
            }
            seen.push(other);
        }
        Some(Listed {
            rates: [input, output, read, write].map(Usd::from_nanos),
            wrong,
        })
    }
}

/// LiteLLM's rates for cache writes for an hour, and for prompts above so many thousands of tokens: which of
/// [`FIELDS`], whether for an hour, and above how many.
fn other_rate(name: &str) -> Option<(usize, bool, Option<u64>)> {
    if name == "input_cache_write_1h" {
        return Some((3, true, None));
    }
    let mut fields = FIELDS.iter().enumerate();
    let (index, rest) =
        fields.find_map(|(index, field)| Some((index, name.strip_prefix(field)?)))?;
    let (hour, rest) = match rest.strip_prefix("_above_1hr") {
        Some(rest) if index == 3 => (true, rest),
        _ => (false, rest),
    };
    if rest.is_empty() {
        return hour.then_some((index, hour, None));
    }
    let thousands = rest.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
    let thousands = thousands.parse::<u64>().ok()?;
    thousands.checked_mul(1_000).filter(|&tokens| tokens > 0)?;
    Some((index, hour, Some(thousands)))
}

/// A number goes through an `f64` unless it is whole and fits a `u64`. A text does not.
fn nearest_rate(json: &str) -> Option<u64> {
    let text = match json.parse::<u64>() {
        Ok(_) => json.to_owned(),
        Err(_) if json.starts_with('"') => serde_json::from_str(json).ok()?,
        Err(_) => serde_json::from_str::<f64>(json).ok()?.to_string(),
    };
    decimal::nearest(&text, 15)
}
