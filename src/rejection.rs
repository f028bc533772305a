//! Why a pool turned a call away.

use std::error::Error;
use std::fmt;

use crate::MicroUsd;

/// Error returned when a `record` call would push past a cap, or is given a cost that is
/// not an amount.
///
/// It names the first cap that would be exceeded, in the order input tokens,
/// output tokens, total tokens, cost, calls; subsequent caps may also be exceeded. (Made
/// from a [`Rejected`], it names the cap that that one names.)
/// **The pool's totals are not updated** when this error fires.
///
/// Its numbers are `f64`s as in version 0.1: counts above 2^53 are rounded. [`Rejected`]
/// is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetExceeded {
    /// Which cap blew: `"input_tokens"`, `"output_tokens"`, `"total_tokens"`,
    /// `"cost_usd"` (of a pool with [`Limits`](crate::Limits) also `"calls"`), or
    /// `"closed"` for a pool that was closed.
    pub cap: &'static str,
    /// The cap's limit, in tokens or dollars. Where there is no cap, the most that
    /// can be counted; for an invalid cost without a cap, infinity.
    pub limit: f64,
    /// What the running total (with what is reserved) would have become, in tokens
    /// or dollars. For an invalid cost, that cost; infinity also stands for an unknown one
    /// ([`Rejected::Unpriced`]).
    pub attempted: f64,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invalid = !self.attempted.is_finite() || self.attempted < 0.0;
        match self.cap {
            "closed" => f.write_str("budget pool is closed"),
            "cost_usd" if self.attempted == f64::INFINITY => f.write_str(
                "invalid cost `cost_usd`: unknown or infinite, not an amount of dollars",
            ),
            "cost_usd" if invalid => write!(
                f,
                "invalid cost `cost_usd`: {} is not an amount of dollars",
                self.attempted
            ),
            cap => write!(
                f,
                "budget cap `{cap}` exceeded: limit={}, attempted={}",
                self.limit, self.attempted
            ),
        }
    }
}

impl Error for BudgetExceeded {}

/// A dimension that a pool limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cap {
    /// Tokens in.
    InputTokens,
    /// Tokens out.
    OutputTokens,
    /// Tokens in and out together.
    TotalTokens,
    /// Cost. [`Exceeded`] gives its numbers in nano-dollars.
    Cost,
    /// Calls.
    Calls,
}

impl Cap {
    /// In the order in which they are looked at.
    pub(crate) const ALL: [Cap; 5] = [
        Cap::InputTokens,
        Cap::OutputTokens,
        Cap::TotalTokens,
        Cap::Cost,
        Cap::Calls,
    ];

    /// The name: `"input_tokens"`, `"output_tokens"`, `"total_tokens"`,
    /// `"cost_usd"` or `"calls"`.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        match self {
            Cap::InputTokens => "input_tokens",
            Cap::OutputTokens => "output_tokens",
            Cap::TotalTokens => "total_tokens",
            Cap::Cost => "cost_usd",
            Cap::Calls => "calls",
        }
    }

    /// An amount of this dimension as version 0.1 tells it: tokens, calls or dollars.
    #[inline]
    pub(crate) fn as_f64(self, amount: u128) -> f64 {
        // From 64 bits where they do: from 128 is a call, which the optimizer would make
        // in any case if it were not in a function of its own.
        #[cold]
        fn wide(amount: u128) -> f64 {
            amount as f64
        }
        let amount = match u64::try_from(amount) {
            Ok(amount) => amount as f64,
            Err(_) => wide(amount),
        };
        match self {
            Cap::Cost => amount / 1e9,
            _ => amount,
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

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
/// Tokens and calls are counts; of [`Cap::Cost`] the numbers are nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Exceeded {
    /// Which limit. Where several refuse, the first with the worst reason.
    pub cap: Cap,
    /// The limit; `u64::MAX`, the most that can be counted, where none is set.
    pub limit: u64,
    /// What was spent.
    pub spent: u128,
    /// What was reserved, by other calls.
    pub reserved: u128,
    /// What was asked for. Of [`extend`](crate::Hold::extend), what the call
    /// held and the more that it asked for.
    pub requested: u128,
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
    pub fn cap(&self) -> Option<Cap> {
        match self {
            Rejected::Closed => None,
            Rejected::Unpriced { .. } => Some(Cap::Cost),
            Rejected::Exceeded(exceeded) => Some(exceeded.cap),
        }
    }
}

/// An amount of a dimension, for people.
struct Amount(Cap, u128);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, u64::try_from(self.1)) {
            (Cap::Cost, Ok(nanos)) => write!(f, "${}", MicroUsd::from_nanos(nanos)),
            (Cap::Cost, Err(_)) => write!(
                f,
                "${}.{:09}",
                self.1 / 1_000_000_000,
                self.1 % 1_000_000_000
            ),
            (_, _) => write!(f, "{}", self.1),
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
            amount(self.limit.into()),
            amount(self.spent),
            amount(self.reserved),
            amount(self.requested),
        )
    }
}

impl Error for Rejected {}

impl From<Rejected> for BudgetExceeded {
    /// A closed pool becomes the cap `"closed"` with limit 0 and attempted 1; an
    /// unknown cost becomes `"cost_usd"` with attempted infinity.
    fn from(rejected: Rejected) -> BudgetExceeded {
        match rejected {
            Rejected::Closed => BudgetExceeded {
                cap: "closed",
                limit: 0.0,
                attempted: 1.0,
            },
            Rejected::Unpriced { limit } => BudgetExceeded {
                cap: Cap::Cost.as_str(),
                limit: limit.as_usd(),
                attempted: f64::INFINITY,
            },
            Rejected::Exceeded(Exceeded {
                cap,
                limit,
                spent,
                reserved,
                requested,
                ..
            }) => BudgetExceeded {
                cap: cap.as_str(),
                limit: cap.as_f64(limit.into()),
                attempted: cap.as_f64(spent.saturating_add(reserved).saturating_add(requested)),
            },
        }
    }
}
