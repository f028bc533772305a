//! The outcome as an operator wants to read it.

use std::cmp::Reverse;
use std::fmt::{self, Display, Formatter};

use token_budget_pool::{Dimension, TreeSnapshot, Usd};

use crate::budget::{self, DIMENSIONS};
use crate::latency::Latency;
use crate::replay::{Outcome, Plan, Reserve, TreePass};
use crate::tree::{Tree, LEVELS};

/// How many runs of a tree are shown.
const MOST_RUNS: usize = 10;

/// Shows a table. `json` has the same for programs.
pub(crate) struct Report<'a> {
    /// What was replayed.
    pub(crate) title: String,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) outcome: &'a Outcome,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let threads = self.plan.threads;
        let plural = if threads == 1 { "" } else { "s" };
        writeln!(f, "{}", self.title)?;
        write!(f, "{threads} thread{plural}, one shared pool")?;
        if let Some(tree) = self.plan.tree {
            let [runs, agents] = [tree.runs(), tree.agents()].map(|nodes| count(nodes as u64));
            write!(f, ", {runs} runs and {agents} agents below it")?;
        }
        writeln!(f)?;
        writeln!(f)?;
        self.calls(f)?;
        writeln!(f)?;
        self.budget(f)?;
        if let (Some(tree), Some(pass)) = (self.plan.tree, &self.outcome.run.tree) {
            writeln!(f)?;
            self.tree(f, tree, pass)?;
        }
        if let Some(reserve) = &self.plan.reserve {
            writeln!(f)?;
            self.reserved(f, reserve)?;
        }
        writeln!(f)?;
        self.speed(f)?;
        writeln!(f)?;
        self.check(f)
    }
}

