//! The figures as tables, for the page and for the README.

use crate::charts::{self, MAIN, PERCENTILES};
use crate::results::{Metric, Results, Spread, Workload};
use crate::rivals::atomics::{AddThenUndo, CasLoop, FetchAdd, LaneAlone, Nothing, Seqlock};
use crate::rivals::mutex::{IntegerMutex, ParkingLot, ReservingMutex, Std};
use crate::rivals::others::{
    BudgetContext, Governor, LlmBudget, Published, SemaphoreDrop, SemaphoreForget,
};
use crate::rivals::ours::{Record, TryCharge};
use crate::rivals::trees::{Charge, Context, ContextAll3, MutexTree};
use crate::rivals::{Budget, Tree};
use crate::svg::escape;
use crate::targets::{Bound, Cell, Target, Unit};
use crate::workloads::{CROWD, FIRST, POOLS, POOLS_100K};

pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Entry>>,
}

#[derive(Default)]
pub(crate) struct Entry {
    text: String,
    /// The spread, in smaller type where there is such.
    spread: String,
    met: Option<bool>,
    words: bool,
}

impl From<String> for Entry {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&str> for Entry {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Table {
    pub(crate) fn html(&self) -> String {
        let head: String = self
            .head
            .iter()
            .map(|name| format!("<th>{}</th>", escape(name)))
            .collect();
        let row = |row: &Vec<Entry>| {
            let cells: String = row.iter().map(Entry::html).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let rows: String = self.rows.iter().map(row).collect();
        format!(
            "<div class=\"scroll\"><table><caption>{}</caption>\
             <thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n",
            escape(&self.title)
        )
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.head.clone());
        text += &line(
            (0..self.head.len())
                .map(|column| if column == 0 { "---" } else { "---:" }.to_owned())
                .collect(),
        );
        for row in &self.rows {
            text += &line(row.iter().map(Entry::markdown).collect());
        }
        text
    }
}

impl Entry {
    fn html(&self) -> String {
        let class = match self.met {
            Some(true) => " class=\"met\"",
            Some(false) => " class=\"missed\"",
            None if self.words => " class=\"words\"",
            None => "",
        };
        let spread = match self.spread.as_str() {
            "" => String::new(),
            spread => format!("<small>{}</small>", escape(spread)),
        };
        format!("<td{class}>{}{spread}</td>", escape(&self.text))
    }

    fn markdown(&self) -> String {
        match self.met {
            Some(false) => format!("**{}**", self.text),
            _ => self.text.clone(),
        }
    }
}

fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Times => format!("{value:.2}"),
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Cores => format!("{value:.1}"),
        Unit::Nanos => format!("{value:.0} ns"),
    }
}

fn entry(target: &Target, cell: &Cell) -> Entry {
    let figure = |value| figure(target.unit, value);
    Entry {
        text: figure(cell.value),
        spread: cell.spread.map_or(String::new(), |(low, high)| {
            format!("{} – {}", figure(low), figure(high))
        }),
        met: target.is_target().then(|| target.meets(cell)),
        ..Entry::default()
    }
}

