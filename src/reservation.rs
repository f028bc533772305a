//! Reservations: an estimate set aside before the call.

use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::call::Call;
use crate::call_state::CallState;
use crate::dimension::Tally;
use crate::money::Usd;
use crate::ops::admit::{Reserve, ReserveUpTo};
use crate::pool::BudgetPool;
use crate::rejection::Rejected;
use crate::usage::{Amounts, Usage};

impl BudgetPool {
    /// Reserve an estimate for a call that is about to be made, if it fits.
    ///
    /// What is reserved counts against every limit until the call ends. See [`Reservation`] for what
    /// comes next.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the pool unchanged: it is closed, or limits cost and the
    /// estimate has none with nothing [assumed](crate::Builder::assumed_cost) for it, or a limit
    /// leaves too little room, or a count would pass `u64::MAX`, or 2,147,483,647 calls are in flight.
    /// If only what is reserved for others is in the way, [`Rejected::is_busy`] says so.
    /// [`reserve`](Self::reserve) waits for it. This one does not, and may pass those that wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::cents(5)));
    /// let estimate = Usage::tokens(1_000, 500).cost(Usd::cents(3));
    ///
    /// let call = pool.try_reserve(estimate)?.start();
    /// assert!(pool.try_reserve(estimate).unwrap_err().is_busy());
    /// let receipt = call.settle(Usage::tokens(1_000, 120).cost(Usd::cents(1)));
    /// assert_eq!(receipt.spent.cost, Usd::cents(1));
    /// assert!(pool.try_reserve(estimate).is_ok());
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    pub fn try_reserve(&self, estimate: Usage) -> Result<Reservation<&BudgetPool>, Rejected> {
        let reserved = self.admit_estimate(estimate)?;
        Ok(Reservation::new(self, reserved, estimate))
    }

    /// [`try_reserve`](Self::try_reserve) for a spawned task: the reservation keeps the pool
    /// alive. The `Arc` is cloned only once the call is admitted.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, Usage, Usd};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = Arc::new(BudgetPool::unconstrained());
    /// let usage = Usage::tokens(1_000, 500).cost(Usd::ZERO);
    /// let reservation = pool.try_reserve_owned(usage).unwrap();
    /// let task = tokio::spawn(async move {
    ///     let call = reservation.start();
    ///     call.settle(usage)
    /// });
    /// assert_eq!(task.await.unwrap().spent.calls, 1);
    /// # }
    /// ```
    pub fn try_reserve_owned(
        self: &Arc<Self>,
        estimate: Usage,
    ) -> Result<OwnedReservation, Rejected> {
        let reserved = self.admit_estimate(estimate)?;
        Ok(Reservation::new(Arc::clone(self), reserved, estimate))
    }

    /// Reserve `fixed` and, beside it, the most output tokens that fit every limit, in
    /// one step. [`reserved`](Reservation::reserved) has what was granted. Ask the model for
    /// no more than that, instead of failing.
    ///
    /// `output` goes from the least worth having to the most wanted; of an empty range, its
    /// start is both. Output tokens of `fixed` are in [`reserved`](Reservation::reserved) too. An
    /// output token costs `per_million` dollars a million, their sum rounded up to a nano-dollar, on
    /// top of the cost of `fixed`.
    ///
    /// # Errors
    ///
    /// As [`try_reserve`](Self::try_reserve), for `fixed` and the least output.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::cents(1)));
    /// let prompt = Usage::tokens(1_000, 0).cost("0.003".parse()?);
    /// let reservation = pool.try_reserve_up_to(prompt, 100..=4_096, Usd::dollars(15))?;
    /// assert_eq!(reservation.reserved().output_tokens, 466); // 0.007 dollars' worth
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> Result<Reservation<&BudgetPool>, Rejected> {
        let reserved = self.admit_up_to(fixed, output, per_million)?;
        Ok(Reservation::new(self, reserved, fixed))
    }

