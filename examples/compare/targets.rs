//! What this crate is to reach, as ratios within one run, and whether it did.

use crate::machine;
use crate::results::{Metric, Results, Spread, Workload};
use crate::rivals::atomics::{CasLoop, TwoSlots};
use crate::rivals::mutex::{IntegerMutex, ParkingLot, ReservingMutex, Std};
use crate::rivals::others::Published;
use crate::rivals::ours::{Record, Reserve, TryCharge};
use crate::rivals::{Budget, Reserving};
use crate::workloads::{CROWD, FIRST, THREADS};

const OURS: &str = TryCharge::NAME;
const RECORD: &str = Record::NAME;
const STD: &str = IntegerMutex::<Std>::NAME;
const PUBLISHED: &str = Published::NAME;
const MUTEXES: [&str; 3] = [STD, IntegerMutex::<ParkingLot>::NAME, PUBLISHED];

#[derive(Clone, Copy)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing to reach: it is there to show that the others mean something.
    Evidence,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Times,
    Bytes,
    Cores,
}

/// A figure at one number of threads.
pub(crate) struct Cell {
    pub(crate) threads: usize,
    pub(crate) value: f64,
    pub(crate) spread: Option<(f64, f64)>,
}

pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) bound: Bound,
    pub(crate) unit: Unit,
    /// Why it is missed on the machine that the crate is built on, where that is known.
    pub(crate) why_missed: Option<&'static str>,
    pub(crate) cells: Vec<Cell>,
}

impl Target {
    pub(crate) fn meets(&self, cell: &Cell) -> bool {
        match self.bound {
            Bound::AtLeast(least) => cell.value >= least,
            Bound::AtMost(most) => cell.value <= most,
            Bound::Evidence => true,
        }
    }

    pub(crate) fn met(&self) -> bool {
        self.cells.iter().all(|cell| self.meets(cell))
    }

    pub(crate) fn is_target(&self) -> bool {
        !matches!(self.bound, Bound::Evidence)
    }
}

