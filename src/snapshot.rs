//! One state of a pool, for those who look.

use crate::dimension::Tally;
use crate::limits::Limits;
use crate::usage::{Spent, Usage};

/// One state that the pool was in: all numbers are of the same moment.
///
/// With the feature `serde` it can be saved, and a new process can go on counting
/// from it ([`Builder::restore`](crate::Builder::restore)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Snapshot {
    /// What was counted, and for how many calls.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::spent"))]
    pub spent: Spent,
    /// What calls in flight still hold. Its cost is always known.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::reserved"))]
    pub reserved: Usage,
    /// Reservations that have not ended.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::named::calls_in_flight")
    )]
    pub calls_in_flight: u64,
    /// The limits in force.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::limits"))]
    pub limits: Limits,
    /// Whether the pool was closed.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::named::closed"))]
    pub closed: bool,
}

impl Snapshot {
    /// The room left in each dimension, reservations taken off; `None` where it is
    /// unlimited, zero where the limit is reached or passed. A closed pool has room too, but
    /// admits nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().input_tokens(100).calls(5));
    /// pool.try_charge(Usage::tokens(30, 0).cost(MicroUsd::ZERO))?;
    /// let hold = pool.reserve(Usage::tokens(20, 0).cost(MicroUsd::ZERO))?;
    ///
    /// let room = pool.snapshot().remaining();
    /// assert_eq!(room.input_tokens, Some(50));
    /// assert_eq!(room.calls, Some(3));
    /// assert_eq!(room.cost, None);
    /// # drop(hold);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Limits {
        let spent = self.spent.tally();
        let reserved = Tally {
            calls: self.calls_in_flight,
            ..self.reserved.tally()
        };
        Limits::from_fn(|dimension| {
            let taken = dimension.of(&spent) + dimension.of(&reserved);
            let room = |limit: u64| u128::from(limit).saturating_sub(taken) as u64;
            self.limits.get(dimension).map(room)
        })
    }
}
