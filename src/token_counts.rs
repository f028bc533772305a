//! The tokens of one call, as providers count them.

use std::error::Error;
use std::fmt;

use crate::money::Usd;
use crate::usage::Usage;

/// The tokens of one call, by how they are priced, from the counts that its provider reports.
///
/// Providers count input in two ways, and these are not the same number. So there are two constructors:
///
/// | constructor | cached tokens are | providers |
/// |---|---|---|
/// | [`inclusive`](TokenCounts::inclusive) | inside the prompt's count | OpenAI, Gemini, most that speak OpenAI's API; also the crates `genai` and `rig` |
/// | [`exclusive`](TokenCounts::exclusive) | outside of it | Anthropic, Bedrock |
///
/// Do not take one for the other. OpenAI's counts given to `exclusive` pay for cached tokens twice: four times of
/// what was billed is easily reached. Anthropic's given to `inclusive` are an error, or lose the cache
/// writes. If you are not sure, look at an answer with cached tokens. Where they are more than the input, it
/// is exclusive.
///
/// Signed and unsigned integers and `Option`s of them go in as they are (see [`ReportedCount`]). For a count that your
/// provider does not have, give 0. A count that
/// cannot be, such as more cached tokens than the prompt has, is an [error](InvalidTokenCounts), and never made
/// to fit. What that answer used is then unknown: end its call with
/// [`settle_at_least`](crate::Call::settle_at_least)`(Usage::ZERO)`. The same goes for an answer without
/// counts.
///
/// [`Price::usage`](crate::Price::usage) says what the tokens cost. For a model without a price,
/// [`Usage::from`] has them at an unknown cost.
///
/// # Examples
///
/// OpenAI's Chat Completions, with 10,000 of 12,000 tokens of the prompt from the cache:
///
/// ```
/// use token_budget_pool::{Price, Rates, TokenCounts};
///
/// let price = Price::per_million(Rates {
///     cache_read: "1.25",
///     ..Rates::uncached("2.50", "10")
/// })?;
/// let (prompt_tokens, cached_tokens, completion_tokens) = (12_000_u32, Some(10_000_u32), 500_u32);
/// let counts = TokenCounts::inclusive(prompt_tokens, cached_tokens, completion_tokens)?;
/// assert_eq!(counts.uncached_input(), 2_000);
/// assert_eq!(price.usage(counts).input_tokens, 12_000);
/// assert_eq!(price.usage(counts).cost, Some("0.0225".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Anthropic, where `input_tokens` leaves out what is cached:
///
/// ```
/// use token_budget_pool::TokenCounts;
///
/// let (input_tokens, cache_read, cache_creation, ephemeral_1h, output_tokens) = (3, 1_111, 418, 418, 33);
/// let counts = TokenCounts::exclusive(input_tokens, cache_read, cache_creation, output_tokens)?
///     .one_hour_writes(ephemeral_1h)?;
/// assert_eq!(counts.input(), 1_532);
/// # Ok::<(), token_budget_pool::InvalidTokenCounts>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenCounts {
    // The sum of the first three fits in a u64.
    uncached_input: u64,
    cache_read: u64,
    cache_write: u64,
    /// A part of `cache_write`.
    cache_write_1h: u64,
    output: u64,
    cost: Option<Usd>,
    inclusive: bool,
}

impl TokenCounts {
    /// Counts of a provider whose prompt includes what was read from a cache: `prompt_tokens`,
    /// `prompt_tokens_details.cached_tokens` and `completion_tokens` of OpenAI, for example.
    ///
    /// `cached` may be missing: then nothing was cached.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if a count is negative, if `prompt` or `output` is missing, or if `cached` is
    /// more than `prompt`.
    pub fn inclusive(
        prompt: impl Into<ReportedCount>,
        cached: impl Into<ReportedCount>,
        output: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        let prompt = prompt.into().required("prompt")?;
        let cached = cached.into().or_none("cached")?;
        Ok(TokenCounts {
            uncached_input: part("cached", cached, "prompt", prompt)?,
            cache_read: cached,
            cache_write: 0,
            cache_write_1h: 0,
            output: output.into().required("output")?,
            cost: None,
            inclusive: true,
        })
    }

