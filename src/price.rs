//! List prices as exact integers, and what a call costs at them.

use std::error::Error;
use std::fmt;

use crate::money::MicroUsd;
use crate::money::{is_digits, Flaw, Quoted};
use crate::usage::Usage;

const TOKENS_PER_MILLION: u128 = 1_000_000;

/// The list price of a model: four rates, each exact to a nano-dollar per million tokens.
///
/// The rates are of the four kinds of token that providers price apart: input that is not in a cache, output,
/// input read from a cache, input written to one. The default price is free. Where a write is priced by how long
/// it is kept, each lifetime has a `Price` of its own.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{MicroUsd, Price};
///
/// let price = Price::per_million("3", "15", "0.30", "3.75")?;
/// assert_eq!(price, Price::per_token("3e-06", "1.5e-05", "3e-07", "0.00000375")?);
///
/// let usage = price.usage(20, 500, 10_000, 2_000).expect("fits");
/// assert_eq!(usage.input_tokens, 12_020);
/// assert_eq!(usage.output_tokens, 500);
/// assert_eq!(usage.cost, Some(MicroUsd::from_nanos(18_060_000)));
/// # Ok::<(), token_budget_pool::InvalidPrice>(())
/// ```
// Each field in nano-dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Price {
    uncached_input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
}

impl Price {
    /// A price in dollars per token, the unit of LiteLLM's and OpenRouter's lists.
    ///
    /// The texts are decimal numbers, with an exponent or without: `"0.000003"`, `"1.5e-05"`, `"5E-7"`. They are
    /// read exactly; take them from the file as text, since a number that has been an `f64` is no longer exact.
    ///
    /// # Errors
    ///
    /// [`InvalidPrice`] for the first rate that is not such a number (there is no sign, infinity or NaN), that
    /// is finer than a nano-dollar per million tokens (1e-15 dollars per token), or that is more than
    /// 18,446.744073709551615 dollars per token.
    pub fn per_token(
        uncached_input: &str,
        output: &str,
        cache_read: &str,
        cache_write: &str,
    ) -> Result<Price, InvalidPrice> {
        Price::parse([uncached_input, output, cache_read, cache_write], 15)
    }

    /// A price in dollars per million tokens, the unit of most price pages.
    ///
    /// The texts are as in [`per_token`](Price::per_token).
    ///
    /// # Errors
    ///
    /// [`InvalidPrice`] for the first rate that is not such a number, that is finer than a nano-dollar per
    /// million tokens (nine decimals), or that is more than [`MicroUsd::MAX`] per million tokens.
    pub fn per_million(
        uncached_input: &str,
        output: &str,
        cache_read: &str,
        cache_write: &str,
    ) -> Result<Price, InvalidPrice> {
        Price::parse([uncached_input, output, cache_read, cache_write], 9)
    }

    fn parse(
        [uncached_input, output, cache_read, cache_write]: [&str; 4],
        unit: i64,
    ) -> Result<Price, InvalidPrice> {
        let rate = |field, text: &str| {
            scaled(text, unit).map_err(|flaw| InvalidPrice {
                field,
                text: text.into(),
                flaw,
            })
        };
        Ok(Price {
            uncached_input: rate("uncached_input", uncached_input)?,
            output: rate("output", output)?,
            cache_read: rate("cache_read", cache_read)?,
            cache_write: rate("cache_write", cache_write)?,
        })
    }

    /// What a million input tokens cost that are in no cache.
    pub const fn uncached_input_per_million(&self) -> MicroUsd {
        MicroUsd::from_nanos(self.uncached_input)
    }

    /// What a million output tokens cost: what
    /// [`BudgetPool::reserve_up_to`](crate::BudgetPool::reserve_up_to) asks for.
    pub const fn output_per_million(&self) -> MicroUsd {
        MicroUsd::from_nanos(self.output)
    }

    /// What a million input tokens cost that are read from a cache.
    pub const fn cache_read_per_million(&self) -> MicroUsd {
        MicroUsd::from_nanos(self.cache_read)
    }

    /// What a million input tokens cost that are written to a cache.
    pub const fn cache_write_per_million(&self) -> MicroUsd {
        MicroUsd::from_nanos(self.cache_write)
    }

