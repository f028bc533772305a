//! What a call costs: the price table (LiteLLM's fields, reduced to one object `models`) and how it is applied.
//!
//! The rates are taken from the file as text and read by [`Price::per_token`], so that no price is ever an `f64`.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_budget_pool::{Price, Usage};

use super::input::{object, quoted, BadInput, Input};
use super::trace::Call;

#[derive(Deserialize)]
#[serde(expecting = "an object with models")]
struct PriceFile<'a> {
    #[serde(borrow)]
    models: BTreeMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object with prices")]
struct Rates<'a> {
    #[serde(borrow)]
    input_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow)]
    output_cost_per_token: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_read_input_token_cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_creation_input_token_cost: Option<&'a RawValue>,
}

/// The prices of a file, by model.
pub(crate) struct Prices<'a> {
    file: &'a Input,
    models: BTreeMap<String, Listed<'a>>,
}

/// A model's entry. One without an input or an output price does no harm until a call needs it.
struct Listed<'a> {
    entry: &'a RawValue,
    price: Result<Price, &'static str>,
}

impl<'a> Prices<'a> {
    pub(crate) fn read(file: &'a Input) -> Result<Prices<'a>, BadInput> {
        let parsed: PriceFile = object(&file.text).map_err(|(line, what)| file.bad(line, what))?;
        let models = parsed
            .models
            .into_iter()
            .map(|(name, entry)| {
                let price = read_price(file, &name, entry)?;
                Ok((name, Listed { entry, price }))
            })
            .collect::<Result<_, BadInput>>()?;
        Ok(Prices { file, models })
    }

    /// The file's name.
    pub(crate) fn name(&self) -> impl Display + '_ {
        self.file.path.display()
    }

    /// `None` for a model that the file does not have.
    pub(crate) fn of(&self, model: &str) -> Option<Result<CallPrice, BadInput>> {
        let listed = self.models.get(model)?;
        Some(listed.price.map(CallPrice).map_err(|field| {
            let line = self.file.line_of(listed.entry.get());
            let what = format!("model {}: {field} is missing", quoted(model));
            self.file.bad(line, what)
        }))
    }
}

fn read_price(
    file: &Input,
    model: &str,
    entry: &RawValue,
) -> Result<Result<Price, &'static str>, BadInput> {
    let bad = |text: &str, what: String| {
        let what = format!("model {}: {what}", quoted(model));
        Err(file.bad(file.line_of(text), what))
    };
    let rates: Rates = match object(entry.get()) {
        Ok(rates) => rates,
        Err((_, what)) => return bad(entry.get(), what),
    };
    let fields = [
        ("input_cost_per_token", rates.input_cost_per_token),
        ("output_cost_per_token", rates.output_cost_per_token),
        (
            "cache_read_input_token_cost",
            rates.cache_read_input_token_cost,
        ),
        (
            "cache_creation_input_token_cost",
            rates.cache_creation_input_token_cost,
        ),
    ];
    // Each field by itself first: an error then names it as the file does.
    let mut texts = [None; 4];
    for (text, (field, raw)) in texts.iter_mut().zip(fields) {
        *text = raw.map(RawValue::get);
        let Some(text) = *text else { continue };
        if let Err(error) = Price::per_token(text, "0", "0", "0") {
            let error = error.to_string();
            let error = error.strip_prefix("uncached_input: ").unwrap_or(&error);
            return bad(text, format!("{field}: {error}"));
        }
    }

    let [input, output, cache_read, cache_write] = texts;
    let (input, output) = match (input, output) {
        (Some(input), Some(output)) => (input, output),
        (None, _) => return Ok(Err(fields[0].0)),
        (_, None) => return Ok(Err(fields[1].0)),
    };
    // Providers that do not price writes are listed with null or with zero. What was not in the cache is then
    // ordinary input; to take the zero at its word would make it free.
    let cache_write = cache_write
        .filter(|text| Price::per_token(text, "0", "0", "0") != Ok(Price::default()))
        .unwrap_or(input);
    let cache_read = cache_read.unwrap_or(cache_write);
    Price::per_token(input, output, cache_read, cache_write)
        .map(Ok)
        .map_err(|error| BadInput::in_file(&file.path, error))
}

/// How a model's calls are priced, without tiers for long inputs. `None` from any method is an overflow.
#[derive(Clone, Copy)]
pub(crate) struct CallPrice(Price);

impl CallPrice {
    /// The known prefix at the cache-read price and the rest as written to the cache; in a trace that tells
    /// nothing of a cache all of the input as input.
    pub(crate) fn actual(&self, call: &Call) -> Option<Usage> {
        let output = call.output_tokens;
        match call.prefix_tokens {
            Some(prefix) => {
                let rest = call.input_tokens.checked_sub(prefix)?;
                self.0.usage(0, output, prefix, rest)
            }
            None => self.0.usage(call.input_tokens, output, 0, 0),
        }
    }

    /// What a caller has to be ready to pay before the call: all of the input at the dearest of its three
    /// prices, and `max_tokens` of output. A call that put out more must have been allowed more.
    pub(crate) fn worst_case(&self, call: &Call, max_tokens: u64) -> Option<Usage> {
        let input = call.input_tokens;
        let output = call.output_tokens.max(max_tokens);
        let uncached = self.0.usage(input, output, 0, 0)?;
        let read = self.0.usage(0, output, input, 0)?;
        let written = self.0.usage(0, output, 0, input)?;
        [uncached, read, written]
            .into_iter()
            .max_by_key(|usage| usage.cost)
    }
}
