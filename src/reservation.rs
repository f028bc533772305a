//! Reservations: an estimate held before the call, settled with what it came to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::admit::Reserve;
use crate::count::Count;
use crate::receipt::Excess;
use crate::state::{Amounts, Ask};
use crate::{BudgetPool, MicroUsd, Receipt, Rejected, Usage};

/// A [`Hold`] that borrows its pool, from [`BudgetPool::reserve`].
pub type Reservation<'a> = Hold<&'a BudgetPool>;

/// A [`Hold`] that keeps its pool alive, from [`BudgetPool::reserve_owned`]: `'static` and
/// `Send`, for spawned tasks.
pub type OwnedReservation = Hold<Arc<BudgetPool>>;

/// Room that a call in flight holds in a pool: a [`Reservation`] or an
/// [`OwnedReservation`], alike but for how they hold the pool.
///
/// The pool counts what is held against its limits, so that a thousand calls in
/// flight cannot each see the same room. A reservation ends in exactly one of these
/// ways, each of them one step of the pool:
///
/// | end | for | tokens and cost | the call |
/// |---|---|---|---|
/// | [`settle`](Self::settle) | the usage is known | what was used | counted |
/// | [`settle_at_least`](Self::settle_at_least) | a stream was cut off | what was used or held, the larger | counted |
/// | [`forfeit`](Self::forfeit), or a drop after [`sent`](Self::sent) or [`settle_so_far`](Self::settle_so_far) | nobody knows | what was held | counted |
/// | a drop before that | the request never went out | back to the pool | not counted |
///
/// A drop is where an error, a panic and an aborted task end up; it takes no lock,
/// waits for nothing and allocates nothing that an update would not. A `let _ =`
/// drops at once; bind it to a name. A reservation that is leaked
/// (`mem::forget`) holds its part of the budget for as long as the pool lives.
///
/// # Costs that are unknown
///
/// Where a cost is not told, the call counts the larger of the pool's assumed cost
/// and what the call was told in parts and still holds, and the pool counts it as
/// unpriced. A part told without a cost leaves the held cost owed: every end but a
/// settle with a known cost counts it.
///
/// # Across a reset
///
/// What is held stays held over a [`reset`](BudgetPool::reset), and is counted in
/// the period in which it settles. What was told in parts before stays in the old
/// one.
#[must_use = "dropping a reservation at once gives back what it holds"]
pub struct Hold<P: Borrow<BudgetPool>> {
    pool: P,
    /// What the pool holds for this call.
    held: Amounts,
    /// What it has counted for this call, from parts.
    told: Amounts,
    /// Whether the estimate had no cost.
    estimate_unpriced: bool,
    /// Whether the last part had none.
    told_unpriced: bool,
    /// Whether the request is out.
    sent: bool,
    /// Whether the pool has taken off what was held.
    ended: bool,
}

impl<P: Borrow<BudgetPool>> Hold<P> {
    /// Around what the pool has just held for one call.
    #[inline]
    pub(crate) fn new(pool: P, held: Amounts, unpriced: bool) -> Self {
        Self {
            pool,
            held,
            told: Amounts::default(),
            estimate_unpriced: unpriced,
            told_unpriced: false,
            sent: false,
            ended: false,
        }
    }

    /// Marks the request as sent: from here on a drop keeps what is held as spent,
    /// since providers bill calls that were aborted. Touches nothing shared.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// What is still held. Its cost is always known: zero for an estimate without
    /// one, unless the pool assumes a cost.
    pub fn held(&self) -> Usage {
        self.held.into()
    }

    /// What was told in parts so far, as far as its cost is known.
    pub fn told(&self) -> Usage {
        self.told.into()
    }

    /// Ends the reservation with the usage of the whole call, as providers report
    /// it: counts what was not told in parts yet, and gives back the rest of the
    /// hold. Never fails, and counts also what goes past a limit; the receipt says
    /// so.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().output_tokens(1_000));
    /// let mut hold = pool.reserve(Usage::tokens(200, 900).cost(MicroUsd::ZERO))?;
    /// hold.sent();
    /// let receipt = hold.settle(Usage::tokens(210, 350).cost(MicroUsd::ZERO));
    /// assert_eq!(receipt.spent.output_tokens, 350);
    /// assert_eq!(receipt.overrun.input_tokens, 10);
    /// assert!(!receipt.over_cap.any());
    /// assert_eq!(pool.snapshot().reserved, Usage::default());
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    #[inline]
    pub fn settle(mut self, actual: Usage) -> Receipt {
        let total = Amounts {
            input: actual.input_tokens,
            output: actual.output_tokens,
            cost: match actual.cost {
                Some(cost) => cost.as_nanos(),
                None => self.owed_cost(),
            },
        };
        self.end(total, actual.cost.is_none())
    }

