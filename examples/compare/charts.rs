//! Which charts there are, and how each contestant looks in all of them.

use crate::machine;
use crate::results::{Metric, Results, Workload};
use crate::rivals::atomics::{AddThenUndo, CasLoop, FetchAdd, Nothing, Seqlock};
use crate::rivals::mutex::{IntegerMutex, Lock, ParkingLot, Std};
use crate::rivals::others::{
    BudgetContext, Governor, LlmBudget, Published, SemaphoreDrop, SemaphoreForget,
};
use crate::rivals::ours::{Record, Reserve, TryCharge};
use crate::rivals::trees::{Charge, Context, MutexTree};
use crate::rivals::{Budget, Reserving, Tree as _};
use crate::svg::{Chart, Line, Look, Mark, Scale};
use crate::workloads::CROWD;

const OURS: &str = TryCharge::NAME;
const RECORD: &str = Record::NAME;
const STD: &str = IntegerMutex::<Std>::NAME;
const LOT: &str = IntegerMutex::<ParkingLot>::NAME;
const PUBLISHED: &str = Published::NAME;
pub(crate) const MAIN: [&str; 5] = [OURS, RECORD, STD, LOT, PUBLISHED];

pub(crate) const PERCENTILES: [(&str, Metric); 5] = [
    ("p50", Metric::P50),
    ("p99", Metric::P99),
    ("p99.9", Metric::P999),
    ("p99.99", Metric::P9999),
    ("max", Metric::Max),
];

fn look(name: &str) -> Look {
    let solid = |colour, mark| Look {
        colour,
        mark,
        dashed: false,
    };
    const RESERVE: &str = Reserve::NAME;
    const CONTEXT: &str = <BudgetContext as Budget>::NAME;
    const CONTEXT_RESERVES: &str = <BudgetContext as Reserving>::NAME;
    const FORGET: &str = <SemaphoreForget as Budget>::NAME;
    const FORGET_RESERVES: &str = <SemaphoreForget as Reserving>::NAME;
    match name {
        OURS | RESERVE => solid("us", Mark::Circle),
        RECORD => solid("us2", Mark::Circle),
        STD | Std::RESERVES => solid("std", Mark::Square),
        LOT | ParkingLot::RESERVES => solid("lot", Mark::Diamond),
        PUBLISHED => solid("old", Mark::Triangle),
        LlmBudget::NAME => solid("green", Mark::Square),
        CONTEXT | CONTEXT_RESERVES => solid("brown", Mark::Triangle),
        Governor::NAME => solid("violet", Mark::Diamond),
        FORGET | FORGET_RESERVES => solid("teal", Mark::Square),
        SemaphoreDrop::NAME => solid("lot", Mark::Triangle),
        AddThenUndo::NAME => solid("std", Mark::Triangle),
        Seqlock::NAME => solid("violet", Mark::Square),
        FetchAdd::NAME => Look {
            dashed: true,
            ..solid("green", Mark::Diamond)
        },
        _ => Look {
            dashed: true,
            ..solid("grey", Mark::Circle)
        },
    }
}

/// A name short enough to stand at the end of a line.
fn short(workload: Workload, name: &str) -> String {
    const RESERVE: &str = Reserve::NAME;
    const CONTEXT: &str = <BudgetContext as Reserving>::NAME;
    const FORGET: &str = <SemaphoreForget as Reserving>::NAME;
    let text = match (workload, name) {
        (Workload::Readers, OURS) => "this crate",
        (Workload::Reserve, OURS) => "try_charge, to compare",
        (Workload::Tail | Workload::TailWork, Nothing::NAME) => "the clock alone",
        (_, Nothing::NAME) => "the work alone",
        (_, CasLoop::NAME) => "one-word CAS (floor)",
        (_, FetchAdd::NAME) => "fetch_add (floor)",
        (_, AddThenUndo::NAME) => "add, then undo (WRONG)",
        (_, Seqlock::NAME) => "seqlock (blocks)",
        (_, STD | Std::RESERVES) => "integer std Mutex",
        (_, LOT | ParkingLot::RESERVES) => "integer parking_lot",
        (_, RESERVE) => "this crate",
        (_, CONTEXT) => <BudgetContext as Budget>::NAME,
        (_, FORGET) => "tokio Semaphore",
        _ => name,
    };
    text.to_owned()
}

/// Calls a second over threads.
fn throughput(
    results: &Results,
    id: &'static str,
    workload: Workload,
    names: &[&str],
    (title, what): (&str, &str),
) -> Chart {
    let threads = results.threads(workload);
    let cores = machine::cores();
    let line = |name: &&str| {
        let point = |&threads: &usize| {
            let spread = results.spread((workload, threads), name, Metric::Nanos)?;
            Some(spread.map_down(|nanos| 1e3 / nanos))
        };
        Line {
            name: short(workload, name),
            look: look(name),
            points: threads.iter().map(point).collect(),
        }
    };
    let crowded = threads.iter().filter(|threads| **threads <= cores).count();
    Chart {
        id,
        title: title.to_owned(),
        subtitle: format!("million {what} a second: higher is better"),
        x_axis: match workload {
            Workload::Readers => format!("readers ({cores} cores)"),
            _ => format!("threads ({cores} cores)"),
        },
        x: threads.iter().map(usize::to_string).collect(),
        crowded_after: (0 < crowded && crowded < threads.len()).then_some(crowded),
        scale: Scale::Linear,
        figure: plain,
        lines: names.iter().map(line).collect(),
    }
}

