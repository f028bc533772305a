//! One thread goes on while all others are frozen, wherever that caught them.
//!
//! In each round all threads hammer one pool, a fresh one, so that they meet at lane 0, take
//! detours and append lanes. Then all but one are frozen, by a signal at arbitrary instructions,
//! and that one has to go on, with exact answers. To freeze idle threads would show nothing. So it
//! is counted where in the library they were caught, and there are rounds until there is enough of
//! everything.
//!
//! The same rounds with a pool behind a mutex show that they can fail. Those with a tree have children that
//! come and go.
//!
//! `handler` has signal handlers that use the pool whose call they interrupt, `fork` has children
//! that inherit the lanes of threads that they do not have.
#![cfg(unix)]

mod allocator;
mod field;
mod fork;
mod freezer;
mod handler;
#[path = "../../../../tests/support/mixed.rs"]
mod mixed;
mod subjects;

use std::fmt;
use std::mem::size_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use field::Field;
use freezer::{Freezer, Report, Word, FOR_EVER};
use mixed::Mixed;
use subjects::{Locked, Records, Reservations, Subject, Trees, Waits};
use token_budget_pool::place::{Met, Place};
use token_budget_pool::BudgetPool;

/// How many are frozen. One more goes on.
const FROZEN: [usize; 2] = [4, 64];
const ROUNDS_AT_MOST: usize = 5_000;
/// Freezes in each place that is asked for.
const ENOUGH: u64 = 100;

/// What a fresh pool takes at most, and a further lane.
const FRESH: usize = 320;
const LANE: usize = 384;

/// Long enough for a thread to come to the lock, and then some. It decides only how long a
/// thread that cannot go on is waited for.
const MOMENT: Duration = Duration::from_millis(2);

const IN_AN_UPDATE: [Place; 5] = [
    Place::Lane0,
    Place::FurtherLane,
    Place::Filled,
    Place::Committed,
    Place::Append,
];

const IN_A_TREE: [Place; 8] = [
    Place::Listed,
    Place::Raise,
    Place::AppendForLane,
    Place::AppendNodes,
    Place::TakeNode,
    Place::GiveNodeBack,
    Place::Make,
    Place::DropChild,
];

/// What came of the rounds.
#[derive(Default)]
struct Outcome {
    rounds: usize,
    /// Freezes in the round's pool.
    frozen: u64,
    /// Those of them in each place.
    at: [u64; Place::ALL.len()],
    /// Those that held a lane to read.
    reading: u64,
    /// Those in none.
    elsewhere: u64,
    /// What those that went on met.
    met: Met,
    /// Rounds in which one did all steps from another lane than 0.
    all_by_detour: u64,
    /// The most bytes that a pool took, itself included.
    most_bytes: usize,
    /// Rounds in which it waited for a lock that a frozen thread held.
    stalls: u64,
}

impl Outcome {
    fn add(&mut self, round: usize, frozen: &[Report]) {
        self.rounds += 1;
        for report in frozen.iter().filter(|report| report.round == round) {
            self.frozen += 1;
            self.reading += u64::from(reads_with_a_lane(report));
            self.elsewhere += u64::from(report.places.0 == 0);
            for place in Place::ALL {
                self.at[place as usize] += u64::from(report.is_at(place));
            }
        }
    }

    /// What there is too little of. Where lane 0 is wanted, so are detours round its holders, and
    /// readers that hold a lane.
    fn lacks(&self, enough: u64, wanted: &[Place]) -> Option<String> {
        let lacks = |place: &Place| self.at[*place as usize] < enough;
        if let Some(place) = wanted.iter().copied().find(lacks) {
            return Some(place.to_string());
        }
        if !wanted.contains(&Place::Lane0) {
            return None;
        }
        let others = [
            (self.all_by_detour < enough, "by detour"),
            (self.reading < enough, "with a lane, to read"),
        ];
        let mut lacking = others.into_iter().filter(|&(lacks, _)| lacks);
        lacking.next().map(|(_, what)| what.into())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} rounds", self.rounds)?;
        write!(f, "\n{:>8} frozen in the round's pool:", self.frozen)?;
        for place in Place::ALL {
            let count = self.at[place as usize];
            if count > 0 {
                write!(f, "\n{count:>12} {place}")?;
            }
        }
        write!(f, "\n{:>12} holding a lane to read", self.reading)?;
        write!(f, "\n{:>12} elsewhere", self.elsewhere)?;
        let others = [
            (self.met.turned_away, "swaps turned away from lane 0, alone"),
            (self.met.detours, "commits from a further lane, alone"),
            (self.met.appends, "lanes appended, alone"),
            (self.all_by_detour, "rounds with all steps by detour, alone"),
            (self.most_bytes as u64, "bytes, the most that a pool took"),
            (self.stalls, "stalled behind a frozen thread"),
        ];
        for (count, what) in others.into_iter().filter(|&(count, _)| count > 0) {
            write!(f, "\n{count:>8} {what}")?;
        }
        Ok(())
    }
}

fn reads_with_a_lane(report: &Report) -> bool {
    let holds = report.is_at(Place::Lane0) || report.is_at(Place::FurtherLane);
    holds && report.is_at(Place::Snapshot)
}

/// Ends the hammering also where a check fails.
struct End<'a, S: Subject>(&'a Field<S>);

