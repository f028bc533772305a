//! A child of `fork` has the pool, but not the threads that were inside its calls. The lanes that
//! they held stay held for ever. The child has to go on all the same, with exact answers.
//!
//! Each round forks twice: while the others run, and while they are frozen. A child only uses the
//! pool, whose lanes were made beforehand, so it does not even allocate. It reports by its exit
//! code.
//!
//! POSIX does not say that a copy of memory that other threads write to is one moment's. Where the
//! kernel copies pages one by one and does not stop the writers, this fails. Linux stops them.

use std::panic;
use std::sync::Arc;
use std::thread;

use nix::libc;
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{alarm, fork, ForkResult};
use token_budget_pool::place;
use token_budget_pool::{BudgetPool, Snapshot};

use crate::allocator;
use crate::field::Field;
use crate::freezer::Freezer;
use crate::mixed::Mixed;
use crate::subjects::{record, reserve, spend, Stepped, Subject};
use crate::{wait_for_turn, End, FROZEN};

const ROUNDS: usize = 150;
/// What a child has to do.
const STEPS: u64 = 100;
/// What each of its calls is, in tokens in.
const AMOUNT: u64 = 1_000;
/// A child that hangs is ended then.
const SECONDS: u32 = 60;

/// Records and reservations, in a pool with lanes for all.
struct Prepared(BudgetPool);

impl Subject for Prepared {
    type State = Snapshot;

    const NAME: &'static str = "records and reservations";

    fn fresh() -> Self {
        let threads = FROZEN[FROZEN.len() - 1] + 2;
        Self(place::apart(|| {
            BudgetPool::builder().threads(threads).build()
        }))
    }

    fn pool(&self) -> Option<&BudgetPool> {
        Some(&self.0)
    }

    fn step(&self, amount: u64, turn: u64) -> Stepped {
        match turn % 2 {
            0 => record(&self.0, amount),
            _ => reserve(&self.0, amount, turn / 2),
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

/// What a child reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// All answers were exact, and lane 0 was free.
    Exact,
    /// All answers were exact, and all commits were from another lane, since lane 0 was held.
    ExactByDetour,
    /// An answer was wrong, or only some commits were from another lane.
    Inexact,
    Allocated,
    Panicked,
}

impl Word {
    const ALL: [Word; 5] = [
        Word::Exact,
        Word::ExactByDetour,
        Word::Inexact,
        Word::Allocated,
        Word::Panicked,
    ];
}

/// What the child does.
fn go_on(subject: &Prepared) -> Word {
    place::set_pool(&subject.0);
    let (detours, allocations) = (place::met().detours, allocator::allocations());
    let mut expected = subject.snapshot();
    for turn in 0..STEPS {
        let stepped = subject.step(AMOUNT, turn);
        spend(&mut expected.spent, AMOUNT, stepped.calls);
        let answer = stepped.answer.unwrap_or(expected.spent.into());
        if answer != expected.spent.into() || subject.snapshot() != expected {
            return Word::Inexact;
        }
    }
    if allocator::allocations() != allocations {
        return Word::Allocated;
    }
    match place::met().detours - detours {
        0 => Word::Exact,
        STEPS.. => Word::ExactByDetour,
        _ => Word::Inexact,
    }
}

/// What a child reports that is forked now.
fn report_of_a_child(subject: &Prepared) -> Word {
    // SAFETY: the child does only what a signal handler may do too: atomics, plain thread-locals,
    // `alarm` and `_exit`. If it panics, it may hang, and the alarm ends it.
    let child = match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            alarm::set(SECONDS);
            let word = panic::catch_unwind(|| go_on(subject)).unwrap_or(Word::Panicked);
            // SAFETY: it ends the process, and runs nothing of it.
            unsafe { libc::_exit(word as i32) }
        }
    };
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, code)) => Word::ALL[code as usize],
        hung => panic!("a child did not go on: {hung:?}"),
    }
}

#[test]
fn a_child_goes_on_though_its_lanes_are_held_by_threads_that_it_does_not_have() {
    let _turn = wait_for_turn();
    for threads in FROZEN {
        let field = Arc::new(Field::<Prepared>::new(ROUNDS));
        let hammer = {
            let field = Arc::clone(&field);
            move |thread| field.hammer(thread)
        };
        let mut freezer = Freezer::start(threads, hammer);
        let end = End(&field);
        let mut mixed = Mixed(threads as u64);
        let mut by_detour = [0; 2];
        for round in 0..ROUNDS {
            field.begin(round);
            for _ in 0..1 << mixed.below(7) {
                thread::yield_now();
            }
            let running = report_of_a_child(field.pool(round));
            freezer.freeze(0..threads);
            let frozen = report_of_a_child(field.pool(round));
            for (word, by_detour) in [running, frozen].into_iter().zip(&mut by_detour) {
                match word {
                    Word::Exact => {}
                    Word::ExactByDetour => *by_detour += 1,
                    _ => panic!("{threads} threads, round {round}: {running:?}, {frozen:?}"),
                }
            }
            freezer.thaw();
        }
        drop(end);
        // What the children did stayed theirs.
        field.assert_adds_up(&freezer.join());
        let [running, frozen] = by_detour;
        println!(
            "{threads} threads, {ROUNDS} children each, who found lane 0 held and went on by \
             detour: {running} while the threads ran, {frozen} while they were frozen"
        );
        assert!(running > 0 && frozen > 0);
    }
}