    /// Counts of a provider whose input leaves out what was read from a cache and written to it:
    /// `input_tokens`, `cache_read_input_tokens`, `cache_creation_input_tokens` and `output_tokens` of Anthropic,
    /// for example.
    ///
    /// `cache_read` and `cache_write` may be missing: then there were none.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if a count is negative, if `input` or `output` is missing, or if all input is more
    /// than `u64::MAX`.
    pub fn exclusive(
        input: impl Into<ReportedCount>,
        cache_read: impl Into<ReportedCount>,
        cache_write: impl Into<ReportedCount>,
        output: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        let input = input.into().required("input")?;
        let cache_read = cache_read.into().or_none("cache_read")?;
        let cache_write = cache_write.into().or_none("cache_write")?;
        let all = sum("cache_read", input, cache_read)?;
        sum("cache_write", all, cache_write)?;
        Ok(TokenCounts {
            uncached_input: input,
            cache_read,
            cache_write,
            cache_write_1h: 0,
            output: output.into().required("output")?,
            cost: None,
            inclusive: false,
        })
    }

    pub(crate) fn of_uncached(input: u64, output: u64) -> TokenCounts {
        TokenCounts {
            uncached_input: input,
            cache_read: 0,
            cache_write: 0,
            cache_write_1h: 0,
            output,
            cost: None,
            inclusive: true,
        }
    }

    /// So many tokens of an [inclusive](TokenCounts::inclusive) prompt were written to a cache:
    /// `prompt_tokens_details.cache_write_tokens` of OpenAI and OpenRouter. They are taken off the uncached
    /// input. Called again, it is about more of them.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if the count is negative or more than the uncached input, and for counts that are
    /// [exclusive](TokenCounts::exclusive): their writes are outside of the input, and are given there.
    pub fn cache_write_inside(
        self,
        written: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        const FIELD: &str = "cache_write_inside";
        let written = written.into().or_none(FIELD)?;
        if !self.inclusive {
            let flaw = CountFlaw::Exclusive;
            return Err(InvalidTokenCounts { field: FIELD, flaw });
        }
        Ok(TokenCounts {
            uncached_input: part(FIELD, written, "uncached input", self.uncached_input)?,
            // A part of the input, which fits.
            cache_write: self.cache_write + written,
            ..self
        })
    }

    /// So many of the tokens that were written to a cache are kept there for an hour, which costs more:
    /// `cache_creation.ephemeral_1h_input_tokens` of Anthropic, and those with a `ttl` of `1h` in Bedrock's
    /// `cacheDetails`. This is all of them: called again, it replaces the count.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if the count is negative or more than what was written.
    pub fn one_hour_writes(
        self,
        of_these: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        const FIELD: &str = "one_hour_writes";
        let of_these = of_these.into().or_none(FIELD)?;
        part(FIELD, of_these, "cache writes", self.cache_write)?;
        Ok(TokenCounts {
            cache_write_1h: of_these,
            ..self
        })
    }

    /// So many tokens of reasoning come on top of the output: Gemini's `thoughtsTokenCount`, and
    /// `completion_tokens_details.reasoning_tokens` of xAI. At OpenAI they are inside the output already, and so
    /// are Anthropic's. If the provider reports a total that is larger
    /// than prompt and output together, they are outside.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if the count is negative, or if the output is then more than `u64::MAX`.
    pub fn reasoning_outside(
        self,
        reasoning: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        const FIELD: &str = "reasoning_outside";
        let reasoning = reasoning.into().or_none(FIELD)?;
        Ok(TokenCounts {
            output: sum(FIELD, self.output, reasoning)?,
            ..self
        })
    }