    /// Ends the reservation of a call that was cut off: counts, of each dimension,
    /// the larger of `actual` and what was told and is still held.
    pub fn settle_at_least(mut self, actual: Usage) -> Receipt {
        let cost = match actual.cost {
            Some(cost) => cost.as_nanos(),
            None => self.owed_cost(),
        };
        let total = Amounts {
            input: actual.input_tokens,
            output: actual.output_tokens,
            cost,
        };
        let total = total.zip(self.told_and_held(), u64::max);
        self.end(total, actual.cost.is_none())
    }

    /// Ends the reservation and counts all that it holds as spent, for a call of
    /// which nobody knows what it used.
    pub fn forfeit(mut self) -> Receipt {
        self.end_as_held()
    }

    /// Counts what a stream has used so far, and takes it off the hold. The reservation
    /// goes on.
    ///
    /// The total is cumulative, as the providers' own reports are: telling the same
    /// total twice moves nothing, telling less than before moves nothing either. A
    /// cost that is not told yet stays held.
    pub fn settle_so_far(&mut self, total: Usage) -> Receipt {
        let total_cost = total.cost.map_or(self.told.cost, MicroUsd::as_nanos);
        let total_amounts = Amounts {
            input: total.input_tokens,
            output: total.output_tokens,
            cost: total_cost,
        };
        let new = total_amounts.zip(self.told, u64::saturating_sub);
        let release = new.zip(self.held, u64::min);
        let receipt = self.count(
            Count {
                release,
                spend: new,
                ..Count::default()
            },
            total_amounts,
        );
        self.held = self.held.zip(release, u64::saturating_sub);
        self.told = self.told.zip(total_amounts, u64::max);
        self.told_unpriced = total.cost.is_none();
        self.sent = true;
        receipt
    }

    /// Holds this much more, if it fits. The call does not wait for itself: what it
    /// holds already is told as part of the request. A cost that is unknown is topped
    /// up to what the pool assumes.
    ///
    /// # Errors
    ///
    /// As [`BudgetPool::reserve`]; the reservation stays as it was.
    pub fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        let pool = self.pool.borrow();
        let mut ask = Ask {
            calls: 0,
            own: self.held,
            ..Ask::from(more)
        };
        if let (None, Some(assumed)) = (more.cost, pool.assumed_cost()) {
            ask.unpriced = false;
            ask.cost = assumed.saturating_sub(self.told_and_held().cost).into();
        }
        pool.update(Reserve { ask })?;
        self.held = self.held.zip(ask.amounts(), u64::saturating_add);
        self.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    #[inline]
    fn told_and_held(&self) -> Amounts {
        self.told.zip(self.held, u64::saturating_add)
    }

    /// The cost of a call that nobody told.
    #[cold]
    fn owed_cost(&self) -> u64 {
        let assumed = self.pool.borrow().assumed_cost().unwrap_or(0);
        self.told_and_held().cost.max(assumed)
    }

    #[cold]
    fn end_as_held(&mut self) -> Receipt {
        let unpriced = self.estimate_unpriced || self.told_unpriced;
        let mut total = self.told_and_held();
        if unpriced {
            total.cost = self.owed_cost();
        }
        self.end(total, unpriced)
    }

    /// Ends the call as one that was never made.
    #[cold]
    fn refund(&self) {
        self.pool.borrow().update(Count {
            release: self.held,
            ends: true,
            ..Count::default()
        });
    }

    /// Ends the call, which came to `total`.
    #[inline]
    fn end(&mut self, total: Amounts, unpriced: bool) -> Receipt {
        self.ended = true;
        self.count(
            Count {
                release: self.held,
                ends: true,
                spend: total.zip(self.told, u64::saturating_sub),
                call: true,
                unpriced,
            },
            total,
        )
    }

    #[inline]
    fn count(&self, count: Count, total: Amounts) -> Receipt {
        let counted = self.pool.borrow().update(count);
        Receipt {
            spent: counted.spent,
            overrun: excess(count.spend, self.held),
            told_more: excess(self.told, total),
            over_cap: counted.over_cap,
            saturated: counted.saturated,
        }
    }
}

/// By how much `amounts` are more than `than`.
#[inline]
pub(crate) fn excess(amounts: Amounts, than: Amounts) -> Excess {
    let over = amounts.zip(than, u64::saturating_sub);
    Excess {
        input_tokens: over.input,
        output_tokens: over.output,
        total_tokens: over.input.saturating_add(over.output),
        cost: MicroUsd::from_nanos(over.cost),
        calls: 0,
    }
}

impl<P: Borrow<BudgetPool>> Drop for Hold<P> {
    #[inline]
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if self.sent {
            self.end_as_held();
        } else {
            self.refund();
        }
    }
}

impl<P: Borrow<BudgetPool>> fmt::Debug for Hold<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("held", &self.held())
            .field("told", &self.told())
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