impl Report<'_> {
    fn calls(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let run = &self.outcome.run;
        let mut line = |name: &str, calls: u64| {
            let share = percent(calls.into(), run.calls.into());
            writeln!(f, "{name:<20}{:>18}{share:>12}", count(calls))
        };
        line("calls", run.calls)?;
        line("  accepted", run.tally.accepted)?;
        line("  rejected", run.tally.rejections())?;
        for (dimension, &rejected) in DIMENSIONS.iter().zip(&run.tally.rejected) {
            if rejected > 0 {
                line(&format!("    by {dimension}"), rejected)?;
            }
        }
        if self.plan.tree.is_some() {
            for (level, rejected) in LEVELS.iter().zip(run.tally.rejected_at) {
                line(&format!("    at {level} level"), rejected)?;
            }
        }
        Ok(())
    }

    /// The whole tree of the runs that spent most, each pool before its children, the dearest first.
    fn tree(&self, f: &mut Formatter<'_>, tree: &Tree, pass: &TreePass) -> fmt::Result {
        let mut shown = pass.snapshot.clone();
        dearest_first(&mut shown);
        let rest = shown
            .children
            .split_off(shown.children.len().min(MOST_RUNS));
        writeln!(f, "{shown}")?;
        if !rest.is_empty() {
            let cost = Usd::saturating_sum(rest.iter().map(|run| run.snapshot.spent.cost));
            let (runs, cost) = (count(rest.len() as u64), grouped(&cost.to_string()));
            writeln!(f, "  and {runs} more runs, which spent ${cost}")?;
        }
        let shortened = tree.nodes.iter().filter(|node| node.is_shortened()).count();
        if shortened > 0 {
            let shortened = count(shortened as u64);
            writeln!(
                f,
                "  {shortened} names are no labels as they are: shortened, with ~ and a number"
            )?;
        }
        Ok(())
    }

    fn budget(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let pool = &self.outcome.run.pool;
        let spent = budget::of_spent(pool.spent);
        let limits = budget::of_limits(self.plan.limits);
        writeln!(
            f,
            "{:<20}{:>18}{:>18}{:>12}",
            "budget", "used", "limit", "used"
        )?;
        for (index, dimension) in DIMENSIONS.into_iter().enumerate() {
            let used = amount(index, spent[index]);
            let limit = limits[index].map_or("unlimited".to_owned(), |limit| amount(index, limit));
            let share = limits[index].map_or(String::new(), |limit| percent(spent[index], limit));
            let line = format!("  {dimension:<18}{used:>18}{limit:>18}{share:>12}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn reserved(&self, f: &mut Formatter<'_>, reserve: &Reserve) -> fmt::Result {
        let run = &self.outcome.run;
        let limits = budget::of_limits(self.plan.limits);
        let (median, most) = run.tally.median_and_most_reserved();
        let columns = ["median", "of limit", "most", "of limit"];
        let [a, b, c, d] = columns;
        writeln!(f, "{:<20}{a:>18}{b:>12}{c:>18}{d:>12}", "reserved")?;
        for (index, dimension) in DIMENSIONS.into_iter().enumerate() {
            let mut line = format!("  {dimension:<18}");
            for reserved in [median[index], most[index]] {
                let share = limits[index].map_or(String::new(), |limit| percent(reserved, limit));
                line += &format!("{:>18}{share:>12}", amount(index, reserved));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        let looks = count(run.tally.reserved.len() as u64);
        let (in_flight, max_tokens) = (count(reserve.in_flight as u64), count(reserve.max_tokens));
        writeln!(
            f,
            "  in {looks} looks at the pool; each thread kept up to {in_flight} calls in flight,"
        )?;
        writeln!(
            f,
            "  each reserved as if nothing were cached and {max_tokens} tokens came out"
        )?;
        let (away, busy) = (count(run.tally.turned_away), count(run.tally.busy));
        writeln!(
            f,
            "{:<20}{away:>18}  rejected, though the actual usage would have fitted",
            "worst case"
        )?;
        writeln!(
            f,
            "{:<20}{busy:>18}  rejected only for what others reserved: worth a retry",
            "busy"
        )
    }

    fn speed(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let run = &self.outcome.run;
        let stopwatch = &self.outcome.timed.stopwatch;
        let mut latencies = vec![("record", stopwatch.admit())];
        let mut unit = "records/s";
        if self.plan.reserve.is_some() {
            latencies = vec![
                ("reserve", stopwatch.admit()),
                ("settle", stopwatch.settle()),
            ];
            unit = "calls/s";
        }
        latencies.push(("the clock alone", stopwatch.clock()));

        let rate = count(run.calls_per_second() as u64);
        write!(f, "{unit:<20}{rate:>18}  in {:.3?}, untimed", run.time)?;
        let short = run.time.as_millis() < 50;
        writeln!(
            f,
            "{}",
            if short {
                "; --repeat 1000 measures better"
            } else {
                ""
            }
        )?;

        let [a, b, c, d, e] = ["p50", "p99", "p99.9", "max", "sampled"];
        writeln!(
            f,
            "{:<20}{a:>10}{b:>10}{c:>10}{d:>14}{e:>14}",
            "latency in ns"
        )?;
        for (name, latency) in latencies {
            let Latency {
                p50,
                p99,
                p999,
                max,
                samples,
            } = latency;
            let [a, b, c, d, e] = [p50, p99, p999, max, samples].map(count);
            writeln!(f, "  {name:<18}{a:>10}{b:>10}{c:>10}{d:>14}{e:>14}")?;
        }
        Ok(())
    }

    fn check(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let disagreements = self.outcome.disagreements(self.plan);
        if let (Some(tree), true) = (self.plan.tree, disagreements.is_empty()) {
            let nodes = count(tree.nodes.len() as u64);
            return writeln!(
                f,
                "self-check          ok: the totals of the pool and of all {nodes} nodes are what was accepted,\n\
                 {:20}to the last unit",
                ""
            );
        }
        if disagreements.is_empty() {
            return writeln!(
                f,
                "self-check          ok: the pool's totals are what was accepted, to the last unit"
            );
        }
        for what in disagreements {
            writeln!(f, "self-check          FAILED: {what}")?;
        }
        Ok(())
    }
}

/// Puts the pools that spent most first, at each level.
fn dearest_first(tree: &mut TreeSnapshot) {
    let spent = |tree: &TreeSnapshot| (Reverse(tree.snapshot.spent.cost), tree.label);
    tree.children.sort_by_key(spent);
    tree.children.iter_mut().for_each(dearest_first);
}

fn amount(index: usize, amount: u128) -> String {
    let dimension = DIMENSIONS[index];
    let sign = match dimension {
        Dimension::Cost => "$",
        _ => "",
    };
    format!("{sign}{}", grouped(&budget::plain(dimension, amount)))
}

fn count(count: u64) -> String {
    grouped(&count.to_string())
}

/// A decimal number with commas between its thousands.
fn grouped(number: &str) -> String {
    let whole = number.find('.').unwrap_or(number.len());
    let mut text = String::new();
    for (index, digit) in number.chars().enumerate() {
        if index > 0 && index < whole && (whole - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part in percent. Cut, not rounded: only what is used up shows as 100.
fn percent(part: u128, whole: u128) -> String {
    match (part * 10_000).checked_div(whole) {
        Some(share) => format!("{}.{:02} %", share / 100, share % 100),
        None => String::new(),
    }
}
