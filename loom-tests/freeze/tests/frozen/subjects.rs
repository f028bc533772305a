//! What the threads hammer: pools that record, pools that hold, and as the control a pool
//! behind a lock.

use std::sync::Mutex;

use token_budget_pool::linger::linger;
use token_budget_pool::place::{self, Place};
use token_budget_pool::{BudgetPool, MicroUsd, Snapshot, Spent, Totals, Usage};

/// A call whose amounts are in a ratio of their own: a state of two states shows.
pub fn in_ratio(amount: u64) -> Usage {
    Usage::tokens(amount, 2 * amount).cost(MicroUsd::from_nanos(3 * amount))
}

/// Counts so many calls of this amount.
pub fn spend(spent: &mut Spent, amount: u64, calls: u64) {
    let sum = amount * calls;
    spent.input_tokens += sum;
    spent.output_tokens += 2 * sum;
    spent.cost = MicroUsd::from_nanos(spent.cost.as_nanos() + 3 * sum);
    spent.calls += calls;
}

/// What came of a step.
pub struct Stepped {
    /// How many calls it had counted.
    pub calls: u64,
    /// What the pool said, if it says anything.
    pub answer: Option<Totals>,
}

/// Counts a call.
pub fn record(pool: &BudgetPool, amount: u64) -> Stepped {
    let dollars = MicroUsd::from_nanos(3 * amount).as_usd();
    let totals = pool.record(amount, 2 * amount, dollars);
    Stepped {
        calls: 1,
        answer: Some(totals.expect("no limit")),
    }
}

/// Reserves a call, and ends the reservation in the way of this turn.
pub fn reserve(pool: &BudgetPool, amount: u64, turn: u64) -> Stepped {
    let call = in_ratio(amount);
    let mut hold = pool.reserve(call).expect("no limit");
    if turn % 2 == 0 {
        let receipt = place::at(Place::Settle, || hold.settle(call));
        return Stepped {
            calls: 1,
            answer: Some(receipt.spent.into()),
        };
    }
    let sent = turn % 4 == 1;
    if sent {
        hold.sent();
    }
    place::at(Place::Drop, || drop(hold));
    Stepped {
        calls: sent.into(),
        answer: None,
    }
}

/// A pool, and what a thread does to it.
pub trait Subject: Send + Sync + 'static {
    const NAME: &'static str;

    fn fresh() -> Self;

    /// The pool, if it is one of the library's.
    fn pool(&self) -> Option<&BudgetPool>;

    /// Does what comes at this turn, in calls of this amount.
    fn step(&self, amount: u64, turn: u64) -> Stepped;

    fn snapshot(&self) -> Snapshot;
}

/// Every step is a record.
pub struct Records(BudgetPool);

impl Subject for Records {
    const NAME: &'static str = "records";

    fn fresh() -> Self {
        Self(BudgetPool::unconstrained())
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, _: u64) -> Stepped {
        record(&self.0, amount)
    }

    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// Every step is a reservation, and one of its ends.
pub struct Reservations(BudgetPool);

impl Subject for Reservations {
    const NAME: &'static str = "reservations";

    fn fresh() -> Self {
        Self(BudgetPool::unconstrained())
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, turn: u64) -> Stepped {
        reserve(&self.0, amount, turn)
    }

    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// As exact as a pool, but whoever is frozen with the lock stops everybody.
pub struct Locked(Mutex<Snapshot>);

impl Locked {
    fn with<R>(&self, work: impl FnOnce(&mut Snapshot) -> R) -> R {
        place::at(Place::Lock, || {
            let mut state = self.0.lock().expect("nobody panics with the lock");
            place::at(Place::LockHeld, || {
                linger(1);
                work(&mut state)
            })
        })
    }
}

impl Subject for Locked {
    const NAME: &'static str = "a pool behind a mutex";

    fn fresh() -> Self {
        Self(Mutex::new(BudgetPool::unconstrained().snapshot()))
    }

    fn pool(&self) -> Option<&BudgetPool> {
        None
    }

    fn step(&self, amount: u64, _: u64) -> Stepped {
        self.with(|state| {
            spend(&mut state.spent, amount, 1);
            Stepped {
                calls: 1,
                answer: Some(state.spent.into()),
            }
        })
    }

    fn snapshot(&self) -> Snapshot {
        self.with(|state| *state)
    }
}
