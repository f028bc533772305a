//! Building a pool with more than limits.

use crate::crossed::{Crossed, Hook, Watch};
use crate::layout::Fixed;
use crate::limits::Limits;
use crate::money::Usd;
use crate::pool::BudgetPool;
use crate::snapshot::Snapshot;
use crate::threshold::Threshold;
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
    thresholds: Vec<Threshold>,
    hook: Option<Hook>,
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

    /// Warns when what is spent reaches this share of a limit. Call it again for more thresholds. They hold for
    /// all pools below this one too, each of them against its own limits.
    ///
    /// The step that crosses a threshold reports it: the one before which less was spent, and after which
    /// at least as much. So of all threads exactly one reports it, once in each period. A
    /// [reset](BudgetPool::reset) or a raised limit that takes `spent` below the threshold arms it again. It
    /// is reported in [`Receipt::crossed`](crate::Receipt::crossed), and to the hook
    /// [`on_crossed`](Self::on_crossed).
    ///
    /// Everything that spends can cross: [`try_charge`](BudgetPool::try_charge) and
    /// [`record`](BudgetPool::record) too, which have no receipt, and a call that is dropped. What is only
    /// reserved crosses nothing. Neither does a limit that is lowered to below what is spent, nor a
    /// [restored](Self::restore) pool that is beyond a threshold already: then somebody else knows. A
    /// dimension without a limit, or with a limit of zero, has no thresholds.
    ///
    /// A step that spends takes somewhat longer in a pool with thresholds: it compares each of them, on each
    /// level. A pool without any has no such cost.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Child, Dimension, Limits, Threshold, Usage, Usd};
    ///
    /// let team = BudgetPool::builder()
    ///     .limits(Limits::unlimited().cost(Usd::dollars(10)))
    ///     .warn_at(Threshold::percent(50)?)
    ///     .warn_at(Threshold::per_mille(995)?.of(Dimension::Cost))
    ///     .build();
    /// let run = team.child(Child::new(Limits::unlimited().calls(3)).label("run 7"))?;
    ///
    /// let dollar = Usage::tokens(1_000, 500).cost(Usd::dollars(1));
    /// assert_eq!(run.charge(dollar).crossed, None);
    /// let crossed = run.charge(dollar).crossed.expect("two of three calls are more than half");
    /// assert_eq!(crossed.level().label(), "run 7");
    /// assert_eq!(run.charge(dollar).crossed, None); // Once is enough.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warn_at(mut self, threshold: Threshold) -> Builder {
        self.thresholds.push(threshold);
        self
    }

    /// Calls `hook` for each threshold that a step crosses, those of the root first, then down the tree. A step
    /// may cross several. There is one hook: a second one replaces the first. Without
    /// [`warn_at`](Self::warn_at) it is never called.
    ///
    /// It runs on the thread whose step crossed, after the step has taken effect, before the method returns. It
    /// may use the pool, and cross more thresholds with it. In the meantime other threads go on. So they may have
    /// spent more, or have reset the pool, when it runs: what it is told is as of the step. It may run on
    /// several threads at once, for different thresholds or periods. In async code it runs in the task, so it
    /// should not block: hand over what takes long.
    ///
    /// If it panics, the panic unwinds into the caller of the method, and the hook is not called for what else
    /// the step crossed. What was to be counted is counted. A [`Call`](crate::Call) that is dropped may
    /// call it too. Where a panic is already dropping the call, a panic of the hook ends in the hook.
    ///
    /// A hook that holds an `Arc` of its own pool keeps that pool for ever. Give it a `Weak`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use token_budget_pool::{BudgetPool, Limits, Threshold, Usage, Usd};
    ///
    /// let (sender, warnings) = channel();
    /// let pool = BudgetPool::builder()
    ///     .limits(Limits::unlimited().cost(Usd::cents(10)))
    ///     .warn_at(Threshold::percent(80)?)
    ///     .on_crossed(move |crossed| {
    ///         let _ = sender.send(*crossed);
    ///     })
    ///     .build();
    /// for _ in 0..10 {
    ///     pool.try_charge(Usage::tokens(1_000, 500).cost(Usd::cents(1)))?;
    /// }
    /// let warnings: Vec<_> = warnings.try_iter().map(|crossed| crossed.to_string()).collect();
    /// assert_eq!(warnings, ["80% of budget limit `cost_usd` crossed: limit=$0.1, spent=$0.08"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_crossed(mut self, hook: impl Fn(&Crossed) + Send + Sync + 'static) -> Builder {
        self.hook = Some(Hook::new(hook));
        self
    }

    /// Builds the pool.
    pub fn build(self) -> BudgetPool {
        let is_watched = !self.thresholds.is_empty();
        let fixed = Fixed {
            assumed_cost: self.assumed_cost,
            watch: is_watched.then(|| Box::new(Watch::new(&self.thresholds, self.hook))),
            ..Fixed::default()
        };
        let pool =
            BudgetPool::from_parts(self.spent, self.limits.unwrap_or(self.saved_limits), fixed);
        pool.make_lanes(self.threads);
        pool
    }
}
