//! This crate, by both of its ways to record.

use token_budget_pool::{BudgetPool, Limits, Rejected, Usage, Usd};

use super::{Budget, Call, Readable, Reserving, Room};

pub(super) fn limits(room: Room) -> Limits {
    let limits = super::Limits::of(room);
    Limits::unlimited()
        .input_tokens(limits.input)
        .output_tokens(limits.output)
        .total_tokens(limits.total)
        .cost(Usd::from_nanos(limits.nanos))
}

fn pool(room: Room) -> BudgetPool {
    BudgetPool::new(limits(room))
}

#[inline]
pub(super) fn usage(call: &Call) -> Usage {
    Usage::tokens(call.input, call.output).cost(Usd::from_nanos(call.nanos))
}

#[inline]
pub(super) fn look(rejected: &Rejected) -> u64 {
    match rejected {
        Rejected::Exceeded(exceeded) => exceeded.reason() as u64,
        _ => 0,
    }
}

/// In exact numbers.
pub(crate) struct TryCharge(pub(crate) BudgetPool);

impl Budget for TryCharge {
    const NAME: &'static str = "this crate, try_charge";
    const LACKS: &'static str = "";

    fn new(room: Room) -> Self {
        Self(pool(room))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.try_charge(usage(call)) {
            Ok(spent) => spent.calls,
            Err(rejected) => look(&rejected),
        }
    }

    fn calls(&self) -> Option<u64> {
        Some(self.0.totals().calls)
    }
}

impl Readable for TryCharge {
    #[inline]
    fn totals(&self) -> u64 {
        self.0.totals().calls
    }
}

/// With dollars in an `f64`, as version 0.1 does.
pub(crate) struct Record(pub(crate) BudgetPool);

impl Budget for Record {
    const NAME: &'static str = "this crate, record";
    const LACKS: &'static str = "";

    fn new(room: Room) -> Self {
        Self(pool(room))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.record(call.input, call.output, call.dollars) {
            Ok(totals) => totals.calls,
            Err(exceeded) => exceeded.cap.len() as u64,
        }
    }

    fn calls(&self) -> Option<u64> {
        Some(self.0.totals().calls)
    }
}

impl Readable for Record {
    #[inline]
    fn totals(&self) -> u64 {
        self.0.totals().calls
    }
}

/// Before the call and after it.
pub(crate) struct Reserve(pub(crate) BudgetPool);

impl Reserving for Reserve {
    const NAME: &'static str = "this crate, reserve + settle";

    fn new(room: Room) -> Self {
        Self(pool(room))
    }

    #[inline]
    fn reserve_and_settle(&self, estimate: &Call, actual: &Call) -> u64 {
        match self.0.try_reserve(usage(estimate)) {
            Ok(reservation) => reservation.start().settle(usage(actual)).spent.calls,
            Err(rejected) => look(&rejected),
        }
    }
}