    /// So many tokens of input come on top of the prompt, at the rate of uncached input: Gemini's
    /// `toolUsePromptTokenCount`.
    ///
    /// # Errors
    ///
    /// [`InvalidTokenCounts`] if the count is negative, or if all input is then more than `u64::MAX`.
    pub fn tool_prompt_outside(
        self,
        tokens: impl Into<ReportedCount>,
    ) -> Result<TokenCounts, InvalidTokenCounts> {
        const FIELD: &str = "tool_prompt_outside";
        let tokens = tokens.into().or_none(FIELD)?;
        sum(FIELD, self.input(), tokens)?;
        Ok(TokenCounts {
            uncached_input: self.uncached_input + tokens,
            ..self
        })
    }

    /// The cost that the provider itself reports for the call, as OpenRouter does. `None` changes nothing.
    ///
    /// [`Price::usage`](crate::Price::usage) then takes it, and looks at no rate. It knows more than a price
    /// list: discounts, fees for searches, the model that a router chose, other models that were called by the
    /// way. In one answer of OpenRouter that we have, the cost is 91 times what its tokens cost, because a tool had
    /// called a larger model.
    ///
    /// Take only what is billed to you. An estimate, or the fee of a router that bills the tokens to an account of
    /// yours elsewhere (OpenRouter's `is_byok`), is not the cost of the call.
    #[must_use]
    pub fn at_cost(self, cost: impl Into<Option<Usd>>) -> TokenCounts {
        TokenCounts {
            cost: cost.into().or(self.cost),
            ..self
        }
    }

    /// All input tokens: uncached, read from a cache and written to one.
    pub const fn input(&self) -> u64 {
        self.uncached_input + self.cache_read + self.cache_write
    }

    /// Input tokens that are in no cache.
    pub const fn uncached_input(&self) -> u64 {
        self.uncached_input
    }

    /// Input tokens that are read from a cache.
    pub const fn cache_read(&self) -> u64 {
        self.cache_read
    }

    /// Input tokens that are written to a cache, for however long.
    pub const fn cache_write(&self) -> u64 {
        self.cache_write
    }

    /// Those of the [cache writes](TokenCounts::cache_write) that are kept for an hour.
    pub const fn cache_write_1h(&self) -> u64 {
        self.cache_write_1h
    }

    /// Output tokens, with those of reasoning.
    pub const fn output(&self) -> u64 {
        self.output
    }

    /// The cost that the provider reported, if it did. See [`at_cost`](TokenCounts::at_cost).
    pub const fn reported_cost(&self) -> Option<Usd> {
        self.cost
    }
}

/// The tokens at the [reported cost](TokenCounts::reported_cost), or else at an unknown one.
impl From<TokenCounts> for Usage {
    fn from(counts: TokenCounts) -> Usage {
        Usage {
            cost: counts.cost,
            ..Usage::tokens(counts.input(), counts.output)
        }
    }
}

/// A count of tokens as it stands in an answer: it may be missing, and where the client library made it signed,
/// it may be negative. Made from integers and `Option`s of them, so functions take it as
/// `impl Into<ReportedCount>`.
///
/// # Examples
///
/// ```
/// use token_budget_pool::TokenCounts;
///
/// // As `genai` has them.
/// let (prompt, cached, output): (Option<i32>, Option<i32>, Option<i32>) = (Some(12), None, Some(-1));
/// let error = TokenCounts::inclusive(prompt, cached, output).unwrap_err();
/// assert_eq!(error.to_string(), "output: -1 is not a count of tokens");
///
/// let error = TokenCounts::inclusive(prompt, Some(13), Some(1)).unwrap_err();
/// assert_eq!(error.to_string(), "cached: 13 tokens are more than the prompt, 12");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReportedCount(Option<i128>);

impl ReportedCount {
    fn required(self, field: &'static str) -> Result<u64, InvalidTokenCounts> {
        let flaw = CountFlaw::Missing;
        self.read(field)?.ok_or(InvalidTokenCounts { field, flaw })
    }

    /// Where a missing count means none.
    fn or_none(self, field: &'static str) -> Result<u64, InvalidTokenCounts> {
        Ok(self.read(field)?.unwrap_or(0))
    }

