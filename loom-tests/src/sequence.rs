//! One sequential order of a scenario's operations, on the oracle that all of the crate's
//! tests share.

use crate::oracle::{Oracle, OracleHold, OracleSnapshot};
use crate::scenario::{Answer, Op};
use crate::{Limits, MicroUsd};

/// The pool after some operations in sequence, and the reservations of its threads.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sequence {
    pool: Oracle,
    holds: Vec<Vec<Option<OracleHold>>>,
    flag: bool,
}

impl Sequence {
    pub(crate) fn new(limits: Limits, threads: usize) -> Self {
        Self {
            pool: Oracle::new(limits, None),
            holds: vec![vec![]; threads],
            flag: false,
        }
    }

    pub(crate) fn snapshot(&self) -> OracleSnapshot {
        self.pool.snapshot()
    }

    /// Does `op` as the next of `thread`'s, and answers.
    pub(crate) fn apply(&mut self, thread: usize, op: &Op) -> Answer {
        if let Some(index) = op.hold() {
            return match self.holds[thread][index].take() {
                Some(hold) => self.apply_to_hold(thread, index, hold, op),
                None => Answer::Skipped,
            };
        }
        let pool = &mut self.pool;
        Answer::Pool(match *op {
            Op::Record(input, output, nanos) => pool
                .record(input, output, MicroUsd::from_nanos(nanos).as_usd())
                .into(),
            Op::TryCharge(usage) => pool.try_charge(usage).into(),
            Op::Charge(usage) => pool.charge(usage).into(),
            Op::Check(usage) => pool.check(usage).into(),
            Op::Reserve(usage) => {
                let hold = pool.reserve(usage);
                self.holds[thread].push(hold.ok());
                hold.as_ref().map_err(|refusal| *refusal).into()
            }
            Op::ReserveUpTo(fixed, least, most) => {
                let hold = pool.reserve_up_to(fixed, (least, most), MicroUsd::ZERO);
                self.holds[thread].push(hold.ok());
                hold.as_ref().map_err(|refusal| *refusal).into()
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
            _ => unreachable!("{op:?} is about a hold"),
        })
    }

    fn apply_to_hold(
        &mut self,
        thread: usize,
        index: usize,
        mut hold: OracleHold,
        op: &Op,
    ) -> Answer {
        let pool = &mut self.pool;
        let answer = match *op {
            Op::Sent(_) => pool.sent(&mut hold).into(),
            Op::Extend(_, more) => pool.extend(&mut hold, more).into(),
            Op::SettleSoFar(_, total) => pool.settle_so_far(&mut hold, total).into(),
            Op::Settle(_, total) => return Answer::Pool(pool.settle(hold, total).into()),
            Op::SettleAtLeast(_, total) => {
                return Answer::Pool(pool.settle_at_least(hold, total).into())
            }
            Op::Forfeit(_) => return Answer::Pool(pool.forfeit(hold).into()),
            Op::Drop(_) => return Answer::Pool(pool.drop(hold).into()),
            _ => unreachable!("{op:?} is about no hold"),
        };
        self.holds[thread][index] = Some(hold);
        Answer::Pool(answer)
    }
}
