//! Admission: what happens only if all of it fits. Record, charge, reserve.

use crate::register::Operation;
use crate::rejection::{BudgetExceeded, Cap, Rejected};
use crate::state::{cost_cap, is_closed, limit, room, taken, unpriced_calls};
use crate::state::{Amounts, Ask, Scratch, Terms, View};
use crate::state::{AMOUNTS, CALLS, SPENT_COST, SPENT_INPUT, SPENT_OUTPUT, TERMS};
use crate::state::{HELD_CALLS, HELD_COST, HELD_INPUT, HELD_OUTPUT};
use crate::{MicroUsd, Spent, Totals};

/// What was asked for, counted as spent.
///
/// It fits, or else the words are of two states and the CAS fails: so the sums may
/// wrap, and a cast loses no digit.
#[derive(Clone, Copy)]
pub(crate) struct NewSpent {
    amounts: Amounts,
    calls: u64,
}

impl NewSpent {
    #[inline(always)]
    fn new(ask: Ask, view: View<'_>) -> Self {
        Self {
            amounts: Amounts {
                input: view.amount(SPENT_INPUT).wrapping_add(ask.input as u64),
                output: view.amount(SPENT_OUTPUT).wrapping_add(ask.output as u64),
                cost: view.amount(SPENT_COST).wrapping_add(ask.cost as u64),
            },
            calls: view.amount(CALLS).wrapping_add(ask.calls),
        }
    }

    #[inline(always)]
    fn fill(&self, view: View<'_>, scratch: Scratch<'_>) {
        scratch.set(SPENT_INPUT, self.amounts.input);
        scratch.set(SPENT_OUTPUT, self.amounts.output);
        scratch.set(SPENT_COST, self.amounts.cost);
        scratch.set(CALLS, self.calls);
        for held in HELD_INPUT..=HELD_CALLS {
            scratch.set(held, view.amount(held));
        }
    }

    #[inline(always)]
    fn spent(self, unpriced_calls: u64) -> Spent {
        Spent {
            input_tokens: self.amounts.input,
            output_tokens: self.amounts.output,
            cost: MicroUsd::from_nanos(self.amounts.cost),
            calls: self.calls,
            unpriced_calls,
        }
    }
}

/// Stores what was asked for as held.
#[inline(always)]
fn fill_held(ask: Ask, view: View<'_>, scratch: Scratch<'_>) {
    for spent in SPENT_INPUT..=CALLS {
        scratch.set(spent, view.amount(spent));
    }
    let held = |index, asked| view.amount(index).wrapping_add(asked);
    scratch.set(HELD_INPUT, held(HELD_INPUT, ask.input as u64));
    scratch.set(HELD_OUTPUT, held(HELD_OUTPUT, ask.output as u64));
    scratch.set(HELD_COST, held(HELD_COST, ask.cost as u64));
    scratch.set(HELD_CALLS, held(HELD_CALLS, ask.calls));
}

/// Counts a call as spent; answers as version 0.1 does.
#[derive(Clone, Copy)]
pub(crate) struct Record {
    pub(crate) ask: Ask,
    /// The cost as it was told.
    pub(crate) dollars: f64,
}

impl Operation<AMOUNTS, TERMS> for Record {
    type New = NewSpent;
    type Out = Result<Totals, BudgetExceeded>;
    // A pool that is full turns away one call after the other, and this is all that
    // they do.
    const KEPT_INLINE: bool = true;

    #[inline(always)]
    fn decide(self, view: View<'_>) -> Option<NewSpent> {
        let ask = self.ask;
        ask.fits(view).then(|| NewSpent::new(ask, view))
    }

    #[inline(always)]
    fn fill(self, new: &NewSpent, view: View<'_>, scratch: Scratch<'_>) {
        new.fill(view, scratch);
    }

    #[inline(always)]
    fn accepted(self, new: NewSpent) -> Self::Out {
        Ok(Totals::from(new.spent(0)))
    }

    // Not by way of `Rejected`, which is larger.
    #[inline(always)]
    fn kept(self, view: View<'_>) -> Self::Out {
        for cap in Cap::ALL {
            if self.ask.is_refused_by(cap, view) && !is_closed(view) {
                return Err(self.exceeded(view, cap));
            }
        }
        // Closed; or the words have changed since they were found too full, and then the
        // head has moved and any answer will do.
        Err(Rejected::Closed.into())
    }
}

