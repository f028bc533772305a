//! List prices as exact integers, and what a call costs at them.

use std::error::Error;
use std::fmt;

use crate::decimal::{self, Flaw, Quoted};
use crate::money::Usd;
use crate::token_counts::TokenCounts;
use crate::usage::Usage;

const TOKENS_PER_MILLION: u128 = 1_000_000;

/// In the unit of a [`Price`]: a thousandth of a dollar per million tokens.
const LOWEST_PER_MILLION: u64 = 1_000_000;

/// The list price of a model: a rate for each kind of token, exact to a nano-dollar per million tokens.
///
/// The kinds are those that providers price apart: input that is not in a cache, output, input read from a
/// cache, and input written to one, for minutes or for an hour. Some providers charge more for all of a call
/// whose prompt is long: [`above`](Price::above).
///
/// A table of models is not here, since prices change more often than this crate. Take them from where you
/// trust them. The guide shows the crate `genai-prices`. With the feature `serde` a price is read straight from a
/// model's entry in LiteLLM's price list (`input_cost_per_token` and so on) or in OpenRouter's (`prompt`,
/// `completion`, `input_cache_read`, `input_cache_write`), as [`per_token_rounded`](Price::per_token_rounded)
/// reads it. Numbers and texts will do. LiteLLM's rates for cache writes for an hour (`..._above_1hr`) and for
/// long prompts (`..._above_200k_tokens`) are read too. OpenRouter's `overrides`, which depend on the call, are an
/// error: give them with [`above`](Price::above). Other fields are ignored: fees per request, image or
/// search, and audio, images and reasoning at rates of their own. A call that pays any of these costs
/// more than this price says, so add them with [`Usage::checked_add`]. Without a rate
/// for cache reads or writes, or with one of zero for writes, these cost what uncached input costs. Where only the
/// rates for long prompts have none for writes, these cost more in the same proportion as uncached input. A
/// number so small that the JSON reader takes it for zero is zero.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{Price, Rates, TokenCounts, Usd};
///
/// let price = Price::per_million(Rates {
///     uncached_input: "3",
///     output: "15",
///     cache_read: "0.30",
///     cache_write: "3.75",
///     cache_write_1h: Some("6"),
/// })?;
/// let usage = price.usage(TokenCounts::exclusive(20, 10_000, 2_000, 500)?);
/// assert_eq!(usage.input_tokens, 12_020);
/// assert_eq!(usage.output_tokens, 500);
/// assert_eq!(usage.cost, Some(Usd::from_nanos(18_060_000)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Price {
    rates: PerMillion,
    /// What prompts cost that are longer than so many tokens.
    above: Option<(u64, PerMillion)>,
}

/// Nano-dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PerMillion {
    uncached_input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    /// `None` is unknown.
    cache_write_1h: Option<u64>,
}

impl PerMillion {
    const FREE: PerMillion = PerMillion {
        uncached_input: 0,
        output: 0,
        cache_read: 0,
        cache_write: 0,
        cache_write_1h: Some(0),
    };

    /// Where input and writes are free, so are writes for an hour.
    fn with_free_hours(self) -> PerMillion {
        let is_free = self.uncached_input == 0 && self.cache_write == 0;
        PerMillion {
            cache_write_1h: self.cache_write_1h.or(is_free.then_some(0)),
            ..self
        }
    }

    /// The higher one of each.
    fn max(self, other: PerMillion) -> PerMillion {
        PerMillion {
            uncached_input: self.uncached_input.max(other.uncached_input),
            output: self.output.max(other.output),
            cache_read: self.cache_read.max(other.cache_read),
            cache_write: self.cache_write.max(other.cache_write),
            // A rate that is unknown may be higher than any.
            cache_write_1h: match (self.cache_write_1h, other.cache_write_1h) {
                (Some(one), Some(another)) => Some(one.max(another)),
                _ => None,
            },
        }
    }

    /// The highest rate for input that is known.
    fn dearest_input(&self) -> u64 {
        self.uncached_input
            .max(self.cache_read)
            .max(self.cache_write)
            .max(self.cache_write_1h.unwrap_or(0))
    }

