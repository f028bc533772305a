//! Calls in flight: what was sent, may be billed, and ends with what it came to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::call_state::CallState;
use crate::pool::BudgetPool;
use crate::receipt::Receipt;
use crate::rejection::Rejected;
use crate::usage::{Amounts, Usage};

/// A call in flight: its request went out, so it may be billed. From
/// [`Reservation::start`](crate::Reservation::start).
///
/// It ends in exactly one of these ways. Each is one step of the pool, never fails, and gives back
/// what was reserved and is not counted:
///
/// | end | for | tokens and cost | the call |
/// |---|---|---|---|
/// | [`settle`](Self::settle) | the usage is known | what was used | counted |
/// | [`settle_at_least`](Self::settle_at_least) | a stream was cut off, or the answer has no usage | what was used or reserved, the larger | counted, as forfeited if the reservation was the larger |
/// | [`forfeit`](Self::forfeit), or a drop | nobody knows | what was reserved | counted, as forfeited |
/// | [`release`](Self::release) | nothing was billed | back to the pool | not counted, unless something was reported |
///
/// A drop is where an error, a panic and an aborted task end up: providers bill calls that were cut
/// off, so it counts. It never awaits. Like any update it may spin for a moment, and it allocates only
/// where the pool grows, or where others [wait](BudgetPool::reserve) and it wakes them. It may run the hook
/// [`on_crossed`](crate::Builder::on_crossed). `let _ =` drops at once. A call that is leaked (`mem::forget`)
/// keeps its part of the budget reserved for as long as the pool lives.
///
/// # Costs that are unknown
///
/// If the cost of a call is not known when it ends, the call counts at the pool's
/// [assumed cost](crate::Builder::assumed_cost), or at the sum of what was [reported](Self::reported) and
/// is still [reserved](Self::reserved) if that is more. That may be more than was reserved. It is so for a
/// `settle` without a cost, for a drop and a `forfeit` if the latest report or the estimate had none, and
/// for a `release` if the latest report had none. The pool counts such calls in
/// [`Spent::unpriced_calls`](crate::Spent::unpriced_calls).
///
/// # Only once
///
/// ```compile_fail,E0382
/// # use token_budget_pool::{BudgetPool, Usage};
/// # let pool = BudgetPool::unconstrained();
/// let call = pool.try_reserve(Usage::ZERO).unwrap().start();
/// let receipt = call.settle(Usage::ZERO);
/// let receipt = call.forfeit(); // moved: does not compile
/// ```
///
/// # Across a reset
///
/// What is reserved stays reserved over a [`reset`](BudgetPool::reset), and is counted in
/// the period in which it settles. What was reported before stays in the old one.
#[must_use = "dropped, it counts all that was reserved; end it with `settle`, `forfeit` or `release`"]
pub struct Call<P: Borrow<BudgetPool>> {
    state: CallState<P>,
}

/// A [`Call`] that keeps its pool alive, from [`OwnedReservation`](crate::OwnedReservation): `'static`
/// and `Send`, for spawned tasks.
pub type OwnedCall = Call<Arc<BudgetPool>>;

impl<P: Borrow<BudgetPool>> Call<P> {
    #[inline]
    pub(crate) fn new(state: CallState<P>) -> Self {
        Self { state }
    }

    /// What is still reserved.
    pub fn reserved(&self) -> Amounts {
        Amounts::of(self.state.reserved())
    }

    /// What was reported so far, as far as its cost is known.
    pub fn reported(&self) -> Amounts {
        Amounts::of(self.state.reported())
    }

