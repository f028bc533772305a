//! One state of a pool.

use crate::builder::Restore;
use crate::dimension::{Dimension, Guesses, Tally};
use crate::limits::Limits;
use crate::usage::{Amounts, Spent};

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
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::spent")
    )]
    pub spent: Spent,
    /// What is reserved for calls in flight.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::reserved")
    )]
    pub reserved: Amounts,
    /// Calls that have reserved and not ended, started or not.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::calls_in_flight")
    )]
    pub calls_in_flight: u64,
    /// The limits in force.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::limits")
    )]
    pub limits: Limits,
    /// Whether the pool was closed.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "crate::serde_fields::closed")
    )]
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
    /// use token_budget_pool::{BudgetPool, Limits, Usd, Usage};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().input_tokens(100).calls(5));
    /// pool.try_charge(Usage::tokens(30, 0).cost(Usd::ZERO))?;
    /// let reservation = pool.try_reserve(Usage::tokens(20, 0).cost(Usd::ZERO))?;
    ///
    /// let room = pool.snapshot().remaining();
    /// assert_eq!(room.input_tokens, Some(50));
    /// assert_eq!(room.calls, Some(3));
    /// assert_eq!(room.cost, None);
    /// # drop(reservation);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Limits {
        let spent = self.spent.tally();
        let reserved = self.reserved();
        Limits::from_fn(|dimension| {
            let taken = dimension.of(&spent) + dimension.of(&reserved);
            let room = |limit: u64| u128::from(limit).saturating_sub(taken) as u64;
            self.limits.get(dimension).map(room)
        })
    }

    /// Of the limits, the one of which the largest share is spent and reserved: what it is on, how much
    /// is taken, and the limit.
    pub(crate) fn tightest(&self) -> Option<(Dimension, u128, u128)> {
        let (spent, reserved) = (self.spent.tally(), self.reserved());
        let limited = Dimension::ALL.into_iter().filter_map(|dimension| {
            let limit = self.limits.get(dimension)?;
            let taken = dimension.of(&spent) + dimension.of(&reserved);
            Some((dimension, taken, u128::from(limit)))
        });
        limited.reduce(|most, other| {
            // Shares are compared by cross products. They fit: an amount is below 2^66.
            let (most_share, other_share) = ((most.1, most.2), (other.1, other.2));
            let more = other_share.0 * most_share.1.max(1) > most_share.0 * other_share.1.max(1);
            if more {
                other
            } else {
                most
            }
        })
    }

    /// What a pool that goes on counting from this has spent.
    pub(crate) fn restored(&self, reserved: Restore) -> Spent {
        match reserved {
            Restore::WithoutReserved => self.spent,
            Restore::ReservedAsSpent => {
                let forfeited = Guesses {
                    unpriced_calls: 0,
                    forfeited_calls: self.calls_in_flight,
                    forfeited_cost: self.reserved.cost.as_nanos(),
                };
                let guesses = self.spent.guesses().plus(forfeited);
                let spent = self.spent.tally();
                Spent::of(spent.zip(self.reserved(), u64::saturating_add), guesses)
            }
        }
    }

    pub(crate) fn reserved(&self) -> Tally {
        Tally {
            calls: self.calls_in_flight,
            ..self.reserved.tally()
        }
    }
}