    fn read(self, field: &'static str) -> Result<Option<u64>, InvalidTokenCounts> {
        let read = |count: i128| {
            let flaw = CountFlaw::NoCount(count);
            u64::try_from(count).map_err(|_| InvalidTokenCounts { field, flaw })
        };
        self.0.map(read).transpose()
    }
}

macro_rules! reported_count_from {
    ($($integer:ty),*) => {$(
        impl From<$integer> for ReportedCount {
            fn from(count: $integer) -> ReportedCount {
                ReportedCount(Some(count as i128))
            }
        }
    )*};
}

reported_count_from!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl<T: Into<ReportedCount>> From<Option<T>> for ReportedCount {
    fn from(count: Option<T>) -> ReportedCount {
        count.map_or(ReportedCount(None), Into::into)
    }
}

/// What is left of `whole` without this part of it.
fn part(
    field: &'static str,
    count: u64,
    of: &'static str,
    whole: u64,
) -> Result<u64, InvalidTokenCounts> {
    let flaw = CountFlaw::MoreThan { count, of, whole };
    whole
        .checked_sub(count)
        .ok_or(InvalidTokenCounts { field, flaw })
}

fn sum(field: &'static str, before: u64, count: u64) -> Result<u64, InvalidTokenCounts> {
    let flaw = CountFlaw::TooMany { count, before };
    before
        .checked_add(count)
        .ok_or(InvalidTokenCounts { field, flaw })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CountFlaw {
    Missing,
    /// What is inside of the prompt was given for counts that have it outside.
    Exclusive,
    NoCount(i128),
    MoreThan {
        count: u64,
        of: &'static str,
        whole: u64,
    },
    TooMany {
        count: u64,
        before: u64,
    },
}

/// Counts of tokens that cannot be; the message names the argument or the method, such as `cached`, and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTokenCounts {
    field: &'static str,
    flaw: CountFlaw,
}

impl fmt::Display for InvalidTokenCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        match self.flaw {
            CountFlaw::Missing => f.write_str("the count is missing"),
            CountFlaw::Exclusive => {
                f.write_str("the counts are exclusive, and have cache writes outside of the input")
            }
            CountFlaw::NoCount(count) => write!(f, "{count} is not a count of tokens"),
            CountFlaw::MoreThan { count, of, whole } => {
                write!(f, "{count} tokens are more than the {of}, {whole}")
            }
            CountFlaw::TooMany { count, before } => {
                write!(f, "{count} tokens and {before} more are too many")
            }
        }
    }
}

impl Error for InvalidTokenCounts {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(counts: TokenCounts) -> [u64; 5] {
        [
            counts.uncached_input(),
            counts.cache_read(),
            counts.cache_write(),
            counts.cache_write_1h(),
            counts.output(),
        ]
    }

    #[test]
    fn the_prompt_is_split_where_it_includes_what_is_cached() {
        let counts = TokenCounts::inclusive(3_329, 3_211, 53)
            .and_then(|counts| counts.cache_write_inside(115))
            .unwrap();
        assert_eq!(parts(counts), [3, 3_211, 115, 0, 53]);
        assert_eq!(counts.input(), 3_329);
        // Written in two parts.
        let counts = counts.cache_write_inside(2).unwrap();
        assert_eq!(parts(counts), [1, 3_211, 117, 0, 53]);
    }

    #[test]
    fn the_input_is_added_to_where_it_leaves_out_what_is_cached() {
        let counts = TokenCounts::exclusive(3, 9_511, 1_956, 44)
            .and_then(|counts| counts.one_hour_writes(956))
            .unwrap();
        assert_eq!(parts(counts), [3, 9_511, 1_956, 956, 44]);
        assert_eq!(counts.input(), 11_470);
    }

    #[test]
    fn what_is_reported_outside_comes_on_top() {
        let counts = TokenCounts::inclusive(17, None::<u32>, 201)
            .and_then(|counts| counts.reasoning_outside(213)?.tool_prompt_outside(119))
            .unwrap();
        assert_eq!(parts(counts), [136, 0, 0, 0, 414]);
    }

