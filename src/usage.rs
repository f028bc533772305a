//! Amounts that a pool is asked for and that it has counted.

use crate::dimension::Tally;
use crate::money::MicroUsd;

/// What one call used, or may use: tokens in, tokens out, and what they cost.
///
/// The default is nothing at no cost.
///
/// With the feature `serde` all three fields must be there; an unknown cost is `null`.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{MicroUsd, Usage};
///
/// let estimate = Usage::tokens(1_000, 500).cost("0.0105".parse()?);
/// assert_eq!(estimate.cost, Some(MicroUsd::from_nanos(10_500_000)));
/// assert_eq!(Usage::tokens(1_000, 500).cost, None);
/// # Ok::<(), token_budget_pool::ParseUsdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens in, of every kind: uncached, read from a cache, written to one.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::input_tokens")
    )]
    pub input_tokens: u64,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::output_tokens")
    )]
    pub output_tokens: u64,
    /// What the tokens cost. `None` is unknown, which is not free: a pool that limits cost does not admit it,
    /// unless it was built with an [assumed cost](crate::Builder::assumed_cost).
    // Without a function of its own, serde would take an absent cost for a null one.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::cost"))]
    pub cost: Option<MicroUsd>,
}

impl Usage {
    /// This many tokens, at a cost that is unknown until [`cost`](Usage::cost()) tells it.
    #[must_use]
    pub const fn tokens(input: u64, output: u64) -> Usage {
        Usage {
            input_tokens: input,
            output_tokens: output,
            cost: None,
        }
    }

    /// The same tokens at this cost.
    #[must_use]
    pub const fn cost(self, cost: MicroUsd) -> Usage {
        Usage {
            cost: Some(cost),
            ..self
        }
    }

    /// The sum of each field, or `None` if one of them overflows. If either cost is unknown, so is their sum.
    #[must_use]
    pub fn checked_add(self, other: Usage) -> Option<Usage> {
        Some(Usage {
            input_tokens: self.input_tokens.checked_add(other.input_tokens)?,
            output_tokens: self.output_tokens.checked_add(other.output_tokens)?,
            cost: match (self.cost, other.cost) {
                (Some(one), Some(another)) => Some(one.checked_add(another)?),
                _ => None,
            },
        })
    }
}

impl Usage {
    /// The usage of no call, at a known cost.
    #[inline(always)]
    pub(crate) fn of(tally: Tally) -> Usage {
        Usage::tokens(tally.input, tally.output).cost(MicroUsd::from_nanos(tally.cost))
    }

    /// These amounts, as far as the cost is known, of no call.
    #[inline(always)]
    pub(crate) fn tally(self) -> Tally {
        Tally {
            input: self.input_tokens,
            output: self.output_tokens,
            cost: self.cost.unwrap_or(MicroUsd::ZERO).as_nanos(),
            calls: 0,
        }
    }
}

impl Default for Usage {
    fn default() -> Usage {
        Usage::tokens(0, 0).cost(MicroUsd::ZERO)
    }
}

/// What a pool has counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Spent {
    /// Tokens in, of every kind.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::input_tokens")
    )]
    pub input_tokens: u64,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::output_tokens")
    )]
    pub output_tokens: u64,
    /// The costs counted. An unpriced call is in it at what it held or the pool's assumed
    /// cost, and at zero where there was neither: while there are unpriced calls, the true
    /// cost may be more than this, or less.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::cost"))]
    pub cost: MicroUsd,
    /// Calls counted, the unpriced ones included.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::calls"))]
    pub calls: u64,
    /// Calls whose cost was unknown.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::unpriced_calls")
    )]
    pub unpriced_calls: u64,
}

impl Spent {
    #[inline(always)]
    pub(crate) fn of(tally: Tally, unpriced_calls: u64) -> Spent {
        Spent {
            input_tokens: tally.input,
            output_tokens: tally.output,
            cost: MicroUsd::from_nanos(tally.cost),
            calls: tally.calls,
            unpriced_calls,
        }
    }

