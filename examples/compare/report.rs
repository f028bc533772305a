//! The report: one page, the charts as files, a piece for the README, and every sample.

use std::fs;
use std::io;
use std::path::Path;

use crate::charts;
use crate::machine::{self, Machine};
use crate::plan::Plan;
use crate::results::{Metric, Results, Rounds, Workload, FAR};
use crate::rivals::mutex::{IntegerMutex, ParkingLot, Std};
use crate::rivals::others::Published;
use crate::rivals::ours::TryCharge;
use crate::rivals::Budget;
use crate::svg::{escape, Chart, STYLE};
use crate::tables;
use crate::targets::{self, Target};
use crate::workloads::CROWD;

const OURS: &str = TryCharge::NAME;
const STD: &str = IntegerMutex::<Std>::NAME;
const LOT: &str = IntegerMutex::<ParkingLot>::NAME;
const PUBLISHED: &str = Published::NAME;

pub(crate) struct Report<'a> {
    pub(crate) results: &'a Results,
    pub(crate) machine: Machine,
    pub(crate) plan: Plan,
    /// Seconds that it took.
    pub(crate) seconds: u64,
}

impl Report<'_> {
    pub(crate) fn write(&self, out: &Path) -> io::Result<()> {
        fs::create_dir_all(out)?;
        let charts = charts::charts(self.results);
        let targets = targets::targets(self.results);
        for chart in &charts {
            fs::write(out.join(format!("{}.svg", chart.id)), chart.file())?;
        }
        fs::write(out.join("index.html"), self.page(&charts, &targets))?;
        fs::write(out.join("README-speed.md"), self.readme(out, &targets))?;
        fs::write(out.join("samples.csv"), self.results.csv())
    }

    /// The targets as text, for the terminal.
    pub(crate) fn summary(&self) -> String {
        let targets = targets::targets(self.results);
        let tables = [false, true].map(|evidence| tables::targets(&targets, evidence));
        let tables = tables.iter().filter(|table| !table.rows.is_empty());
        let tables: String = tables.map(|table| table.markdown() + "\n").collect();
        format!("{tables}{}\n", verdict(&targets))
    }

    fn readme(&self, out: &Path, targets: &[Target]) -> String {
        let file = |name| out.join(name).display().to_string();
        format!(
            "![Accepted records a second over threads]({accepted})\n\n\
             {record}\n\
             ![How long one record can take]({tail})\n\n\
             {table}\n\
             {verdict} Medians of {rounds} interleaved rounds; {machine}. \
             On your own machine: `{command}`.\n",
            accepted = file("accepted.svg"),
            record = tables::record(self.results).markdown(),
            tail = file("tail.svg"),
            table = tables::targets(targets, false).markdown(),
            verdict = verdict(targets),
            rounds = self.plan.rounds,
            machine = self.machine.line(),
            command = "cargo run --release --example compare",
        )
    }

    fn page(&self, charts: &[Chart], targets: &[Target]) -> String {
        let figures: String = charts
            .iter()
            .map(|chart| format!("<figure>{}</figure>\n", chart.inline()))
            .collect();
        let tables: String = tables::all(self.results)
            .iter()
            .map(|table| table.html())
            .collect();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <title>token-budget-pool: is it worth leaving the mutex?</title>\n\
             <style>{STYLE}\n{PAGE_STYLE}</style></head>\n<body class=\"chart\"><main>\n\
             <h1>Is it worth leaving the mutex?</h1>\n\
             <p class=\"lead\">token-budget-pool {version} beside the crate that it replaces, beside \
             mutexes written by hand, and beside what else there is. {verdict}</p>\n\
             <p class=\"soft\">{machine}<br><code>{command}</code> ({seconds} s)</p>\n\
             <div class=\"tiles\">{tiles}</div>\n\
             <div class=\"figures\">{figures}</div>\n\
             <h2>Targets</h2>\n\
             <p>Ratios within this run: one for each round, and of those the median. Below it, the \
             range of four rounds of five. Columns are numbers of threads.</p>\n\
             {target_table}\n{distance}\n{evidence}\n{misses}\n\
             <h2>Who is who</h2>\n{contestants}\n\
             <h2>How it was measured</h2>\n{method}\n\
             <h2>All figures</h2>\n<p>The median, and below it the range of four rounds of five. \
             Nanoseconds are of wall time over all threads: two threads that do not disturb each other \
             take half of what one takes. Every sample is in <code>samples.csv</code>.</p>\n\
             <details><summary>Show the tables</summary>\n{tables}</details>\n\
             </main></body></html>\n",
            version = env!("CARGO_PKG_VERSION"),
            verdict = escape(&verdict(targets)),
            machine = escape(&self.machine.line()),
            command = escape(&self.machine.command),
            seconds = self.seconds,
            tiles = self.tiles(),
            target_table = tables::targets(targets, false).html(),
            distance = self.distance(),
            evidence = tables::targets(targets, true).html(),
            misses = misses(targets),
            contestants = tables::contestants().html(),
            method = self.method(),
        )
    }

    /// The answer in four figures.
    fn tiles(&self) -> String {
        let ratio = |heat, name, metric| {
            let ratio = self.results.ratio(heat, name, OURS, metric);
            ratio.map(|ratio| ratio.median)
        };
        let nanos = |heat, name| ratio(heat, name, Metric::Nanos);
        let mutexes = [STD, LOT, PUBLISHED];
        let two = (Workload::Rejected, 2);
        let refused = mutexes.into_iter().filter_map(|name| nanos(two, name));
        let tiles = [
            (
                nanos((Workload::Accepted, 1), PUBLISHED),
                "as fast as the published crate, 1 thread",
            ),
            (
                nanos((Workload::Accepted, 2), STD),
                "as fast as an integer Mutex, 2 threads",
            ),
            (
                refused.min_by(f64::total_cmp),
                "as fast as any mutex at refusing, 2 threads",
            ),
            (
                ratio((Workload::Tail, CROWD), STD, Metric::P9999),
                "an integer Mutex's p99.99 over ours, 16 threads",
            ),
        ];
        let tile = |(value, what): (Option<f64>, &str)| {
            let value = match value {
                Some(value) if value < 1.0 => format!("{value:.2} ×"),
                Some(value) => format!("{value:.1} ×"),
                None => "–".to_owned(),
            };
            format!("<div class=\"tile\"><b>{value}</b><span>{what}</span></div>")
        };
        tiles.into_iter().map(tile).collect()
    }

    /// How far apart the cores were, in words.
    fn distance(&self) -> String {
        let Some((trip, all)) = self.results.trips(Rounds::All) else {
            return String::new();
        };
        let far = self.results.trips(Rounds::Far).map_or(0, |(_, far)| far);
        let what_then = match far {
            0 => format!("in none of {all} rounds {FAR} times the shortest or more"),
            far => format!(
                "in {far} of {all} rounds {FAR} times the shortest or more. In those the cores count as \
                 far, in the others as near, and the evidence has the ratios of both"
            ),
        };
        format!(
            "<p>A virtual machine's cores may be near each other for some minutes, and far for others. \
             While they are far, a budget that two threads share costs more. So each round with work \
             between the records begins by measuring how long a word takes from one core to another and \
             back. The median was {:.0} ns, {what_then}.</p>",
            trip.median
        )
    }

    fn method(&self) -> String {
        let Plan {
            rounds,
            long_rounds,
            ..
        } = self.plan;
        let cores = machine::cores();
        format!(
            "<ul>\
             <li>{rounds} rounds of everything ({long_rounds} of tails, fairness and the many pools). \
             In each, all contestants of a workload and number of threads run in turn, in a new random \
             order. Each runs on a new budget at a new address: how fast contended threads are depends \
             on both.</li>\
             <li>All threads run until they are stopped, so none finishes early and leaves the budget \
             to the others. With more threads than the {cores} cores, a run is long enough for some to \
             be suspended in the middle of a call. The clock runs from the first that starts to the last \
             that ends, and is read inside the threads.</li>\
             <li>A run from which other programs took a core is repeated, unless that happens all the time \
             (Linux reports how long threads wait for one).</li>\
             <li>One number of each answer is read. Work between records is arithmetic on registers, \
             of a time that varies by half either way. Its length is nominal: \"the work alone\" is \
             what the loop takes without a budget.</li>\
             <li>All four limits are set, and roomy. Refused calls meet a limit on input tokens that no \
             call fits. Every budget lies on cache lines of its own, except for the many pools, which \
             are boxed as they are.</li>\
             <li>A tree has one leaf for each thread, all below the same parent, or one leaf for all. Every \
             level has all its limits set, and roomy: four, three with budget-context. Its charge is a \
             reserve_many of three amounts and a commit, without names and deadlines. After each run \
             the root's count is compared with the calls made.</li>\
             <li>\"From a package of its own\" is a program with the default release profile \
             (<code>examples/compare/elsewhere</code>) that records calls of random amounts.</li>\
             <li>Tails are of single records with a reading of the clock before and after. \"The \
             clock alone\" is what that shows with no budget at all: threads that are suspended \
             between the two readings.</li>\
             </ul>"
        )
    }
}

