//! Programs drawn at random, in amounts of which about ten reach a limit.

use rand::seq::SliceRandom;
use rand::Rng;
use shuttle::rand::rngs::ThreadRng;
use shuttle::rand::thread_rng;
use token_budget_pool::scenario::{usage, Op};
use token_budget_pool::{Limits, Usage, Usd};

/// How often it comes, and how one is drawn.
pub(crate) type Kind = (u32, fn(&mut Draft) -> Op);

/// Ten operations of these kinds.
pub(crate) fn ten(kinds: &[Kind]) -> Vec<Op> {
    let mut draft = Draft {
        rng: thread_rng(),
        asked: 0,
        open: vec![],
    };
    let mut next = || {
        let (_, draw) = kinds
            .choose_weighted(&mut draft.rng, |&(weight, _)| weight)
            .expect("kinds that come at all");
        draw(&mut draft)
    };
    (0..10).map(|_| next()).collect()
}

/// What every caller does.
pub(crate) const ADMISSION: &[Kind] = &[
    (4, Draft::record),
    (4, Draft::try_charge),
    (1, Draft::charge),
    (2, Draft::check),
    (1, Draft::totals),
];

pub(crate) const RESERVATIONS: &[Kind] = &[
    (4, Draft::reserve),
    (2, Draft::reserve_up_to),
    (2, Draft::extend),
    (1, Draft::shrink_to),
    (1, Draft::start),
    (2, Draft::report),
    (2, Draft::settle),
    (2, Draft::settle_at_least),
    (1, Draft::forfeit),
    (1, Draft::release),
    (2, Draft::drop),
    (2, Draft::record),
    (1, Draft::snapshot),
];

/// What changes the pool under those who use it.
pub(crate) const CHANGES: &[Kind] = &[
    (4, Draft::set_limits),
    (3, Draft::raise_output),
    (2, Draft::reset),
    (2, Draft::take),
    (4, Draft::record),
    (3, Draft::try_charge),
    (1, Draft::charge),
    (3, Draft::reserve),
    (3, Draft::settle),
    (2, Draft::limits),
    (2, Draft::snapshot),
];

/// All there are.
pub(crate) const ALL: &[Kind] = &[
    (9, Draft::record),
    (8, Draft::try_charge),
    (3, Draft::charge),
    (3, Draft::check),
    (8, Draft::reserve),
    (4, Draft::reserve_up_to),
    (4, Draft::extend),
    (2, Draft::shrink_to),
    (2, Draft::start),
    (4, Draft::report),
    (3, Draft::settle),
    (3, Draft::settle_at_least),
    (2, Draft::forfeit),
    (2, Draft::release),
    (3, Draft::drop),
    (3, Draft::set_limits),
    (3, Draft::raise_output),
    (2, Draft::reset),
    (2, Draft::take),
    (1, Draft::close),
    (3, Draft::snapshot),
    (3, Draft::totals),
    (2, Draft::limits),
];

/// A program while it is drawn.
pub(crate) struct Draft {
    rng: ThreadRng,
    /// How many reservations it asked for.
    asked: usize,
    /// Those that it has not ended, calls in flight included.
    open: Vec<usize>,
}

impl Draft {
    fn amount(&mut self) -> u64 {
        self.rng.gen_range(0..10)
    }

    /// Now and then at an unknown cost.
    fn usage(&mut self) -> Usage {
        let usage = usage(self.amount(), self.amount(), self.amount());
        if self.rng.gen_bool(0.9) {
            usage
        } else {
            Usage::tokens(usage.input_tokens, usage.output_tokens)
        }
    }

    /// One of the reservations and calls; a reservation is asked for first if there is none.
    fn pick(&mut self, op: impl FnOnce(&mut Self, usize) -> Op) -> Op {
        match self.open.choose(&mut self.rng) {
            Some(&index) => op(self, index),
            None => self.reserve(),
        }
    }

    /// The same for the last time.
    fn end(&mut self, op: impl FnOnce(&mut Self, usize) -> Op) -> Op {
        self.pick(|draft, index| {
            draft.open.retain(|&open| open != index);
            op(draft, index)
        })
    }

    fn opened(&mut self, op: Op) -> Op {
        self.open.push(self.asked);
        self.asked += 1;
        op
    }

    fn record(&mut self) -> Op {
        Op::Record(self.amount(), self.amount(), self.amount())
    }

    fn try_charge(&mut self) -> Op {
        Op::TryCharge(self.usage())
    }

    fn charge(&mut self) -> Op {
        Op::Charge(self.usage())
    }

    fn check(&mut self) -> Op {
        Op::Check(self.usage())
    }

    fn reserve(&mut self) -> Op {
        let estimate = self.usage();
        self.opened(Op::Reserve(estimate))
    }

    fn reserve_up_to(&mut self) -> Op {
        let (fixed, least, more) = (self.usage(), self.amount(), self.amount());
        self.opened(Op::ReserveUpTo(fixed, least, least + more))
    }

    fn extend(&mut self) -> Op {
        self.pick(|draft, index| Op::Extend(index, draft.usage()))
    }

    fn shrink_to(&mut self) -> Op {
        self.pick(|draft, index| Op::ShrinkTo(index, draft.usage()))
    }

    fn start(&mut self) -> Op {
        self.pick(|_, index| Op::Start(index))
    }

    fn report(&mut self) -> Op {
        self.pick(|draft, index| Op::Report(index, draft.usage()))
    }

    fn settle(&mut self) -> Op {
        self.end(|draft, index| Op::Settle(index, draft.usage()))
    }

    fn settle_at_least(&mut self) -> Op {
        self.end(|draft, index| Op::SettleAtLeast(index, draft.usage()))
    }

    fn forfeit(&mut self) -> Op {
        self.end(|_, index| Op::Forfeit(index))
    }

    fn release(&mut self) -> Op {
        self.end(|_, index| Op::Release(index))
    }

    fn drop(&mut self) -> Op {
        self.end(|_, index| Op::Drop(index))
    }

    /// Some of the dimensions, above or below what is spent by now.
    fn set_limits(&mut self) -> Op {
        let mut limit = |most| self.rng.gen_bool(0.6).then(|| self.rng.gen_range(0..most));
        let mut limits = Limits::unlimited();
        limits.input_tokens = limit(100);
        limits.output_tokens = limit(100);
        limits.total_tokens = limit(200);
        limits.cost = limit(100).map(Usd::from_nanos);
        limits.calls = limit(20);
        Op::SetLimits(limits)
    }

    fn raise_output(&mut self) -> Op {
        Op::RaiseOutput(self.amount())
    }

    fn reset(&mut self) -> Op {
        Op::Reset
    }

    fn take(&mut self) -> Op {
        Op::Take
    }

    fn close(&mut self) -> Op {
        Op::Close
    }

    fn snapshot(&mut self) -> Op {
        Op::Snapshot
    }

    fn totals(&mut self) -> Op {
        Op::Totals
    }

    fn limits(&mut self) -> Op {
        Op::Limits
    }
}
