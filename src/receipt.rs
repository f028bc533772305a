//! What became of an amount that had to be counted.

use std::fmt;

use crate::crossed::Crossed;
use crate::dimension::{Dimension, Tally};
use crate::level::{Level, Of};
use crate::money::Usd;
use crate::usage::Spent;

/// What one step counted, and where the pool stands after it. It was counted in any case: the money
/// is gone.
///
/// The receipts of a period add up: the sum of all that was [`counted`](Self::counted), with what
/// [`try_charge`](crate::BudgetPool::try_charge) and [`record`](crate::BudgetPool::record) admitted
/// and dropped calls counted, is what the pool has spent since its start or its last reset, as long as
/// no count is full.
///
/// `Display` is one line for a log.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
///
/// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::cents(5)));
/// let call = pool.try_reserve(Usage::tokens(1_000, 500).cost(Usd::cents(3)))?.start();
/// let receipt = call.forfeit(); // it timed out
/// assert!(receipt.is_guess());
/// assert_eq!(
///     receipt.to_string(),
///     "counted $0.03 in 1 call (a guess: forfeited); spent $0.03 in 1 call",
/// );
/// # Ok::<(), token_budget_pool::Rejected>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use = "it says whether a limit was passed and whether the cost is a guess; `let _ =` discards it"]
#[non_exhaustive]
pub struct Receipt {
    /// What this step counted: an entry for a journal.
    pub counted: Spent,
    /// All that the pool has counted, this included: the totals of exactly this
    /// step.
    pub spent: Spent,
    /// By how much this step counted more than was reserved for the call. Nothing for a
    /// [`charge`](crate::BudgetPool::charge), which has no reservation. The calls are zero, here and in
    /// `over_reported`.
    pub overrun: Excess,
    /// By how much more was reported than the call came to. It stays counted:
    /// what is spent is never lowered.
    pub over_reported: Excess,
    /// By how much `spent` is now beyond the limits, as they now are. What is reserved is not
    /// counted in: with it the pool may be beyond a limit while this is nothing.
    ///
    /// In a tree, this is about the pool that `over_limit_at` names.
    pub over_limit: Excess,
    /// The pool that `over_limit` is about: the call's own pool if it is over a limit. Otherwise the nearest
    /// pool above that is. If none is, the call's own. Pools further up may be over their limits too.
    pub over_limit_at: Level,
    /// The threshold that this step crossed, in the call's own pool or in one above it. `None` if it crossed
    /// none, or if none was set with [`Builder::warn_at`]. If it crossed several, this is the one with the
    /// highest share of its limit, and of those the one nearest to the root. [`Builder::on_crossed`] reports
    /// each of them.
    ///
    /// [`Builder::on_crossed`]: crate::Builder::on_crossed
    /// [`Builder::warn_at`]: crate::Builder::warn_at
    pub crossed: Option<Crossed>,
    /// Whether some amount or the number of calls went past `u64::MAX`, and stopped there; or both
    /// counts of tokens fit, but not their sum. In a tree: in the call's own pool or in one above.
    pub saturated: bool,
}

impl Receipt {
    /// Whether the cost that this step counted is a guess: the call's cost is unknown, or nobody saw
    /// its end. The pool counts these calls in [`Spent::unpriced_calls`] and
    /// [`Spent::forfeited_calls`].
    pub fn is_guess(&self) -> bool {
        self.counted.unpriced_calls > 0 || self.counted.forfeited_calls > 0
    }
}

/// How much too much, by dimension. In `overrun` and `over_reported` the total tokens are the
/// sum of the other two; in `over_limit` they are measured against their own limit.
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
    pub cost: Usd,
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
            cost: Usd::from_nanos(excess(Dimension::Cost)),
            calls: excess(Dimension::Calls),
        }
    }

    fn get(&self, dimension: Dimension) -> u64 {
        match dimension {
            Dimension::InputTokens => self.input_tokens,
            Dimension::OutputTokens => self.output_tokens,
            Dimension::TotalTokens => self.total_tokens,
            Dimension::Cost => self.cost.as_nanos(),
            Dimension::Calls => self.calls,
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
        let mut comma = "";
        for dimension in Dimension::ALL {
            let excess = self.get(dimension);
            if excess > 0 {
                write!(f, "{comma}{dimension}={}", dimension.amount(excess))?;
                comma = ", ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Receipt { counted, spent, .. } = self;
        write!(f, "counted ${} in {}", counted.cost, Calls(counted.calls))?;
        let kinds = [
            ("forfeited", counted.forfeited_calls),
            ("unpriced", counted.unpriced_calls),
        ];
        let kinds: Vec<_> = kinds
            .into_iter()
            .filter_map(|(kind, calls)| (calls > 0).then_some(kind))
            .collect();
        if !kinds.is_empty() {
            write!(f, " (a guess: {})", kinds.join(" and "))?;
        }
        write!(f, "; spent ${} in {}", spent.cost, Calls(spent.calls))?;
        let over_limit = format!("over limit{}", Of(self.over_limit_at));
        let parts = [
            ("beyond its reservation", self.overrun),
            ("reported too much", self.over_reported),
            (over_limit.as_str(), self.over_limit),
        ];
        for (what, excess) in parts.into_iter().filter(|(_, excess)| excess.any()) {
            write!(f, "; {what}: {excess}")?;
        }
        if let Some(crossed) = self.crossed {
            write!(f, "; crossed {}", crossed.in_short())?;
        }
        if self.saturated {
            f.write_str("; the count is full")?;
        }
        Ok(())
    }
}

struct Calls(u64);

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 call"),
            calls => write!(f, "{calls} calls"),
        }
    }
}
