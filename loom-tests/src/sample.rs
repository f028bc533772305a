//! Random executions of a scenario whose programs are too long for loom to exhaust.
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

use crate::scenario::{Op, Scenario};
use crate::sync::{self, Event};

/// Executions under each scheduler, if the environment does not say otherwise.
const EXECUTIONS: usize = 1_500;

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
        if let Ok(schedule) = std::env::var("SHUTTLE_TESTS_REPLAY") {
            let replay = ReplayScheduler::new_from_encoded(&schedule);
            self.run("replay", replay, draw);
            return;
        }
        let executions = match std::env::var("SHUTTLE_TESTS_EXECUTIONS") {
            Ok(number) => number
                .parse()
                .expect("SHUTTLE_TESTS_EXECUTIONS is a number"),
            Err(_) => EXECUTIONS,
        };
        sync::take_counts();
        let random = RandomScheduler::new_from_seed(SEED, executions);
        self.run("random", random, draw.clone());
        for changes in [self.preemptions, MANY_CHANGES] {
            // What PCT calls its depth is one more.
            let pct = PctScheduler::new_from_seed(SEED, changes + 1, executions);
            self.run(&format!("PCT with {changes} changes"), pct, draw.clone());
        }
        let counts = sync::take_counts();
        println!(
            "SUMMARY {} (shuttle): {:?}",
            self.name,
            Event::ALL.map(|event| (event, counts[event as usize]))
        );
        let missed = self.missed(&counts);
        assert!(
            missed.is_empty(),
            "TOO LITTLE EXPLORED: never met: {missed:?}"
        );
    }

    #[track_caller]
    fn run(
        &self,
        scheduler_name: &str,
        scheduler: impl Scheduler + 'static,
        draw: impl Fn() -> Vec<Op> + Send + Sync + 'static,
    ) {
        let mut config = Config::new();
        // That it takes every ordering for the strongest.
        config.silence_warnings = true;
        let what = format!("{} (shuttle, {scheduler_name})", self.name);
        let order: Vec<_> = (0..self.roles.len()).collect();
        let longest_search = Arc::new(AtomicU64::new(0));
        let started = Instant::now();
        let model = {
            let (without_programs, what) = (self.clone(), what.clone());
            let (executions, longest_search) = (AtomicU64::new(0), longest_search.clone());
            move || {
                let mut scenario = without_programs.clone();
                for role in &mut scenario.roles {
                    role.program.extend(draw());
                }
                let scenario = Arc::new(scenario);
                let outcome = scenario.execute(&order);
                let execution = executions.fetch_add(1, Ordering::Relaxed);
                match scenario.explain(&outcome) {
                    Ok(steps) => longest_search.fetch_max(steps, Ordering::Relaxed),
                    Err(report) => panic!(
                        "{what}, execution {execution}: {report}\n\
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
}
