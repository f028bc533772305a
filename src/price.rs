//! List prices as exact integers, and what a call costs at them.

use std::error::Error;
use std::fmt;

use crate::decimal::{self, Flaw, Quoted};
use crate::money::Usd;
use crate::usage::Usage;

const TOKENS_PER_MILLION: u128 = 1_000_000;

/// In the unit of a [`Price`]: a thousandth of a dollar per million tokens.
const LOWEST_PER_MILLION: u64 = 1_000_000;

/// The list price of a model: four rates, each exact to a nano-dollar per million tokens.
///
/// The rates are of the four kinds of token that providers price apart: input that is not in a cache, output,
/// input read from a cache, input written to one. Where a write is priced by how long
/// it is kept, or input by how long the prompt is, each has a `Price` of its own.
///
/// With the feature `serde` a price is read straight from a model's entry in LiteLLM's price list
/// (`input_cost_per_token` and so on) or in OpenRouter's (`prompt`, `completion`, `input_cache_read`,
/// `input_cache_write`), as [`per_token_rounded`](Price::per_token_rounded) reads it. Numbers and texts
/// will do. Other fields are ignored: fees per request, image or search, reasoning tokens at a rate of
/// their own, cache writes for an hour, and rates above some length of the prompt
/// (`..._above_200k_tokens`). A call that pays any of these costs more than this price says, so add
/// them with [`Usage::checked_add`]. Without a rate
/// for cache reads or writes, or with one of zero for writes, these cost what uncached input costs. A
/// number so small that the JSON reader takes it for zero is zero.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{Price, Rates, Tokens, Usd};
///
/// let price = Price::per_million(Rates {
///     uncached_input: "3",
///     output: "15",
///     cache_read: "0.30",
///     cache_write: "3.75",
/// })?;
/// let usage = price.usage(Tokens {
///     uncached_input: 20,
///     output: 500,
///     cache_read: 10_000,
///     cache_write: 2_000,
/// });
/// assert_eq!(usage.input_tokens, 12_020);
/// assert_eq!(usage.output_tokens, 500);
/// assert_eq!(usage.cost, Some(Usd::from_nanos(18_060_000)));
/// # Ok::<(), token_budget_pool::InvalidPrice>(())
/// ```
// Each field in nano-dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Price {
    uncached_input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
}

/// The rates of a [`Price`], as text.
///
/// The texts are decimal numbers, with an exponent or without: `"0.000003"`, `"1.5e-05"`, `"5E-7"`. Take
/// them from a file as text, since a number that has been an `f64` is no longer exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rates<'a> {
    /// Of input tokens that are in no cache.
    pub uncached_input: &'a str,
    /// Of output tokens.
    pub output: &'a str,
    /// Of input tokens that are read from a cache.
    pub cache_read: &'a str,
    /// Of input tokens that are written to a cache.
    pub cache_write: &'a str,
}

impl<'a> Rates<'a> {
    /// The rates of a model that prices no cache apart: all input costs the same.
    pub const fn uncached(input: &'a str, output: &'a str) -> Rates<'a> {
        Rates {
            uncached_input: input,
            output,
            cache_read: input,
            cache_write: input,
        }
    }
}

/// The tokens of one call by how they are priced. No token may be counted as two kinds, or it is paid
/// twice. An answer without a usage is not `Tokens::default()`, which is priced at zero.
///
/// Anthropic's `input_tokens` leaves cached tokens out and is `uncached_input` as it is. OpenAI's
/// `prompt_tokens` (`input_tokens` in its Responses API) includes them: subtract first.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{Price, Rates, Tokens, Usd};
///
/// let price = Price::per_million(Rates {
///     cache_read: "1.25",
///     ..Rates::uncached("2.50", "10")
/// })?;
/// let (prompt_tokens, cached_tokens, completion_tokens) = (12_000, 10_000, 500);
/// let tokens = Tokens {
///     uncached_input: prompt_tokens - cached_tokens,
///     cache_read: cached_tokens,
///     output: completion_tokens,
///     ..Tokens::default()
/// };
/// let usage = price.usage(tokens);
/// assert_eq!(usage.input_tokens, prompt_tokens);
/// assert_eq!(usage.cost, Some("0.0225".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tokens {
    /// Input that is in no cache.
    pub uncached_input: u64,
    /// Output.
    pub output: u64,
    /// Input that is read from a cache.
    pub cache_read: u64,
    /// Input that is written to a cache.
    pub cache_write: u64,
}

