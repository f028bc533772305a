//! Random programs beside a plain list of those that wait. After each step exactly those have been woken
//! whose waiting has ended.

use proptest::prelude::*;
use token_budget_pool::{BudgetPool, Limits, Reason, Rejected, Reservation};

use crate::by_hand::{output, ByHand, Reserving};

#[derive(Debug, Clone, Copy)]
enum Step {
    Wait(u64),
    TryReserve(u64),
    Extend(usize, u64),
    ShrinkTo(usize, u64),
    Drop(usize),
    Settle(usize, u64),
    Charge(u64),
    TryCharge(u64),
    /// One that waits, or that has ended and was not asked.
    GiveUp(usize),
    /// One that waits is polled, woken or not.
    Poll(usize),
    Reset,
    Limit(u64),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let tokens = || 0..60_u64;
    let index = || any::<usize>();
    prop_oneof![
        8 => tokens().prop_map(Step::Wait),
        4 => tokens().prop_map(Step::TryReserve),
        1 => (index(), tokens()).prop_map(|(index, more)| Step::Extend(index, more)),
        1 => (index(), tokens()).prop_map(|(index, most)| Step::ShrinkTo(index, most)),
        4 => index().prop_map(Step::Drop),
        4 => (index(), tokens()).prop_map(|(index, actual)| Step::Settle(index, actual)),
        1 => (0..20_u64).prop_map(Step::Charge),
        1 => (0..20_u64).prop_map(Step::TryCharge),
        2 => index().prop_map(Step::GiveUp),
        2 => index().prop_map(Step::Poll),
        1 => Just(Step::Reset),
        1 => (30..120_u64).prop_map(Step::Limit),
        1 => prop_oneof![9 => Just(Step::Reset), 1 => Just(Step::Close)],
    ]
}

/// The pool and those that wait, one after the other.
struct Model {
    limit: u64,
    spent: u64,
    reserved: u64,
    closed: bool,
    /// What the first asks for, then the next.
    waiting: Vec<(usize, u64)>,
    ended: Vec<(usize, Result<u64, Option<Reason>>)>,
}

impl Model {
    /// Why this much is refused. `None` is a pool that is closed.
    fn refusal(&self, tokens: u64) -> Option<Option<Reason>> {
        if self.closed {
            return Some(None);
        }
        let unspent = self.limit.saturating_sub(self.spent);
        if tokens <= unspent.saturating_sub(self.reserved) {
            return None;
        }
        Some(Some(if tokens > self.limit {
            Reason::NeverFits
        } else if tokens > unspent {
            Reason::Exhausted
        } else {
            Reason::Busy
        }))
    }

    fn give_turns(&mut self) {
        const BUSY: Option<Option<Reason>> = Some(Some(Reason::Busy));
        while let Some(&(id, tokens)) = self.waiting.first() {
            let refusal = self.refusal(tokens);
            if refusal == BUSY {
                break;
            }
            self.waiting.remove(0);
            self.reserved += if refusal.is_none() { tokens } else { 0 };
            self.ended.push((id, refusal.map_or(Ok(tokens), Err)));
        }
        let (waiting, in_vain) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|&(_, tokens)| matches!(self.refusal(tokens), None | BUSY));
        self.waiting = waiting;
        for (id, tokens) in in_vain {
            let refusal = self.refusal(tokens).expect("it is in vain");
            self.ended.push((id, Err(refusal)));
        }
    }
}

fn reason(rejected: Rejected) -> Option<Reason> {
    match rejected {
        Rejected::Exceeded(exceeded) => Some(exceeded.reason()),
        _ => None,
    }
}

