//! Is it worth leaving the mutex? This crate beside the one that it replaces, beside mutexes
//! written by hand and beside what else there is, on your machine, in some minutes.
//!
//! ```sh
//! cargo run --release --example compare
//! cargo run --release --example compare -- --quick
//! ```
//!
//! Writes one page (`index.html`), its charts as SVG, a piece for the README and every
//! sample, and prints the targets.

mod charts;
mod elsewhere;
mod machine;
mod measure;
mod memory;
mod plan;
mod priced;
mod private_work;
mod report;
mod results;
mod rivals;
mod svg;
mod tables;
mod targets;
mod workloads;

// How the replay example reads its trace and its prices. That example uses more of it.
#[allow(dead_code)]
#[path = "../replay/input.rs"]
mod input;
#[allow(dead_code)]
#[path = "../replay/prices.rs"]
mod prices;
#[allow(dead_code)]
#[path = "../replay/trace.rs"]
mod trace;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::elsewhere::Elsewhere;
use crate::machine::Machine;
use crate::measure::{Places, Random, Repeats};
use crate::memory::Counting;
use crate::plan::Plan;
use crate::private_work::PrivateWork;
use crate::report::Report;
use crate::results::{Results, Workload};
use crate::workloads::{Env, Heat};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Compares this crate's speed with the published one's, with mutexes and with others.
#[derive(Parser)]
struct Args {
    /// Some seconds instead of some minutes: to see that it works. Its figures say little.
    #[arg(long)]
    quick: bool,
    /// Only this workload. May be given several times.
    #[arg(long, value_name = "WORKLOAD", value_enum)]
    only: Vec<Workload>,
    /// Where to write the report.
    #[arg(long, value_name = "DIR", default_value = "target/compare")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        eprintln!("error: a debug build compares nothing: cargo run --release --example compare");
        return ExitCode::from(2);
    }
    let trace = match priced::read() {
        Ok(trace) => trace,
        Err(bad) => {
            eprintln!("error: {bad}");
            return ExitCode::from(2);
        }
    };
    let plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    let mut heats = workloads::heats(&plan);
    heats.retain(|heat| args.only.is_empty() || args.only.contains(&heat.workload));
    let elsewhere = elsewhere(&mut heats);
    let env = Env {
        plan,
        places: Places::default(),
        repeats: Repeats::at_most(steps(&heats) * plan.repeats / 100),
        trace,
        elsewhere,
        work_50: PrivateWork::of_nanos(50.0),
        work_100: PrivateWork::of_nanos(100.0),
        work_200: PrivateWork::of_nanos(200.0),
        work_1000: PrivateWork::of_nanos(1_000.0),
    };
    let start = Instant::now();
    let results = run(&env, &heats);
    let report = Report {
        results: &results,
        machine: Machine::here(),
        plan,
        seconds: start.elapsed().as_secs(),
    };
    println!("{}", report.summary());
    match report.write(&args.out) {
        Ok(()) => {
            println!("{}", args.out.join("index.html").display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {}: {error}", args.out.display());
            ExitCode::from(2)
        }
    }
}

/// The package that makes the same calls from elsewhere, if it is wanted. If it cannot be built,
/// the rest is compared without it.
fn elsewhere(heats: &mut Vec<Heat>) -> Option<Elsewhere> {
    let is_elsewhere = |heat: &Heat| heat.workload == Workload::Elsewhere;
    if !heats.iter().any(is_elsewhere) {
        return None;
    }
    match Elsewhere::build() {
        Ok(elsewhere) => Some(elsewhere),
        Err(why) => {
            eprintln!("warning: no figures from another package: {why}");
            heats.retain(|heat| !is_elsewhere(heat));
            None
        }
    }
}

/// Round by round, all heats of a round, and in a heat all contestants in a random order: what
/// is slow for a while is slow for all.
fn run(env: &Env, heats: &[Heat]) -> Results {
    let mut results = Results::default();
    for heat in heats {
        let names = heat.contestants.iter().map(|one| one.name).collect();
        results.list(heat.workload, heat.threads, names);
    }
    let bar = progress_bar(steps(heats) as u64);
    let mut random = Random::default();
    for round in 0..env.plan.rounds {
        for heat in heats {
            // Those with fewer rounds have them evenly spread.
            let due = |round| round * heat.rounds / env.plan.rounds;
            if due(round) == due(round + 1) {
                continue;
            }
            if heat.workload.has_work() {
                if let Some(nanos) = measure::round_trip() {
                    results.add_trip(heat.workload, heat.threads, nanos);
                }
            }
            let mut order: Vec<_> = heat.contestants.iter().collect();
            random.shuffle(&mut order);
            for contestant in order {
                let sample = (contestant.run)(env, heat.threads);
                results.add(heat.workload, heat.threads, contestant.name, sample);
                if let Some(bar) = &bar {
                    bar.inc(1);
                }
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    results
}

/// How many runs there are.
fn steps(heats: &[Heat]) -> usize {
    let heats = heats.iter();
    heats.map(|heat| heat.rounds * heat.contestants.len()).sum()
}

fn progress_bar(steps: u64) -> Option<ProgressBar> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    Some(ProgressBar::new(steps).with_style(style))
}
