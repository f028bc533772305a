//! Limits: what a pool may spend.

use crate::dimension::Dimension;
use crate::money::{percent_of, Usd};

/// What a pool may spend, in exact numbers. `None` is unlimited.
///
/// Limits are inclusive. Each bounds what is spent and reserved together, and
/// refuses a call only if it asks for more of that very dimension.
///
/// Start from [`Limits::unlimited`]: the fields can be read and set, but not written as a
/// literal, since there may be more of them one day.
///
/// With the feature `serde`, unknown fields are refused: a typo must not leave a
/// pool without a limit. A field that is missing is unlimited, as one that is `null`.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Limits};
///
/// let limits = Limits::unlimited().cost("25".parse()?).calls(10_000);
/// let pool = BudgetPool::new(limits);
/// assert_eq!(pool.limits().calls, Some(10_000));
/// assert_eq!(pool.limits().input_tokens, None);
/// # Ok::<(), token_budget_pool::ParseUsdError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Limits {
    /// Tokens in.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_fields::input_tokens")
    )]
    pub input_tokens: Option<u64>,
    /// Tokens out.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_fields::output_tokens")
    )]
    pub output_tokens: Option<u64>,
    /// Tokens in and out together.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_fields::total_tokens")
    )]
    pub total_tokens: Option<u64>,
    /// Cost.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_fields::cost")
    )]
    pub cost: Option<Usd>,
    /// Calls in all, those in flight included, since the start or the last reset. That is not a rate, and
    /// not how many run at once.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "crate::serde_fields::calls")
    )]
    pub calls: Option<u64>,
}

impl Limits {
    /// No limit at all.
    #[must_use]
    pub const fn unlimited() -> Limits {
        Limits {
            input_tokens: None,
            output_tokens: None,
            total_tokens: None,
            cost: None,
            calls: None,
        }
    }

    /// These limits with at most `tokens` in.
    #[must_use]
    pub const fn input_tokens(mut self, tokens: u64) -> Limits {
        self.input_tokens = Some(tokens);
        self
    }

    /// These limits with at most `tokens` out.
    #[must_use]
    pub const fn output_tokens(mut self, tokens: u64) -> Limits {
        self.output_tokens = Some(tokens);
        self
    }

    /// These limits with at most `tokens` in and out together.
    #[must_use]
    pub const fn total_tokens(mut self, tokens: u64) -> Limits {
        self.total_tokens = Some(tokens);
        self
    }

    /// These limits with at most `cost`.
    #[must_use]
    pub const fn cost(mut self, cost: Usd) -> Limits {
        self.cost = Some(cost);
        self
    }

    /// These limits with at most `calls` in all, since the start or the last reset.
    #[must_use]
    pub const fn calls(mut self, calls: u64) -> Limits {
        self.calls = Some(calls);
        self
    }

    /// So many hundredths of each limit, rounded down: to warn at 80 percent, for example. What is
    /// unlimited stays so.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{Limits, Usd};
    ///
    /// let limits = Limits::unlimited().cost(Usd::dollars(25)).calls(1_000);
    /// let soft = limits.percent(80);
    /// assert_eq!((soft.cost, soft.calls), (Some(Usd::dollars(20)), Some(800)));
    /// assert_eq!(soft.total_tokens, None);
    /// ```
    #[must_use]
    pub fn percent(self, percent: u32) -> Limits {
        Limits::from_fn(|dimension| {
            let limit = self.get(dimension)?;
            Some(percent_of(limit, percent))
        })
    }

    pub(crate) fn get(&self, dimension: Dimension) -> Option<u64> {
        match dimension {
            Dimension::InputTokens => self.input_tokens,
            Dimension::OutputTokens => self.output_tokens,
            Dimension::TotalTokens => self.total_tokens,
            Dimension::Cost => self.cost.map(Usd::as_nanos),
            Dimension::Calls => self.calls,
        }
    }

    pub(crate) fn from_fn(mut limit: impl FnMut(Dimension) -> Option<u64>) -> Limits {
        Limits {
            input_tokens: limit(Dimension::InputTokens),
            output_tokens: limit(Dimension::OutputTokens),
            total_tokens: limit(Dimension::TotalTokens),
            cost: limit(Dimension::Cost).map(Usd::from_nanos),
            calls: limit(Dimension::Calls),
        }
    }
}