    fn cost(&self, counts: TokenCounts) -> Option<Usd> {
        let for_an_hour = counts.cache_write_1h();
        let for_minutes = counts.cache_write() - for_an_hour;
        let hour_rate = match for_an_hour {
            0 => 0,
            _ => self.cache_write_1h?,
        };
        // A product of two u64 fits; several such products together may not.
        let cost = |tokens, rate| u128::from(tokens) * u128::from(rate);
        let cost = cost(counts.uncached_input(), self.uncached_input)
            .checked_add(cost(counts.output(), self.output))
            .and_then(|sum| sum.checked_add(cost(counts.cache_read(), self.cache_read)))
            .and_then(|sum| sum.checked_add(cost(for_minutes, self.cache_write)))
            .and_then(|sum| sum.checked_add(cost(for_an_hour, hour_rate)))
            .map(|sum| sum.div_ceil(TOKENS_PER_MILLION))
            .and_then(|nanos| u64::try_from(nanos).ok());
        Some(cost.map_or(Usd::MAX, Usd::from_nanos))
    }
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
    /// Of input tokens that are written to a cache, for some minutes or for as long as the provider likes.
    pub cache_write: &'a str,
    /// Of input tokens that are written to a cache for an hour. With `None` the cost of a call that has such
    /// tokens is unknown, unless input and other writes are free.
    pub cache_write_1h: Option<&'a str>,
}

impl<'a> Rates<'a> {
    /// The rates of a model that prices no cache apart: all input costs the same.
    pub const fn uncached(input: &'a str, output: &'a str) -> Rates<'a> {
        Rates {
            uncached_input: input,
            output,
            cache_read: input,
            cache_write: input,
            cache_write_1h: None,
        }
    }
}