/// All of them, and then the evidence.
pub(crate) fn targets(results: &Results) -> Vec<Target> {
    let ratio = |heat, a: &str, b: &str| results.ratio(heat, a, b, Metric::Nanos);
    let cell = |threads, spread: Option<Spread>| {
        spread.map(|spread| Cell {
            threads,
            value: spread.median,
            spread: Some((spread.low, spread.high)),
        })
    };
    let over = |workload, threads: &[usize], a: &str, b: &str| -> Vec<Cell> {
        let cells = threads
            .iter()
            .map(|&threads| cell(threads, ratio((workload, threads), a, b)));
        cells.flatten().collect()
    };
    // Beside the mutex that is closest to us there.
    let best_mutex = |workload, threads: &[usize]| -> Vec<Cell> {
        let best = |&threads: &usize| {
            let ratios = MUTEXES.map(|mutex| ratio((workload, threads), mutex, OURS));
            let ratios = ratios.into_iter().flatten();
            cell(threads, ratios.min_by(|a, b| a.median.total_cmp(&b.median)))
        };
        threads.iter().filter_map(best).collect()
    };
    let (one, many) = THREADS.split_at(1);

    let mut all = Vec::new();
    let mut add = |what: &str, bound, unit, why_missed, cells| {
        all.push(Target {
            what: what.to_owned(),
            bound,
            unit,
            why_missed,
            cells,
        });
    };
    use Bound::{AtLeast, AtMost, Evidence};
    use Unit::{Bytes, Cores, Times};
    use Workload::{Accepted, Fairness, Fresh, Pools, Readers, Rejected, Tail};

    add(
        "accepted: time of try_charge, of the integer std Mutex's",
        AtMost(0.85),
        Times,
        Some(
            "Where a locked instruction is cheap, the mutex's second one costs little. Ours is one, and \
             its stores and it alone take less than the mutex (see the evidence); what is left are some \
             ninety instructions that check five limits of what is spent and held, and find a thread's \
             own slots.",
        ),
        over(Accepted, one, OURS, STD),
    );
    add(
        "accepted: try_charge faster than the integer std Mutex",
        AtLeast(2.0),
        Times,
        Some(
            "A mutex lets one thread run and the others sleep: where threads mostly take turns on a \
             core, that costs it little.",
        ),
        over(Accepted, many, STD, OURS),
    );
    let beside_cheap_locks =
        Some("The same, beside a mutex that takes two cheap locked instructions.");
    add(
        "accepted: try_charge faster than the published crate",
        AtLeast(1.7),
        Times,
        beside_cheap_locks,
        over(Accepted, one, PUBLISHED, OURS),
    );
    add(
        "accepted: try_charge faster than the published crate",
        AtLeast(3.0),
        Times,
        beside_cheap_locks,
        over(Accepted, many, PUBLISHED, OURS),
    );
    add(
        "accepted: record (f64) faster than the published crate",
        AtLeast(1.5),
        Times,
        Some("Besides, the conversion of dollars to an exact count, and back: 44 instructions."),
        over(Accepted, one, PUBLISHED, RECORD),
    );
    add(
        "accepted: time of try_charge, of a one-word CAS loop's",
        AtMost(1.8),
        Times,
        Some("One word against fifteen that are read and eight that are written."),
        over(Accepted, one, OURS, CasLoop::NAME),
    );
    add(
        &format!("first {FIRST} records of a new pool: time, of the integer std Mutex's"),
        AtMost(1.3),
        Times,
        Some(
            "A new pool has one pair of slots, claimed for a call by a flag: a second locked \
             instruction, and a second look at the head.",
        ),
        over(Fresh, one, OURS, STD),
    );
    let beats = many.iter().filter_map(|&threads| {
        let spread = results.spread((Accepted, threads), OURS, Metric::Nanos)?;
        Some(Cell {
            threads,
            value: spread.max / spread.median,
            spread: None,
        })
    });
    add(
        "accepted: time of try_charge in the slowest round, of the median's",
        AtMost(2.0),
        Times,
        None,
        beats.collect(),
    );
    let refusing = Some(
        "A refusal tells which of five limits refuses for the worst reason, and the numbers that it \
         went by: 285 instructions, where a mutex's compares four and stops at the first. It writes \
         nothing, so it scales with the cores, from there.",
    );
    add(
        "rejected: faster than the best mutex",
        AtLeast(1.5),
        Times,
        refusing,
        best_mutex(Rejected, one),
    );
    add(
        "rejected: faster than the best mutex",
        AtLeast(6.0),
        Times,
        refusing,
        best_mutex(Rejected, &THREADS[1..2]),
    );
    add(
        "totals() by so many readers beside a writer: faster than the best mutex",
        AtLeast(1.0),
        Times,
        Some(
            "A lone reader needs the head unmoved while it fetches a line that the writer has just \
             written; the writer, which it does not hold up, moves the head meanwhile. A mutex's reader \
             stops the writer.",
        ),
        best_mutex(Readers, &THREADS),
    );
    add(
        "reserve + settle: time, of a record's",
        AtMost(2.2),
        Times,
        None,
        over(Workload::Reserve, one, Reserve::NAME, OURS),
    );
    add(
        "p99.99 of a record: better than the published crate's",
        AtLeast(2.0),
        Times,
        Some(
            "A mutex's loser sleeps for as long as the scheduler likes: few calls wait, and those for \
             milliseconds (see the longest). Ours look again after microseconds, and so more of them \
             wait, and none sleeps.",
        ),
        cell(
            CROWD,
            results.ratio((Tail, CROWD), PUBLISHED, OURS, Metric::P9999),
        )
        .into_iter()
        .collect(),
    );
    let cores = machine::cores();
    add(
        "fairness over a second: slowest thread's count, of the fastest's",
        AtLeast(1.0 / 3.0),
        Times,
        Some("Who lost stands back, and whoever won goes on with lines that it has."),
        cell(
            cores,
            results.spread((Fairness, cores), OURS, Metric::Fairness),
        )
        .into_iter()
        .collect(),
    );
    let memory = |threads, metric| -> Vec<Cell> {
        let spread = results.spread((Pools, threads), OURS, metric);
        cell(threads, spread).into_iter().collect()
    };
    add(
        "memory of a new pool",
        AtMost(640.0),
        Bytes,
        None,
        memory(1, Metric::BytesFresh),
    );
    add(
        "memory of each of 10,000 pools, hit at random some 300 times each",
        AtMost(1024.0),
        Bytes,
        None,
        memory(CROWD, Metric::BytesUsed),
    );

    // The mutex above knows nothing of what is held, and of limits that change.
    add(
        "time of try_charge, of a std Mutex's that counts what is held too",
        Evidence,
        Times,
        None,
        over(
            Accepted,
            &THREADS,
            OURS,
            <ReservingMutex<Std> as Budget>::NAME,
        ),
    );

    add(
        "time of try_charge, of its stores' and its CAS's alone",
        Evidence,
        Times,
        None,
        over(Accepted, one, OURS, TwoSlots::NAME),
    );

    // That threads that contended really ran at once.
    let had = |name: &'static str| -> Vec<Cell> {
        let cells = THREADS.iter().map(|&threads| {
            let spread = results.spread((Accepted, threads), name, Metric::Cores);
            cell(threads, spread)
        });
        cells.flatten().collect()
    };
    add(
        "cores that try_charge's threads had",
        Evidence,
        Cores,
        None,
        had(OURS),
    );
    add(
        "cores that the one-word CAS loop's threads had",
        Evidence,
        Cores,
        None,
        had(CasLoop::NAME),
    );
    for name in [STD, PUBLISHED, CasLoop::NAME] {
        let median = |threads| {
            let spread = results.spread((Accepted, threads), name, Metric::Nanos)?;
            Some(spread.median)
        };
        let cells = many.iter().filter_map(|&threads| {
            Some(Cell {
                threads,
                value: median(threads)? / median(1)?,
                spread: None,
            })
        });
        add(
            &format!("{name}: time of a record, of its own with one thread"),
            Evidence,
            Times,
            None,
            cells.collect(),
        );
    }
    // With `--only`, most were not measured.
    all.retain(|target| !target.cells.is_empty());
    all
}
