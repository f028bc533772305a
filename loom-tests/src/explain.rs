//! Whether some sequential order of the programs explains what was seen of them.
//!
//! # The oracle
//!
//! After each execution the answers of all threads and the last state of the pool must
//! be those of a plain sequential pool (`sequence.rs`) that runs the operations one after
//! the other, in some order that keeps the order of each program. The same goes for a tree of pools
//! (`tree_oracle.rs`).
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
use std::fmt::Debug;
use std::hash::Hash;

/// A search that takes more is given up, and the scenario fails. Forty operations on four
/// threads take 40 steps at least, and none have taken a thousand yet.
const MOST_STEPS: u64 = 100_000;

/// A pool or a tree of pools after some operations in sequence, with what its threads have in hand.
pub(crate) trait Sequential: Clone + Eq + Hash + Send {
    type Op: Debug + Sync;
    type Answer: PartialEq + Debug + Sync;
    /// What is seen at last.
    type Last: PartialEq + Debug + Sync;

    /// Does `op` as the next of `thread`'s, and answers.
    fn apply(&mut self, thread: usize, op: &Self::Op) -> Self::Answer;

    fn last(&self) -> Self::Last;

    /// Whether it is right whatever the state is.
    fn says_nothing(_: &Self::Answer) -> bool {
        false
    }
}

/// What was seen of an operation: its answer, and from when until when it ran.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen<A> {
    pub(crate) answer: A,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

/// What was seen of an execution.
#[derive(PartialEq)]
pub(crate) struct Outcome<A, L> {
    /// Of each thread.
    pub(crate) threads: Vec<Vec<Seen<A>>>,
    pub(crate) last: L,
}

/// Finds an order of the programs that leads from `start` to what was seen, and returns how many steps
/// that took.
pub(crate) fn explain<S: Sequential>(
    start: S,
    programs: &[&[S::Op]],
    outcome: &Outcome<S::Answer, S::Last>,
) -> Result<u64, String> {
    let mut search = Search::<S> {
        programs,
        outcome,
        steps: 0,
        tried: HashSet::new(),
    };
    // The stacks of a model are small.
    let explained = std::thread::scope(|scope| {
        let mut done = vec![0; programs.len()];
        let search = &mut search;
        let run = scope.spawn(move || search.explains(start, &mut done));
        run.join().unwrap()
    });
    if explained {
        return Ok(search.steps);
    }
    let mut report = if search.steps > MOST_STEPS {
        format!("NO ORDER FOUND IN {MOST_STEPS} STEPS\n")
    } else {
        String::from("NO ORDER EXPLAINS\n")
    };
    for (thread, program) in programs.iter().enumerate() {
        for (op, seen) in program.iter().zip(&outcome.threads[thread]) {
            let (began, ended, answer) = (seen.began, seen.ended, &seen.answer);
            report += &format!("  thread {thread}, {began} to {ended}: {op:?} -> {answer:?}\n");
        }
    }
    Err(format!("{report}  at last: {:?}", outcome.last))
}

struct Search<'a, S: Sequential> {
    programs: &'a [&'a [S::Op]],
    outcome: &'a Outcome<S::Answer, S::Last>,
    steps: u64,
    /// From where an order was looked for: how far each thread was, and in what state.
    tried: HashSet<(Vec<usize>, S)>,
}

impl<'a, S: Sequential> Search<'a, S> {
    /// Whether some order leads from here to the end.
    fn explains(&mut self, so_far: S, done: &mut Vec<usize>) -> bool {
        let mut ended = true;
        for thread in 0..self.programs.len() {
            let Some(seen) = self.next(thread, done) else {
                continue;
            };
            ended = false;
            let mut others = (0..self.programs.len()).filter_map(|other| self.next(other, done));
            if others.any(|other| other.ended < seen.began) {
                continue;
            }
            self.steps += 1;
            if self.steps > MOST_STEPS {
                return false;
            }
            let mut next = so_far.clone();
            let answer = next.apply(thread, &self.programs[thread][done[thread]]);
            if answer != seen.answer && !S::says_nothing(&seen.answer) {
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
        ended && so_far.last() == self.outcome.last
    }

    /// What was seen of the operation that is this thread's next.
    fn next(&self, thread: usize, done: &[usize]) -> Option<&'a Seen<S::Answer>> {
        self.outcome.threads[thread].get(done[thread])
    }
}