impl Price {
    /// The price of a model that costs nothing. A model whose price you do not know is not this: give
    /// its usage as [`Usage::tokens`], at an unknown cost.
    pub const FREE: Price = Price {
        uncached_input: 0,
        output: 0,
        cache_read: 0,
        cache_write: 0,
    };

    /// A price in dollars per token, the unit of LiteLLM's and OpenRouter's lists. The texts are read
    /// exactly.
    ///
    /// # Errors
    ///
    /// [`InvalidPrice`] for the first rate that is not a decimal number (there is no sign, infinity or NaN), that
    /// is finer than a nano-dollar per million tokens (1e-15 dollars per token), or that is more than
    /// 18,446.744073709551615 dollars per token.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{Price, Rates};
    ///
    /// let price = Price::per_token(Rates::uncached("3e-06", "0.000015"))?;
    /// assert_eq!(price, Price::per_million(Rates::uncached("3", "15"))?);
    /// # Ok::<(), token_budget_pool::InvalidPrice>(())
    /// ```
    pub fn per_token(rates: Rates<'_>) -> Result<Price, InvalidPrice> {
        Price::read(rates, |text| Ok(decimal::exact(text, 15)?))
    }

    /// A price in dollars per token, each rate rounded to the nearest nano-dollar per million tokens (1e-15
    /// dollars per token). A half counts as a whole one, and a rate above zero never becomes zero.
    ///
    /// For lists whose numbers have been through floating point, such as LiteLLM's: they hold
    /// `9.499999999999999e-07` where `9.5e-07` is meant.
    ///
    /// # Errors
    ///
    /// As [`per_token`](Price::per_token), except that no rate is too fine.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{Price, Rates};
    ///
    /// let rates = Rates::uncached("9.499999999999999e-07", "5e-06");
    /// let price = Price::per_token_rounded(rates)?;
    /// assert_eq!(price, Price::per_million(Rates::uncached("0.95", "5"))?);
    /// assert!(Price::per_token(rates).is_err());
    /// # Ok::<(), token_budget_pool::InvalidPrice>(())
    /// ```
    pub fn per_token_rounded(rates: Rates<'_>) -> Result<Price, InvalidPrice> {
        Price::read(rates, |text| Ok(decimal::nearest(text, 15)?))
    }

    /// A price in dollars per million tokens, the unit of most price pages. The texts are read exactly.
    ///
    /// # Errors
    ///
    /// [`InvalidPrice`] for the first rate that is not a decimal number, that is finer than a nano-dollar per
    /// million tokens (nine decimals), or that is more than [`Usd::MAX`] per million tokens. And for one
    /// that is above zero and below 0.001: that is a price per token, which would make calls a million
    /// times too cheap. (A model that really is that cheap can be given in dollars
    /// [per token](Price::per_token).)
    pub fn per_million(rates: Rates<'_>) -> Result<Price, InvalidPrice> {
        Price::read(rates, |text| match decimal::exact(text, 9)? {
            1..LOWEST_PER_MILLION => Err(RateFlaw::PerToken),
            rate => Ok(rate),
        })
    }

    fn read(
        rates: Rates<'_>,
        rate: impl Fn(&str) -> Result<u64, RateFlaw>,
    ) -> Result<Price, InvalidPrice> {
        let rate = |field, text: &str| {
            rate(text).map_err(|flaw| InvalidPrice {
                field,
                text: text.into(),
                flaw,
            })
        };
        Ok(Price {
            uncached_input: rate("uncached_input", rates.uncached_input)?,
            output: rate("output", rates.output)?,
            cache_read: rate("cache_read", rates.cache_read)?,
            cache_write: rate("cache_write", rates.cache_write)?,
        })
    }

