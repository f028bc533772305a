//! Whether some sequential order of the programs explains what was seen of them.
//!
//! # The oracle
//!
//! After each execution the answers of all threads and the last state of the pool must
//! be those of a plain sequential pool (`sequence.rs`) that runs the operations one after
//! the other, in some order that keeps the order of each program.
//!
//! Under loom that is all that the pool promises, and no more. Of operations that change
//! it: they are linearizable. Of those that only read it (snapshots, refusals): they see
//! one state that existed, never older than what happened before, and never backwards in
//! one thread. Such a read can be put into the order of the others where the state that
//! it saw was in force, and its program's order says the rest. It is right that no clock
//! is asked: in the C11 model a read may be older than what another thread did before in
//! time, if nothing ordered it after that. [`Op::Raise`] and [`Op::Look`] are there to
//! order it.
//!
//! shuttle's executions are sequentially consistent, and there is a clock. There the order
//! must also be one in which nothing comes before what had ended when it began: then all
//! operations are linearizable, reads and refusals too.
//!
//! # The search
//!
//! Wing and Gong's: whatever may be next and answers what was seen is tried. Lowe's memo
//! keeps it short: operations that commute lead to one state by many orders, and what
//! could not be gone on from once is not tried again.
//!
//! [`Op::Raise`]: crate::scenario::Op::Raise
//! [`Op::Look`]: crate::scenario::Op::Look

use std::collections::HashSet;

use crate::oracle::OracleSnapshot;
use crate::scenario::{Answer, Role, Scenario};
use crate::sequence::Sequence;

/// A search that takes more is given up, and the scenario fails. Forty operations on four
/// threads take 40 steps at least, and none have taken a thousand yet.
const MOST_STEPS: u64 = 100_000;

/// What was seen of an operation: its answer, and from when until when it ran.
#[derive(Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) answer: Answer,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// What was seen of an execution.
#[derive(PartialEq)]
pub(crate) struct Outcome {
    /// Of each thread.
    pub(crate) threads: Vec<Vec<Seen>>,
    pub(crate) last: OracleSnapshot,
}

impl Scenario {
    /// Finds an order of the operations that explains what was seen, and returns how many
    /// steps that took.
    pub(crate) fn explain(&self, outcome: &Outcome) -> Result<u64, String> {
        // The stacks of a model are small.
        std::thread::scope(|scope| scope.spawn(|| self.search(outcome)).join().unwrap())
    }

    fn search(&self, outcome: &Outcome) -> Result<u64, String> {
        let mut start = Sequence::new(self.limits, self.roles.len());
        let mut before = true;
        for (thread, role) in self.roles.iter().enumerate() {
            for (op, seen) in role.before.iter().zip(&outcome.threads[thread]) {
                before &= start.apply(thread, op) == seen.answer;
            }
        }
        let mut search = Search {
            roles: &self.roles,
            outcome,
            steps: 0,
            tried: HashSet::new(),
        };
        if before && search.explains(start, &mut vec![0; self.roles.len()]) {
            return Ok(search.steps);
        }
        let mut report = if search.steps > MOST_STEPS {
            format!("NO ORDER FOUND IN {MOST_STEPS} STEPS\n")
        } else {
            String::from("NO ORDER EXPLAINS\n")
        };
        for (thread, role) in self.roles.iter().enumerate() {
            let ops = role.before.iter().chain(&role.program);
            for (op, seen) in ops.zip(&outcome.threads[thread]) {
                let (began, ended, answer) = (seen.began, seen.ended, &seen.answer);
                report += &format!("  thread {thread}, {began} to {ended}: {op:?} -> {answer:?}\n");
            }
        }
        Err(format!("{report}  at last: {:?}", outcome.last))
    }
}

struct Search<'a> {
    roles: &'a [Role],
    outcome: &'a Outcome,
    steps: u64,
    /// From where an order was looked for: how far each thread was, and in what state.
    tried: HashSet<(Vec<usize>, Sequence)>,
}

impl<'a> Search<'a> {
    /// Whether some order leads from here to the end.
    fn explains(&mut self, so_far: Sequence, done: &mut Vec<usize>) -> bool {
        let mut ended = true;
        for thread in 0..self.roles.len() {
            let Some(seen) = self.next(thread, done) else {
                continue;
            };
            ended = false;
            let mut others = (0..self.roles.len()).filter_map(|other| self.next(other, done));
            if others.any(|other| other.ended < seen.began) {
                continue;
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return false;
            }
            let mut next = so_far.clone();
            let answer = next.apply(thread, &self.roles[thread].program[done[thread]]);
            // A flag that is not seen yet says nothing.
            if answer != seen.answer && seen.answer != Answer::Saw(false) {
                continue;
            }
            done[thread] += 1;
            let explained =
                self.tried.insert((done.clone(), next.clone())) && self.explains(next, done);
            done[thread] -= 1;
            if explained {
                return true;
            }
        }
        ended && so_far.snapshot() == self.outcome.last
    }

    /// What was seen of the operation that is this thread's next.
    fn next(&self, thread: usize, done: &[usize]) -> Option<&'a Seen> {
        self.outcome.threads[thread].get(self.roles[thread].before.len() + done[thread])
    }
}
