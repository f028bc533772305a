//! What is said when spending crosses a threshold, and to whom.

use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::dimension::{Amount, Dimension};
use crate::level::{Level, Of};
use crate::ops::watched::{Step, Steps};
use crate::threshold::{Share, Threshold};

/// A threshold that one step crossed: before the step less was spent, after it at least as much.
///
/// It comes from [`Receipt::crossed`](crate::Receipt::crossed) and
/// [`Builder::on_crossed`](crate::Builder::on_crossed). All of its numbers are those of that step. `Display`
/// is one line for a log.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{BudgetPool, Dimension, Limits, Threshold, Usage, Usd};
///
/// let pool = BudgetPool::builder()
///     .limits(Limits::unlimited().cost(Usd::dollars(25)))
///     .warn_at(Threshold::percent(80)?)
///     .build();
/// let receipt = pool.charge(Usage::tokens(1_000, 500).cost("20.5".parse()?));
/// let crossed = receipt.crossed.expect("more than 80 percent");
/// assert_eq!((crossed.dimension(), crossed.per_mille()), (Dimension::Cost, 800));
/// assert_eq!(
///     crossed.to_string(),
///     "80% of budget limit `cost_usd` crossed: limit=$25, spent=$20.5",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crossed {
    level: Level,
    dimension: Dimension,
    share: Share,
    limit: u64,
    spent: u64,
}

impl Crossed {
    /// Whose limit: that of the pool which was asked, or of one above it.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Which limit.
    pub fn dimension(&self) -> Dimension {
        self.dimension
    }

    /// The threshold, in thousandths of the limit: 800 for 80 percent.
    pub fn per_mille(&self) -> u32 {
        self.share.per_mille.into()
    }

    /// The limit that was in force at that step.
    pub fn limit(&self) -> Amount {
        self.dimension.amount(self.limit)
    }

    /// What was spent after the step. It may be more than the limit.
    pub fn spent(&self) -> Amount {
        self.dimension.amount(self.spent)
    }

    /// What a receipt says of it.
    pub(crate) fn in_short(&self) -> String {
        format!("{} of `{}`{}", self.share, self.dimension, Of(self.level))
    }
}

impl fmt::Display for Crossed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of budget limit `{}`{} crossed: limit={}, spent={}",
            self.share,
            self.dimension,
            Of(self.level),
            self.limit(),
            self.spent(),
        )
    }
}

/// What a pool, and each pool below it, is watched for.
pub(crate) struct Watch {
    /// In the order of dimensions, then of shares. Each is there once.
    thresholds: Vec<(Dimension, Share)>,
    hook: Option<Hook>,
}

impl Watch {
    pub(crate) fn new(thresholds: &[Threshold], hook: Option<Hook>) -> Self {
        let of = |dimension| {
            let of_it = thresholds
                .iter()
                .filter(move |threshold| threshold.dimension.map_or(true, |one| one == dimension));
            let mut shares: Vec<_> = of_it.map(|threshold| threshold.share).collect();
            shares.sort_unstable();
            shares.dedup();
            shares.into_iter().map(move |share| (dimension, share))
        };
        Self {
            thresholds: Dimension::ALL.into_iter().flat_map(of).collect(),
            hook,
        }
    }

    /// Calls the hook for each threshold that an update crossed, as its steps say. Returns the highest one.
    /// Runs foreign code, so the caller holds no lane.
    pub(crate) fn tell(&self, steps: &Steps, level: impl Fn(u8) -> Level) -> Option<Crossed> {
        let mut highest: Option<Crossed> = None;
        for (depth, step) in steps.by_level() {
            for &(dimension, share) in &self.thresholds {
                let Some(limit) = step.crossed(dimension, share) else {
                    continue;
                };
                let crossed = Crossed {
                    level: level(depth),
                    dimension,
                    share,
                    limit,
                    spent: dimension.saturating_of(&step.after),
                };
                if highest.map_or(true, |highest| highest.share < share) {
                    highest = Some(crossed);
                }
                if let Some(hook) = &self.hook {
                    hook.call(&crossed);
                }
            }
        }
        highest
    }
}

impl Step {
    /// The limit on `dimension`, if this update crossed that share of it.
    fn crossed(&self, dimension: Dimension, share: Share) -> Option<u64> {
        let limit = self.limits.get(dimension)?;
        let amount = share.reached_at(limit)?;
        let crossed = dimension.of(&self.before) < amount && amount <= dimension.of(&self.after);
        crossed.then_some(limit)
    }
}

/// What a user wants to be called with.
#[derive(Clone)]
pub(crate) struct Hook(Arc<dyn Fn(&Crossed) + Send + Sync>);

// It runs when the update is complete. So where it panics, it leaves no pool half changed, and a pool is as
// safe to use after a panic as one without a hook.
impl UnwindSafe for Hook {}
impl RefUnwindSafe for Hook {}

impl Hook {
    pub(crate) fn new(hook: impl Fn(&Crossed) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    fn call(&self, crossed: &Crossed) {
        if std::thread::panicking() {
            // A call in flight is dropped by a panic. A second panic out of that drop would abort the process.
            let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(crossed)));
        } else {
            (self.0)(crossed);
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fn(&Crossed)")
    }
}
