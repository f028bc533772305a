//! One state of a pool, for those who look.

use crate::{Limits, MicroUsd, Spent, Usage};

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
        let (spent, reserved) = (self.spent, self.reserved);
        let room = |limit: Option<u64>, taken: &[u64]| {
            limit.map(|limit| {
                taken
                    .iter()
                    .fold(limit, |room, &taken| room.saturating_sub(taken))
            })
        };
        let input = [spent.input_tokens, reserved.input_tokens];
        let output = [spent.output_tokens, reserved.output_tokens];
        let cost = [spent.cost, reserved.cost.unwrap_or(MicroUsd::ZERO)].map(MicroUsd::as_nanos);
        Limits {
            input_tokens: room(self.limits.input_tokens, &input),
            output_tokens: room(self.limits.output_tokens, &output),
            total_tokens: room(
                self.limits.total_tokens,
                &[input[0], input[1], output[0], output[1]],
            ),
            cost: room(self.limits.cost.map(MicroUsd::as_nanos), &cost).map(MicroUsd::from_nanos),
            calls: room(self.limits.calls, &[spent.calls, self.calls_in_flight]),
        }
    }
}