impl Price {
    /// The price of a model that costs nothing. A model whose price you do not know is not this: give
    /// its usage as [`Usage::tokens`], at an unknown cost.
    pub const FREE: Price = Price {
        rates: PerMillion::FREE,
        above: None,
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
            rates: PerMillion {
                uncached_input: rate("uncached_input", rates.uncached_input)?,
                output: rate("output", rates.output)?,
                cache_read: rate("cache_read", rates.cache_read)?,
                cache_write: rate("cache_write", rates.cache_write)?,
                cache_write_1h: rates
                    .cache_write_1h
                    .map(|text| rate("cache_write_1h", text))
                    .transpose()?,
            }
            .with_free_hours(),
            above: None,
        })
    }

    /// The same price up to so many tokens of input, cached or not, and another one for calls with more. The whole
    /// call is then charged at the other one, its output too, as providers do for models that have such a step.
    ///
    /// A price has one such step. Given a second one, it is at the lower number of tokens, to the higher one of each
    /// rate. That is never less than you meant, and more in between. (A rate for an hour that only one of them
    /// has is unknown from there on.)
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{Price, Rates, TokenCounts};
    ///
    /// let price = Price::per_million(Rates::uncached("3", "15"))?
    ///     .above(200_000, Price::per_million(Rates::uncached("6", "22.50"))?);
    /// let cost = |prompt: u64| Ok::<_, token_budget_pool::InvalidTokenCounts>(
    ///     price.usage(TokenCounts::inclusive(prompt, 0, 1_000)?).cost.unwrap().to_string(),
    /// );
    /// assert_eq!(cost(200_000)?, "0.615");
    /// assert_eq!(cost(200_001)?, "1.222506");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn above(self, prompt_tokens: u64, dearer: Price) -> Price {
        let step =
            |one: Option<(u64, PerMillion)>, other: Option<(u64, PerMillion)>| match (one, other) {
                (Some((one_from, one)), Some((other_from, other))) => {
                    Some((one_from.min(other_from), one.max(other)))
                }
                _ => one.or(other),
            };
        Price {
            rates: self.rates,
            above: step(
                step(self.above, Some((prompt_tokens, dearer.rates))),
                dearer.above,
            ),
        }
    }

    /// The price of calls with this many tokens of input, cached or not, without a [step](Price::above).
    #[must_use]
    pub fn of_prompt(&self, prompt_tokens: u64) -> Price {
        Price {
            rates: match self.above {
                Some((most, rates)) if prompt_tokens > most => rates,
                _ => self.rates,
            },
            above: None,
        }
    }

    /// What a million input tokens cost that are in no cache. This and the other rates for input are those below
    /// the [step](Price::above), if there is one.
    pub const fn uncached_input_per_million(&self) -> Usd {
        Usd::from_nanos(self.rates.uncached_input)
    }

    /// What a million output tokens cost: what
    /// [`BudgetPool::try_reserve_up_to`](crate::BudgetPool::try_reserve_up_to) asks for. If the price has a
    /// [step](Price::above), this is the higher one of both, so that no reservation is too small. For a
    /// prompt whose length is known: `price.of_prompt(prompt_tokens).output_per_million()`.
    pub fn output_per_million(&self) -> Usd {
        let above = self.above.map_or(0, |(_, rates)| rates.output);
        Usd::from_nanos(self.rates.output.max(above))
    }

    /// What a million input tokens cost that are read from a cache.
    pub const fn cache_read_per_million(&self) -> Usd {
        Usd::from_nanos(self.rates.cache_read)
    }

    /// What a million input tokens cost that are written to a cache.
    pub const fn cache_write_per_million(&self) -> Usd {
        Usd::from_nanos(self.rates.cache_write)
    }

    /// What a million input tokens cost that are written to a cache for an hour, if that is known.
    pub fn cache_write_1h_per_million(&self) -> Option<Usd> {
        self.rates.cache_write_1h.map(Usd::from_nanos)
    }

    /// What a call of these tokens used, with its cost.
    ///
    /// A cost that the provider [reported](TokenCounts::at_cost) is the cost. Otherwise it is summed
    /// exactly and rounded once, up, to the nano-dollar. It is unknown (`None`) if there are cache writes for
    /// an hour and this price has no rate for them. A cost of more than [`Usd::MAX`] is [`Usd::MAX`].
    pub fn usage(&self, counts: TokenCounts) -> Usage {
        let Price { rates, .. } = self.of_prompt(counts.input());
        Usage {
            cost: counts.reported_cost().or_else(|| rates.cost(counts)),
            ..Usage::from(counts)
        }
    }

    /// The most that the tokens of one answer to a prompt of this many can cost: what to reserve for a
    /// call. Not in it are more than one answer (`n`: multiply `max_output`), tokens that tools of the
    /// provider add to the prompt, and fees per request. All of the prompt costs the highest of the rates for
    /// input, since a write to a cache often costs more than uncached input. If the prompt is above the
    /// [step](Price::above), these are the rates below it or above it, whichever are higher. The output is as long as
    /// it may get. A cost of more than [`Usd::MAX`] is [`Usd::MAX`], as in [`usage`](Price::usage).
    ///
    /// A rate for cache writes for an hour counts if the price has one. Without one, such writes are not covered. If
    /// your calls write for minutes at most, reserve
    /// `price.usage(TokenCounts::exclusive(0, 0, prompt_tokens, max_output)?)`.
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
    ///     cache_write_1h: None,
    /// })?;
    /// let estimate = price.worst_case(2_000, 1_000);
    /// assert_eq!((estimate.input_tokens, estimate.output_tokens), (2_000, 1_000));
    /// assert_eq!(estimate.cost, Some("0.0225".parse()?)); // 2,000 written to the cache
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worst_case(&self, prompt_tokens: u64, max_output: u64) -> Usage {
        // The prompt may turn out to be shorter.
        let (short, long) = (self.rates, self.of_prompt(prompt_tokens).rates);
        let dearest = PerMillion {
            uncached_input: short.dearest_input().max(long.dearest_input()),
            ..short.max(long)
        };
        let counts = TokenCounts::of_uncached(prompt_tokens, max_output);
        Usage {
            cost: dearest.cost(counts),
            ..Usage::from(counts)
        }
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
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

    use super::{PerMillion, Price};
    use crate::decimal;

    /// A rate of an entry, by the name that LiteLLM has for it, and by OpenRouter's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum Kind {
        UncachedInput,
        Output,
        CacheRead,
        CacheWrite,
        CacheWrite1h,
    }

    const INPUT: &str = "input_cost_per_token";
    const OUTPUT: &str = "output_cost_per_token";

    impl Kind {
        /// And for prompts above how many tokens; from 0 on, if the name does not say.
        fn of(field: &str) -> Option<(Kind, u64)> {
            let (kind, above) = match field {
                "prompt" => (Kind::UncachedInput, ""),
                "completion" => (Kind::Output, ""),
                "input_cache_read" => (Kind::CacheRead, ""),
                "input_cache_write" => (Kind::CacheWrite, ""),
                "input_cache_write_1h" => (Kind::CacheWrite1h, ""),
                _ => [
                    (INPUT, Kind::UncachedInput),
                    (OUTPUT, Kind::Output),
                    ("cache_read_input_token_cost", Kind::CacheRead),
                    (
                        "cache_creation_input_token_cost_above_1hr",
                        Kind::CacheWrite1h,
                    ),
                    ("cache_creation_input_token_cost", Kind::CacheWrite),
                ]
                .into_iter()
                .find_map(|(name, kind)| Some((kind, field.strip_prefix(name)?)))?,
            };
            if above.is_empty() {
                return Some((kind, 0));
            }
            let thousands = above.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
            let tokens = thousands.parse::<u64>().ok()?.checked_mul(1_000)?;
            (tokens > 0).then_some((kind, tokens))
        }
    }

    /// In nano-dollars per million tokens.
    struct Rate(u64);

    impl<'de> Deserialize<'de> for Price {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Price, D::Error> {
            deserializer.deserialize_map(EntryVisitor)
        }
    }

    /// Takes no array, in which a rate's place would decide what it is the rate of.
    struct EntryVisitor;

    impl<'de> Visitor<'de> for EntryVisitor {
        type Value = Price;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a model's entry in a price list")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Price, A::Error> {
            let mut rates = BTreeMap::new();
            while let Some(field) = map.next_key::<String>()? {
                let named = |error| A::Error::custom(format_args!("{field}: {error}"));
                if field == "overrides" {
                    map.next_value::<NoOverrides>().map_err(named)?;
                    continue;
                }
                let Some(rate) = Kind::of(&field) else {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                };
                let value = match rate {
                    (Kind::UncachedInput | Kind::Output, 0) => map.next_value().map(Some),
                    _ => map.next_value::<Option<Rate>>(),
                };
                if rates.insert(rate, value.map_err(named)?).is_some() {
                    return Err(A::Error::custom(format_args!("{field}: there are two")));
                }
            }
            let get = |kind, above| rates.get(&(kind, above))?.as_ref().map(|&Rate(rate)| rate);
            let input =
                get(Kind::UncachedInput, 0).ok_or_else(|| A::Error::missing_field(INPUT))?;
            let output = get(Kind::Output, 0).ok_or_else(|| A::Error::missing_field(OUTPUT))?;
            let price = |above| {
                let uncached_input = get(Kind::UncachedInput, above).unwrap_or(input);
                let or_uncached = |rate: Option<u64>| rate.unwrap_or(uncached_input);
                // Providers that do not price writes are listed with null or with zero. What is not in
                // the cache is then ordinary input, and not free.
                let written = |kind, above| get(kind, above).filter(|&rate| rate > 0);
                // A rate for long prompts that is missing is as much higher as that for uncached input.
                let in_proportion = |kind| {
                    let (short, long) = (written(kind, 0)?, u128::from(uncached_input));
                    let rate = (u128::from(short) * long).div_ceil(u128::from(input.max(1)));
                    Some(u64::try_from(rate).unwrap_or(u64::MAX).max(short))
                };
                let written = |kind| written(kind, above).or_else(|| in_proportion(kind));
                Price {
                    rates: PerMillion {
                        uncached_input,
                        output: get(Kind::Output, above).unwrap_or(output),
                        cache_read: or_uncached(get(Kind::CacheRead, above)),
                        cache_write: or_uncached(written(Kind::CacheWrite)),
                        cache_write_1h: written(Kind::CacheWrite1h),
                    }
                    .with_free_hours(),
                    above: None,
                }
            };
            let steps = rates
                .keys()
                .map(|&(_, above)| above)
                .filter(|&above| above > 0);
            Ok(steps.fold(price(0), |cheaper, above| {
                cheaper.above(above, price(above))
            }))
        }
    }

    /// OpenRouter's rates that depend on the call: none, or this is not the whole price.
    struct NoOverrides;

    impl<'de> Deserialize<'de> for NoOverrides {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match Option::<Vec<IgnoredAny>>::deserialize(deserializer)? {
                Some(overrides) if !overrides.is_empty() => Err(D::Error::custom(
                    "rates that depend on the call are not read",
                )),
                _ => Ok(NoOverrides),
            }
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

    fn tokens(input: u64, output: u64, cache_read: u64, cache_write: u64) -> TokenCounts {
        TokenCounts::exclusive(input, cache_read, cache_write, output).unwrap()
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
            Price::per_million(Rates {
                cache_write_1h: Some("free"),
                ..one
            }),
        ];
        let messages = [
            r#"uncached_input: "-1" is not a decimal number such as 0.25 or 2.5e-07"#,
            r#"output: "1e-16" is finer than a nano-dollar per million tokens"#,
            r#"cache_read: "1e999999999999" is more than fits"#,
            r#"cache_write: "" is not a decimal number such as 0.25 or 2.5e-07"#,
            r#"output: "3e-06" dollars per million tokens is too cheap: is it a price per token?"#,
            r#"cache_write_1h: "free" is not a decimal number such as 0.25 or 2.5e-07"#,
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
            cache_write_1h: Some("10000"),
        })
        .unwrap();
        let counts = tokens(2, 3, 5, 7).one_hour_writes(4).unwrap();
        let usage = price.usage(counts);
        assert_eq!((usage.input_tokens, usage.output_tokens), (14, 3));
        assert_eq!(usage.cost, Usd::from_micros(2 + 30 + 500 + 3_000 + 40_000));
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
        let expected = Usage::tokens(3, 5).cost(Usd::from_nanos(27_000 + 50_000));
        for rates in [
            ["9", "1", "2", "3"],
            ["1", "9", "2", "3"],
            ["1", "2", "9", "3"],
            ["1", "2", "3", "9"],
        ] {
            let [uncached_input, cache_read, cache_write, for_an_hour] = rates;
            let price = Price::per_million(Rates {
                uncached_input,
                output: "10",
                cache_read,
                cache_write,
                cache_write_1h: Some(for_an_hour),
            })
            .unwrap();
            assert_eq!(price.worst_case(3, 5), expected, "{rates:?}");
            // Wherever the prompt ends up, and though the other price has no such rate.
            let cheap = Price::per_million(Rates::uncached("1", "1")).unwrap();
            for both in [price.above(2, cheap), cheap.above(2, price)] {
                assert_eq!(both.worst_case(3, 5), expected, "{rates:?}");
            }
            assert_eq!(
                cheap.above(3, price).worst_case(3, 5),
                cheap.worst_case(3, 5)
            );
        }
    }

    #[test]
    fn all_of_a_call_with_a_long_prompt_costs_more() {
        let rates = |input, output| Price::per_million(Rates::uncached(input, output)).unwrap();
        let price = rates("1", "10").above(10, rates("2", "20"));
        let micros = |counts| price.usage(counts).cost.unwrap().as_nanos() / 1_000;
        assert_eq!(micros(tokens(10, 5, 0, 0)), 10 + 50);
        assert_eq!(micros(tokens(11, 5, 0, 0)), 22 + 100);
        // What is cached is part of the prompt.
        assert_eq!(micros(tokens(4, 5, 3, 3)), 10 + 50);
        assert_eq!(micros(tokens(4, 5, 3, 4)), 22 + 100);
        assert_eq!(price.of_prompt(10), rates("1", "10"));
        assert_eq!(price.of_prompt(11), rates("2", "20"));
        assert_eq!(price.output_per_million().to_string(), "20");
        let cheaper = rates("1", "10").above(10, rates("2", "5"));
        assert_eq!(cheaper.output_per_million().to_string(), "10");
    }

    #[test]
    fn of_two_steps_the_lower_begins_at_the_dearest_rates() {
        let rates = |input, output| Price::per_million(Rates::uncached(input, output)).unwrap();
        let (base, second, third) = (rates("1", "1"), rates("2", "9"), rates("3", "4"));
        let expected = base.above(10, rates("3", "9"));
        assert_eq!(base.above(10, second).above(20, third), expected);
        assert_eq!(base.above(20, third).above(10, second), expected);
        assert_eq!(base.above(10, second.above(20, third)), expected);
    }

    #[test]
    fn cache_writes_for_an_hour_without_a_rate_cost_nobody_knows_what() {
        let price = Price::per_million(all("1")).unwrap();
        assert!(price.usage(tokens(1, 1, 1, 1)).cost.is_some());
        let counts = tokens(1, 1, 1, 1).one_hour_writes(1).unwrap();
        assert_eq!(price.usage(counts), Usage::tokens(3, 1));
        let free = Price::per_million(all("0")).unwrap();
        assert_eq!(free, Price::FREE);
        assert_eq!(free.usage(counts), Usage::tokens(3, 1).cost(Usd::ZERO));
    }

    #[test]
    fn a_cost_that_the_provider_reports_is_the_cost() {
        let price = Price::per_million(all("1")).unwrap();
        let cost = Usd::from_nanos(16_061_400);
        let counts = tokens(900, 69, 0, 0).at_cost(cost);
        assert_eq!(price.usage(counts), Usage::tokens(900, 69).cost(cost));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_price_is_read_straight_from_a_list() {
        let price = |rates| Ok(Price::per_million(rates).unwrap());
        let read = |json: &str| serde_json::from_str::<Price>(json).map_err(|e| e.to_string());
        let full = r#"{"litellm_provider": "anthropic", "max_tokens": 64000,
            "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
            "cache_read_input_token_cost": 3e-07, "cache_creation_input_token_cost": 3.75e-06,
            "cache_creation_input_token_cost_above_1hr": 6e-06,
            "input_cost_per_token_above_200k_tokens": 6e-06}"#;
        assert_eq!(
            read(full),
            price(Rates {
                uncached_input: "3",
                output: "15",
                cache_read: "0.3",
                cache_write: "3.75",
                cache_write_1h: Some("6"),
            })
            .map(|price: Price| {
                let dearer = Rates {
                    uncached_input: "6",
                    output: "15",
                    cache_read: "6",
                    cache_write: "7.5",
                    cache_write_1h: Some("12"),
                };
                price.above(200_000, Price::per_million(dearer).unwrap())
            })
        );
        let openrouter = r#"{"prompt": "0.000003", "completion": "0.000015", "image": "0.0048",
            "input_cache_read": "0.0000003", "input_cache_write": "0.00000375",
            "input_cache_write_1h": "0.000006", "overrides": []}"#;
        assert_eq!(
            read(openrouter),
            price(Rates {
                cache_read: "0.3",
                cache_write: "3.75",
                cache_write_1h: Some("6"),
                ..Rates::uncached("3", "15")
            })
        );
        // The rate for long prompts does not touch the input: writes cost no less than before.
        let output_alone = r#"{"prompt": "0.000003", "completion": "0.000015",
            "input_cache_write": "0.00000375", "output_cost_per_token_above_200k_tokens": 0.00002}"#;
        let long = read(output_alone).unwrap().of_prompt(200_001);
        assert_eq!(long.cache_write_per_million().to_string(), "3.75");
        assert_eq!(long.output_per_million().to_string(), "20");
        // Nobody writes for an hour for nothing.
        let zero = r#"{"prompt": 1e-6, "completion": 1e-6, "input_cache_write_1h": 0}"#;
        assert_eq!(read(zero).unwrap().cache_write_1h_per_million(), None);
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
        for (field, value, flaw) in [
            ("prompt", "1", "there are two"),
            (
                "overrides",
                r#"[{"min_prompt_tokens": 200000}]"#,
                "depend on the call",
            ),
            (
                "cache_creation_input_token_cost_above_1hr",
                "-1",
                "dollars per token",
            ),
            (
                "input_cost_per_token_above_128k_tokens",
                "\"x\"",
                "dollars per token",
            ),
        ] {
            let json = format!(
                r#"{{"input_cost_per_token": 1, "output_cost_per_token": 1, "{field}": {value}}}"#
            );
            let error = serde_json::from_str::<Price>(&json)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{error}");
            assert!(error.contains(flaw), "{error}");
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