    #[test]
    fn every_kind_of_integer_goes_in() {
        let one = TokenCounts::inclusive(1, 1, 1);
        assert_eq!(TokenCounts::inclusive(1_u8, 1_i8, 1_u16), one);
        assert_eq!(TokenCounts::inclusive(1_i16, 1_u32, 1_i64), one);
        assert_eq!(TokenCounts::inclusive(1_usize, 1_isize, 1_u64), one);
        assert_eq!(
            TokenCounts::inclusive(Some(1), Some(Some(1_u64)), Some(1)),
            one
        );
        let most = TokenCounts::inclusive(u64::MAX, u64::MAX, u64::MAX).unwrap();
        assert_eq!(parts(most), [0, u64::MAX, 0, 0, u64::MAX]);
    }

    #[test]
    fn counts_that_cannot_be_are_errors_that_name_them() {
        let one = TokenCounts::exclusive(10, 20, 30, 40).unwrap();
        let inclusive = |prompt: Option<i64>, cached: Option<i64>, output: Option<i64>| {
            TokenCounts::inclusive(prompt, cached, output)
        };
        let exclusive = |input: Option<u64>, read: i32, written: i32, output: Option<u64>| {
            TokenCounts::exclusive(input, read, written, output)
        };
        let errors = [
            (
                inclusive(None, None, Some(1)),
                "prompt: the count is missing",
            ),
            (
                inclusive(Some(1), None, None),
                "output: the count is missing",
            ),
            (
                inclusive(Some(-1), None, Some(1)),
                "prompt: -1 is not a count of tokens",
            ),
            (
                inclusive(Some(1), Some(i64::MIN), Some(1)),
                "cached: -9223372036854775808 is not a count of tokens",
            ),
            (
                inclusive(Some(10), Some(11), Some(1)),
                "cached: 11 tokens are more than the prompt, 10",
            ),
            (
                exclusive(None, 0, 0, Some(1)),
                "input: the count is missing",
            ),
            (
                exclusive(Some(1), 0, 0, None),
                "output: the count is missing",
            ),
            (
                exclusive(Some(1), -2, 0, Some(1)),
                "cache_read: -2 is not a count of tokens",
            ),
            (
                exclusive(Some(u64::MAX), 1, 0, Some(1)),
                "cache_read: 1 tokens and 18446744073709551615 more are too many",
            ),
            (
                exclusive(Some(u64::MAX - 1), 1, 1, Some(1)),
                "cache_write: 1 tokens and 18446744073709551615 more are too many",
            ),
            (
                inclusive(Some(30), Some(20), Some(1)).unwrap().cache_write_inside(11),
                "cache_write_inside: 11 tokens are more than the uncached input, 10",
            ),
            (
                one.cache_write_inside(1),
                "cache_write_inside: the counts are exclusive, and have cache writes outside of the input",
            ),
            (
                one.one_hour_writes(31),
                "one_hour_writes: 31 tokens are more than the cache writes, 30",
            ),
            (
                one.reasoning_outside(u64::MAX),
                "reasoning_outside: 18446744073709551615 tokens and 40 more are too many",
            ),
            (
                one.tool_prompt_outside(u64::MAX),
                "tool_prompt_outside: 18446744073709551615 tokens and 60 more are too many",
            ),
            (
                one.reasoning_outside(-1),
                "reasoning_outside: -1 is not a count of tokens",
            ),
        ];
        for (result, message) in errors {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_reported_cost_is_kept_and_an_absent_one_is_unknown() {
        let counts = TokenCounts::inclusive(900, 0, 69).unwrap();
        assert_eq!(Usage::from(counts), Usage::tokens(900, 69));
        let cost = Usd::from_nanos(16_061_400);
        let reported = counts.at_cost(cost);
        assert_eq!(Usage::from(reported), Usage::tokens(900, 69).cost(cost));
        assert_eq!(reported.at_cost(None), reported);
    }
}
