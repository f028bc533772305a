//! One sequential order of a scenario's operations, on the oracle that all of the crate's
//! tests share.

use crate::explain::Sequential;
use crate::oracle::{self, Oracle, OracleCall, OracleSnapshot};
use crate::scenario::{Answer, Op};
use crate::{Limits, Usd};

/// The pool after some operations in sequence, and the reservations and calls of its threads.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sequence {
    pool: Oracle,
    in_hand: Vec<Vec<Option<OracleCall>>>,
    flag: bool,
}

impl Sequence {
    pub(crate) fn new(limits: Limits, threads: usize) -> Self {
        Self {
            pool: Oracle::new(limits, None),
            in_hand: vec![vec![]; threads],
            flag: false,
        }
    }
}

impl Sequential for Sequence {
    type Op = Op;
    type Answer = Answer;
    type Last = OracleSnapshot;

    fn apply(&mut self, thread: usize, op: &Op) -> Answer {
        if let Some(index) = op.about() {
            return match self.in_hand[thread][index].take() {
                Some(call) => Answer::Pool(self.apply_to(thread, index, call, op)),
                None => Answer::Skipped,
            };
        }
        let pool = &mut self.pool;
        Answer::Pool(match *op {
            Op::Record(input, output, nanos) => pool
                .record(input, output, Usd::from_nanos(nanos).to_f64())
                .into(),
            Op::TryCharge(usage) => pool.try_charge(usage).into(),
            Op::Charge(usage) => pool.charge(usage).into(),
            Op::Check(usage) => pool.check(usage).into(),
            Op::Reserve(usage) => {
                let reservation = pool.try_reserve(usage);
                self.in_hand[thread].push(reservation.ok());
                reservation.as_ref().map_err(|refusal| *refusal).into()
            }
            Op::ReserveUpTo(fixed, least, most) => {
                let reservation = pool.try_reserve_up_to(fixed, (least, most), Usd::ZERO);
                self.in_hand[thread].push(reservation.ok());
                reservation.as_ref().map_err(|refusal| *refusal).into()
            }
            Op::SetLimits(limits) => pool.set_limits(limits).into(),
            Op::RaiseOutput(more) => pool
                .update_limits(|limits| {
                    limits.output_tokens = limits.output_tokens.map(|limit| limit + more);
                })
                .into(),
            Op::Reset => pool.reset().into(),
            Op::Take => pool.take().into(),
            Op::Close => pool.close().into(),
            Op::Snapshot => pool.snapshot().into(),
            Op::Totals => pool.totals().into(),
            Op::Limits => pool.limits().into(),
            Op::Raise => {
                self.flag = true;
                return Answer::Saw(true);
            }
            Op::Look => return Answer::Saw(self.flag),
            _ => unreachable!("{op:?} is about a reservation or a call"),
        })
    }

    fn last(&self) -> OracleSnapshot {
        self.pool.snapshot()
    }

    /// A flag that is not seen yet says nothing.
    fn says_nothing(answer: &Answer) -> bool {
        *answer == Answer::Saw(false)
    }
}

impl Sequence {
    fn apply_to(
        &mut self,
        thread: usize,
        index: usize,
        mut call: OracleCall,
        op: &Op,
    ) -> oracle::Answer {
        let pool = &mut self.pool;
        let answer = match *op {
            Op::Extend(_, more) => pool.extend(&mut call, more).into(),
            Op::ShrinkTo(_, most) => pool.shrink_to(&mut call, most).into(),
            Op::Drop(_) => return pool.drop(call).into(),
            _ => {
                pool.start(&mut call);
                match *op {
                    Op::Start(_) => oracle::Answer::Done,
                    Op::Report(_, total) => pool.report(&mut call, total).into(),
                    Op::Settle(_, total) => return pool.settle(call, total).into(),
                    Op::SettleAtLeast(_, total) => return pool.settle_at_least(call, total).into(),
                    Op::Forfeit(_) => return pool.forfeit(call).into(),
                    Op::Release(_) => return pool.release(call).into(),
                    _ => unreachable!("{op:?} is not about a call"),
                }
            }
        };
        self.in_hand[thread][index] = Some(call);
        answer
    }
}
