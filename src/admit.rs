//! Admission: what happens only if all of it fits. Record, charge, reserve.

use crate::ask::Ask;
use crate::register::Operation;
use crate::rejection::{BudgetExceeded, Cap, Rejected};
use crate::state::{cost_cap, is_closed, limit, room, taken, unpriced_calls};
use crate::state::{Amounts, Counts, Scratch, Terms, View};
use crate::state::{AMOUNTS, HELD, SPENT, TERMS};
use crate::{MicroUsd, Spent, Totals};

/// Counts a call as spent; answers as version 0.1 does.
#[derive(Clone, Copy)]
pub(crate) struct Record<N = u64> {
    pub(crate) ask: Ask<N>,
    /// The cost as it was told.
    pub(crate) dollars: f64,
}

impl<N: Copy + Into<u128>> Operation<AMOUNTS, TERMS> for Record<N> {
    type New = Counts;
    type Why = FirstToRefuse;
    type Out = Result<Totals, BudgetExceeded>;

    #[inline(always)]
    fn decide(&self, view: View<'_>) -> Result<Counts, FirstToRefuse> {
        match first_to_refuse(&self.ask, view) {
            Some(why) => Err(why),
            None => Ok(self.ask.admitted(view, SPENT)),
        }
    }

    #[inline(always)]
    fn decide_at_once(&self, view: View<'_>) -> Option<Counts> {
        self.ask.admit_at_once(view, SPENT, HELD)
    }

    #[inline(always)]
    fn fill(&self, new: &Counts, view: View<'_>, scratch: Scratch<'_>) {
        new.fill(SPENT, HELD, view, scratch);
    }

    #[inline(always)]
    fn accepted(&self, new: Counts) -> Self::Out {
        Ok(Totals::from(new.spent(0)))
    }

    fn kept(&self, why: FirstToRefuse) -> Self::Out {
        let FirstToRefuse::Cap { cap, limit, taken } = why else {
            return Err(Rejected::Closed.into());
        };
        let asked = self.ask.of(cap);
        Err(BudgetExceeded {
            cap: cap.as_str(),
            limit,
            attempted: if asked < Ask::TOO_MUCH {
                cap.as_f64(taken + asked)
            } else {
                cap.as_f64(taken) + self.dollars
            },
        })
    }
}

/// What version 0.1 names: the first cap that refuses.
#[derive(Clone, Copy)]
pub(crate) enum FirstToRefuse {
    Closed,
    Cap { cap: Cap, limit: f64, taken: u128 },
}

#[inline(always)]
fn first_to_refuse<N>(ask: &Ask<N>, view: View<'_>) -> Option<FirstToRefuse>
where
    N: Copy + Into<u128>,
{
    if is_closed(view) {
        return Some(FirstToRefuse::Closed);
    }
    let refuses = |cap| ask.is_refused_by(cap, view).then_some(cap);
    let cap = refuses(Cap::InputTokens)
        .or_else(|| refuses(Cap::OutputTokens))
        .or_else(|| refuses(Cap::TotalTokens))
        .or_else(|| refuses(Cap::Cost))
        .or_else(|| refuses(Cap::Calls))?;
    let (spent, held) = taken(view, cap);
    Some(FirstToRefuse::Cap {
        cap,
        limit: match (cap, cost_cap(view)) {
            (Cap::Cost, Some(given)) => given,
            _ => cap.as_f64(limit(view, cap).into()),
        },
        taken: spent + held,
    })
}

/// Counts a call as spent.
#[derive(Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) ask: Ask,
    /// Whether the call's cost is unknown, also where one was assumed for it.
    pub(crate) unpriced: bool,
}

impl Operation<AMOUNTS, TERMS> for Charge {
    type New = (Counts, u64);
    type Why = Rejected;
    type Out = Result<Spent, Rejected>;

    #[inline(always)]
    fn decide(&self, view: View<'_>) -> Result<(Counts, u64), Rejected> {
        let new = self.ask.admit(view, SPENT)?;
        Ok((new, self.unpriced_calls(view)))
    }

    #[inline(always)]
    fn decide_at_once(&self, view: View<'_>) -> Option<(Counts, u64)> {
        let new = self.ask.admit_at_once(view, SPENT, HELD)?;
        Some((new, self.unpriced_calls(view)))
    }

    #[inline(always)]
    fn fill(&self, (new, _): &(Counts, u64), view: View<'_>, scratch: Scratch<'_>) {
        new.fill(SPENT, HELD, view, scratch);
    }

    #[inline(always)]
    fn terms(&self, new: &(Counts, u64), view: View<'_>) -> Option<([u64; TERMS], u64)> {
        self.unpriced
            .then(|| Terms::read(view).with_unpriced(new.1).words())
    }

    #[inline(always)]
    fn accepted(&self, (new, unpriced): (Counts, u64)) -> Self::Out {
        Ok(new.spent(unpriced))
    }

    #[inline(always)]
    fn kept(&self, why: Rejected) -> Self::Out {
        Err(why)
    }
}

impl Charge {
    #[inline(always)]
    fn unpriced_calls(&self, view: View<'_>) -> u64 {
        unpriced_calls(view).saturating_add(self.unpriced.into())
    }
}

/// Reserves what is asked for. With `ask.calls` 0 and an own hold, more for a call
/// in flight.
#[derive(Clone, Copy)]
pub(crate) struct Reserve {
    pub(crate) ask: Ask,
}

impl Operation<AMOUNTS, TERMS> for Reserve {
    type New = Counts;
    type Why = Rejected;
    type Out = Result<(), Rejected>;

    #[inline(always)]
    fn decide(&self, view: View<'_>) -> Result<Counts, Rejected> {
        self.ask.admit(view, HELD)
    }

    #[inline(always)]
    fn decide_at_once(&self, view: View<'_>) -> Option<Counts> {
        self.ask.admit_at_once(view, HELD, SPENT)
    }

    #[inline(always)]
    fn fill(&self, new: &Counts, view: View<'_>, scratch: Scratch<'_>) {
        new.fill(HELD, SPENT, view, scratch);
    }

    #[inline(always)]
    fn accepted(&self, _: Counts) -> Self::Out {
        Ok(())
    }

    #[inline(always)]
    fn kept(&self, why: Rejected) -> Self::Out {
        Err(why)
    }
}

/// Reserves a fixed part and as many output tokens as fit.
#[derive(Clone, Copy)]
pub(crate) struct ReserveUpTo {
    pub(crate) fixed: Ask<u128>,
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) per_million: MicroUsd,
}

impl ReserveUpTo {
    /// What is asked for with `output` more output tokens, their cost rounded up.
    fn ask(&self, output: u64) -> Ask<u128> {
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
            let room = u128::from(room(view, cap));
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
    type New = (Ask<u128>, Counts);
    type Why = Rejected;
    /// What was granted, output tokens of the fixed part included.
    type Out = Result<Amounts, Rejected>;

    fn decide(&self, view: View<'_>) -> Result<(Ask<u128>, Counts), Rejected> {
        let ask = self.ask(self.most(view));
        Ok((ask, ask.admit(view, HELD)?))
    }

    fn fill(&self, (_, new): &(Ask<u128>, Counts), view: View<'_>, scratch: Scratch<'_>) {
        new.fill(HELD, SPENT, view, scratch);
    }

    fn accepted(&self, (ask, _): (Ask<u128>, Counts)) -> Self::Out {
        Ok(ask.amounts())
    }

    fn kept(&self, why: Rejected) -> Self::Out {
        Err(why)
    }
}
