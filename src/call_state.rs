//! What a pool holds for one call, and what it has counted for it: the part that a
//! [`Reservation`](crate::reservation::Reservation) and a [`Call`](crate::call::Call) share.

use std::borrow::Borrow;

use crate::dimension::{Guesses, Tally};
use crate::money::Usd;
use crate::ops::admit::Reserve;
use crate::ops::request::Request;
use crate::ops::settle::Settle;
use crate::pool::BudgetPool;
use crate::receipt::{Excess, Receipt};
use crate::rejection::Rejected;
use crate::usage::Usage;

/// How far the call has come. It decides what a drop does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The request was not sent.
    Reserved,
    /// It may have been sent, so it may be billed.
    Started,
    /// The pool has taken off what was reserved.
    Ended,
}

pub(crate) struct CallState<P: Borrow<BudgetPool>> {
    pool: P,
    /// What the pool has reserved for this call. The calls are 1.
    reserved: Tally,
    /// Whether part of what was asked for had no cost.
    estimate_unpriced: bool,
    reports: Option<Reports>,
    stage: Stage,
}

/// What was reported of a call, and is counted already.
#[derive(Clone, Copy)]
struct Reports {
    total: Tally,
    /// Whether the latest one had no cost.
    unpriced: bool,
}

impl<P: Borrow<BudgetPool>> CallState<P> {
    /// For a call for which the pool has just reserved this.
    #[inline]
    pub(crate) fn new(pool: P, reserved: Tally, unpriced: bool) -> Self {
        Self {
            pool,
            reserved,
            estimate_unpriced: unpriced,
            reports: None,
            stage: Stage::Reserved,
        }
    }

    #[inline]
    pub(crate) fn start(&mut self) {
        self.stage = Stage::Started;
    }

    #[inline]
    pub(crate) fn reserved(&self) -> Tally {
        self.reserved
    }

    #[inline]
    pub(crate) fn reported(&self) -> Tally {
        self.reports
            .map_or(Tally::default(), |reports| reports.total)
    }

    fn report_unpriced(&self) -> bool {
        self.reports.is_some_and(|reports| reports.unpriced)
    }

    pub(crate) fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        let pool = self.pool.borrow();
        let mut request = Request {
            asked: more.tally(),
            unpriced: more.cost.is_none(),
        };
        if let (None, Some(assumed)) = (more.cost, pool.fixed().assumed_cost) {
            // One call has one assumed cost. It does not stand for more of a call whose cost was known.
            request.unpriced = !self.estimate_unpriced;
            let (reported, reserved) = (self.reported().cost, self.reserved.cost);
            let missing = assumed.as_nanos().saturating_sub(reported);
            request.asked.cost = missing.saturating_sub(reserved);
        }
        let own = self.reserved;
        pool.admit(Reserve { request, own })?;
        self.reserved = self.reserved.zip(request.asked, u64::saturating_add);
        self.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    pub(crate) fn shrink_to(&mut self, most: Usage) {
        let mut release = self.reserved.zip(most.tally(), u64::saturating_sub);
        release.calls = 0;
        if most.cost.is_none() {
            release.cost = 0;
        }
        // First: a waker may panic.
        self.reserved = self.reserved.zip(release, u64::saturating_sub);
        self.pool.borrow().change_reserved(Settle {
            release,
            ..Settle::default()
        });
    }

    pub(crate) fn report(&mut self, total: Usage) -> Receipt {
        let (before, total_so_far) = (self.reported(), self.reported_if(total));
        let spend = total_so_far.zip(before, u64::saturating_sub);
        let release = spend.zip(self.reserved, u64::min);
        let settle = Settle {
            release,
            spend,
            guesses: Guesses::default(),
        };
        let overrun = Excess::of(spend, self.reserved);
        let over_reported = Excess::of(before, total_so_far);
        // First: the hook may panic, or a waker. If the call did not know what is counted, its end would count
        // it again, and release more than is reserved for it.
        self.reserved = self.reserved.zip(release, u64::saturating_sub);
        self.reports = Some(Reports {
            total: before.zip(total_so_far, u64::max),
            unpriced: total.cost.is_none(),
        });
        self.pool.borrow().settle(&settle, overrun, over_reported)
    }

    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    pub(crate) fn settle(&mut self, actual: Usage) -> Receipt {
        let unpriced = actual.cost.is_none();
        let mut new = self.beyond_reported(actual);
        if unpriced {
            new.cost = self.owed_cost();
        }
        let over_reported = Excess::of(self.reported(), self.reported_if(actual));
        self.end(new, over_reported, unpriced, None)
    }