    /// [`try_reserve_up_to`](Self::try_reserve_up_to) for a spawned task: the reservation keeps the
    /// pool alive.
    ///
    /// # Errors
    ///
    /// As [`try_reserve_up_to`](Self::try_reserve_up_to).
    pub fn try_reserve_up_to_owned(
        self: &Arc<Self>,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> Result<OwnedReservation, Rejected> {
        let reserved = self.admit_up_to(fixed, output, per_million)?;
        Ok(Reservation::new(Arc::clone(self), reserved, fixed))
    }

    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    fn admit_estimate(&self, estimate: Usage) -> Result<Tally, Rejected> {
        let request = self.request(estimate);
        let own = Tally::default();
        self.admit(Reserve { request, own })?;
        Ok(request.asked)
    }

    fn admit_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> Result<Tally, Rejected> {
        self.admit(self.asked_up_to(fixed, output, per_million))
    }

    pub(crate) fn asked_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> ReserveUpTo {
        ReserveUpTo {
            fixed: self.request(fixed),
            least: *output.start(),
            most: *output.end(),
            per_million,
        }
    }
}

/// Room that is set aside for a call, from [`BudgetPool::try_reserve`] or [`BudgetPool::reserve`].
///
/// The pool counts what is reserved against its limits, so that a thousand calls in flight cannot
/// each see the same room. Nothing was sent yet, so a drop gives all of it back: an error, a panic or
/// an aborted task before the request costs nothing.
///
/// When the request goes out, [`start`](Self::start) makes it a [`Call`]. Only a call can be settled,
/// and a call that is dropped counts: from then on the provider may bill it.
///
/// ```compile_fail,E0599
/// # use token_budget_pool::{BudgetPool, Usage};
/// # let pool = BudgetPool::unconstrained();
/// let reservation = pool.try_reserve(Usage::ZERO).unwrap();
/// let receipt = reservation.settle(Usage::ZERO); // not started: does not compile
/// ```
///
/// `let _ =` drops at once; bind it to a name. A reservation that is leaked (`mem::forget`) keeps its
/// part of the budget for as long as the pool lives.
#[must_use = "dropped, it gives back what it reserved; bind it to a name (`let _ =` drops it at once)"]
pub struct Reservation<P: Borrow<BudgetPool>> {
    state: CallState<P>,
}

/// A [`Reservation`] that keeps its pool alive, from [`BudgetPool::try_reserve_owned`] or
/// [`BudgetPool::reserve_owned`]: `'static` and `Send`, for spawned tasks.
pub type OwnedReservation = Reservation<Arc<BudgetPool>>;

impl<P: Borrow<BudgetPool>> Reservation<P> {
    /// Of what the pool has just reserved for this estimate.
    #[inline]
    pub(crate) fn new(pool: P, reserved: Tally, estimate: Usage) -> Self {
        Self {
            state: CallState::new(pool, reserved, estimate.cost.is_none()),
        }
    }

    /// The request goes out: from here on a drop counts what is reserved. Touches nothing shared.
    ///
    /// If the provider then turns the request away without billing it (too many requests, connection
    /// refused), end the call with [`release`](Call::release).
    #[inline]
    pub fn start(mut self) -> Call<P> {
        self.state.start();
        Call::new(self.state)
    }

    /// What is reserved.
    pub fn reserved(&self) -> Amounts {
        Amounts::of(self.state.reserved())
    }

    /// Reserves this much more, if it fits. A refusal has what this call has reserved already in
    /// [`requested`](crate::Exceeded::requested), not in [`reserved`](crate::Exceeded::reserved).
    ///
    /// Give `more` a cost if the estimate had one: without it, it is refused where cost is limited. If
    /// neither has a cost, the reservation grows until what was reported and what is reserved reach the
    /// pool's assumed cost. A later [`forfeit`](Call::forfeit) or drop of the call counts it as unpriced.
    ///
    /// # Errors
    ///
    /// As [`BudgetPool::try_reserve`]. The reservation stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().output_tokens(1_000));
    /// let output = |tokens| Usage::tokens(0, tokens).cost(Usd::ZERO);
    /// let mut reservation = pool.try_reserve(output(600))?;
    /// reservation.extend(output(300))?;
    /// assert!(reservation.extend(output(300)).is_err()); // unchanged
    /// assert_eq!(reservation.reserved().output_tokens, 900);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        self.state.extend(more)
    }

    /// Gives back what is reserved beyond `most`. Where less is reserved, and where `most` has no
    /// cost, what is reserved stays. Never fails. A call whose cost is unknown still counts no less than
    /// the pool's assumed cost when it ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usage, Usd};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// let mut reservation = pool.try_reserve(Usage::tokens(1_000, 4_096).cost(Usd::cents(7)))?;
    /// // The prompt turned out shorter.
    /// reservation.shrink_to(Usage::tokens(300, 4_096).cost(Usd::cents(6)));
    /// assert_eq!(reservation.reserved().input_tokens, 300);
    /// assert_eq!(pool.snapshot().reserved.cost, Usd::cents(6));
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn shrink_to(&mut self, most: Usage) {
        self.state.shrink_to(most);
    }
}

impl<P: Borrow<BudgetPool>> fmt::Debug for Reservation<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("reserved", &self.reserved())
            .finish_non_exhaustive()
    }
}
