//! Why a pool turned a call away.

use std::error::Error;
use std::fmt;

use crate::dimension::Dimension;
use crate::money::MicroUsd;

/// Whether waiting could help a call that a cap refused. Ordered from best to worst; where
/// several caps refuse, the worst is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is too large only because of what other calls hold: some of that may come
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
    Closed,
    /// The call's cost is unknown, and the pool limits cost.
    Unpriced {
        /// The limit on cost.
        limit: MicroUsd,
    },
    /// A limit leaves too little room.
    Exceeded(Exceeded),
}

/// The limit that refused a call, and the numbers that it went by: one state of
/// the pool, in which `spent + reserved + requested` is more than `limit`.
///
/// Tokens and calls are counts; of [`Dimension::Cost`] the numbers are nano-dollars. `u64::MAX` stands
/// also for amounts that are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Exceeded {
    /// Which limit. Where several refuse, the first with the worst reason.
    pub cap: Dimension,
    /// The limit; `u64::MAX`, the most that can be counted, where none is set. If too many calls are in
    /// flight, 2,147,483,647, the most that can be.
    pub limit: u64,
    /// What was spent.
    pub spent: u64,
    /// What was reserved, by other calls.
    pub reserved: u64,
    /// What was asked for. Of [`extend`](crate::Hold::extend), what the call
    /// held and the more that it asked for.
    pub requested: u64,
    /// Whether waiting could help.
    pub reason: Reason,
}

impl Rejected {
    /// Whether the call was refused only because of what other calls hold, so that
    /// it is worth trying again when some of them have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use token_budget_pool::{BudgetPool, Rejected, Reservation, Usage};
    ///
    /// async fn reserve_soon(pool: &BudgetPool, estimate: Usage) -> Result<Reservation<'_>, Rejected> {
    ///     for _ in 0..100 {
    ///         match pool.reserve(estimate) {
    ///             Err(rejected) if rejected.is_busy() => {
    ///                 tokio::time::sleep(Duration::from_millis(50)).await;
    ///             }
    ///             decided => return decided,
    ///         }
    ///     }
    ///     pool.reserve(estimate)
    /// }
    /// # let _ = reserve_soon;
    /// ```
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Rejected::Exceeded(exceeded) if exceeded.reason == Reason::Busy)
    }

    /// Whether the pool is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Rejected::Closed)
    }

    /// The limit that refused, if it was one.
    pub fn cap(&self) -> Option<Dimension> {
        match self {
            Rejected::Closed => None,
            Rejected::Unpriced { .. } => Some(Dimension::Cost),
            Rejected::Exceeded(exceeded) => Some(exceeded.cap),
        }
    }
}

/// An amount of a dimension, for people.
struct Amount(Dimension, u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Dimension::Cost => write!(f, "${}", MicroUsd::from_nanos(self.1)),
            _ => write!(f, "{}", self.1),
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejected::Closed => f.write_str("budget pool is closed"),
            Rejected::Unpriced { limit } => write!(
                f,
                "the call's cost is unknown, and budget cap `cost_usd` limits cost to ${limit}"
            ),
            Rejected::Exceeded(exceeded) => exceeded.fmt(f),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let amount = |amount| Amount(self.cap, amount);
        let reason = match self.reason {
            Reason::Busy => "busy: others hold the room",
            Reason::Exhausted => "exhausted",
            Reason::NeverFits => "never fits",
        };
        write!(
            f,
            "budget cap `{}` exceeded ({reason}): limit={}, spent={}, reserved={}, requested={}",
            self.cap,
            amount(self.limit),
            amount(self.spent),
            amount(self.reserved),
            amount(self.requested),
        )
    }
}

impl Error for Rejected {}
