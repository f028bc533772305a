//! The operations that histories are made of: on a pool, and on the sequential pool that has to
//! explain them.

use token_budget_pool::{BudgetPool, Call, Limits, Rejected, Reservation, Usage, Usd};

use crate::oracle::{Answer, Oracle, OracleCall};
use crate::recorder::{Event, Recorder, Stamps};

/// An operation. A thread has at most one reservation or call in hand, which those without a
/// pool of their own mean. What only a call can do starts a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Tokens in, tokens out, nano-dollars.
    Record(u64, u64, u64),
    TryCharge(Usage),
    Charge(Usage),
    Check(Usage),
    Totals,
    Snapshot,
    Reset,
    Take,
    SetLimits(Limits),
    /// `update_limits` with that many tokens in more.
    RaiseInput(u64),
    Reserve(Usage),
    Extend(Usage),
    ShrinkTo(Usage),
    Report(Usage),
    Settle(Usage),
    SettleAtLeast(Usage),
    Forfeit,
    Release,
    Drop,
}

pub(crate) fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(Usd::from_nanos(nanos))
}

/// A cost as `record` takes it.
pub(crate) fn dollars(nanos: u64) -> f64 {
    Usd::from_nanos(nanos).to_f64()
}

fn raise_input(limits: &mut Limits, more: u64) {
    limits.input_tokens = limits.input_tokens.map(|limit| limit + more);
}

/// What a thread has in hand.
enum InHand<'a> {
    Reservation(Reservation<&'a BudgetPool>),
    Call(Call<&'a BudgetPool>),
}

impl<'a> InHand<'a> {
    fn extend(&mut self, more: Usage) -> Result<(), Rejected> {
        match self {
            InHand::Reservation(reservation) => reservation.extend(more),
            InHand::Call(call) => call.extend(more),
        }
    }

    fn shrink_to(&mut self, most: Usage) {
        match self {
            InHand::Reservation(reservation) => reservation.shrink_to(most),
            InHand::Call(call) => call.shrink_to(most),
        }
    }

    /// The call that it becomes, or is.
    fn started(self) -> Call<&'a BudgetPool> {
        match self {
            InHand::Reservation(reservation) => reservation.start(),
            InHand::Call(call) => call,
        }
    }
}

/// A thread that uses a pool and records what it does.
pub(crate) struct Caller<'a> {
    pool: &'a BudgetPool,
    in_hand: Option<InHand<'a>>,
    recorder: Recorder<'a>,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(pool: &'a BudgetPool, stamps: &'a Stamps, events: usize) -> Caller<'a> {
        Caller {
            pool,
            in_hand: None,
            recorder: Recorder::new(stamps, events),
        }
    }

    pub(crate) fn has_reserved(&self) -> bool {
        self.in_hand.is_some()
    }

    pub(crate) fn run(&mut self, op: Op) {
        let pool = self.pool;
        match op {
            Op::Record(input, output, nanos) => {
                let cost_usd = dollars(nanos);
                self.record(op, || pool.record(input, output, cost_usd));
            }
            Op::TryCharge(usage) => self.record(op, || pool.try_charge(usage)),
            Op::Charge(usage) => self.record(op, || pool.charge(usage)),
            Op::Check(usage) => self.record(op, || pool.check(usage)),
            Op::Totals => self.record(op, || pool.totals()),
            Op::Snapshot => self.record(op, || pool.snapshot()),
            Op::Reset => self.record(op, || pool.reset()),
            Op::Take => self.record(op, || pool.take()),
            Op::SetLimits(limits) => self.record(op, || pool.set_limits(limits)),
            Op::RaiseInput(more) => self.record(op, || {
                pool.update_limits(|limits| raise_input(limits, more))
            }),
            Op::Reserve(estimate) => {
                let reserve = || pool.try_reserve(estimate);
                let reserved =
                    |reserved: &Result<_, _>| reserved.as_ref().map_err(|refusal| *refusal).into();
                let reserved = self.recorder.record(op, reserve, reserved).ok();
                self.in_hand = reserved.map(InHand::Reservation);
            }
            Op::Extend(more) => {
                let mut in_hand = self.take_in_hand();
                self.record(op, || in_hand.extend(more));
                self.in_hand = Some(in_hand);
            }
            Op::ShrinkTo(most) => {
                let mut in_hand = self.take_in_hand();
                self.record(op, || in_hand.shrink_to(most));
                self.in_hand = Some(in_hand);
            }
            Op::Report(total) => {
                let mut call = self.take_in_hand().started();
                self.record(op, || call.report(total));
                self.in_hand = Some(InHand::Call(call));
            }
            Op::Settle(actual) => {
                let call = self.take_in_hand().started();
                self.record(op, || call.settle(actual));
            }
            Op::SettleAtLeast(actual) => {
                let call = self.take_in_hand().started();
                self.record(op, || call.settle_at_least(actual));
            }
            Op::Forfeit => {
                let call = self.take_in_hand().started();
                self.record(op, || call.forfeit());
            }
            Op::Release => {
                let call = self.take_in_hand().started();
                self.record(op, || call.release());
            }
            Op::Drop => {
                let in_hand = self.take_in_hand();
                self.record(op, || drop(in_hand));
            }
        }
    }

    fn record<R: Copy + Into<Answer>>(&mut self, op: Op, run: impl FnOnce() -> R) {
        self.recorder.record(op, run, |&result| result.into());
    }

    fn take_in_hand(&mut self) -> InHand<'a> {
        self.in_hand.take().expect("the program reserves first")
    }

    pub(crate) fn finish(self) -> Vec<Event> {
        self.recorder.finish()
    }
}

/// What the sequential pool answers to a thread that has this in hand. `None` if the operation
/// needs a reservation and there is none.
pub(crate) fn answer(
    pool: &mut Oracle,
    in_hand: &mut Option<OracleCall>,
    op: &Op,
) -> Option<Answer> {
    Some(match *op {
        Op::Record(input, output, nanos) => pool.record(input, output, dollars(nanos)).into(),
        Op::TryCharge(usage) => pool.try_charge(usage).into(),
        Op::Charge(usage) => pool.charge(usage).into(),
        Op::Check(usage) => pool.check(usage).into(),
        Op::Totals => pool.totals().into(),
        Op::Snapshot => pool.snapshot().into(),
        Op::Reset => {
            pool.reset();
            Answer::Done
        }
        Op::Take => pool.take().into(),
        Op::SetLimits(limits) => pool.set_limits(limits).into(),
        Op::RaiseInput(more) => pool
            .update_limits(|limits| raise_input(limits, more))
            .into(),
        Op::Reserve(estimate) => {
            let reserved = pool.try_reserve(estimate);
            *in_hand = reserved.ok();
            reserved.as_ref().map_err(|refusal| *refusal).into()
        }
        Op::Extend(more) => pool.extend(in_hand.as_mut()?, more).into(),
        Op::ShrinkTo(most) => {
            pool.shrink_to(in_hand.as_mut()?, most);
            Answer::Done
        }
        Op::Report(total) => {
            let call = in_hand.as_mut()?;
            pool.start(call);
            pool.report(call, total).into()
        }
        Op::Settle(actual) => pool.settle(in_hand.take()?, actual).into(),
        Op::SettleAtLeast(actual) => pool.settle_at_least(in_hand.take()?, actual).into(),
        Op::Forfeit => pool.forfeit(in_hand.take()?).into(),
        Op::Release => pool.release(in_hand.take()?).into(),
        Op::Drop => {
            pool.drop(in_hand.take()?);
            Answer::Done
        }
    })
}
