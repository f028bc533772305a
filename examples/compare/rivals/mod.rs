//! The budgets that are compared, each at its best settings, and what each of them does
//! not do. Shared by the comparison, the benches and the counting of instructions.

pub(crate) mod atomics;
pub(crate) mod mutex;
pub(crate) mod others;
pub(crate) mod ours;
pub(crate) mod trees;

/// One call's usage, in the forms that budgets take.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) nanos: u64,
    pub(crate) dollars: f64,
}

/// A call as it is every day.
pub(crate) const CALL: Call = Call {
    input: 1_200,
    output: 350,
    nanos: 8_850_000,
    dollars: 0.00885,
};

/// What is reserved for that call: all the output that it may have.
pub(crate) const ESTIMATE: Call = Call {
    input: 1_200,
    output: 4_096,
    nanos: 65_040_000,
    dollars: 0.06504,
};

/// How much a budget has room for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// More than any run spends. Every limit that the budget knows is set.
    Plenty,
    /// Less than one [`CALL`].
    TooLittle,
}

/// The limits of a budget that knows all four.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) total: u64,
    pub(crate) nanos: u64,
}

impl Limits {
    pub(crate) const fn of(room: Room) -> Self {
        Self {
            input: match room {
                Room::Plenty => 1 << 60,
                Room::TooLittle => CALL.input - 1,
            },
            output: 1 << 60,
            total: 1 << 61,
            nanos: 1_000_000_000_000_000_000,
        }
    }

    pub(crate) fn dollars(self) -> f64 {
        self.nanos as f64 / 1e9
    }
}

/// A budget that calls are recorded in.
///
/// The answer of every method is looked at by one number of it, read where it lies: to
/// copy a whole answer just after it was written makes the CPU wait for its own stores,
/// which no caller does, and which would be measured.
pub(crate) trait Budget: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    /// What it does not do that this crate does.
    const LACKS: &'static str;

    fn new(room: Room) -> Self;

    /// Records one call, whether it is accepted or not.
    fn record(&self, call: &Call) -> u64;

    /// How many calls were recorded, where it counts them.
    fn calls(&self) -> Option<u64> {
        None
    }
}

/// A budget that reports what was spent, all of one moment unless `LACKS` says otherwise.
pub(crate) trait Readable: Budget {
    fn totals(&self) -> u64;
}

/// A budget that reserves an estimate before the call.
pub(crate) trait Reserving: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn new(room: Room) -> Self;

    /// Reserves the estimate and settles it with what the call used.
    fn reserve_and_settle(&self, estimate: &Call, actual: &Call) -> u64;
}

/// Budgets within budgets, with room for all that is spent.
pub(crate) trait Tree: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    /// What it does not do that this crate does.
    const LACKS: &'static str;

    fn new(leaves: usize) -> Self;

    /// Spends at one leaf: a call counts there and at every level above.
    fn spender(&self, leaf: usize) -> impl Fn(&Call) -> u64;

    /// How many calls were counted at the root.
    fn calls(&self) -> u64;
}