    /// Ends the call with the usage of all of it, as providers report it: counts what was not
    /// reported yet, and gives back the rest. Counts also what goes past a limit; the receipt says
    /// so. Without a cost, the reserved cost is counted, or what is missing to the pool's assumed
    /// cost if that is more, and the call is unpriced. Tokens that you do not know do not count: without
    /// them use [`settle_at_least`](Self::settle_at_least).
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().output_tokens(1_000));
    /// let call = pool.try_reserve(Usage::tokens(200, 900).cost(Usd::ZERO))?.start();
    /// let receipt = call.settle(Usage::tokens(210, 350).cost(Usd::ZERO));
    /// assert_eq!(receipt.counted.output_tokens, 350);
    /// assert_eq!(receipt.overrun.input_tokens, 10);
    /// assert!(!receipt.over_limit.any());
    /// assert_eq!(pool.snapshot().calls_in_flight, 0);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    pub fn settle(mut self, actual: Usage) -> Receipt {
        self.state.settle(actual)
    }

    /// Ends a call that was cut off, or whose answer has no usage: counts, of each dimension, the larger of
    /// `actual` and the sum of what was reported and is still reserved. Where that is more than `actual`, the call counts as forfeited.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usage, Usd};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// let mut call = pool.try_reserve(Usage::tokens(200, 800).cost(Usd::cents(2)))?.start();
    /// let _ = call.report(Usage::tokens(200, 300)); // no cost yet, and cut off here
    /// let receipt = call.settle_at_least(Usage::tokens(200, 310));
    /// assert_eq!(receipt.spent.output_tokens, 800);
    /// assert_eq!(receipt.spent.cost, Usd::cents(2));
    /// assert_eq!(receipt.counted.forfeited_cost, Usd::cents(2));
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn settle_at_least(mut self, actual: Usage) -> Receipt {
        self.state.settle_at_least(actual)
    }

    /// Ends the call and counts all that is still reserved for it, beside what was reported, where nobody
    /// knows what it used.
    pub fn forfeit(mut self) -> Receipt {
        self.state.forfeit()
    }

    /// Ends a call that was not billed, such as one that the provider turned away, and gives back
    /// what is reserved. The call is not counted, unless something was reported. That stays counted;
    /// and if the latest report had no cost, the reserved cost is counted too.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usage, Usd};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// let call = pool.try_reserve(Usage::tokens(1_000, 500).cost(Usd::cents(3)))?.start();
    /// // ... the provider answers 429, too many requests ...
    /// let receipt = call.release();
    /// assert_eq!((receipt.counted.calls, receipt.spent.cost), (0, Usd::ZERO));
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn release(mut self) -> Receipt {
        self.state.release()
    }

    /// Counts what a stream has used so far, and takes it off what is reserved. Never fails: it counts
    /// past a limit and in a closed pool too; the receipt is of this step. The call goes on, and is
    /// counted when it ends.
    ///
    /// The total is cumulative, as the providers' own reports are: reporting the same total twice moves
    /// no amount, and neither does reporting less than before. A cost that is not known yet stays
    /// reserved. If the latest report has no cost, a [`release`](Self::release), a
    /// [`forfeit`](Self::forfeit) and a drop count the call as unpriced. The last two also do so if the
    /// estimate had none.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().output_tokens(1_000));
    /// let so_far = |output| Usage::tokens(200, output).cost(Usd::ZERO);
    /// let mut call = pool.try_reserve(so_far(800))?.start();
    /// let _ = call.report(so_far(100));
    /// let receipt = call.report(so_far(350)); // the running total, not what came since
    /// assert_eq!(receipt.counted.output_tokens, 250);
    /// assert_eq!(receipt.spent.output_tokens, 350);
    /// assert_eq!(call.reserved().output_tokens, 450);
    /// let receipt = call.settle(so_far(420));
    /// assert_eq!(receipt.spent.output_tokens, 420);
    /// # Ok::<(), token_budget_pool::Rejected>(())
    /// ```
    pub fn report(&mut self, total_so_far: Usage) -> Receipt {
        self.state.report(total_so_far)
    }

    /// Reserves this much more, if it fits. See
    /// [`Reservation::extend`](crate::Reservation::extend).
    ///
    /// # Errors
    ///
    /// As [`BudgetPool::try_reserve`]. The call stays as it was.
    pub fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        self.state.extend(more)
    }

    /// Gives back what is reserved beyond `most`. See
    /// [`Reservation::shrink_to`](crate::Reservation::shrink_to). What is given back no longer counts if
    /// the call is dropped or forfeited.
    pub fn shrink_to(&mut self, most: Usage) {
        self.state.shrink_to(most);
    }
}

impl<P: Borrow<BudgetPool>> fmt::Debug for Call<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("reserved", &self.reserved())
            .field("reported", &self.reported())
            .finish_non_exhaustive()
    }
}
