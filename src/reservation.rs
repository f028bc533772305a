//! Reservations: an estimate held before the call, settled with what it came to.

use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::dimension::Tally;
use crate::money::MicroUsd;
use crate::ops::admit::{Reserve, ReserveUpTo};
use crate::ops::request::Request;
use crate::ops::settle::Settle;
use crate::pool::BudgetPool;
use crate::receipt::{Excess, Receipt};
use crate::rejection::Rejected;
use crate::usage::Usage;

impl BudgetPool {
    /// Hold an estimate for a call that is about to be made, if it fits.
    ///
    /// What is held counts against every limit until the reservation ends: see
    /// [`Hold`] for the ways in which it can.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the pool unchanged: it is closed, or limits cost and the
    /// estimate has none with nothing [assumed](crate::Builder::assumed_cost) for it, or a limit
    /// leaves too little room, or a count would pass `u64::MAX`, or 2,147,483,647 calls are in flight.
    /// If only what others hold is in the way, [`Rejected::is_busy`] says so: that is what to try again
    /// on.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("0.05".parse()?));
    /// let estimate = Usage::tokens(1_000, 500).cost("0.03".parse()?);
    ///
    /// let mut hold = pool.reserve(estimate)?;
    /// assert!(pool.reserve(estimate).unwrap_err().is_busy());
    /// hold.sent();
    /// hold.settle(Usage::tokens(1_000, 120).cost("0.01".parse()?));
    /// assert!(pool.reserve(estimate).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn reserve(&self, estimate: Usage) -> Result<Reservation<'_>, Rejected> {
        let held = self.hold(estimate)?;
        Ok(Hold::new(self, held, estimate.cost.is_none()))
    }

    /// [`reserve`](Self::reserve) for a spawned task: the reservation keeps the pool
    /// alive. The `Arc` is cloned only once the call is admitted.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, MicroUsd, Usage};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = Arc::new(BudgetPool::unconstrained());
    /// let usage = Usage::tokens(1_000, 500).cost(MicroUsd::ZERO);
    /// let mut hold = pool.reserve_owned(usage).unwrap();
    /// let call = tokio::spawn(async move {
    ///     hold.sent();
    ///     hold.settle(usage)
    /// });
    /// assert_eq!(call.await.unwrap().spent.calls, 1);
    /// # }
    /// ```
    pub fn reserve_owned(self: &Arc<Self>, estimate: Usage) -> Result<OwnedReservation, Rejected> {
        let held = self.hold(estimate)?;
        Ok(Hold::new(Arc::clone(self), held, estimate.cost.is_none()))
    }

    /// Hold `fixed` and, beside it, the most output tokens that fit every limit, in
    /// one step. What was granted is in [`held`](Hold::held): ask the model for
    /// no more than that, instead of failing.
    ///
    /// `output` goes from the least worth having to the most wanted; of an empty range, its
    /// start is both. Output tokens of `fixed` are in [`held`](Hold::held) too. An output token
    /// costs `per_million` dollars a million, their sum rounded up to a nano-dollar, on top of
    /// the cost of `fixed`.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), for `fixed` and the least output.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Price, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("0.01".parse()?));
    /// let prompt = Usage::tokens(1_000, 0).cost("0.003".parse()?);
    /// let price = Price::per_million("3", "15", "0.3", "3.75")?;
    /// let hold = pool.reserve_up_to(prompt, 100..=4_096, price.output_per_million())?;
    /// assert_eq!(hold.held().output_tokens, 466); // 0.007 dollars' worth
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<Reservation<'_>, Rejected> {
        let held = self.hold_up_to(fixed, output, per_million)?;
        Ok(Hold::new(self, held, fixed.cost.is_none()))
    }

    /// [`reserve_up_to`](Self::reserve_up_to) for a spawned task: the reservation keeps the
    /// pool alive.
    ///
    /// # Errors
    ///
    /// As [`reserve_up_to`](Self::reserve_up_to).
    pub fn reserve_up_to_owned(
        self: &Arc<Self>,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<OwnedReservation, Rejected> {
        let held = self.hold_up_to(fixed, output, per_million)?;
        Ok(Hold::new(Arc::clone(self), held, fixed.cost.is_none()))
    }

    #[inline]
    fn hold(&self, estimate: Usage) -> Result<Tally, Rejected> {
        let request = self.request(estimate);
        let own = Tally::default();
        self.update(Reserve { request, own })?;
        Ok(request.asked)
    }

    fn hold_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<Tally, Rejected> {
        self.update(ReserveUpTo {
            fixed: self.request(fixed),
            least: *output.start(),
            most: *output.end(),
            per_million,
        })
    }
}