impl Record {
    #[inline]
    fn exceeded(self, view: View<'_>, cap: Cap) -> BudgetExceeded {
        let (spent, held) = taken(view, cap);
        let (taken, asked) = (spent + held, self.ask.of(cap));
        BudgetExceeded {
            cap: cap.as_str(),
            limit: match (cap, cost_cap(view)) {
                (Cap::Cost, Some(given)) => given,
                _ => cap.as_f64(limit(view, cap).into()),
            },
            attempted: if asked < Ask::TOO_MUCH {
                cap.as_f64(taken + asked)
            } else {
                cap.as_f64(taken) + self.dollars
            },
        }
    }
}

/// Counts a call as spent.
#[derive(Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) ask: Ask,
    /// Whether the call's cost is unknown, also where one was assumed for it.
    pub(crate) unpriced: bool,
}

impl Operation<AMOUNTS, TERMS> for Charge {
    type New = (NewSpent, u64);
    type Out = Result<Spent, Rejected>;

    #[inline(always)]
    fn decide(self, view: View<'_>) -> Option<(NewSpent, u64)> {
        let ask = self.ask;
        let unpriced = unpriced_calls(view).saturating_add(self.unpriced.into());
        ask.fits(view).then(|| (NewSpent::new(ask, view), unpriced))
    }

    #[inline(always)]
    fn fill(self, new: &(NewSpent, u64), view: View<'_>, scratch: Scratch<'_>) {
        new.0.fill(view, scratch);
    }

    #[inline(always)]
    fn terms(self, new: &(NewSpent, u64), view: View<'_>) -> Option<([u64; TERMS], u64)> {
        self.unpriced
            .then(|| Terms::read(view).with_unpriced(new.1).words())
    }

    #[inline(always)]
    fn accepted(self, (new, unpriced): (NewSpent, u64)) -> Self::Out {
        Ok(new.spent(unpriced))
    }

    fn kept(self, view: View<'_>) -> Self::Out {
        Err(self.ask.rejection(view))
    }
}

/// Reserves what is asked for. With `ask.calls` 0 and an own hold, more for a call
/// in flight.
#[derive(Clone, Copy)]
pub(crate) struct Reserve {
    pub(crate) ask: Ask,
}

impl Operation<AMOUNTS, TERMS> for Reserve {
    type New = ();
    type Out = Result<(), Rejected>;

    #[inline(always)]
    fn decide(self, view: View<'_>) -> Option<()> {
        self.ask.fits(view).then_some(())
    }

    #[inline(always)]
    fn fill(self, (): &(), view: View<'_>, scratch: Scratch<'_>) {
        fill_held(self.ask, view, scratch);
    }

    #[inline(always)]
    fn accepted(self, (): ()) -> Self::Out {
        Ok(())
    }

    fn kept(self, view: View<'_>) -> Self::Out {
        Err(self.ask.rejection(view))
    }
}

/// Reserves a fixed part and as many output tokens as fit.
#[derive(Clone, Copy)]
pub(crate) struct ReserveUpTo {
    pub(crate) fixed: Ask,
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) per_million: MicroUsd,
}

impl ReserveUpTo {
    /// What is asked for with `output` more output tokens, their cost rounded up.
    fn ask(&self, output: u64) -> Ask {
        let cost = u128::from(output) * u128::from(self.per_million.as_nanos());
        Ask {
            output: self.fixed.output + u128::from(output),
            cost: self.fixed.cost + cost.div_ceil(1_000_000),
            ..self.fixed
        }
    }

    /// The most output tokens that fit beside the fixed part, if that fits.
    fn most(&self, view: View<'_>) -> u64 {
        let room = |cap| {
            let room = u128::from(room(view, cap).unwrap_or(0));
            room.saturating_sub(self.fixed.of(cap))
        };
        let mut granted = u128::from(self.most.max(self.least))
            .min(room(Cap::OutputTokens))
            .min(room(Cap::TotalTokens));
        if self.per_million > MicroUsd::ZERO {
            // ceil(n * price / 10^6) <= room, solved for n. The room is below 2^64, so
            // the product fits.
            let affordable = room(Cap::Cost) * 1_000_000 / u128::from(self.per_million.as_nanos());
            granted = granted.min(affordable);
        }
        granted.max(self.least.into()) as u64
    }
}

impl Operation<AMOUNTS, TERMS> for ReserveUpTo {
    type New = Ask;
    /// What was granted, output tokens of the fixed part included.
    type Out = Result<Amounts, Rejected>;

    fn decide(self, view: View<'_>) -> Option<Ask> {
        let ask = self.ask(self.most(view));
        ask.fits(view).then_some(ask)
    }

    fn fill(self, ask: &Ask, view: View<'_>, scratch: Scratch<'_>) {
        fill_held(*ask, view, scratch);
    }

    fn accepted(self, ask: Ask) -> Self::Out {
        Ok(ask.amounts())
    }

    fn kept(self, view: View<'_>) -> Self::Out {
        Err(self.ask(self.least).rejection(view))
    }
}