    pub(crate) fn settle_at_least(&mut self, actual: Usage) -> Receipt {
        let unpriced = actual.cost.is_none();
        let known = self.beyond_reported(actual);
        let mut new = known.zip(self.reserved, u64::max);
        new.calls = 0;
        if unpriced {
            new.cost = self.owed_cost();
        }
        let forfeited = (new != known).then(|| new.cost - known.cost);
        self.end(new, Excess::default(), unpriced, forfeited)
    }

    #[cold]
    pub(crate) fn forfeit(&mut self) -> Receipt {
        let unpriced = self.estimate_unpriced || self.report_unpriced();
        let mut new = self.reserved;
        if unpriced {
            new.cost = self.owed_cost();
        }
        self.end(new, Excess::default(), unpriced, Some(new.cost))
    }

    #[cold]
    pub(crate) fn release(&mut self) -> Receipt {
        if self.reports.is_none() {
            self.stage = Stage::Ended;
            let settle = Settle {
                release: self.reserved,
                ..Settle::default()
            };
            return self.count(settle, Excess::default());
        }
        let mut new = Tally::default();
        let unpriced = self.report_unpriced();
        if unpriced {
            new.cost = self.owed_cost();
        }
        self.end(new, Excess::default(), unpriced, None)
    }

    /// What has been reported, if this is. A cost that is unknown stays what it was.
    #[inline]
    fn reported_if(&self, usage: Usage) -> Tally {
        let cost = usage.cost.map_or(self.reported().cost, Usd::as_nanos);
        Tally {
            cost,
            ..usage.tally()
        }
    }

    /// What a call of this usage comes to beyond what was reported, as far as it is known.
    #[inline]
    fn beyond_reported(&self, usage: Usage) -> Tally {
        usage.tally().zip(self.reported(), u64::saturating_sub)
    }

    /// The cost beyond what was reported of a call whose cost nobody knows: what is still reserved,
    /// or what is missing to the assumed cost if that is more.
    #[cold]
    fn owed_cost(&self) -> u64 {
        let assumed = self.pool.borrow().fixed().assumed_cost;
        let assumed = assumed.map_or(0, Usd::as_nanos);
        let missing = assumed.saturating_sub(self.reported().cost);
        self.reserved.cost.max(missing)
    }

    /// Ends the call, which came to `new` beyond what was reported. `forfeited` is the part of its cost
    /// that counts only because it was reserved.
    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    fn end(
        &mut self,
        new: Tally,
        over_reported: Excess,
        unpriced: bool,
        forfeited: Option<u64>,
    ) -> Receipt {
        self.stage = Stage::Ended;
        let settle = Settle {
            release: self.reserved,
            spend: Tally { calls: 1, ..new },
            guesses: Guesses {
                unpriced_calls: unpriced.into(),
                forfeited_calls: forfeited.is_some().into(),
                forfeited_cost: forfeited.unwrap_or(0),
            },
        };
        self.count(settle, over_reported)
    }

    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    fn count(&self, settle: Settle, over_reported: Excess) -> Receipt {
        let overrun = Excess::of(settle.spend, self.reserved);
        self.pool.borrow().settle(&settle, overrun, over_reported)
    }
}

impl<P: Borrow<BudgetPool>> Drop for CallState<P> {
    #[inline]
    fn drop(&mut self) {
        // Nobody is there to read a receipt.
        let _ = match self.stage {
            Stage::Reserved => self.release(),
            Stage::Started => self.forfeit(),
            Stage::Ended => return,
        };
    }
}
