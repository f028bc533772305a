//! The run itself: worker threads that replay the calls through one shared pool.
//!
//! The workers take the calls in chunks from a common cursor. One worker alone takes them in file order. Nothing is
//! shared but the pool and, once per chunk, the cursor: the rate is the pool's. The progress that is shown is the
//! cursor too, so showing it costs the workers nothing.

use std::io;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use token_budget_pool::{BudgetPool, Limits, Snapshot, TreeSnapshot, Usage};

use crate::input::BadInput;
use crate::latency::{Stopwatch, Timed, Untimed};
use crate::tally::Tally;
use crate::tree::Tree;
use crate::worker::{Branches, Cursor, Worker};

/// The most calls that are replayed again with a stopwatch.
const MOST_TIMED: u64 = 1 << 20;

/// What to replay, and how.
pub(crate) struct Plan<'a> {
    /// What each call of the trace used: at least one.
    pub(crate) calls: &'a [Usage],
    /// How many calls to replay, from the start of the trace and again from there.
    pub(crate) count: u64,
    pub(crate) threads: u16,
    pub(crate) limits: Limits,
    /// Reserve the worst case of a call before it and settle the call afterwards. Otherwise a call is charged, once.
    pub(crate) reserve: Option<Reserve<'a>>,
    /// Charge each call on its node of this tree. Otherwise all are charged on the one pool.
    pub(crate) tree: Option<&'a Tree>,
}

pub(crate) struct Reserve<'a> {
    /// What is reserved for each of the calls.
    pub(crate) worst_cases: &'a [Usage],
    /// The most output that they foresee.
    pub(crate) max_tokens: u64,
    /// How many calls each worker has under way.
    pub(crate) in_flight: usize,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The run proper, which no stopwatch slows down.
    pub(crate) run: Pass<Untimed>,
    /// A second run on a fresh pool of the same limits, for the latencies.
    pub(crate) timed: Pass<Timed>,
}

impl Outcome {
    /// What is wrong with the totals of either pool: nothing, if the library keeps its promise.
    pub(crate) fn disagreements(&self, plan: &Plan) -> Vec<String> {
        let mut found = self.run.disagreements(plan);
        let timed = self.timed.disagreements(plan);
        found.extend(timed.into_iter().map(|what| format!("{what} (timed run)")));
        found
    }
}

/// A run over some calls, on a pool of its own.
pub(crate) struct Pass<S> {
    pub(crate) calls: u64,
    pub(crate) tally: Tally,
    /// The pool when all was done.
    pub(crate) pool: Snapshot,
    pub(crate) tree: Option<TreePass>,
    /// From the first worker's start to the last one's end.
    pub(crate) time: Duration,
    pub(crate) stopwatch: S,
}

