//! All executions of a scenario that loom distinguishes, within a bound on preemptions.

use std::cell::RefCell;
use std::io::Write;
use std::panic;
use std::sync::{Arc, Mutex, Once};

use crate::explain::Outcome;
use crate::oracle::OracleSnapshot;
use crate::scenario::{missed, Answer, Scenario};
use crate::sync::{self, Event};
use crate::tree_scenario::{TreeOutcome, TreeScenario};

const GHOST: bool = cfg!(feature = "ghost");

impl Scenario {
    /// How far loom preempts, if the environment does not say otherwise.
    pub fn preemptions(mut self, plain: usize, ghost: usize) -> Self {
        self.preemptions = if GHOST { ghost } else { plain };
        self
    }

    /// Explores it in all role orders: whose program the main thread runs, and in what
    /// order the other threads start. In the order of [`orders`], there are at least that
    /// many executions under each shim.
    #[track_caller]
    pub fn check<const N: usize>(self, plain: [u64; N], ghost: [u64; N]) {
        self.check_all(if GHOST { &ghost } else { &plain });
    }

    #[track_caller]
    fn check_all(self, least: &[u64]) {
        name_the_scenario_of_a_panic();
        let shim = if GHOST { "ghost" } else { "plain" };
        let preemptions = match std::env::var("LOOM_TESTS_PREEMPTIONS") {
            Ok(number) => number.parse().expect("LOOM_TESTS_PREEMPTIONS is a number"),
            Err(_) => self.preemptions,
        };
        let orders = orders(self.roles.len());
        let scenario = Arc::new(self);
        let mut complaints = vec![];
        let mut counts = [0; Event::ALL.len()];
        let mut all_executions = vec![];
        sync::take_counts();
        for order in &orders {
            let what = format!("{} ({shim}, roles {order:?})", scenario.name);
            RUNNING.set(what.clone());
            let started = std::time::Instant::now();
            let executions = scenario.explore(order, preemptions);
            println!(
                "{what}: {executions} executions at {preemptions} preemptions, {} ms",
                started.elapsed().as_millis()
            );
            all_executions.push(executions);
            for (sum, count) in counts.iter_mut().zip(sync::take_counts()) {
                *sum += count;
            }
        }
        println!(
            "SUMMARY {} {shim} {all_executions:?} {:?}",
            scenario.name,
            Event::ALL.map(|event| (event, counts[event as usize]))
        );
        RUNNING.set(format!("{} ({shim})", scenario.name));
        assert_eq!(least.len(), orders.len(), "a least number for each order");
        for ((order, executions), &least) in orders.iter().zip(all_executions).zip(least) {
            if executions < least {
                complaints.push(format!(
                    "roles {order:?}: {executions} executions, not {least}"
                ));
            }
        }
        let missed = missed(&scenario.events, &counts);
        if !missed.is_empty() {
            complaints.push(format!("never met: {missed:?}"));
        }
        assert!(complaints.is_empty(), "TOO LITTLE EXPLORED: {complaints:?}");
    }

    /// Lets loom explore it with the programs on its threads in this order, the first on
    /// the main thread, and returns the number of executions.
    fn explore(self: &Arc<Self>, order: &[usize], preemptions: usize) -> u64 {
        let seen = Arc::new(Mutex::new(Explored::default()));
        let (scenario, order, seen_by_model) = (self.clone(), order.to_vec(), seen.clone());
        loom(Some(preemptions)).check(move || {
            let outcome = scenario.execute(&order);
            let mut seen = seen_by_model.lock().unwrap();
            seen.executions += 1;
            // Few outcomes are distinct.
            if seen.explained.contains(&outcome) {
                return;
            }
            if let Err(report) = scenario.explain(&outcome) {
                panic!("{report}");
            }
            seen.explained.push(outcome);
        });
        let executions = seen.lock().unwrap().executions;
        executions
    }
}

#[derive(Default)]
struct Explored {
    executions: u64,
    explained: Vec<Outcome<Answer, OracleSnapshot>>,
}

/// The executions of a tree so far, and what was seen in them.
#[derive(Default)]
pub struct ExploredTree {
    pub executions: u64,
    explained: Vec<TreeOutcome>,
}

impl TreeScenario {
    /// Runs everything once, the programs on the model's threads in this order, and explains what was
    /// seen.
    pub fn run(&self, order: &[usize], explored: &Mutex<ExploredTree>) {
        let outcome = self.execute(order);
        let mut explored = explored.lock().unwrap();
        explored.executions += 1;
        if explored.explained.contains(&outcome) {
            return;
        }
        if let Err(report) = self.explain(&outcome) {
            panic!("{report}");
        }
        explored.explained.push(outcome);
    }
}

/// What explores all executions with so many preemptions; `None` is any number.
pub fn loom(preemptions: Option<usize>) -> loom::model::Builder {
    let mut loom = loom::model::Builder::new();
    loom.preemption_bound = preemptions;
    loom.max_branches = 100_000;
    // What would end an exploration early, and call it a success.
    loom.max_permutations = None;
    loom.max_duration = None;
    loom
}

/// All orders of that many roles, the first ascending.
pub fn orders(roles: usize) -> Vec<Vec<usize>> {
    fn extend(order: &mut Vec<usize>, roles: usize, orders: &mut Vec<Vec<usize>>) {
        if order.len() == roles {
            orders.push(order.clone());
        }
        for role in 0..roles {
            if !order.contains(&role) {
                order.push(role);
                extend(order, roles, orders);
                order.pop();
            }
        }
    }
    let mut orders = vec![];
    extend(&mut vec![], roles, &mut orders);
    orders
}

thread_local! {
    /// The scenario that runs on this thread of the system.
    static RUNNING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// loom aborts the process after some failures, and what the test harness captured is
/// lost then. So the first panic says at once, past the harness, where it happened.
fn name_the_scenario_of_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let scenario = RUNNING.with_borrow(String::clone);
            let _ = writeln!(std::io::stderr(), "FAILED {scenario}: {info}");
            hook(info);
        }));
    });
}