/// A [`Hold`] that borrows its pool, from [`BudgetPool::reserve`]. Its methods are those of
/// [`Hold`].
pub type Reservation<'a> = Hold<&'a BudgetPool>;

/// A [`Hold`] that keeps its pool alive, from [`BudgetPool::reserve_owned`]: `'static` and
/// `Send`, for spawned tasks. Its methods are those of [`Hold`].
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
/// | [`refund`](Self::refund), or a drop before `sent` or a part | nothing was billed | back to the pool | not counted, unless it told a part |
///
/// A drop is where an error, a panic and an aborted task end up. It never awaits; like any
/// update it may spin for a moment, and allocates only where the pool grows. A `let _ =`
/// drops at once; bind it to a name. A reservation that is leaked
/// (`mem::forget`) holds its part of the budget for as long as the pool lives.
///
/// # Costs that are unknown
///
/// Where a cost is not told, the call counts the pool's assumed cost, or the sum of what was
/// told in parts and what is still held if that is more, and the pool counts it as
/// unpriced. While the last part told had no cost, the held cost is owed: every end but a
/// settle with a known cost counts it, [`refund`](Self::refund) too.
///
/// # Once only
///
/// ```compile_fail,E0382
/// # use token_budget_pool::{BudgetPool, Usage};
/// # let pool = BudgetPool::unconstrained();
/// let hold = pool.reserve(Usage::default()).unwrap();
/// hold.settle(Usage::default());
/// hold.forfeit(); // moved: does not compile
/// ```
///
/// # Across a reset
///
/// What is held stays held over a [`reset`](BudgetPool::reset), and is counted in
/// the period in which it settles. What was told in parts before stays in the old
/// one.
#[must_use = "dropped, it holds nothing any more; bind it to a name (`let _ =` drops it at once)"]
pub struct Hold<P: Borrow<BudgetPool>> {
    pool: P,
    /// What the pool holds for this call.
    held: Tally,
    /// What it has counted for this call, from parts.
    told: Tally,
    /// Whether the estimate had no cost.
    estimate_unpriced: bool,
    /// Whether the last part had none.
    told_unpriced: bool,
    /// Whether there was a part.
    told_a_part: bool,
    /// Whether the request is out.
    sent: bool,
    /// Whether the pool has taken off what was held.
    ended: bool,
}

impl<P: Borrow<BudgetPool>> Hold<P> {
    /// Around what the pool has just held for one call.
    #[inline]
    pub(crate) fn new(pool: P, held: Tally, unpriced: bool) -> Self {
        Self {
            pool,
            held,
            told: Tally::default(),
            estimate_unpriced: unpriced,
            told_unpriced: false,
            told_a_part: false,
            sent: false,
            ended: false,
        }
    }

    /// Marks the request as sent: from here on a drop keeps what is held as spent,
    /// since providers bill calls that were aborted. Touches nothing shared.
    ///
    /// If the provider then turns the request away without billing it (too many requests,
    /// connection refused), end with [`refund`](Self::refund).
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// What is still held. Its cost is always told: one that is unknown counts in it as the
    /// pool's assumed cost, or as zero.
    pub fn held(&self) -> Usage {
        Usage::of(self.held)
    }

