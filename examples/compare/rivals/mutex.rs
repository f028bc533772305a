//! The budget that one would write by hand: integers behind a lock.
//!
//! Fixed point, checked, inlined, and no more than the task needs: the one that only
//! records knows nothing of reservations.

use token_budget_pool::BudgetExceeded;

use super::{Budget, Call, Limits, Readable, Reserving, Room};

/// Which mutex.
pub(crate) trait Lock: 'static {
    const RECORDS: &'static str;
    const RESERVES: &'static str;
    type Mutex<T: Send + 'static>: Send + Sync + 'static;

    fn new<T: Send + 'static>(value: T) -> Self::Mutex<T>;
    fn with<T: Send + 'static, R>(mutex: &Self::Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R;
}

pub(crate) struct Std;

impl Lock for Std {
    const RECORDS: &'static str = "integer std Mutex";
    const RESERVES: &'static str = "integer std Mutex, reserving";
    type Mutex<T: Send + 'static> = std::sync::Mutex<T>;

    fn new<T: Send + 'static>(value: T) -> Self::Mutex<T> {
        std::sync::Mutex::new(value)
    }

    #[inline(always)]
    fn with<T: Send + 'static, R>(mutex: &Self::Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut mutex.lock().unwrap())
    }
}

pub(crate) struct ParkingLot;

impl Lock for ParkingLot {
    const RECORDS: &'static str = "integer parking_lot Mutex";
    const RESERVES: &'static str = "integer parking_lot Mutex, reserving";
    type Mutex<T: Send + 'static> = parking_lot::Mutex<T>;

    fn new<T: Send + 'static>(value: T) -> Self::Mutex<T> {
        parking_lot::Mutex::new(value)
    }

    #[inline(always)]
    fn with<T: Send + 'static, R>(mutex: &Self::Mutex<T>, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut mutex.lock())
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    input: u64,
    output: u64,
    nanos: u64,
    calls: u64,
}

impl Counts {
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// With one more call, if that can be counted.
    #[inline(always)]
    pub(super) fn and(self, call: &Call) -> Option<Self> {
        Some(Self {
            input: self.input.checked_add(call.input)?,
            output: self.output.checked_add(call.output)?,
            nanos: self.nanos.checked_add(call.nanos)?,
            calls: self.calls + 1,
        })
    }

    #[inline(always)]
    pub(super) fn within(&self, limits: &Limits) -> Result<(), BudgetExceeded> {
        let within = |cap, attempted: u64, limit: u64| {
            if attempted <= limit {
                return Ok(());
            }
            Err(BudgetExceeded {
                cap,
                limit: limit as f64,
                attempted: attempted as f64,
            })
        };
        within("input_tokens", self.input, limits.input)?;
        within("output_tokens", self.output, limits.output)?;
        let total = self.input.checked_add(self.output).ok_or(OVERFLOW)?;
        within("total_tokens", total, limits.total)?;
        within("cost_usd", self.nanos, limits.nanos)
    }
}

pub(super) const OVERFLOW: BudgetExceeded = BudgetExceeded {
    cap: "overflow",
    limit: u64::MAX as f64,
    attempted: u64::MAX as f64,
};

const BLOCKS: &str = "blocks: a suspended owner stops everybody";

/// A number of the answer, to look at.
#[inline]
pub(super) fn look(answer: Result<Counts, BudgetExceeded>) -> u64 {
    match answer {
        Ok(counts) => counts.calls,
        Err(exceeded) => exceeded.cap.len() as u64,
    }
}

/// It only records.
pub(crate) struct IntegerMutex<L: Lock> {
    counts: L::Mutex<Counts>,
    limits: Limits,
}

impl<L: Lock> IntegerMutex<L> {
    #[inline]
    fn try_record(&self, call: &Call) -> Result<Counts, BudgetExceeded> {
        L::with(&self.counts, |counts| {
            let new = counts.and(call).ok_or(OVERFLOW)?;
            new.within(&self.limits)?;
            *counts = new;
            Ok(new)
        })
    }
}

