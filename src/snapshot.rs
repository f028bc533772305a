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
    /// Whether the pool itself was closed. One above it may be.
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
            if is_larger_share(other, most) {
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

/// Whether the first `(dimension, taken, limit)` takes a larger share than the second.
fn is_larger_share(first: (Dimension, u128, u128), second: (Dimension, u128, u128)) -> bool {
    // Of a limit of zero, everything is more than all.
    let parts = |(_, taken, limit): (Dimension, u128, u128)| {
        let limit = limit.max(1);
        (taken / limit, taken % limit, limit)
    };
    let ((first_whole, first_rest, first_limit), (second_whole, second_rest, second_limit)) =
        (parts(first), parts(second));
    // Cross products of the rests fit: rests and limits are below 2^64. Those of all that is taken would
    // not, since it may be more than its limit.
    (first_whole, first_rest * second_limit) > (second_whole, second_rest * first_limit)
}

#[cfg(test)]
mod tests {
    use crate::limits::Limits;
    use crate::money::Usd;
    use crate::pool::BudgetPool;
    use crate::usage::Usage;

    #[test]
    fn the_tightest_limit_is_the_one_of_which_the_largest_share_is_taken() {
        const MAX: u64 = u64::MAX;
        let unlimited = Limits::unlimited;
        for (limits, input, output, tightest) in [
            (unlimited().input_tokens(100).output_tokens(10), 60, 5, 100),
            (unlimited().input_tokens(100).output_tokens(10), 60, 7, 10),
            (unlimited().input_tokens(MAX).output_tokens(10), MAX, 9, MAX),
            (unlimited().input_tokens(MAX).output_tokens(10), MAX, 11, 10),
            (
                unlimited().input_tokens(MAX).total_tokens(1_000),
                MAX,
                MAX,
                1_000,
            ),
            (
                unlimited().output_tokens(MAX).total_tokens(MAX),
                9,
                MAX,
                MAX,
            ),
            (unlimited().input_tokens(0).output_tokens(2), 0, 1, 2),
            (unlimited().input_tokens(0).output_tokens(2), 1, 1, 0),
        ] {
            let pool = BudgetPool::new(limits);
            let _ = pool.charge(Usage::tokens(input, output).cost(Usd::ZERO));
            let (_, _, limit) = pool.snapshot().tightest().expect("there are limits");
            assert_eq!(limit, u128::from(tightest), "{limits:?} {input} {output}");
        }
        assert!(BudgetPool::unconstrained().snapshot().tightest().is_none());
    }
}
