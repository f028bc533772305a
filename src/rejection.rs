//! Why a pool turned a call away.

use std::error::Error;
use std::fmt;

use crate::dimension::{Amount, Dimension};
use crate::level::{Level, Of};
use crate::money::Usd;

/// Whether waiting could help a call that a limit refused. Ordered from best to worst; where
/// several limits refuse, the worst is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is too large only because of what is reserved for other calls. Some of that may come
    /// back.
    Busy,
    /// What is spent leaves too little room: it takes a reset or a raised limit.
    Exhausted,
    /// It is larger than the limit itself.
    NeverFits,
}

/// Why a call was not admitted. The pool was left as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejected {
    /// The pool is closed.
    Closed {
        /// Which pool: this one or one above it.
        level: Level,
    },
    /// The call's cost is unknown, and the pool limits cost.
    Unpriced {
        /// Which pool: this one or one above it.
        level: Level,
        /// The limit on cost.
        limit: Usd,
    },
    /// A limit leaves too little room.
    Exceeded(Exceeded),
}

/// The limit that refused a call, and the numbers that it went by: one state of
/// the pool, in which `spent + reserved + requested` is more than `limit`.
///
/// The most that each can say is `u64::MAX` (of cost, [`Usd::MAX`]). It stands for more, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exceeded {
    pub(crate) level: Level,
    pub(crate) dimension: Dimension,
    pub(crate) limit: u64,
    pub(crate) spent: u64,
    pub(crate) reserved: u64,
    pub(crate) requested: u64,
    pub(crate) reason: Reason,
}

impl Exceeded {
    /// Whose limit: that of the pool which was asked, or of one above it. Where several levels refuse, the
    /// one with the worst reason, and of those the one nearest to the root.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Which limit. Where several refuse, the first with the worst reason.
    pub fn dimension(&self) -> Dimension {
        self.dimension
    }

    /// The limit. Where none is set, the most that can be counted. If too many calls are in flight,
    /// 2,147,483,647, the most that can be.
    pub fn limit(&self) -> Amount {
        self.dimension.amount(self.limit)
    }

    /// What was spent.
    pub fn spent(&self) -> Amount {
        self.dimension.amount(self.spent)
    }

    /// What was reserved for other calls.
    pub fn reserved(&self) -> Amount {
        self.dimension.amount(self.reserved)
    }

    /// What was asked for. Of [`extend`](crate::Reservation::extend), what was reserved for the call
    /// already, and the more that it asked for.
    pub fn requested(&self) -> Amount {
        self.dimension.amount(self.requested)
    }

    /// Whether waiting could help.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl Rejected {
    /// Whether the call was refused only because of what is reserved for other calls, so that
    /// it is worth trying again when some of them have ended. [`BudgetPool::reserve`](crate::BudgetPool::reserve)
    /// waits for that.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().calls(1));
    /// let reservation = pool.try_reserve(Usage::ZERO)?;
    /// assert!(pool.try_reserve(Usage::ZERO).unwrap_err().is_busy());
    /// let _ = reservation.start().settle(Usage::ZERO);
    /// assert!(!pool.try_reserve(Usage::ZERO).unwrap_err().is_busy()); // for good
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Rejected::Exceeded(exceeded) if exceeded.reason == Reason::Busy)
    }

    /// Whether the pool is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Rejected::Closed { .. })
    }

    /// Which pool refused: the one that was asked, or one above it. If several did, the one with the worst
    /// reason, and of those the one nearest to the root. To be closed is worst, then comes a cost that is
    /// unknown, then a limit, as [`Reason`] says.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Child, Limits, Usage};
    ///
    /// let team = BudgetPool::new(Limits::unlimited().calls(1));
    /// let run = team.child(Child::new(Limits::unlimited().calls(5)).label("run 7"))?;
    /// run.try_charge(Usage::ZERO)?;
    /// let rejected = run.try_charge(Usage::ZERO).unwrap_err();
    /// assert_eq!(rejected.level().depth(), 0); // the team has no call left, and the run four
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn level(&self) -> Level {
        match self {
            Rejected::Closed { level } | Rejected::Unpriced { level, .. } => *level,
            Rejected::Exceeded(exceeded) => exceeded.level,
        }
    }

    /// With the label of its level.
    pub(crate) fn labelled(mut self, label: impl FnOnce(u8) -> Level) -> Rejected {
        let level = match &mut self {
            Rejected::Closed { level } | Rejected::Unpriced { level, .. } => level,
            Rejected::Exceeded(exceeded) => &mut exceeded.level,
        };
        *level = label(level.depth);
        self
    }

    /// The refusal to report of those of two levels. `above` is nearer to the root.
    pub(crate) fn worse(above: Rejected, below: Rejected) -> Rejected {
        let badness = |rejected: &Rejected| match rejected {
            Rejected::Exceeded(exceeded) => exceeded.reason as u8,
            Rejected::Unpriced { .. } => Reason::NeverFits as u8 + 1,
            Rejected::Closed { .. } => Reason::NeverFits as u8 + 2,
        };
        if badness(&below) > badness(&above) {
            below
        } else {
            above
        }
    }

    /// The dimension whose limit refused, if one did.
    pub fn dimension(&self) -> Option<Dimension> {
        match self {
            Rejected::Closed { .. } => None,
            Rejected::Unpriced { .. } => Some(Dimension::Cost),
            Rejected::Exceeded(exceeded) => Some(exceeded.dimension),
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Closed { level } => write!(f, "budget pool{} is closed", Of(*level)),
            Rejected::Unpriced { level, limit } => write!(
                f,
                "the call's cost is unknown, and budget limit `cost_usd`{} limits cost to ${limit}",
                Of(*level)
            ),
            Rejected::Exceeded(exceeded) => exceeded.fmt(f),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Busy => "busy: reserved for others",
            Reason::Exhausted => "exhausted",
            Reason::NeverFits => "never fits",
        };
        write!(
            f,
            "budget limit `{}`{} exceeded ({reason}): limit={}, spent={}, reserved={}, requested={}",
            self.dimension,
            Of(self.level),
            self.limit(),
            self.spent(),
            self.reserved(),
            self.requested(),
        )
    }
}

impl Error for Rejected {}
