//! What a call costs: the price table (LiteLLM's fields, reduced to one object `models`) and how it is applied.
//!
//! The rates are taken from the file as text and read by [`Price::per_token`], so that no price is ever an `f64` and
//! none is rounded. (The library also reads a model's entry by itself, rounded: `serde_json::from_str::<Price>`.)

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Deserialize;
use serde_json::value::RawValue;
use token_budget_pool::{InvalidPrice, Price, Rates, TokenCounts, Usage, Usd};

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
struct Entry<'a> {
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
    let listed: Entry = match object(entry.get()) {
        Ok(listed) => listed,
        Err((_, what)) => return bad(entry.get(), what),
    };
    let fields = [
        ("input_cost_per_token", listed.input_cost_per_token),
        ("output_cost_per_token", listed.output_cost_per_token),
        (
            "cache_read_input_token_cost",
            listed.cache_read_input_token_cost,
        ),
        (
            "cache_creation_input_token_cost",
            listed.cache_creation_input_token_cost,
        ),
    ];
    // Each field by itself first: an error then names it as the file does.
    for (field, raw) in fields {
        let Some(text) = raw.map(RawValue::get) else {
            continue;
        };
        if let Err(error) = alone(text) {
            let error = error.to_string();
            let error = error.strip_prefix("uncached_input: ").unwrap_or(&error);
            return bad(text, format!("{field}: {error}"));
        }
    }

    let [input, output, cache_read, cache_write] = fields.map(|(_, raw)| raw.map(RawValue::get));
    let (uncached_input, output) = match (input, output) {
        (Some(input), Some(output)) => (input, output),
        (None, _) => return Ok(Err(fields[0].0)),
        (_, None) => return Ok(Err(fields[1].0)),
    };
    // Providers that do not price writes are listed with null or with zero. What was not in the cache is then
    // ordinary input. To take the zero at its word would make it free.
    let cache_write = cache_write
        .filter(|text| alone(text) != Ok(Price::FREE))
        .unwrap_or(uncached_input);
    let rates = Rates {
        uncached_input,
        output,
        cache_read: cache_read.unwrap_or(cache_write),
        cache_write,
        cache_write_1h: None,
    };
    Price::per_token(rates)
        .map(Ok)
        .map_err(|error| BadInput::in_file(&file.path, error))
}

/// A price with this rate for uncached input. The other rates are zero.
fn alone(rate: &str) -> Result<Price, InvalidPrice> {
    Price::per_token(Rates {
        uncached_input: rate,
        ..Rates::uncached("0", "0")
    })
}

/// How a model's calls are priced, without tiers for long inputs. `None` from any method is an overflow.
#[derive(Clone, Copy)]
pub(crate) struct CallPrice(Price);

impl CallPrice {
    /// The known prefix at the cache-read price and the rest as written to the cache. In a trace that says nothing
    /// of a cache, all of the input is uncached.
    pub(crate) fn actual(&self, call: &Call) -> Option<Usage> {
        let counts = match call.prefix_tokens {
            Some(prefix) => {
                let written = call.input_tokens.checked_sub(prefix)?;
                TokenCounts::exclusive(0, prefix, written, call.output_tokens)
            }
            None => TokenCounts::inclusive(call.input_tokens, 0, call.output_tokens),
        };
        priced(self.0.usage(counts.ok()?))
    }

    /// What a caller has to be ready to pay before the call: all of the input at the highest of its three
    /// rates, and `max_tokens` of output. A call that put out more must have been allowed more.
    pub(crate) fn worst_case(&self, call: &Call, max_tokens: u64) -> Option<Usage> {
        let output = call.output_tokens.max(max_tokens);
        priced(self.0.worst_case(call.input_tokens, output))
    }
}

/// A cost at the most stands for one that does not fit.
fn priced(usage: Usage) -> Option<Usage> {
    (usage.cost < Some(Usd::MAX)).then_some(usage)
}