    /// What a million input tokens cost that are in no cache.
    pub const fn uncached_input_per_million(&self) -> Usd {
        Usd::from_nanos(self.uncached_input)
    }

    /// What a million output tokens cost: what
    /// [`BudgetPool::try_reserve_up_to`](crate::BudgetPool::try_reserve_up_to) asks for.
    pub const fn output_per_million(&self) -> Usd {
        Usd::from_nanos(self.output)
    }

    /// What a million input tokens cost that are read from a cache.
    pub const fn cache_read_per_million(&self) -> Usd {
        Usd::from_nanos(self.cache_read)
    }

    /// What a million input tokens cost that are written to a cache.
    pub const fn cache_write_per_million(&self) -> Usd {
        Usd::from_nanos(self.cache_write)
    }

    /// What a call of these tokens used, with its cost.
    ///
    /// The cost is summed exactly and rounded once, up, to the nano-dollar. The input tokens of the result are
    /// the sum of the three kinds.
    ///
    /// A cost of more than [`Usd::MAX`] is [`Usd::MAX`], and so is that of more than `u64::MAX` input
    /// tokens, which are just that many. No lower limit on cost admits such a call.
    pub fn usage(&self, tokens: Tokens) -> Usage {
        let input = u128::from(tokens.uncached_input)
            + u128::from(tokens.cache_read)
            + u128::from(tokens.cache_write);
        Usage {
            input_tokens: u64::try_from(input).unwrap_or(u64::MAX),
            output_tokens: tokens.output,
            cost: Some(match self.cost(tokens) {
                Some(cost) if input <= u64::MAX.into() => cost,
                _ => Usd::MAX,
            }),
        }
    }

    fn cost(&self, tokens: Tokens) -> Option<Usd> {
        // A product of two u64 fits; four such products together may not.
        let cost = |tokens, rate| u128::from(tokens) * u128::from(rate);
        let cost = cost(tokens.uncached_input, self.uncached_input)
            .checked_add(cost(tokens.output, self.output))?
            .checked_add(cost(tokens.cache_read, self.cache_read))?
            .checked_add(cost(tokens.cache_write, self.cache_write))?
            .div_ceil(TOKENS_PER_MILLION);
        u64::try_from(cost).ok().map(Usd::from_nanos)
    }

    /// The most that the tokens of one answer to a prompt of this many can cost: what to reserve for a
    /// call. Not in it are more than one answer (`n`: multiply `max_output`), tokens that tools of the
    /// provider add to the prompt, and fees per request. All of the prompt costs the highest of the three rates for input (a write to a cache often costs more than
    /// uncached input), and the output is as long as it may get. A cost of more than [`Usd::MAX`] is
    /// [`Usd::MAX`], as in [`usage`](Price::usage).
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{Price, Rates};
    ///
    /// let price = Price::per_million(Rates {
    ///     uncached_input: "3",
    ///     output: "15",
    ///     cache_read: "0.30",
    ///     cache_write: "3.75",
    /// })?;
    /// let estimate = price.worst_case(2_000, 1_000);
    /// assert_eq!((estimate.input_tokens, estimate.output_tokens), (2_000, 1_000));
    /// assert_eq!(estimate.cost, Some("0.0225".parse()?)); // 2,000 written to the cache
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worst_case(&self, prompt_tokens: u64, max_output: u64) -> Usage {
        let input = self
            .uncached_input
            .max(self.cache_read)
            .max(self.cache_write);
        let dearest = Price {
            uncached_input: input,
            ..*self
        };
        dearest.usage(Tokens {
            uncached_input: prompt_tokens,
            output: max_output,
            ..Tokens::default()
        })
    }
}

/// What is wrong with the text of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RateFlaw {
    Decimal(Flaw),
    /// A price per token was given as one per million tokens.
    PerToken,
}

impl From<Flaw> for RateFlaw {
    fn from(flaw: Flaw) -> RateFlaw {
        RateFlaw::Decimal(flaw)
    }
}