fn tail(results: &Results, id: &'static str, workload: Workload, title: &str) -> Chart {
    let line = |name: &&str| Line {
        name: short(workload, name),
        look: look(name),
        points: PERCENTILES
            .map(|(_, metric)| results.spread((workload, CROWD), name, metric))
            .to_vec(),
    };
    Chart {
        id,
        title: title.to_owned(),
        subtitle: "time of one record, log scale: lower is better".to_owned(),
        x_axis: format!("percentile ({CROWD} threads, {} cores)", machine::cores()),
        x: PERCENTILES.map(|(name, _)| name.to_owned()).to_vec(),
        crowded_after: None,
        scale: Scale::Log,
        figure: time,
        lines: [OURS, STD, LOT, PUBLISHED, Nothing::NAME]
            .iter()
            .map(line)
            .collect(),
    }
}

/// The time of a charge over the depth, on one thread.
fn by_depth(results: &Results) -> Chart {
    let line = |name: &str, looks_as: &str, depths: [&str; 4]| Line {
        name: name.to_owned(),
        look: look(looks_as),
        points: depths
            .map(|depth| results.spread((Workload::Tree, 1), depth, Metric::Nanos))
            .to_vec(),
    };
    macro_rules! depths {
        ($tree:ident) => {
            [
                $tree::<1>::NAME,
                $tree::<2>::NAME,
                $tree::<3>::NAME,
                $tree::<5>::NAME,
            ]
        };
    }
    let context = <BudgetContext as Budget>::NAME;
    Chart {
        id: "trees",
        title: "Budgets within budgets: a charge counts at every level".to_owned(),
        subtitle: "time of one charge, log scale: lower is better".to_owned(),
        x_axis: "levels (1 thread)".to_owned(),
        x: ["1", "2", "3", "5"].map(str::to_owned).to_vec(),
        crowded_after: None,
        scale: Scale::Log,
        figure: time,
        lines: vec![
            line("this crate", OURS, depths!(Charge)),
            line("one integer std Mutex", STD, depths!(MutexTree)),
            line(context, context, depths!(Context)),
        ],
    }
}

pub(crate) fn charts(results: &Results) -> Vec<Chart> {
    use Workload::{Accepted, Mixed, Readers, Rejected, Tail, TailWork, Trace};
    use Workload::{Work100, Work1000, Work200, Work50};
    let with = |more: &'static str| {
        let mut names = MAIN.to_vec();
        names.push(more);
        names
    };
    let floor = with(CasLoop::NAME);
    let context = <BudgetContext as Budget>::NAME;
    let forget = <SemaphoreForget as Budget>::NAME;
    let log = |chart| Chart {
        scale: Scale::Log,
        ..chart
    };
    vec![
        throughput(
            results,
            "accepted",
            Accepted,
            &floor,
            ("Accepted records, nothing else to do", "records"),
        ),
        throughput(
            results,
            "rejected",
            Rejected,
            &floor,
            ("Refused records: the budget is used up", "refusals"),
        ),
        tail(results, "tail", Tail, "How long one record can take"),
        tail(
            results,
            "tail-with-work",
            TailWork,
            "The same with 1 µs of work between records",
        ),
        throughput(
            results,
            "work-50ns",
            Work50,
            &with(Nothing::NAME),
            ("Accepted, 50 ns of work between records", "records"),
        ),
        throughput(
            results,
            "work-100ns",
            Work100,
            &with(Nothing::NAME),
            ("Accepted, 100 ns of work between records", "records"),
        ),
        throughput(
            results,
            "work-200ns",
            Work200,
            &with(Nothing::NAME),
            ("Accepted, 200 ns of work between records", "records"),
        ),
        throughput(
            results,
            "work-1us",
            Work1000,
            &with(Nothing::NAME),
            ("Accepted, 1 µs of work between records", "records"),
        ),
        throughput(
            results,
            "reserve",
            Workload::Reserve,
            &[
                Reserve::NAME,
                Std::RESERVES,
                ParkingLot::RESERVES,
                <BudgetContext as Reserving>::NAME,
                <SemaphoreForget as Reserving>::NAME,
            ],
            ("Reserve before the call, settle after it", "pairs"),
        ),
        throughput(
            results,
            "mixed",
            Mixed,
            &with(Seqlock::NAME),
            ("Records, every eighth call totals()", "calls"),
        ),
        throughput(
            results,
            "readers",
            Readers,
            &[OURS, STD, LOT, PUBLISHED, Seqlock::NAME],
            ("totals() beside one writer", "reads"),
        ),
        throughput(
            results,
            "trace",
            Trace,
            &MAIN,
            ("The real trace: 20,709 LLM calls, over and over", "records"),
        ),
        log(throughput(
            results,
            "others",
            Accepted,
            &[
                OURS,
                LlmBudget::NAME,
                context,
                Governor::NAME,
                forget,
                SemaphoreDrop::NAME,
            ],
            (
                "What else there is: none of them does all of it",
                "accepted calls",
            ),
        )),
        log(throughput(
            results,
            "shortcuts",
            Accepted,
            &[
                OURS,
                AddThenUndo::NAME,
                Seqlock::NAME,
                FetchAdd::NAME,
                CasLoop::NAME,
            ],
            ("Shortcuts, and the floor: one word", "accepted calls"),
        )),
        by_depth(results),
    ]
}

/// Three digits at most.
pub(crate) fn plain(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size < 0.095 => 3,
        size if size < 0.95 => 2,
        size if size < 9.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

pub(crate) fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        nanos if nanos < 999.5 => (nanos, "ns"),
        nanos if nanos < 999.5e3 => (nanos / 1e3, "µs"),
        nanos if nanos < 999.5e6 => (nanos / 1e6, "ms"),
        nanos => (nanos / 1e9, "s"),
    };
    format!("{} {unit}", plain(value))
}