    /// What was told in parts so far, as far as its cost is known.
    pub fn told(&self) -> Usage {
        Usage::of(self.told)
    }

    /// Ends the reservation with the usage of the whole call, as providers report
    /// it: counts what was not told in parts yet, and gives back the rest of the
    /// hold. Never fails, and counts also what goes past a limit; the receipt says
    /// so. Without a cost, the cost held is counted, or what is missing to the pool's assumed
    /// cost if that is more, and the call is unpriced.
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
        let new = self.beyond_told(actual);
        let told_more = Excess::of(self.told, self.told_if(actual));
        self.end(new, told_more, actual.cost.is_none())
    }

    /// Ends the reservation of a call that was cut off: counts, of each dimension,
    /// the larger of `actual` and what was told and is still held.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usage};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// let mut hold = pool.reserve(Usage::tokens(200, 800).cost("0.02".parse()?))?;
    /// hold.settle_so_far(Usage::tokens(200, 300)); // cut off here, its cost never told
    /// let receipt = hold.settle_at_least(Usage::tokens(200, 310));
    /// assert_eq!(receipt.spent.output_tokens, 800);
    /// assert_eq!(receipt.spent.cost, "0.02".parse()?);
    /// assert_eq!(receipt.spent.unpriced_calls, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn settle_at_least(mut self, actual: Usage) -> Receipt {
        let new = self.beyond_told(actual).zip(self.held, u64::max);
        self.end(new, Excess::default(), actual.cost.is_none())
    }

    /// Ends the reservation and counts all that it holds as spent, for a call of
    /// which nobody knows what it used.
    pub fn forfeit(mut self) -> Receipt {
        self.end_as_held()
    }

    /// Ends the reservation and gives back what it still holds, for a call that was not
    /// billed: one that was never made, or that the provider turned away. The call is not
    /// counted, unless parts of it were told. Those stay counted; and if the last of them had
    /// no cost, the cost owed is counted too.
    pub fn refund(mut self) {
        if !self.told_a_part {
            return self.release();
        }
        let mut new = Tally::default();
        if self.told_unpriced {
            new.cost = self.owed_cost();
        }
        self.end(new, Excess::default(), self.told_unpriced);
    }

    /// Counts what a stream has used so far, and takes it off the hold. Never fails: it counts
    /// past a limit and in a closed pool too; the receipt is of this step. The reservation
    /// goes on, and the call is counted when it ends.
    ///
    /// The total is cumulative, as the providers' own reports are: telling the same
    /// total twice moves no amount, telling less than before moves none either. A
    /// cost that is not told yet stays held. If the last total told has no cost, a
    /// [`refund`](Self::refund), a [`forfeit`](Self::forfeit) and a drop count the call as unpriced. The
    /// last two also do if the estimate had none.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().output_tokens(1_000));
    /// let so_far = |output| Usage::tokens(200, output).cost(MicroUsd::ZERO);
    /// let mut hold = pool.reserve(so_far(800))?;
    /// hold.settle_so_far(so_far(100));
    /// hold.settle_so_far(so_far(350)); // the running total, not what came since
    /// assert_eq!(pool.totals().output_tokens, 350);
    /// assert_eq!(hold.held().output_tokens, 450);
    /// hold.settle(so_far(420));
    /// assert_eq!(pool.totals().output_tokens, 420);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn settle_so_far(&mut self, total: Usage) -> Receipt {
        let total_so_far = self.told_if(total);
        let spend = total_so_far.zip(self.told, u64::saturating_sub);
        let release = spend.zip(self.held, u64::min);
        let settle = Settle {
            release,
            spend,
            unpriced: false,
        };
        let receipt = self.count(settle, Excess::of(self.told, total_so_far));
        self.held = self.held.zip(release, u64::saturating_sub);
        self.told = self.told.zip(total_so_far, u64::max);
        self.told_unpriced = total.cost.is_none();
        self.told_a_part = true;
        receipt
    }

    /// Holds this much more, if it fits. A refusal has what this call holds already in
    /// `requested`, not in `reserved`. If `more` has no cost, the hold grows until what was told and
    /// what is held reach the pool's assumed cost, if it has one; a later
    /// [`forfeit`](Self::forfeit) or drop counts the call as unpriced.
    ///
    /// # Errors
    ///
    /// As [`BudgetPool::reserve`]; the reservation stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().output_tokens(1_000));
    /// let output = |tokens| Usage::tokens(0, tokens).cost(MicroUsd::ZERO);
    /// let mut hold = pool.reserve(output(600))?;
    /// hold.extend(output(300))?;
    /// assert!(hold.extend(output(300)).is_err()); // unchanged
    /// assert_eq!(hold.held().output_tokens, 900);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        let pool = self.pool.borrow();
        let mut request = Request {
            asked: more.tally(),
            unpriced: more.cost.is_none(),
        };
        if let (None, Some(assumed)) = (more.cost, pool.fixed().assumed_cost) {
            request.unpriced = false;
            let (told, held) = (self.told.cost, self.held.cost);
            request.asked.cost = assumed.as_nanos().saturating_sub(told).saturating_sub(held);
        }
        let own = self.held;
        pool.update(Reserve { request, own })?;
        self.held = self.held.zip(request.asked, u64::saturating_add);
        self.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    /// What has been told, if this is. A cost that is unknown stays what it was.
    #[inline]
    fn told_if(&self, usage: Usage) -> Tally {
        let cost = usage.cost.map_or(self.told.cost, MicroUsd::as_nanos);
        Tally {
            cost,
            ..usage.tally()
        }
    }

    /// What a call of this usage comes to beyond what was told.
    #[inline]
    fn beyond_told(&self, usage: Usage) -> Tally {
        let mut new = usage.tally().zip(self.told, u64::saturating_sub);
        if usage.cost.is_none() {
            new.cost = self.owed_cost();
        }
        new
    }

    /// The cost beyond what was told of a call whose cost nobody knows: what it still
    /// holds, or what is missing to the assumed cost.
    #[cold]
    fn owed_cost(&self) -> u64 {
        let assumed = self.pool.borrow().fixed().assumed_cost;
        let assumed = assumed.map_or(0, MicroUsd::as_nanos);
        self.held.cost.max(assumed.saturating_sub(self.told.cost))
    }

    #[cold]
    fn end_as_held(&mut self) -> Receipt {
        let unpriced = self.estimate_unpriced || self.told_unpriced;
        let mut new = self.held;
        if unpriced {
            new.cost = self.owed_cost();
        }
        self.end(new, Excess::default(), unpriced)
    }

    /// Ends the call as one that was never made.
    #[cold]
    fn release(&mut self) {
        self.ended = true;
        self.pool.borrow().update_always(Settle {
            release: self.held,
            ..Settle::default()
        });
    }

    /// Ends the call, which came to `new` beyond what was told.
    #[inline]
    fn end(&mut self, new: Tally, told_more: Excess, unpriced: bool) -> Receipt {
        self.ended = true;
        let settle = Settle {
            release: self.held,
            spend: Tally { calls: 1, ..new },
            unpriced,
        };
        self.count(settle, told_more)
    }

    #[inline]
    fn count(&self, settle: Settle, told_more: Excess) -> Receipt {
        let settled = self.pool.borrow().update_always(settle);
        let overrun = Excess::of(settle.spend, self.held);
        settled.receipt(overrun, told_more)
    }
}

impl<P: Borrow<BudgetPool>> Drop for Hold<P> {
    #[inline]
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if self.sent || self.told_a_part {
            self.end_as_held();
        } else {
            self.release();
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