    /// What a call of these tokens used, with its cost; `None` if the input tokens or the cost overflow.
    ///
    /// The cost is summed exactly and rounded once, up, to the nano-dollar. The input tokens of the result are
    /// the sum of the three kinds.
    ///
    /// # Providers count input in two ways
    ///
    /// No token may be counted as two kinds, or it is paid twice. Anthropic's `input_tokens` leaves cached tokens
    /// out and is passed as it is. OpenAI's `prompt_tokens` (`input_tokens` in its Responses API) includes
    /// them: subtract first.
    ///
    /// ```
    /// use token_budget_pool::Price;
    ///
    /// let price = Price::per_million("2.50", "10", "1.25", "0")?;
    /// let (prompt_tokens, cached_tokens, completion_tokens) = (12_000, 10_000, 500);
    /// let usage = price
    ///     .usage(prompt_tokens - cached_tokens, completion_tokens, cached_tokens, 0)
    ///     .expect("fits");
    /// assert_eq!(usage.input_tokens, prompt_tokens);
    /// assert_eq!(usage.cost, Some("0.0225".parse().unwrap()));
    /// # Ok::<(), token_budget_pool::InvalidPrice>(())
    /// ```
    #[must_use]
    pub fn usage(
        &self,
        uncached_input: u64,
        output: u64,
        cache_read: u64,
        cache_write: u64,
    ) -> Option<Usage> {
        let input = uncached_input
            .checked_add(cache_read)?
            .checked_add(cache_write)?;
        // A product of two u64 fits; four such products together may not.
        let cost = |tokens, rate| u128::from(tokens) * u128::from(rate);
        let cost = cost(uncached_input, self.uncached_input)
            .checked_add(cost(output, self.output))?
            .checked_add(cost(cache_read, self.cache_read))?
            .checked_add(cost(cache_write, self.cache_write))?
            .div_ceil(TOKENS_PER_MILLION);
        let cost = MicroUsd::from_nanos(u64::try_from(cost).ok()?);
        Some(Usage::tokens(input, output).cost(cost))
    }
}

/// The decimal number `text` times ten to the `unit`, if that is whole and fits.
fn scaled(text: &str, unit: i64) -> Result<u64, Flaw> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !is_digits(whole) || !is_digits(fraction) || !is_digits(unsigned) {
        return Err(Flaw::Syntax);
    }
    // An exponent beyond i64 is as good as the end of i64: no text is long enough to make up for it.
    let exponent = exponent.parse().unwrap_or(match exponent.as_bytes()[0] {
        b'-' => i64::MIN,
        _ => i64::MAX,
    });

    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let zeros = (digits.len() - significant.len()) as i64;
    let scale = exponent.saturating_add(unit + zeros - fraction.len() as i64);
    if scale < 0 {
        // The last significant digit is not zero, so it would be lost.
        return Err(Flaw::TooPrecise);
    }
    let power = u32::try_from(scale)
        .ok()
        .and_then(|scale| 10u64.checked_pow(scale));
    let mantissa = significant.parse::<u64>().ok();
    mantissa
        .zip(power)
        .and_then(|(mantissa, power)| mantissa.checked_mul(power))
        .ok_or(Flaw::TooLarge)
}

/// A rate that cannot be read; the message names it as [`Price::usage`] does, such as `cache_read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPrice {
    field: &'static str,
    text: Box<str>,
    flaw: Flaw,
}

impl fmt::Display for InvalidPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.flaw {
            Flaw::Syntax => "is not a decimal number such as 0.25 or 2.5e-07",
            Flaw::TooPrecise => "is finer than a nano-dollar per million tokens",
            Flaw::TooLarge => "is more than fits",
        };
        write!(f, "{}: {} {reason}", self.field, Quoted(&self.text))
    }
}