impl<L: Lock> Budget for IntegerMutex<L> {
    const NAME: &'static str = L::RECORDS;
    const LACKS: &'static str = BLOCKS;

    fn new(room: Room) -> Self {
        Self {
            counts: L::new(Counts::default()),
            limits: Limits::of(room),
        }
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        look(self.try_record(call))
    }

    fn calls(&self) -> Option<u64> {
        Some(self.totals())
    }
}

impl<L: Lock> Readable for IntegerMutex<L> {
    #[inline]
    fn totals(&self) -> u64 {
        let counts = L::with(&self.counts, |counts| *counts);
        counts.calls
    }
}

pub(crate) struct Ledger {
    spent: Counts,
    reserved: Counts,
    /// Behind the lock, like ours: they can be changed.
    limits: Limits,
}

impl Ledger {
    #[inline(always)]
    fn all(&self) -> Option<Counts> {
        Some(Counts {
            input: self.spent.input.checked_add(self.reserved.input)?,
            output: self.spent.output.checked_add(self.reserved.output)?,
            nanos: self.spent.nanos.checked_add(self.reserved.nanos)?,
            calls: self.spent.calls + self.reserved.calls,
        })
    }
}

/// It reserves estimates too: one lock to reserve, one to settle, one to record beside what is reserved.
pub(crate) struct ReservingMutex<L: Lock> {
    ledger: L::Mutex<Ledger>,
}

impl<L: Lock> ReservingMutex<L> {
    fn fresh(room: Room) -> Self {
        Self {
            ledger: L::new(Ledger {
                spent: Counts::default(),
                reserved: Counts::default(),
                limits: Limits::of(room),
            }),
        }
    }

    #[inline]
    fn try_record(&self, call: &Call) -> Result<Counts, BudgetExceeded> {
        L::with(&self.ledger, |ledger| {
            let all = ledger.all().and_then(|all| all.and(call));
            all.ok_or(OVERFLOW)?.within(&ledger.limits)?;
            ledger.spent = ledger.spent.and(call).ok_or(OVERFLOW)?;
            Ok(ledger.spent)
        })
    }

    #[inline]
    fn reserve(&self, estimate: &Call) -> Result<(), BudgetExceeded> {
        L::with(&self.ledger, |ledger| {
            let all = ledger.all().and_then(|all| all.and(estimate));
            all.ok_or(OVERFLOW)?.within(&ledger.limits)?;
            // It fits beside what is spent, so it fits.
            ledger.reserved = ledger.reserved.and(estimate).ok_or(OVERFLOW)?;
            Ok(())
        })
    }

    #[inline]
    fn settle(&self, estimate: &Call, actual: &Call) -> Counts {
        L::with(&self.ledger, |ledger| {
            let Ledger {
                spent, reserved, ..
            } = ledger;
            reserved.input -= estimate.input;
            reserved.output -= estimate.output;
            reserved.nanos -= estimate.nanos;
            reserved.calls -= 1;
            spent.input = spent.input.saturating_add(actual.input);
            spent.output = spent.output.saturating_add(actual.output);
            spent.nanos = spent.nanos.saturating_add(actual.nanos);
            spent.calls += 1;
            *spent
        })
    }
}

impl<L: Lock> Reserving for ReservingMutex<L> {
    const NAME: &'static str = L::RESERVES;

    fn new(room: Room) -> Self {
        Self::fresh(room)
    }

    #[inline]
    fn reserve_and_settle(&self, estimate: &Call, actual: &Call) -> u64 {
        look(
            self.reserve(estimate)
                .map(|()| self.settle(estimate, actual)),
        )
    }
}

impl<L: Lock> Budget for ReservingMutex<L> {
    const NAME: &'static str = L::RESERVES;
    const LACKS: &'static str = BLOCKS;

    fn new(room: Room) -> Self {
        Self::fresh(room)
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        look(self.try_record(call))
    }

    fn calls(&self) -> Option<u64> {
        Some(L::with(&self.ledger, |ledger| ledger.spent.calls))
    }
}