impl<S> Pass<S> {
    pub(crate) fn calls_per_second(&self) -> f64 {
        // A clock that saw no time pass must not make the rate infinite, which JSON cannot say.
        self.calls as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn disagreements(&self, plan: &Plan) -> Vec<String> {
        let mut found = self
            .tally
            .disagreements(self.calls, plan.limits, &self.pool);
        if let (Some(tree), Some(pass)) = (plan.tree, &self.tree) {
            found.extend(tree.disagreements(pass, plan.calls));
        }
        found
    }
}

/// The tree of a pass when all was done.
pub(crate) struct TreePass {
    /// How often each call of the trace was accepted.
    pub(crate) accepted: Vec<u64>,
    /// Each node's own snapshot.
    pub(crate) nodes: Vec<Snapshot>,
    pub(crate) snapshot: TreeSnapshot,
}

/// Replays the plan. Ten times a second `progress` gets the number of calls that were taken on.
///
/// # Errors
///
/// If the system does not give that many threads.
pub(crate) fn replay(plan: &Plan, progress: impl Fn(u64)) -> Result<Outcome, BadInput> {
    Ok(Outcome {
        run: pass(plan, plan.count, progress)?,
        timed: pass(plan, plan.count.min(MOST_TIMED), |_| ())?,
    })
}

fn pass<S: Stopwatch>(
    plan: &Plan,
    calls: u64,
    progress: impl Fn(u64),
) -> Result<Pass<S>, BadInput> {
    let pool = BudgetPool::new(plan.limits);
    let pass = match plan.tree {
        None => pass_on(plan, &pool, None, calls, progress),
        Some(tree) => tree
            .with_pools(&pool, |pools| {
                let branches = Branches {
                    pools: tree.of_calls(pools),
                    accepted: plan.calls.iter().map(|_| AtomicU64::new(0)).collect(),
                };
                let mut pass = pass_on(plan, &pool, Some(&branches), calls, progress)?;
                let accepted = branches.accepted.into_iter();
                pass.tree = Some(TreePass {
                    accepted: accepted.map(AtomicU64::into_inner).collect(),
                    nodes: pools.iter().map(|pool| pool.snapshot()).collect(),
                    snapshot: pool.tree_snapshot(),
                });
                Ok(pass)
            })
            .map_err(|error| BadInput::new(format!("--tree: {error}")))?,
    };
    pass.map_err(|error: io::Error| BadInput::new(format!("--threads {}: {error}", plan.threads)))
}

fn pass_on<S: Stopwatch>(
    plan: &Plan,
    pool: &BudgetPool,
    branches: Option<&Branches>,
    calls: u64,
    progress: impl Fn(u64),
) -> io::Result<Pass<S>> {
    let cursor = CachePadded::new(Cursor::over(calls));
    let gate = Gate::default();
    let (done, results) = mpsc::channel();

    let finished = thread::scope(|scope| {
        for _ in 0..plan.threads {
            let done = done.clone();
            let (cursor, gate) = (&cursor, &gate);
            let work = move || {
                let mut worker = Worker {
                    plan,
                    pool,
                    branches,
                    tally: Tally::default(),
                    stopwatch: S::new(),
                };
                if gate.wait() {
                    let start = Instant::now();
                    worker.run(cursor);
                    let end = Instant::now();
                    // It is only refused when the main thread is unwinding.
                    let _ = done.send((start, end, worker.tally, worker.stopwatch));
                }
            };
            if let Err(error) = thread::Builder::new().spawn_scoped(scope, work) {
                gate.abandon();
                return Err(error);
            }
        }
        drop(done);
        gate.open(plan.threads);

        let mut finished = Vec::new();
        loop {
            match results.recv_timeout(Duration::from_millis(100)) {
                Ok(result) => finished.push(result),
                Err(RecvTimeoutError::Timeout) => progress(cursor.taken()),
                Err(RecvTimeoutError::Disconnected) => return Ok(finished),
            }
        }
    })?;

    let start = finished.iter().map(|&(start, ..)| start).min();
    let end = finished.iter().map(|&(_, end, ..)| end).max();
    let mut pass = Pass {
        calls,
        tally: Tally::default(),
        pool: pool.snapshot(),
        tree: None,
        time: end
            .zip(start)
            .map_or(Duration::ZERO, |(end, start)| end - start),
        stopwatch: S::new(),
    };
    for (_, _, tally, stopwatch) in finished {
        pass.tally.merge(tally);
        pass.stopwatch.merge(stopwatch);
    }
    Ok(pass)
}

/// Lets all workers off at once: a short trace would be over before the last thread is there.
///
/// Unlike a `Barrier` it can be abandoned, for the case that a thread cannot be started.
#[derive(Default)]
struct Gate {
    waiting: AtomicU16,
    verdict: AtomicU8,
}

const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const ABANDONED: u8 = 2;

// Relaxed throughout: what the workers read was there before they were spawned.
impl Gate {
    /// Waits. `true` is the signal to start, `false` the one to give up.
    fn wait(&self) -> bool {
        self.waiting.fetch_add(1, Relaxed);
        loop {
            match self.verdict.load(Relaxed) {
                CLOSED => thread::yield_now(),
                verdict => return verdict == OPEN,
            }
        }
    }

    fn open(&self, workers: u16) {
        while self.waiting.load(Relaxed) != workers {
            thread::yield_now();
        }
        self.verdict.store(OPEN, Relaxed);
    }

    fn abandon(&self) {
        self.verdict.store(ABANDONED, Relaxed);
    }
}