impl<S: Subject> Drop for End<'_, S> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Plays rounds until there are enough, with enough freezes in each of these places.
fn play<S: Subject>(to_freeze: usize, wanted: &[Place]) -> Outcome {
    let threads = to_freeze + 1;
    allocator::forget();
    let field = Arc::new(Field::<S>::new(ROUNDS_AT_MOST));
    let hammer = {
        let field = Arc::clone(&field);
        move |thread| field.hammer(thread)
    };
    let mut freezer = Freezer::start(threads, hammer);
    let end = End(&field);
    let mut mixed = Mixed(threads as u64);
    let mut outcome = Outcome::default();

    let lacks = |outcome: &Outcome| outcome.lacks(S::ENOUGH, wanted);

    while outcome.rounds < S::ROUNDS || lacks(&outcome).is_some() {
        let round = outcome.rounds;
        if let (ROUNDS_AT_MOST, Some(what)) = (round, lacks(&outcome)) {
            panic!("{to_freeze} frozen, {}: too few {what}\n{outcome}", S::NAME);
        }
        field.begin(round);
        // Soon, while there are few lanes and nodes, or later.
        for _ in 0..1 << mixed.below(7) {
            thread::yield_now();
        }
        let most_steps = mixed.below(S::STEPS_BEFORE + 1);
        let steps = mixed.below(most_steps + 1);
        let began = Instant::now();
        while field.steps_before(round) < steps {
            assert!(began.elapsed() < FOR_EVER, "fewer than {steps} steps");
            thread::yield_now();
        }
        let any = mixed.below(threads as u64) as usize;
        let alone = S::ALONE.unwrap_or(any);
        let frozen = freezer.freeze((0..threads).filter(|&thread| thread != alone));
        outcome.add(round, &frozen);

        field.ask(alone);
        // Nothing else is an excuse for not going on.
        let at_a_lock = frozen.iter().any(|report| report.is_at(Place::Lock));
        let patience = if at_a_lock { MOMENT } else { FOR_EVER };
        if freezer.hear(&[Word::Done], patience).is_none() {
            if field.call_off(alone) {
                let stopped = freezer.freeze([alone])[0];
                assert!(
                    at_a_lock,
                    "{threads} threads, {}, round {round}: with all others frozen, thread \
                     {alone} did {} of {} steps in {patience:?}, and is {}; frozen: {}",
                    S::NAME,
                    field.steps(),
                    S::STEPS,
                    stopped.places,
                    list(&frozen)
                );
                outcome.stalls += u64::from(waits_for_a_lock(stopped, &frozen));
            } else {
                freezer.expect(&[Word::Done]);
            }
        }
        let further = usize::try_from(allocator::bytes(round)).expect("what is given was taken");
        let most = S::most_bytes(to_freeze);
        assert!(further <= most, "{further} further bytes");
        let bytes = size_of::<BudgetPool>() + further;
        assert!(bytes <= FRESH + most, "{bytes} bytes");
        outcome.most_bytes = outcome.most_bytes.max(bytes);
        outcome.all_by_detour = field.all_by_detour();
        freezer.thaw();
    }

    drop(end);
    outcome.met = field.met_alone();
    field.assert_adds_up(&freezer.join());
    println!("{to_freeze} frozen, {}:\n{outcome}", S::NAME);
    outcome
}

/// Whether it waits for the lock of a pool that one of these holds.
fn waits_for_a_lock(stopped: Report, frozen: &[Report]) -> bool {
    let mut there = frozen.iter().filter(|report| report.round == stopped.round);
    stopped.is_at(Place::Lock)
        && !stopped.is_at(Place::LockHeld)
        && there.any(|report| report.is_at(Place::LockHeld))
}

/// Who is where.
fn list(frozen: &[Report]) -> String {
    let threads = |place: Place| -> Vec<usize> {
        let there = frozen.iter().filter(|report| report.is_at(place));
        there.map(|report| report.thread).collect()
    };
    Place::ALL
        .into_iter()
        .map(|place| (place, threads(place)))
        .filter(|(_, threads)| !threads.is_empty())
        .map(|(place, threads)| format!("{threads:?} {place}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The tests take turns: each wants all cores.
fn wait_for_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn one_records_while_all_others_are_frozen() {
    let _turn = wait_for_turn();
    for frozen in FROZEN {
        play::<Records>(frozen, &IN_AN_UPDATE);
        let control = play::<Locked>(frozen, &[Place::LockHeld]);
        assert!(control.stalls > 0, "a mutex that stops nobody");
    }
}

#[test]
fn one_reserves_while_all_others_are_frozen() {
    let _turn = wait_for_turn();
    for frozen in FROZEN {
        let in_an_end = [Place::Settle, Place::Drop, Place::Forfeit];
        play::<Reservations>(frozen, &[&IN_AN_UPDATE[..], &in_an_end].concat());
    }
}

/// It reserves and settles. The others wait for room, until they are frozen.
#[test]
fn one_reserves_while_those_that_wait_are_frozen() {
    let _turn = wait_for_turn();
    play::<Waits>(4, &[Place::Queue, Place::Settle, Place::Lane0]);
}

/// It makes children, spends in them, and drops them. So do the others until they are frozen.
#[test]
fn one_uses_a_tree_while_all_others_are_frozen() {
    let _turn = wait_for_turn();
    for frozen in [4, 16] {
        let in_an_end = [Place::Settle, Place::Drop, Place::Forfeit];
        play::<Trees>(
            frozen,
            &[&IN_AN_UPDATE[..], &IN_A_TREE, &in_an_end].concat(),
        );
    }
}