/// The targets, with one column per number of threads. Or, with `evidence`, what shows that they
/// mean something.
pub(crate) fn targets(targets: &[Target], evidence: bool) -> Table {
    let wanted = |target: &&Target| target.is_target() != evidence;
    let cells = targets
        .iter()
        .filter(wanted)
        .flat_map(|target| &target.cells);
    let mut threads: Vec<usize> = cells.map(|cell| cell.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let mut head = vec![if evidence { "evidence" } else { "target" }.to_owned()];
    if !evidence {
        head.push("at".to_owned());
    }
    let threaded = |threads: &usize| match threads {
        1 => "1 thread".to_owned(),
        threads => threads.to_string(),
    };
    head.extend(threads.iter().map(threaded));
    if !evidence {
        head.push("verdict".to_owned());
    }
    let row = |target: &Target| {
        let mut row: Vec<Entry> = vec![target.what.as_str().into()];
        match target.bound {
            Bound::AtLeast(least) => row.push(format!("≥ {}", figure(target.unit, least)).into()),
            Bound::AtMost(most) => row.push(format!("≤ {}", figure(target.unit, most)).into()),
            Bound::Evidence => {}
        }
        row.extend(threads.iter().map(|&threads| {
            let mut cells = target.cells.iter();
            let cell = cells.find(|cell| cell.threads == threads);
            cell.map_or(Entry::default(), |cell| entry(target, cell))
        }));
        if !evidence {
            row.push(Entry {
                text: if target.met() { "met" } else { "missed" }.to_owned(),
                met: Some(target.met()),
                ..Entry::default()
            });
        }
        row
    };
    Table {
        title: match evidence {
            true => "Evidence: what the targets are to be judged by".to_owned(),
            false => "Targets".to_owned(),
        },
        head,
        rows: targets.iter().filter(wanted).map(row).collect(),
    }
}

fn spread_entry(spread: Option<Spread>, figure: impl Fn(f64) -> String) -> Entry {
    spread.map_or(Entry::default(), |spread| Entry {
        text: figure(spread.median),
        spread: format!("{} – {}", figure(spread.low), figure(spread.high)),
        ..Entry::default()
    })
}

/// Nanoseconds per call, with one column per number of threads.
fn nanos(results: &Results, workload: Workload, names: &[&str], title: &str) -> Table {
    let threads = results.threads(workload);
    let column = |threads: &usize| match (workload, threads) {
        (Workload::Readers, 1) => "1 reader".to_owned(),
        (_, 1) => "1 thread".to_owned(),
        (_, threads) => threads.to_string(),
    };
    let mut head = vec!["ns".to_owned()];
    head.extend(threads.iter().map(column));
    let row = |name: &&str| {
        let mut row: Vec<Entry> = vec![(*name).into()];
        row.extend(threads.iter().map(|&threads| {
            let spread = results.spread((workload, threads), name, Metric::Nanos);
            spread_entry(spread, |nanos| match nanos {
                nanos if nanos < 99.95 => format!("{nanos:.1}"),
                nanos => format!("{nanos:.0}"),
            })
        }));
        row
    };
    Table {
        title: title.to_owned(),
        head,
        rows: names.iter().map(row).collect(),
    }
}

/// What a record costs, for the README.
pub(crate) fn record(results: &Results) -> Table {
    let mut names = MAIN.to_vec();
    names.push(CasLoop::NAME);
    let mut table = nanos(results, Workload::Accepted, &names, "");
    table.head[0] = "ns per record, over all threads".to_owned();
    table
}

pub(crate) fn tail(results: &Results, workload: Workload, title: &str) -> Table {
    let mut head = vec!["time of one record".to_owned()];
    head.extend(PERCENTILES.map(|(name, _)| name.to_owned()));
    let row = |name: &&'static str| {
        let mut row: Vec<Entry> = vec![match *name {
            Nothing::NAME => "the clock alone".into(),
            name => name.into(),
        }];
        row.extend(PERCENTILES.map(|(_, metric)| {
            let spread = results.spread((workload, CROWD), name, metric);
            spread_entry(spread, charts::time)
        }));
        row
    };
    Table {
        title: title.to_owned(),
        head,
        rows: results.names(workload).iter().map(row).collect(),
    }
}

fn memory(results: &Results, workload: Workload, (pools, calls): (usize, usize)) -> Table {
    let row = |name: &&'static str| {
        let bytes = |threads, metric| {
            let spread = results.spread((workload, threads), name, metric);
            spread.map_or(Entry::default(), |spread| {
                format!("{:.0}", spread.median).into()
            })
        };
        vec![
            (*name).into(),
            bytes(1, Metric::BytesFresh),
            bytes(1, Metric::BytesUsed),
            bytes(CROWD, Metric::BytesUsed),
        ]
    };
    Table {
        title: format!("Bytes a budget, of {pools} that are hit at random {calls} times each"),
        head: vec![
            "bytes".to_owned(),
            "new".to_owned(),
            "after 1 thread".to_owned(),
            format!("after {CROWD} threads"),
        ],
        rows: results.names(workload).iter().map(row).collect(),
    }
}

