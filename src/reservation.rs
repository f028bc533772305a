//! Reservations: an estimate held before the call, settled with what it came to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::admit::Reserve;
use crate::ask::Ask;
use crate::count::Count;
use crate::receipt::Excess;
use crate::state::Amounts;
use crate::{BudgetPool, MicroUsd, Receipt, Rejected, Usage};

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
/// A drop is where an error, a panic and an aborted task end up; it waits for
/// nobody, and like any update allocates only where the pool grows. A `let _ =`
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
    held: Amounts,
    /// What it has counted for this call, from parts.
    told: Amounts,
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
    pub(crate) fn new(pool: P, held: Amounts, unpriced: bool) -> Self {
        Self {
            pool,
            held,
            told: Amounts::default(),
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
        self.held.into()
    }

    /// What was told in parts so far, as far as its cost is known.
    pub fn told(&self) -> Usage {
        self.told.into()
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
        let told_more = excess(
            self.told,
            Amounts {
                input: actual.input_tokens,
                output: actual.output_tokens,
                cost: actual.cost.map_or(self.told.cost, MicroUsd::as_nanos),
            },
        );
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
        let mut new = Amounts::default();
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
    /// cost that is not told yet stays held. Whether the call is priced goes by the last
    /// total told.
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
        let total_so_far = Amounts {
            input: total.input_tokens,
            output: total.output_tokens,
            cost: total.cost.map_or(self.told.cost, MicroUsd::as_nanos),
        };
        let spend = total_so_far.zip(self.told, u64::saturating_sub);
        let release = spend.zip(self.held, u64::min);
        let count = Count {
            release,
            spend,
            ..Count::default()
        };
        let receipt = self.count(count, excess(self.told, total_so_far));
        self.held = self.held.zip(release, u64::saturating_sub);
        self.told = self.told.zip(total_so_far, u64::max);
        self.told_unpriced = total.cost.is_none();
        self.told_a_part = true;
        receipt
    }

    /// Holds this much more, if it fits. The call does not wait for itself: what it
    /// holds already counts as part of what is `requested`. With an unknown cost, the hold
    /// is raised to the pool's assumed cost if it is below it.
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
        let mut ask = Ask {
            calls: 0,
            own: self.held,
            ..Ask::from(more)
        };
        if let (None, Some(assumed)) = (more.cost, pool.assumed_cost()) {
            ask.unpriced = false;
            let (told, held) = (self.told.cost, self.held.cost);
            ask.cost = assumed.saturating_sub(told).saturating_sub(held);
        }
        pool.update(Reserve { ask })?;
        self.held = self.held.zip(ask.amounts(), u64::saturating_add);
        self.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    /// What a call of this usage comes to beyond what was told.
    #[inline]
    fn beyond_told(&self, actual: Usage) -> Amounts {
        let told = self.told;
        Amounts {
            input: actual.input_tokens.saturating_sub(told.input),
            output: actual.output_tokens.saturating_sub(told.output),
            cost: match actual.cost {
                Some(cost) => cost.as_nanos().saturating_sub(told.cost),
                None => self.owed_cost(),
            },
        }
    }

    /// The cost beyond what was told of a call whose cost nobody knows: what it still
    /// holds, or what is missing to the assumed cost.
    #[cold]
    fn owed_cost(&self) -> u64 {
        let assumed = self.pool.borrow().assumed_cost().unwrap_or(0);
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
        self.pool.borrow().update(Count {
            release: self.held,
            ends: true,
            ..Count::default()
        });
    }

    /// Ends the call, which came to `new` beyond what was told.
    #[inline]
    fn end(&mut self, new: Amounts, told_more: Excess, unpriced: bool) -> Receipt {
        self.ended = true;
        let count = Count {
            release: self.held,
            ends: true,
            spend: new,
            call: true,
            unpriced,
        };
        self.count(count, told_more)
    }

    #[inline]
    fn count(&self, count: Count, told_more: Excess) -> Receipt {
        let counted = self.pool.borrow().update(count);
        Receipt {
            spent: counted.spent,
            overrun: excess(count.spend, self.held),
            told_more,
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
