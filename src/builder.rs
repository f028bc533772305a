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
    /// Start building a pool: limits, an assumed cost, thresholds, room for threads, a saved state.
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

    /// Warns when what is spent reaches this share of a limit. Call it again for more thresholds. (One that is
    /// given twice counts once.) Thresholds hold for all pools below this one too, each pool against its own
    /// limits.
    ///
    /// A threshold is crossed by the one step before which less was spent than the threshold, and after which
    /// at least as much. (A step is one `charge`, `settle`, `report` and so on.) That step reports it, in
    /// [`Receipt::crossed`](crate::Receipt::crossed) and to the hook [`on_crossed`](Self::on_crossed). So
    /// however many threads spend at once, one of them reports it, and the later ones do not repeat it.
    ///
    /// A threshold can be crossed again if less than it is spent again: after a
    /// [reset](BudgetPool::reset), or after its limit was raised far enough.
    ///
    /// Everything that spends can cross a threshold. That includes [`try_charge`](BudgetPool::try_charge) and
    /// [`record`](BudgetPool::record), which return no receipt, and a call that is dropped. These report to
    /// the hook alone: without a hook, nobody hears of it.
    ///
    /// What is only reserved crosses nothing. Nothing is reported either when a limit is lowered to below what
    /// is spent, or when a pool is [restored](Self::restore) that was beyond a threshold already. A dimension
    /// without a limit, or with a limit of zero, has no thresholds.
    ///
    /// In a pool with thresholds a step that spends takes somewhat longer. It compares each threshold on each
    /// level. A pool without thresholds has no such cost.
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
    /// assert_eq!(run.charge(dollar).crossed, None); // It was reported already.
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn warn_at(mut self, threshold: Threshold) -> Builder {
        self.thresholds.push(threshold);
        self
    }

    /// Calls `hook` for each threshold that a step crosses. A step may cross several. Those of the root come
    /// first, then those of the levels below it, and on each level the lower ones of a dimension before the
    /// higher ones. There is one hook: a second one replaces the first. Without [`warn_at`](Self::warn_at) it
    /// is never called.
    ///
    /// The hook runs on the thread whose step crossed the threshold, after the step has taken effect and
    /// before the method returns. It holds no lock, so it may use the pool. What it spends may cross more
    /// thresholds. Then it is called from within itself.
    ///
    /// Other threads go on in the meantime. They may have spent more, or have reset the pool, when the hook
    /// runs. The numbers in [`Crossed`] are those of the step. The hook may run on several threads at once,
    /// for different thresholds or periods, so the reports may arrive out of order.
    ///
    /// In async code the hook runs inside the task, and in the drop of a [`Call`](crate::Call) too. So it
    /// should not block. Let it send what takes long to another task.
    ///
    /// A hook that holds an `Arc` of its own pool keeps that pool alive for ever. Give it a `Weak`.
    ///
    /// # Panics
    ///
    /// If the hook panics, so does the method that called it, and the hook is not called for what else the
    /// step crossed. The step has taken effect all the same. If the thread is panicking already, as when a
    /// panic drops a call, a panic of the hook is caught and goes no further.
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