    #[inline(always)]
    pub(crate) fn tally(self) -> Tally {
        Tally {
            input: self.input_tokens,
            output: self.output_tokens,
            cost: self.cost.as_nanos(),
            calls: self.calls,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: MicroUsd = MicroUsd::from_nanos(10_000_000);

    #[test]
    fn an_unknown_cost_is_not_a_cost_of_zero() {
        assert_eq!(Usage::default().cost, Some(MicroUsd::ZERO));
        assert_ne!(Usage::tokens(0, 0), Usage::default());
        assert_eq!(Usage::tokens(0, 0).cost(MicroUsd::ZERO), Usage::default());
    }

    #[test]
    fn a_sum_is_of_each_field() {
        let sum = Usage::tokens(1, 20)
            .cost(CENT)
            .checked_add(Usage::tokens(3, 40).cost(CENT));
        assert_eq!(sum, Some(Usage::tokens(4, 60).cost(CENT.saturating_mul(2))));
        let usage = Usage::tokens(1, 2).cost(CENT);
        assert_eq!(usage.checked_add(Usage::default()), Some(usage));
    }

    #[test]
    fn a_sum_with_an_unknown_cost_is_of_unknown_cost() {
        let (known, unknown) = (Usage::tokens(1, 2).cost(CENT), Usage::tokens(3, 4));
        for sum in [known.checked_add(unknown), unknown.checked_add(known)] {
            assert_eq!(sum, Some(Usage::tokens(4, 6)));
        }
        assert_eq!(unknown.checked_add(unknown), Some(Usage::tokens(6, 8)));
    }

    #[test]
    fn a_sum_that_overflows_in_any_field_is_none() {
        for (full, one) in [
            (Usage::tokens(u64::MAX, 0), Usage::tokens(1, 0)),
            (Usage::tokens(0, u64::MAX), Usage::tokens(0, 1)),
            (
                Usage::default().cost(MicroUsd::MAX),
                Usage::default().cost(MicroUsd::from_nanos(1)),
            ),
        ] {
            assert_eq!(full.checked_add(one), None);
            assert!(full.checked_add(Usage::default()).is_some());
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_gives_back_what_it_was_given() {
        let known = Usage::tokens(1, 2).cost(CENT);
        for (usage, json) in [
            (
                known,
                r#"{"input_tokens":1,"output_tokens":2,"cost":"0.01"}"#,
            ),
            (
                Usage::tokens(1, 2),
                r#"{"input_tokens":1,"output_tokens":2,"cost":null}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&usage).unwrap(), json);
            assert_eq!(serde_json::from_str::<Usage>(json).unwrap(), usage);
        }
        let spent = Spent {
            input_tokens: 1,
            output_tokens: 2,
            cost: CENT,
            calls: 3,
            unpriced_calls: 4,
        };
        let json =
            r#"{"input_tokens":1,"output_tokens":2,"cost":"0.01","calls":3,"unpriced_calls":4}"#;
        assert_eq!(serde_json::to_string(&spent).unwrap(), json);
        assert_eq!(serde_json::from_str::<Spent>(json).unwrap(), spent);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serde_refuses_a_missing_cost_and_an_unknown_field() {
        let refusal = |json| serde_json::from_str::<Usage>(json).unwrap_err().to_string();
        let missing = refusal(r#"{"input_tokens":1,"output_tokens":2}"#);
        assert!(missing.starts_with("missing field `cost`"), "{missing}");
        let unknown = refusal(r#"{"input_tokens":1,"output_tokens":2,"cost":null,"cost_usd":"1"}"#);
        assert!(unknown.starts_with("unknown field `cost_usd`"), "{unknown}");
        let spent =
            r#"{"input_tokens":1,"output_tokens":2,"cost":"0","calls":3,"unpriced_calls":4,"x":5}"#;
        let unknown = serde_json::from_str::<Spent>(spent)
            .unwrap_err()
            .to_string();
        assert!(unknown.starts_with("unknown field `x`"), "{unknown}");
    }
}