fn fairness(results: &Results) -> Table {
    let heat = results.threads(Workload::Fairness);
    let row = |name: &&'static str| {
        let spreads = heat.iter().map(|&threads| {
            let heat = (Workload::Fairness, threads);
            let spread = results.spread(heat, name, Metric::Fairness);
            spread_entry(spread, |share| format!("{share:.2}"))
        });
        let mut row: Vec<Entry> = vec![(*name).into()];
        row.extend(spreads);
        row
    };
    Table {
        title: "Fairness: the slowest thread's count over the fastest's, as many threads as cores"
            .to_owned(),
        head: vec!["share".to_owned(), "of 1".to_owned()],
        rows: results.names(Workload::Fairness).iter().map(row).collect(),
    }
}

/// Every figure.
pub(crate) fn all(results: &Results) -> Vec<Table> {
    let nanos = |workload, title: &str| nanos(results, workload, results.names(workload), title);
    let first = format!("First {FIRST} records of a new budget");
    let pools = |(pools, _)| format!("{pools} budgets hit at random, a record");
    let mut all = vec![
        nanos(Workload::Accepted, "Accepted records"),
        nanos(Workload::Rejected, "Refused records"),
        nanos(
            Workload::Elsewhere,
            "Accepted, from a package of its own, random amounts",
        ),
        nanos(Workload::Work50, "Accepted, with 50 ns of work between"),
        nanos(Workload::Work100, "Accepted, with 100 ns of work between"),
        nanos(Workload::Work200, "Accepted, with 200 ns of work between"),
        nanos(Workload::Work1000, "Accepted, with 1 µs of work between"),
        nanos(Workload::Reserve, "Reserve and settle, a pair"),
        nanos(Workload::Mixed, "Records, every eighth call totals()"),
        nanos(Workload::Readers, "totals() beside one writer, a read"),
        nanos(Workload::Trace, "The real trace, a record"),
        nanos(Workload::Fresh, &first),
        nanos(Workload::Pools, &pools(POOLS)),
        nanos(Workload::Pools100k, &pools(POOLS_100K)),
        memory(results, Workload::Pools, POOLS),
        memory(results, Workload::Pools100k, POOLS_100K),
        tail(
            results,
            Workload::Tail,
            &format!("Tail, {CROWD} threads, clock included"),
        ),
        tail(
            results,
            Workload::TailWork,
            &format!("Tail, {CROWD} threads, 1 µs of work between, clock included"),
        ),
        fairness(results),
        nanos(
            Workload::Tree,
            "Budgets within budgets, each thread at a leaf of its own, a charge",
        ),
        nanos(Workload::TreeOneLeaf, "The same, all threads at one leaf"),
    ];
    // With `--only`, most were not measured.
    all.retain(|table| !table.rows.is_empty());
    all
}

/// Who is who, and what each does not do.
pub(crate) fn contestants() -> Table {
    fn entries(name: &str, lacks: &str) -> Vec<Entry> {
        let lacks = match lacks {
            "" => "nothing: the measure of the others",
            lacks => lacks,
        };
        let lacks = Entry {
            words: true,
            ..lacks.into()
        };
        vec![name.into(), lacks]
    }
    fn row<B: Budget>() -> Vec<Entry> {
        entries(B::NAME, B::LACKS)
    }
    fn tree<T: Tree>() -> Vec<Entry> {
        entries(T::NAME, T::LACKS)
    }
    Table {
        title: "The contestants, and what each does not do".to_owned(),
        head: vec!["contestant".to_owned(), "what it lacks".to_owned()],
        rows: vec![
            row::<TryCharge>(),
            row::<Record>(),
            row::<IntegerMutex<Std>>(),
            row::<IntegerMutex<ParkingLot>>(),
            row::<ReservingMutex<Std>>(),
            row::<Published>(),
            row::<LlmBudget>(),
            row::<BudgetContext>(),
            row::<Governor>(),
            row::<SemaphoreForget>(),
            row::<SemaphoreDrop>(),
            row::<AddThenUndo>(),
            row::<Seqlock>(),
            row::<FetchAdd>(),
            row::<CasLoop>(),
            row::<LaneAlone>(),
            row::<Nothing>(),
            tree::<Charge<3>>(),
            tree::<MutexTree<3>>(),
            tree::<Context<3>>(),
            tree::<ContextAll3>(),
        ],
    }
}
