//! Building a pool with more than limits.

use crate::layout::Fixed;
use crate::limits::Limits;
use crate::money::Usd;
use crate::pool::BudgetPool;
use crate::snapshot::Snapshot;
use crate::usage::Spent;

impl BudgetPool {
    /// Start building a pool: limits, an assumed cost, room for threads, a saved state.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// How to build a [`BudgetPool`], from [`BudgetPool::builder`].
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Limits};
///
/// let pool = BudgetPool::builder()
///     .limits(Limits::unlimited().cost("25".parse()?))
///     .assumed_cost("0.02".parse()?)
///     .threads(16)
///     .build();
/// # Ok::<(), token_budget_pool::ParseUsdError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    limits: Option<Limits>,
    saved_limits: Limits,
    assumed_cost: Option<Usd>,
    threads: usize,
    spent: Spent,
}

/// What becomes of what was reserved when a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restore {
    /// It counts as spent, and its calls as forfeited: they may have been billed. A snapshot does not
    /// say which of them had no known cost, so none of them counts as unpriced.
    ReservedAsSpent,
    /// It is dropped: those calls are known not to have been made.
    WithoutReserved,
}

impl Builder {
    /// The limits. Without this they are those of the [restored](Self::restore) snapshot, and without
    /// that the pool is unlimited.
    pub fn limits(mut self, limits: Limits) -> Builder {
        self.limits = Some(limits);
        self
    }

    /// What a call of unknown cost is taken to cost. With it such calls are admitted
    /// under a limit on cost, at this cost; they are still counted as unpriced. It holds for all pools below
    /// this one too.
    pub fn assumed_cost(mut self, cost: Usd) -> Builder {
        self.assumed_cost = Some(cost);
        self
    }

    /// Allocates beforehand what this many threads need if all of them are inside operations at once
    /// (at most 4,096; 384 bytes for each after the first). An operation then allocates only in a rare
    /// race, when several lanes change hands just behind a thread that searches for a free one. Count a
    /// signal handler that uses the pool as one more thread.
    ///
    /// This is about the pool itself. To make a [child](BudgetPool::child) allocates, and so does the first
    /// operation of a further thread on it while another is suspended inside one.
    pub fn threads(mut self, threads: usize) -> Builder {
        self.threads = threads;
        self
    }

    /// Goes on counting from `snapshot` (of a tree, its root's; see
    /// [`Child::restored`](crate::Child::restored) for the rest): what was spent and the calls counted are as
    /// they were, and what was reserved is counted or dropped, as `reserved` says. Counts
    /// stop at `u64::MAX`.
    ///
    /// [`limits`](Self::limits), called before or after this, replaces the limits of the snapshot. What
    /// was spent may be more than they are. The pool is open, also if it was closed, and has this
    /// builder's assumed cost: a snapshot has none.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Restore, Usage};
    ///
    /// let limits = Limits::unlimited().cost("25".parse()?);
    /// let old = BudgetPool::new(limits);
    /// old.try_charge(Usage::tokens(1_000, 500).cost("0.5".parse()?))?;
    /// let reservation = old.try_reserve(Usage::tokens(1_000, 500).cost("0.1".parse()?))?;
    /// let saved = old.snapshot(); // with the feature `serde`: to a file
    ///
    /// let pool = BudgetPool::builder()
    ///     .restore(&saved, Restore::ReservedAsSpent)
    ///     .build();
    /// assert_eq!(pool.spent().cost, "0.6".parse()?);
    /// assert_eq!(pool.limits(), limits);
    /// # drop(reservation);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(mut self, snapshot: &Snapshot, reserved: Restore) -> Builder {
        self.spent = snapshot.restored(reserved);
        self.saved_limits = snapshot.limits;
        self
    }

    /// Builds the pool.
    pub fn build(self) -> BudgetPool {
        let fixed = Fixed {
            assumed_cost: self.assumed_cost,
            ..Fixed::default()
        };
        let pool =
            BudgetPool::from_parts(self.spent, self.limits.unwrap_or(self.saved_limits), fixed);
        pool.make_lanes(self.threads);
        pool
    }
}