impl Error for InvalidPrice {}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_token(text: &str) -> Result<u64, Flaw> {
        let price = Price::per_token(text, "0", "0", "0");
        price
            .map(|price| price.uncached_input)
            .map_err(|error| error.flaw)
    }

    fn per_million(text: &str) -> Result<u64, Flaw> {
        let price = Price::per_million(text, "0", "0", "0");
        price
            .map(|price| price.uncached_input)
            .map_err(|error| error.flaw)
    }

    #[test]
    fn the_same_price_in_any_spelling_is_the_same_price() {
        let texts = "0.000003 3e-06 3E-6 0.3e-5 30e-7 0.0000030000000000000000000000 3000000e-12 \
            0003e-0000000000000000000000000006 0.00000000000000000000000000003e+23 \
            300000000000000000000000000000e-35";
        for text in texts.split(' ') {
            assert_eq!(per_token(text), Ok(3_000_000_000), "{text}");
        }
        let texts = "0 0.0 0e5 0e999999999999999999999 0.000e-999999999999999999999";
        for text in texts.split(' ') {
            assert_eq!(per_token(text), Ok(0), "{text}");
        }
        for (token, million) in [
            ("1.5e-05", "15"),
            ("5E-7", "0.5"),
            ("1e-15", "0.000000001"),
            ("18446", "1.8446e10"),
        ] {
            assert_eq!(per_token(token), per_million(million), "{token}");
            assert!(per_token(token).is_ok(), "{token}");
        }
    }

    #[test]
    fn the_edges_of_what_fits_are_exact() {
        assert_eq!(per_token("18446.744073709551615"), Ok(u64::MAX));
        assert_eq!(per_million("18446744073.709551615"), Ok(u64::MAX));
        assert_eq!(per_million("18446744073709551615e-9"), Ok(u64::MAX));
        let texts = "18446744073.709551616 18446744073709551616e-9 2e10 1e11 1e20 1e999999999999 \
            1e9223372036854775807 1e99999999999999999999 0.00001e99999999999999999999 \
            1234567890123456789012345678901234567890";
        for text in texts.split(' ') {
            assert_eq!(per_million(text), Err(Flaw::TooLarge), "{text}");
        }
    }

    #[test]
    fn precision_is_refused_never_rounded() {
        assert_eq!(per_token("1e-15"), Ok(1));
        let texts = "1e-16 1.5e-15 0.1234567890123456 1e-999999999999 1e-9223372036854775808 \
            1e-99999999999999999999 10000e-99999999999999999999";
        for text in texts.split(' ') {
            assert_eq!(per_token(text), Err(Flaw::TooPrecise), "{text}");
        }
        assert_eq!(per_million("0.0000000001"), Err(Flaw::TooPrecise));
    }

    #[test]
    fn what_is_not_a_plain_decimal_number_is_refused() {
        let texts =
            "|.|.5|5.| 1|1 |e|e5|1e|1e+|1e-|1e--5|1e+-5|1e5.0|1e5e5|.e5|1.e5|1e 5|+1|-1|-0|inf|\
            infinity|NaN|1_000|1,5|$1|0x10|1.2.3|٣|1e٣|1é|0e99999999999999999999x";
        for text in texts.split('|') {
            assert_eq!(per_token(text), Err(Flaw::Syntax), "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_rate_the_text_and_the_reason() {
        let errors = [
            Price::per_token("-1", "1", "1", "1"),
            Price::per_token("1", "1e-16", "1", "1"),
            Price::per_million("1", "1", "1e999999999999", "1"),
            Price::per_million("1", "1", "1", ""),
        ];
        let messages = [
            r#"uncached_input: "-1" is not a decimal number such as 0.25 or 2.5e-07"#,
            r#"output: "1e-16" is finer than a nano-dollar per million tokens"#,
            r#"cache_read: "1e999999999999" is more than fits"#,
            r#"cache_write: "" is not a decimal number such as 0.25 or 2.5e-07"#,
        ];
        for (error, message) in errors.into_iter().zip(messages) {
            assert_eq!(error.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn each_kind_of_token_is_charged_at_its_own_rate() {
        let price = Price::per_million("1", "10", "100", "1000").unwrap();
        let usage = price.usage(2, 3, 5, 7).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (14, 3));
        assert_eq!(usage.cost, MicroUsd::from_micros(2 + 30 + 500 + 7_000));
        assert_eq!(
            Price::default().usage(1, 1, 1, 1),
            Some(Usage::tokens(3, 1).cost(MicroUsd::ZERO))
        );
    }

    #[test]
    fn a_cost_is_rounded_once_and_up() {
        let cost = |price: &str, tokens| {
            let price = Price::per_million(price, price, price, price).unwrap();
            price.usage(tokens, tokens, tokens, tokens).unwrap().cost
        };
        // Four times 0.25 nano-dollars: exactly one, where rounding each kind would make it four.
        assert_eq!(cost("0.00025", 1), Some(MicroUsd::from_nanos(1)));
        assert_eq!(cost("0.000250001", 1), Some(MicroUsd::from_nanos(2)));
        assert_eq!(cost("0.000000001", 1), Some(MicroUsd::from_nanos(1)));
        assert_eq!(cost("0.000000001", 0), Some(MicroUsd::ZERO));
    }

    #[test]
    fn what_overflows_is_none() {
        let free = Price::default();
        assert!(free.usage(u64::MAX, u64::MAX, 0, 0).is_some());
        assert_eq!(free.usage(u64::MAX, 0, 1, 0), None);
        assert_eq!(free.usage(u64::MAX, 0, 0, 1), None);

        let most = "18446744073.709551615";
        let dear = Price::per_million(most, most, most, most).unwrap();
        assert_eq!(
            dear.usage(0, 1_000_000, 0, 0).unwrap().cost,
            Some(MicroUsd::MAX)
        );
        assert_eq!(dear.usage(0, 1_000_001, 0, 0), None);
        // The exact costs are just above 2^128 and would wrap round to an amount that fits.
        assert_eq!(dear.usage(u64::MAX, 3, 0, 0), None);
        assert_eq!(dear.usage(0, u64::MAX, 3, 0), None);
        assert_eq!(dear.usage(0, u64::MAX, 0, 3), None);
    }
}
