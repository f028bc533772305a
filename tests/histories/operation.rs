//! The calls that histories are made of: on a pool, and on the sequential pool that has to
//! explain them.

use token_budget_pool::{BudgetPool, Limits, MicroUsd, Reservation, Usage};

use crate::oracle::{Answer, Oracle, OracleHold};
use crate::recorder::{Call, Recorder, Stamps};

/// A call. A thread has one reservation at most, which those about a reservation mean.
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
    SettleSoFar(Usage),
    Settle(Usage),
    Forfeit,
    Drop,
}

pub(crate) fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(MicroUsd::from_nanos(nanos))
}

/// A cost as `record` takes it.
pub(crate) fn dollars(nanos: u64) -> f64 {
    MicroUsd::from_nanos(nanos).as_usd()
}

fn raise_input(limits: &mut Limits, more: u64) {
    limits.input_tokens = limits.input_tokens.map(|limit| limit + more);
}

/// A thread that calls a pool and records it.
pub(crate) struct Caller<'a> {
    pool: &'a BudgetPool,
    hold: Option<Reservation<'a>>,
    recorder: Recorder<'a>,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(pool: &'a BudgetPool, stamps: &'a Stamps, calls: usize) -> Caller<'a> {
        Caller {
            pool,
            hold: None,
            recorder: Recorder::new(stamps, calls),
        }
    }

    pub(crate) fn holds(&self) -> bool {
        self.hold.is_some()
    }

    pub(crate) fn call(&mut self, op: Op) {
        let pool = self.pool;
        match op {
            Op::Record(input, output, nanos) => {
                let cost_usd = dollars(nanos);
                self.tell(op, || pool.record(input, output, cost_usd))
            }
            Op::TryCharge(usage) => self.tell(op, || pool.try_charge(usage)),
            Op::Charge(usage) => self.tell(op, || pool.charge(usage)),
            Op::Check(usage) => self.tell(op, || pool.check(usage)),
            Op::Totals => self.tell(op, || pool.totals()),
            Op::Snapshot => self.tell(op, || pool.snapshot()),
            Op::Reset => self.tell(op, || pool.reset()),
            Op::Take => self.tell(op, || pool.take()),
            Op::SetLimits(limits) => self.tell(op, || pool.set_limits(limits)),
            Op::RaiseInput(more) => self.tell(op, || {
                pool.update_limits(|limits| raise_input(limits, more))
            }),
            Op::Reserve(estimate) => {
                let reserve = || pool.reserve(estimate);
                let held = |held: &Result<_, _>| held.as_ref().map_err(|refusal| *refusal).into();
                self.hold = self.recorder.call(op, reserve, held).ok();
            }
            Op::Extend(more) => {
                let mut hold = self.take_hold();
                self.tell(op, || hold.extend(more));
                self.hold = Some(hold);
            }
            Op::SettleSoFar(total) => {
                let mut hold = self.take_hold();
                self.tell(op, || hold.settle_so_far(total));
                self.hold = Some(hold);
            }
            Op::Settle(actual) => {
                let hold = self.take_hold();
                self.tell(op, || hold.settle(actual));
            }
            Op::Forfeit => {
                let hold = self.take_hold();
                self.tell(op, || hold.forfeit());
            }
            Op::Drop => {
                let hold = self.take_hold();
                self.tell(op, || drop(hold));
            }
        }
    }

    fn tell<R: Copy + Into<Answer>>(&mut self, op: Op, call: impl FnOnce() -> R) {
        self.recorder.call(op, call, |&result| result.into());
    }

    fn take_hold(&mut self) -> Reservation<'a> {
        self.hold.take().expect("the program reserves first")
    }

    pub(crate) fn finish(self) -> Vec<Call> {
        self.recorder.finish()
    }
}

/// What the sequential pool answers to a thread with this `hold`; `None` to a call about a
/// reservation where there is none.
pub(crate) fn answer(pool: &mut Oracle, hold: &mut Option<OracleHold>, op: &Op) -> Option<Answer> {
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
            let held = pool.reserve(estimate);
            *hold = held.ok();
            held.as_ref().map_err(|refusal| *refusal).into()
        }
        Op::Extend(more) => pool.extend(hold.as_mut()?, more).into(),
        Op::SettleSoFar(total) => pool.settle_so_far(hold.as_mut()?, total).into(),
        Op::Settle(actual) => pool.settle(hold.take()?, actual).into(),
        Op::Forfeit => pool.forfeit(hold.take()?).into(),
        Op::Drop => {
            pool.drop(hold.take()?);
            Answer::Done
        }
    })
}
