//! What became of an amount that had to be counted.

use std::fmt;

use crate::dimension::{Dimension, Tally};
use crate::money::MicroUsd;
use crate::usage::Spent;

/// What counting a call's usage led to. It was counted in any case: the money is
/// gone.
///
/// `Display` is one line for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Receipt {
    /// All that the pool has counted, this included: the totals of exactly this
    /// step.
    pub spent: Spent,
    /// By how much this step counted more than the call still held. A
    /// [`charge`](crate::BudgetPool::charge) held nothing, so this is all its tokens and cost. The
    /// calls are zero, here and in `told_more`.
    pub overrun: Excess,
    /// By how much more was told in parts than the call came to. It stays counted:
    /// what is spent is never lowered.
    pub told_more: Excess,
    /// By how much `spent` is now beyond the limits, as they now are. What is reserved is not
    /// counted in: with it the pool may be beyond a limit while this is nothing.
    pub over_cap: Excess,
    /// Whether some count went past `u64::MAX`, and stopped there; or both counts of tokens
    /// fit, but not their sum.
    pub saturated: bool,
}

/// How much too much, by dimension. In `overrun` and `told_more` the total tokens are the
/// sum of the other two; in `over_cap` they are measured against their own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Excess {
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Tokens in and out together.
    pub total_tokens: u64,
    /// Cost.
    pub cost: MicroUsd,
    /// Calls.
    pub calls: u64,
}

impl Excess {
    /// By how much `tally` is more than `than`. The calls do not count.
    #[inline]
    pub(crate) fn of(tally: Tally, than: Tally) -> Excess {
        let mut over = tally.zip(than, u64::saturating_sub);
        over.calls = 0;
        Excess::from_fn(|dimension| dimension.saturating_of(&over))
    }

    #[inline(always)]
    pub(crate) fn from_fn(mut excess: impl FnMut(Dimension) -> u64) -> Excess {
        Excess {
            input_tokens: excess(Dimension::InputTokens),
            output_tokens: excess(Dimension::OutputTokens),
            total_tokens: excess(Dimension::TotalTokens),
            cost: MicroUsd::from_nanos(excess(Dimension::Cost)),
            calls: excess(Dimension::Calls),
        }
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        *self != Excess::default()
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.any() {
            return f.write_str("nothing");
        }
        let counts = [
            ("input_tokens", self.input_tokens),
            ("output_tokens", self.output_tokens),
            ("total_tokens", self.total_tokens),
            ("calls", self.calls),
        ];
        let mut comma = "";
        for (name, count) in counts.into_iter().filter(|&(_, count)| count > 0) {
            write!(f, "{comma}{name}={count}")?;
            comma = ", ";
        }
        if self.cost > MicroUsd::ZERO {
            write!(f, "{comma}cost=${}", self.cost)?;
        }
        Ok(())
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spent ${} in {} calls",
            self.spent.cost, self.spent.calls
        )?;
        let parts = [
            ("beyond its hold", self.overrun),
            ("told more", self.told_more),
            ("over cap", self.over_cap),
        ];
        for (what, excess) in parts.into_iter().filter(|(_, excess)| excess.any()) {
            write!(f, "; {what}: {excess}")?;
        }
        if self.saturated {
            f.write_str("; the count is full")?;
        }
        Ok(())
    }
}