/// What is missed, and why, as far as that is known.
fn misses(targets: &[Target]) -> String {
    let missed = targets
        .iter()
        .filter(|target| target.is_target() && !target.met());
    let items: String = missed
        .filter_map(|target| Some((target, target.why_missed?)))
        .map(|(target, why)| format!("<li><b>{}</b>. {why}</li>", escape(&target.what)))
        .collect();
    if items.is_empty() {
        return items;
    }
    format!("<h2>Why some are missed</h2>\n<ul>{items}</ul>\n")
}

fn verdict(targets: &[Target]) -> String {
    let all = targets.iter().filter(|target| target.is_target());
    let (met, missed): (Vec<_>, Vec<_>) = all.partition(|target| target.met());
    let count = met.len() + missed.len();
    match missed.len() {
        // With `--only`, there may be none.
        _ if count == 0 => "No target was measured.".to_owned(),
        0 => format!("All {count} targets are met."),
        missed => format!("{} of {count} targets are met, {missed} missed.", met.len()),
    }
}

const PAGE_STYLE: &str = "\
body{margin:0;background:var(--page);color:var(--ink);line-height:1.5;font-size:15px}\
main{max-width:1320px;margin:0 auto;padding:28px 24px 64px}\
h1{font-size:30px;margin:0 0 6px;letter-spacing:-.01em}h2{font-size:20px;margin:40px 0 8px}\
.lead{font-size:17px;max-width:80ch;margin:0 0 8px}.soft{color:var(--soft);font-size:13px;margin:0 0 20px}\
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92em}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:14px;margin:0 0 20px}\
.tile{border:1px solid var(--rule);border-radius:10px;padding:14px 18px;display:flex;flex-direction:column}\
.tile b{font-size:30px;line-height:1.15;color:var(--us)}.tile span{color:var(--soft);font-size:13.5px}\
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:16px}\
figure{margin:0;border:1px solid var(--rule);border-radius:10px;overflow:hidden}\
figure svg{display:block;width:100%;height:auto}\
.scroll{overflow-x:auto;margin:12px 0 20px}\
table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}\
caption{text-align:left;font-weight:650;padding:6px 0}\
th,td{text-align:right;padding:6px 12px;border-bottom:1px solid var(--rule);vertical-align:top}\
th{color:var(--soft);font-weight:600;white-space:nowrap}\
th:first-child,td:first-child{text-align:left;padding-left:0}\
td.words,th:nth-child(2):last-child{text-align:left}\
td small{display:block;color:var(--soft);font-size:11px;white-space:nowrap}\
td.met{color:var(--green)}td.missed{color:var(--std);font-weight:650}\
td.met small,td.missed small{font-weight:400}\
td.missed::before{content:'\\2717\\00a0'}td.met::before{content:'\\2713\\00a0'}\
summary{cursor:pointer;color:var(--us);margin:8px 0}";
