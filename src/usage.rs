//! Amounts that a pool is asked for and that it has counted.

use crate::dimension::{Guesses, Tally};
use crate::money::Usd;

/// What one call used, or may use: tokens in, tokens out, and what they cost.
///
/// With the feature `serde` all three fields must be there; an unknown cost is `null`.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{Usd, Usage};
///
/// let estimate = Usage::tokens(1_000, 500).cost("0.0105".parse()?);
/// assert_eq!(estimate.cost, Some(Usd::from_nanos(10_500_000)));
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
        serde(deserialize_with = "crate::serde_fields::input_tokens")
    )]
    pub input_tokens: u64,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::output_tokens")
    )]
    pub output_tokens: u64,
    /// What the tokens cost. `None` is unknown, which is not free: a pool that limits cost does not admit it,
    /// unless it was built with an [assumed cost](crate::Builder::assumed_cost).
    // Without a function of its own, serde would take an absent cost for a null one.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::cost")
    )]
    pub cost: Option<Usd>,
}

impl Usage {
    /// Nothing, at no cost. What is not known is not this: [`Usage::tokens`] has an unknown cost.
    pub const ZERO: Usage = Usage::tokens(0, 0).cost(Usd::ZERO);

    /// This many tokens, at a cost that is unknown until [`cost`](Usage::cost()) sets it.
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
    pub const fn cost(self, cost: Usd) -> Usage {
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
    /// These amounts, as far as the cost is known, of no call.
    #[inline(always)]
    pub(crate) fn tally(self) -> Tally {
        Tally {
            input: self.input_tokens,
            output: self.output_tokens,
            cost: self.cost.unwrap_or(Usd::ZERO).as_nanos(),
            calls: 0,
        }
    }
}

/// Tokens and cost that are reserved, or were reported. Unlike in [`Usage`], the cost is always a
/// number: an unknown one is in it as the pool's [assumed cost](crate::Builder::assumed_cost), or
/// as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Amounts {
    /// Tokens in, of every kind.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::input_tokens")
    )]
    pub input_tokens: u64,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::output_tokens")
    )]
    pub output_tokens: u64,
    /// Dollars.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::cost")
    )]
    pub cost: Usd,
}

impl Amounts {
    #[inline(always)]
    pub(crate) fn of(tally: Tally) -> Amounts {
        Amounts {
            input_tokens: tally.input,
            output_tokens: tally.output,
            cost: Usd::from_nanos(tally.cost),
        }
    }

    /// These amounts, of no call.
    #[inline(always)]
    pub(crate) fn tally(self) -> Tally {
        Tally {
            input: self.input_tokens,
            output: self.output_tokens,
            cost: self.cost.as_nanos(),
            calls: 0,
        }
    }
}

impl From<Amounts> for Usage {
    fn from(amounts: Amounts) -> Usage {
        Usage::tokens(amounts.input_tokens, amounts.output_tokens).cost(amounts.cost)
    }
}

/// What a pool has counted, or what one step of it has.
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
        serde(deserialize_with = "crate::serde_fields::input_tokens")
    )]
    pub input_tokens: u64,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::output_tokens")
    )]
    pub output_tokens: u64,
    /// Their cost. An unpriced call is in it at what was reserved for it or the pool's assumed
    /// cost, and at zero where there was neither. So while there are unpriced calls, the true
    /// cost may be more than this, or less.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::cost")
    )]
    pub cost: Usd,
    /// Calls counted, the unpriced ones included.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::calls")
    )]
    pub calls: u64,
    /// Those of the calls whose cost is unknown. The count stops at 4,294,967,295.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::unpriced_calls")
    )]
    pub unpriced_calls: u64,
    /// Those of the calls that count, in whole or in part, for what was reserved, because nobody knows
    /// what they used: a [`Call`](crate::Call) that was dropped or
    /// [forfeited](crate::Call::forfeit), or that
    /// [settled at least](crate::Call::settle_at_least) for less than was reserved. Some of them may
    /// not have been billed at all. The count stops at 4,294,967,295.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::forfeited_calls")
    )]
    pub forfeited_calls: u64,
    /// The part of `cost` that forfeited calls counted without knowing: what was reserved for them, or
    /// what was missing to the pool's assumed cost.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::forfeited_cost")
    )]
    pub forfeited_cost: Usd,
}

impl Spent {
    #[inline(always)]
    pub(crate) fn of(tally: Tally, guesses: Guesses) -> Spent {
        Spent {
            input_tokens: tally.input,
            output_tokens: tally.output,
            cost: Usd::from_nanos(tally.cost),
            calls: tally.calls,
            unpriced_calls: guesses.unpriced_calls,
            forfeited_calls: guesses.forfeited_calls,
            forfeited_cost: Usd::from_nanos(guesses.forfeited_cost),
        }
    }

    #[inline(always)]
    pub(crate) fn guesses(self) -> Guesses {
        Guesses {
            unpriced_calls: self.unpriced_calls,
            forfeited_calls: self.forfeited_calls,
            forfeited_cost: self.forfeited_cost.as_nanos(),
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

    const CENT: Usd = Usd::from_nanos(10_000_000);

    #[test]
    fn an_unknown_cost_is_not_a_cost_of_zero() {
        assert_eq!(Usage::ZERO.cost, Some(Usd::ZERO));
        assert_ne!(Usage::tokens(0, 0), Usage::ZERO);
        assert_eq!(Usage::tokens(0, 0).cost(Usd::ZERO), Usage::ZERO);
    }

    #[test]
    fn a_sum_is_of_each_field() {
        let sum = Usage::tokens(1, 20)
            .cost(CENT)
            .checked_add(Usage::tokens(3, 40).cost(CENT));
        assert_eq!(sum, Some(Usage::tokens(4, 60).cost(CENT.saturating_mul(2))));
        let usage = Usage::tokens(1, 2).cost(CENT);
        assert_eq!(usage.checked_add(Usage::ZERO), Some(usage));
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
                Usage::ZERO.cost(Usd::MAX),
                Usage::ZERO.cost(Usd::from_nanos(1)),
            ),
        ] {
            assert_eq!(full.checked_add(one), None);
            assert!(full.checked_add(Usage::ZERO).is_some());
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
            forfeited_calls: 5,
            forfeited_cost: CENT,
        };
        let json = r#"{"input_tokens":1,"output_tokens":2,"cost":"0.01","calls":3,"unpriced_calls":4,"forfeited_calls":5,"forfeited_cost":"0.01"}"#;
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
        let spent = r#"{"input_tokens":1,"output_tokens":2,"cost":"0","calls":3,"unpriced_calls":4,"forfeited_calls":5,"forfeited_cost":"0","x":5}"#;
        let unknown = serde_json::from_str::<Spent>(spent)
            .unwrap_err()
            .to_string();
        assert!(unknown.starts_with("unknown field `x`"), "{unknown}");
    }
}
