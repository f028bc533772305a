//! Random executions of scenarios whose programs are too long for loom to exhaust.
//!
//! shuttle draws the schedule. `RandomScheduler` lets any thread take the next step, so
//! that all operations overlap. `PctScheduler` lets the first take it that can, by
//! priorities that change at a few random steps: there a thread sleeps for long in some
//! odd place.
//!
//! The programs are drawn too, anew for each execution and from shuttle's own source of
//! randomness. So the schedule that a failure prints replays both:
//!
//! ```sh
//! SHUTTLE_TESTS_REPLAY=9102... cargo test --manifest-path loom-tests/Cargo.toml -p token-budget-pool-shuttle <test>
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::scenario::{missed, Op, Scenario};
use crate::sync::{self, Event};
use crate::tree_scenario::{self, TreeScenario};

/// Executions under each scheduler, if the environment does not say otherwise.
const EXECUTIONS: usize = 1_000;

/// A scenario with a tree has one execution where another one has so many. An operation there takes many
/// more steps.
const FEWER_OF_TREES: usize = 5;

/// Each run is the same. `SHUTTLE_RANDOM_SEED` in the environment is for another one.
const SEED: u64 = 0;

/// How often PCT changes a priority, besides as seldom as loom preempts: about once an
/// operation. With few changes a thread can sleep through all that the others do; with
/// many, threads meet that each have slept.
const MANY_CHANGES: usize = 40;

impl Scenario {
    /// Runs it under each scheduler. In each execution, each thread's program goes on with
    /// what `draw` draws for it from `shuttle::rand`.
    #[track_caller]
    pub fn sample(self, draw: impl Fn() -> Vec<Op> + Clone + Send + Sync + 'static) {
        let order: Vec<_> = (0..self.roles.len()).collect();
        let events = self.events.clone();
        sample(self.name, self.preemptions, 1, &events, move || {
            let mut scenario = self.clone();
            for role in &mut scenario.roles {
                role.program.extend(draw());
            }
            let scenario = Arc::new(scenario);
            scenario.explain(&scenario.execute(&order))
        });
    }
}

impl TreeScenario {
    /// The same. `draw` draws the program of the thread with this number.
    #[track_caller]
    pub fn sample(
        self,
        draw: impl Fn(u64) -> Vec<tree_scenario::Op> + Clone + Send + Sync + 'static,
    ) {
        let order: Vec<_> = (0..self.threads()).collect();
        let test = std::thread::current();
        let events = self.events.clone();
        let name = test.name().unwrap_or("?");
        sample(name, 2, FEWER_OF_TREES, &events, move || {
            let mut scenario = self.clone();
            for (thread, program) in (0..).zip(&mut scenario.programs) {
                program.extend(draw(thread));
            }
            scenario.explain(&scenario.execute(&order))
        });
    }
}

/// Runs `execution` under each scheduler, as often as is said divided by `fewer`, and requires that each of these events was met. `execution`
/// returns how many steps it took to find an order of the operations that explains what was seen.
#[track_caller]
fn sample(
    name: &str,
    few_changes: usize,
    fewer: usize,
    events: &[Event],
    execution: impl Fn() -> Result<u64, String> + Clone + Send + Sync + 'static,
) {
    if let Ok(schedule) = std::env::var("SHUTTLE_TESTS_REPLAY") {
        let replay = ReplayScheduler::new_from_encoded(&schedule);
        run(format!("{name} (shuttle, replay)"), replay, execution);
        return;
    }
    let executions = match std::env::var("SHUTTLE_TESTS_EXECUTIONS") {
        Ok(number) => number
            .parse::<usize>()
            .expect("SHUTTLE_TESTS_EXECUTIONS is a number"),
        Err(_) => EXECUTIONS,
    } / fewer;
    sync::take_counts();
    let random = RandomScheduler::new_from_seed(SEED, executions);
    run(
        format!("{name} (shuttle, random)"),
        random,
        execution.clone(),
    );
    for changes in [few_changes, MANY_CHANGES] {
        // What PCT calls its depth is one more.
        let pct = PctScheduler::new_from_seed(SEED, changes + 1, executions);
        let what = format!("{name} (shuttle, PCT with {changes} changes)");
        run(what, pct, execution.clone());
    }
    let counts = sync::take_counts();
    println!(
        "SUMMARY {name} (shuttle): {:?}",
        Event::ALL.map(|event| (event, counts[event as usize]))
    );
    let missed = missed(events, &counts);
    assert!(
        missed.is_empty(),
        "TOO LITTLE EXPLORED: never met: {missed:?}"
    );
}

#[track_caller]
fn run(
    what: String,
    scheduler: impl Scheduler + 'static,
    execution: impl Fn() -> Result<u64, String> + Send + Sync + 'static,
) {
    let mut config = Config::new();
    // That it takes every ordering for the strongest.
    config.silence_warnings = true;
    let longest_search = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let model = {
        let (what, longest_search) = (what.clone(), longest_search.clone());
        let executions = AtomicU64::new(0);
        move || {
            let number = executions.fetch_add(1, Ordering::Relaxed);
            match execution() {
                Ok(steps) => longest_search.fetch_max(steps, Ordering::Relaxed),
                Err(report) => panic!(
                    "{what}, execution {number}: {report}\n\
                     to replay it: SHUTTLE_TESTS_REPLAY='<failing schedule>'"
                ),
            };
        }
    };
    let executions = Runner::new(scheduler, config).run(model);
    println!(
        "SUMMARY {what}: {executions} executions, {} ms, longest search {longest_search:?} steps",
        started.elapsed().as_millis()
    );
}