/// A rate that cannot be read; the message names it as [`Price::usage`] does, such as `cache_read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPrice {
    field: &'static str,
    text: Box<str>,
    flaw: RateFlaw,
}

impl fmt::Display for InvalidPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.flaw {
            RateFlaw::Decimal(Flaw::Syntax) => "is not a decimal number such as 0.25 or 2.5e-07",
            RateFlaw::Decimal(Flaw::TooPrecise) => "is finer than a nano-dollar per million tokens",
            RateFlaw::Decimal(Flaw::TooLarge) => "is more than fits",
            RateFlaw::PerToken => {
                "dollars per million tokens is too cheap: is it a price per token?"
            }
        };
        write!(f, "{}: {} {reason}", self.field, Quoted(&self.text))
    }
}

impl Error for InvalidPrice {}

#[cfg(feature = "serde")]
mod list {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

    use super::Price;
    use crate::decimal;
    use crate::serde_fields;

    /// A model's entry in a price list, in dollars per token.
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(
            alias = "prompt",
            deserialize_with = "serde_fields::input_cost_per_token"
        )]
        input_cost_per_token: Rate,
        #[serde(
            alias = "completion",
            deserialize_with = "serde_fields::output_cost_per_token"
        )]
        output_cost_per_token: Rate,
        #[serde(
            default,
            alias = "input_cache_read",
            deserialize_with = "serde_fields::cache_read_input_token_cost"
        )]
        cache_read_input_token_cost: Option<Rate>,
        #[serde(
            default,
            alias = "input_cache_write",
            deserialize_with = "serde_fields::cache_creation_input_token_cost"
        )]
        cache_creation_input_token_cost: Option<Rate>,
    }

    /// In nano-dollars per million tokens.
    struct Rate(u64);

    impl<'de> Deserialize<'de> for Price {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
            let entry = deserializer.deserialize_map(EntryVisitor)?;
            let Rate(uncached_input) = entry.input_cost_per_token;
            let Rate(output) = entry.output_cost_per_token;
            let written = entry.cache_creation_input_token_cost;
            Ok(Price {
                uncached_input,
                output,
                cache_read: entry
                    .cache_read_input_token_cost
                    .map_or(uncached_input, |Rate(rate)| rate),
                // Providers that do not price writes are listed with null or with zero. What is not in
                // the cache is then ordinary input, and not free.
                cache_write: written
                    .map(|Rate(rate)| rate)
                    .filter(|&rate| rate > 0)
                    .unwrap_or(uncached_input),
            })
        }
    }

    /// Takes no array, in which a rate's place would decide what it is the rate of.
    struct EntryVisitor;

    impl<'de> Visitor<'de> for EntryVisitor {
        type Value = Entry;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a model's entry in a price list")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
            Entry::deserialize(MapAccessDeserializer::new(map))
        }
    }

    impl<'de> Deserialize<'de> for Rate {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
            deserializer.deserialize_any(RateVisitor)
        }
    }

    struct RateVisitor;

    impl Visitor<'_> for RateVisitor {
        type Value = Rate;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("dollars per token, such as 2.5e-07")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
            match decimal::nearest(text, 15) {
                Ok(rate) => Ok(Rate(rate)),
                Err(_) => Err(E::invalid_value(Unexpected::Str(text), &self)),
            }
        }

        fn visit_u64<E: Error>(self, rate: u64) -> Result<Rate, E> {
            self.visit_str(&rate.to_string())
        }

        fn visit_f64<E: Error>(self, rate: f64) -> Result<Rate, E> {
            // The shortest text that stands for this number: the one in the list, or one as good.
            self.visit_str(&format!("{rate:e}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same rate four times.
    fn all(rate: &str) -> Rates<'_> {
        Rates::uncached(rate, rate)
    }

    fn tokens(uncached_input: u64, output: u64, cache_read: u64, cache_write: u64) -> Tokens {
        Tokens {
            uncached_input,
            output,
            cache_read,
            cache_write,
        }
    }

    #[test]
    fn each_unit_is_its_own() {
        for (token, million) in [
            ("1.5e-05", "15"),
            ("5E-7", "0.5"),
            ("1e-9", "0.001"),
            ("18446", "1.8446e10"),
        ] {
            let expected = Price::per_million(all(million)).expect("a price");
            assert_eq!(Price::per_token(all(token)), Ok(expected), "{token}");
            assert_eq!(
                Price::per_token_rounded(all(token)),
                Ok(expected),
                "{token}"
            );
        }
        let price = Price::per_token(all("1e-15")).expect("a price");
        assert_eq!(price.output_per_million(), Usd::from_nanos(1));
    }

    #[test]
    fn a_price_per_token_is_not_taken_for_one_per_million() {
        for rate in ["0.0006", "3e-06", "0.000000001", "0.000999999"] {
            let error = Price::per_million(all(rate)).unwrap_err();
            assert_eq!(error.flaw, RateFlaw::PerToken, "{rate}");
        }
        for rate in ["0", "0.001"] {
            assert!(Price::per_million(all(rate)).is_ok(), "{rate}");
        }
    }

    #[test]
    fn an_error_names_the_rate_the_text_and_the_reason() {
        let one = all("1");
        let errors = [
            Price::per_token(Rates {
                uncached_input: "-1",
                ..one
            }),
            Price::per_token(Rates {
                output: "1e-16",
                ..one
            }),
            Price::per_million(Rates {
                cache_read: "1e999999999999",
                ..one
            }),
            Price::per_million(Rates {
                cache_write: "",
                ..one
            }),
            Price::per_million(Rates {
                output: "3e-06",
                ..one
            }),
        ];
        let messages = [
            r#"uncached_input: "-1" is not a decimal number such as 0.25 or 2.5e-07"#,
            r#"output: "1e-16" is finer than a nano-dollar per million tokens"#,
            r#"cache_read: "1e999999999999" is more than fits"#,
            r#"cache_write: "" is not a decimal number such as 0.25 or 2.5e-07"#,
            r#"output: "3e-06" dollars per million tokens is too cheap: is it a price per token?"#,
        ];
        for (error, message) in errors.into_iter().zip(messages) {
            assert_eq!(error.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn each_kind_of_token_is_charged_at_its_own_rate() {
        let price = Price::per_million(Rates {
            uncached_input: "1",
            output: "10",
            cache_read: "100",
            cache_write: "1000",
        })
        .unwrap();
        let usage = price.usage(tokens(2, 3, 5, 7));
        assert_eq!((usage.input_tokens, usage.output_tokens), (14, 3));
        assert_eq!(usage.cost, Usd::from_micros(2 + 30 + 500 + 7_000));
        assert_eq!(
            Price::FREE.usage(tokens(1, 1, 1, 1)),
            Usage::tokens(3, 1).cost(Usd::ZERO)
        );
    }

    #[test]
    fn a_cost_is_rounded_once_and_up() {
        let cost = |rate: &str, n| {
            let price = Price::per_token(all(rate)).unwrap();
            price.usage(tokens(n, n, n, n)).cost
        };
        // Four times 0.25 nano-dollars: exactly one, where rounding each kind would make it four.
        assert_eq!(cost("0.00025e-6", 1), Some(Usd::from_nanos(1)));
        assert_eq!(cost("0.000250001e-6", 1), Some(Usd::from_nanos(2)));
        assert_eq!(cost("1e-15", 1), Some(Usd::from_nanos(1)));
        assert_eq!(cost("1e-15", 0), Some(Usd::ZERO));
    }

    #[test]
    fn a_cost_that_overflows_is_the_most() {
        let free = Price::FREE;
        let usage = free.usage(tokens(u64::MAX, u64::MAX, 0, 0));
        assert_eq!(usage.cost, Some(Usd::ZERO));
        for too_many in [tokens(u64::MAX, 7, 1, 0), tokens(u64::MAX, 7, 0, 1)] {
            let most = Usage::tokens(u64::MAX, 7).cost(Usd::MAX);
            assert_eq!(free.usage(too_many), most);
        }

        let dear = Price::per_million(all("18446744073.709551615")).unwrap();
        let usage = dear.usage(tokens(0, 1_000_000, 0, 0));
        assert_eq!(usage.cost, Some(Usd::MAX));
        assert_eq!(
            dear.usage(tokens(0, 1_000_001, 0, 0)),
            Usage::tokens(0, 1_000_001).cost(Usd::MAX)
        );
        assert_eq!(dear.worst_case(0, 1_000_001).cost, Some(Usd::MAX));
        // The exact costs are just above 2^128 and would wrap round to an amount that fits.
        assert_eq!(dear.usage(tokens(u64::MAX, 3, 0, 0)).cost, Some(Usd::MAX));
        assert_eq!(dear.usage(tokens(0, u64::MAX, 3, 0)).cost, Some(Usd::MAX));
        assert_eq!(dear.usage(tokens(0, u64::MAX, 0, 3)).cost, Some(Usd::MAX));
    }

    #[test]
    fn the_worst_case_is_the_dearest_way_to_read_the_prompt() {
        for rates in [["9", "1", "2"], ["1", "9", "2"], ["1", "2", "9"]] {
            let [uncached_input, cache_read, cache_write] = rates;
            let price = Price::per_million(Rates {
                uncached_input,
                output: "10",
                cache_read,
                cache_write,
            })
            .unwrap();
            let worst = price.worst_case(3, 5);
            assert_eq!(
                worst,
                Usage::tokens(3, 5).cost(Usd::from_nanos(27_000 + 50_000))
            );
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_price_is_read_straight_from_a_list() {
        let price = |rates| Ok(Price::per_million(rates).unwrap());
        let read = |json: &str| serde_json::from_str::<Price>(json).map_err(|e| e.to_string());
        let full = r#"{"litellm_provider": "anthropic", "max_tokens": 64000,
            "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
            "cache_read_input_token_cost": 3e-07, "cache_creation_input_token_cost": 3.75e-06,
            "input_cost_per_token_above_200k_tokens": 6e-06}"#;
        assert_eq!(
            read(full),
            price(Rates {
                uncached_input: "3",
                output: "15",
                cache_read: "0.3",
                cache_write: "3.75",
            })
        );
        let openrouter = r#"{"prompt": "0.000003", "completion": "0.000015", "image": "0.0048",
            "input_cache_read": "0.0000003", "input_cache_write": "0.00000375"}"#;
        assert_eq!(read(openrouter), read(full));
        for none in [
            "",
            r#", "cache_creation_input_token_cost": null"#,
            r#", "cache_creation_input_token_cost": 0"#,
            r#", "cache_creation_input_token_cost": 0.0, "cache_read_input_token_cost": null"#,
        ] {
            let json = format!(
                r#"{{"input_cost_per_token": 9.499999999999999e-07, "output_cost_per_token": 5e-06{none}}}"#
            );
            assert_eq!(read(&json), price(Rates::uncached("0.95", "5")), "{none}");
        }
        let free = r#"{"input_cost_per_token": 0, "output_cost_per_token": 0.0}"#;
        assert_eq!(read(free), Ok(Price::FREE));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        let refusal = |input: &str| {
            let json =
                format!(r#"{{"input_cost_per_token": {input}, "output_cost_per_token": 1}}"#);
            serde_json::from_str::<Price>(&json)
                .unwrap_err()
                .to_string()
        };
        for input in [
            "-1e-06", "-1", "1e300", r#""x""#, r#""-0""#, "null", "[]", "true",
        ] {
            let refusal = refusal(input);
            assert!(refusal.starts_with("input_cost_per_token: "), "{refusal}");
            assert!(refusal.contains("dollars per token"), "{refusal}");
        }
        let array = serde_json::from_str::<Price>("[1e-06, 1e-06, 1e-06, 1e-06]");
        let array = array.unwrap_err().to_string();
        assert!(array.contains("expected a model's entry"), "{array}");
        let missing = r#"{"input_cost_per_token": 1e-06}"#;
        let missing = serde_json::from_str::<Price>(missing).unwrap_err();
        let missing = missing.to_string();
        assert!(
            missing.starts_with("missing field `output_cost_per_token`"),
            "{missing}"
        );
    }
}
