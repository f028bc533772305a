//! What the threads hammer: pools that record, pools that reserve, and as the control a pool
//! behind a lock.

use std::ops::AddAssign;
use std::sync::Mutex;

use token_budget_pool::linger::linger;
use token_budget_pool::place::{self, Place};
use token_budget_pool::{BudgetPool, Snapshot, Spent, Totals, Usage, Usd};

/// A call whose amounts are in a ratio of their own: a state of two states shows.
pub fn in_ratio(amount: u64) -> Usage {
    Usage::tokens(amount, 2 * amount).cost(Usd::from_nanos(3 * amount))
}

/// Calls that a pool counted.
#[derive(Clone, Copy, Default)]
pub struct Calls {
    pub all: u64,
    /// Those that were dropped in flight.
    pub forfeited: u64,
}

impl Calls {
    pub const ONE: Calls = Calls {
        all: 1,
        forfeited: 0,
    };
    pub const ONE_FORFEITED: Calls = Calls {
        all: 1,
        forfeited: 1,
    };
}

impl AddAssign for Calls {
    fn add_assign(&mut self, more: Calls) {
        self.all += more.all;
        self.forfeited += more.forfeited;
    }
}

/// Counts so many calls of this amount.
pub fn spend(spent: &mut Spent, amount: u64, calls: Calls) {
    let cost = |calls: u64| Usd::from_nanos(3 * amount * calls);
    spent.input_tokens += amount * calls.all;
    spent.output_tokens += 2 * amount * calls.all;
    spent.cost = spent.cost.saturating_add(cost(calls.all));
    spent.calls += calls.all;
    spent.forfeited_calls += calls.forfeited;
    spent.forfeited_cost = spent.forfeited_cost.saturating_add(cost(calls.forfeited));
}

/// What came of a step.
pub struct Stepped {
    /// What it had counted.
    pub calls: Calls,
    /// What the pool said, if it says anything.
    pub answer: Option<Totals>,
}

/// Counts a call.
pub fn record(pool: &BudgetPool, amount: u64) -> Stepped {
    let dollars = Usd::from_nanos(3 * amount).to_f64();
    let totals = pool.record(amount, 2 * amount, dollars);
    Stepped {
        calls: Calls::ONE,
        answer: Some(totals.expect("no limit")),
    }
}

/// Reserves for a call, and ends the reservation or the call in the way of this turn.
pub fn reserve(pool: &BudgetPool, amount: u64, turn: u64) -> Stepped {
    let usage = in_ratio(amount);
    let reservation = pool.try_reserve(usage).expect("no limit");
    match turn % 3 {
        0 => {
            let call = reservation.start();
            let receipt = place::at(Place::Settle, || call.settle(usage));
            Stepped {
                calls: Calls::ONE,
                answer: Some(receipt.spent.into()),
            }
        }
        1 => {
            let call = reservation.start();
            place::at(Place::Forfeit, || drop(call));
            Stepped {
                calls: Calls::ONE_FORFEITED,
                answer: None,
            }
        }
        _ => {
            place::at(Place::Drop, || drop(reservation));
            Stepped {
                calls: Calls::default(),
                answer: None,
            }
        }
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

/// Every step is a reservation, and its end or that of its call.
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
            spend(&mut state.spent, amount, Calls::ONE);
            Stepped {
                calls: Calls::ONE,
                answer: Some(state.spent.into()),
            }
        })
    }

    fn snapshot(&self) -> Snapshot {
        self.with(|state| *state)
    }
}
