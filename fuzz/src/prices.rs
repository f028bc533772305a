//! Price files of the example `replay`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_budget_pool::{MicroUsd, Usage};

use super::decimal;
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

/// Of each of the fields, in nano-dollars a million tokens.
type Rates = [Option<u64>; 4];

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    models: BTreeMap<String, &'a RawValue>,
}

/// The rates of each model; `None` if the text is no table of them.
fn models(text: &str) -> Option<BTreeMap<String, Rates>> {
    type Object<'a> = BTreeMap<String, &'a RawValue>;

    if !text.trim_start().starts_with('{') {
        return None;
    }
    let File { models } = serde_json::from_str(text).ok()?;
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
    models
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
        |input, output, nanos| Some(Usage::tokens(input, output).cost(MicroUsd::from_nanos(nanos)));
    const M: u64 = 1_000_000;
    assert_eq!(price.actual(&call(M, 0, None)), usage(M, 0, input));
    assert_eq!(price.actual(&call(0, M, None)), usage(0, M, output));
    assert_eq!(price.actual(&call(M, 0, Some(M))), usage(M, 0, read));
    assert_eq!(price.actual(&call(M, 0, Some(0))), usage(M, 0, write));
    let dearest = input.max(read).max(write);
    assert_eq!(price.worst_case(&call(M, 0, None), 0), usage(M, 0, dearest));
}