fn run(steps: &[Step]) {
    let mut model = Model {
        limit: 100,
        spent: 0,
        reserved: 0,
        closed: false,
        waiting: vec![],
        ended: vec![],
    };
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(model.limit));
    let mut held: Vec<Reservation<&BudgetPool>> = vec![];
    let mut waiting: Vec<(usize, Reserving<'_>)> = vec![];
    let reserved = |reservation: &Reservation<&BudgetPool>| reservation.reserved().output_tokens;
    for (id, &step) in steps.iter().enumerate() {
        match step {
            Step::Wait(tokens) => {
                let mut reserving = ByHand::new(pool.reserve(output(tokens)));
                let ended = reserving.poll();
                let expected = model.refusal(tokens);
                match ended {
                    // A turn comes at once, behind nobody.
                    Some(Ok(reservation)) => {
                        assert!(expected.is_none() && model.waiting.is_empty());
                        model.reserved += tokens;
                        held.push(reservation);
                    }
                    Some(Err(rejected)) => {
                        let expected = expected.expect("it is refused");
                        assert_ne!(expected, Some(Reason::Busy));
                        assert_eq!(reason(rejected), expected);
                    }
                    None => {
                        assert!(expected == Some(Some(Reason::Busy)) || !model.waiting.is_empty());
                        model.waiting.push((id, tokens));
                        waiting.push((id, reserving));
                    }
                }
            }
            Step::TryReserve(tokens) => match pool.try_reserve(output(tokens)) {
                Ok(reservation) => {
                    assert!(model.refusal(tokens).is_none());
                    model.reserved += tokens;
                    held.push(reservation);
                }
                Err(rejected) => assert_eq!(model.refusal(tokens), Some(reason(rejected))),
            },
            Step::Extend(index, more) if !held.is_empty() => {
                let index = index % held.len();
                if held[index].extend(output(more)).is_ok() {
                    model.reserved += more;
                }
            }
            Step::ShrinkTo(index, most) if !held.is_empty() => {
                let index = index % held.len();
                let before = reserved(&held[index]);
                held[index].shrink_to(output(most));
                model.reserved -= before - reserved(&held[index]);
            }
            Step::Drop(index) if !held.is_empty() => {
                let reservation = held.remove(index % held.len());
                model.reserved -= reserved(&reservation);
                drop(reservation);
            }
            Step::Settle(index, actual) if !held.is_empty() => {
                let reservation = held.remove(index % held.len());
                model.reserved -= reserved(&reservation);
                model.spent += actual;
                let _ = reservation.start().settle(output(actual));
            }
            Step::Charge(tokens) => {
                model.spent += tokens;
                let _ = pool.charge(output(tokens));
            }
            Step::TryCharge(tokens) => {
                let charged = pool.try_charge(output(tokens));
                model.spent += charged.map_or(0, |_| tokens);
            }
            Step::GiveUp(index) if !waiting.is_empty() => {
                let (id, reserving) = waiting.remove(index % waiting.len());
                model.waiting.retain(|&(other, _)| other != id);
                drop(reserving);
            }
            Step::Poll(index) if !waiting.is_empty() => {
                let index = index % waiting.len();
                assert!(waiting[index].1.poll().is_none());
            }
            Step::Reset => {
                pool.reset();
                model.spent = 0;
            }
            Step::Limit(limit) => {
                pool.set_limits(Limits::unlimited().output_tokens(limit));
                model.limit = limit;
            }
            Step::Close => {
                pool.close();
                model.closed = true;
            }
            _ => {}
        }
        model.give_turns();
        let mut ended = std::mem::take(&mut model.ended);
        ended.sort_unstable_by_key(|&(id, _)| id);
        let woken: Vec<_> = waiting.iter().filter(|(_, one)| one.is_woken()).collect();
        let woken: Vec<_> = woken.into_iter().map(|&(id, _)| id).collect();
        assert_eq!(woken, ended.iter().map(|&(id, _)| id).collect::<Vec<_>>());
        for (id, expected) in ended {
            let index = waiting.iter().position(|&(other, _)| other == id).unwrap();
            match waiting.remove(index).1.ended() {
                Ok(reservation) => {
                    assert_eq!(Ok(reserved(&reservation)), expected);
                    held.push(reservation);
                }
                Err(rejected) => assert_eq!(Err(reason(rejected)), expected),
            }
        }
        let now = pool.snapshot();
        assert_eq!(now.spent.output_tokens, model.spent);
        assert_eq!(now.reserved.output_tokens, model.reserved);
        assert_eq!(now.calls_in_flight, held.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_random_program(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
