//! One thread goes on while all others are frozen, wherever that caught them.
//!
//! In each round all threads hammer one pool, a fresh one, so that they meet at the pair
//! that all share and install pages. Then all but one are frozen, by a signal at arbitrary
//! instructions, and that one has to go on, with exact answers. To freeze idle threads
//! would show nothing: so it is counted where in the library they were caught, and there
//! are rounds until there is enough of everything.
//!
//! The same rounds with a pool behind a mutex show that they can fail.
#![cfg(unix)]

mod allocator;
mod field;
mod freezer;
#[path = "../../../../tests/support/mixed.rs"]
mod mixed;
mod subjects;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use field::{Field, STEPS};
use freezer::{Freezer, Report, Word, FOR_EVER};
use mixed::Mixed;
use subjects::{Locked, Records, Reservations, Subject};
use token_budget_pool::place::Place;
use token_budget_pool::{BudgetPool, Usage};

/// Four threads have pairs on one page, and 64 on four.
const THREADS: [usize; 2] = [4, 64];
const ROUNDS: usize = 300;
const ROUNDS_AT_MOST: usize = 5_000;
/// Freezes in each place that is asked for.
const ENOUGH: u64 = 100;

/// Long enough for a thread to come to the lock, and then some. It decides only how long a
/// thread that cannot go on is waited for.
const MOMENT: Duration = Duration::from_millis(2);

const IN_AN_UPDATE: [Place; 4] = [
    Place::SharedPair,
    Place::Filled,
    Place::Swung,
    Place::Installing,
];

/// What came of the rounds.
#[derive(Default)]
struct Outcome {
    rounds: usize,
    /// Freezes in the round's pool.
    frozen: u64,
    /// Those of them in each place.
    at: [u64; Place::ALL.len()],
    /// Those in none.
    elsewhere: u64,
    /// How often the one that was to go on found the shared pair taken.
    turned_away: u64,
    /// Rounds in which it waited for a lock that a frozen thread held.
    stalls: u64,
}

impl Outcome {
    fn add(&mut self, round: usize, frozen: &[Report]) {
        self.rounds += 1;
        for report in frozen.iter().filter(|report| report.round == round) {
            self.frozen += 1;
            self.elsewhere += u64::from(report.places.0 == 0);
            for place in Place::ALL {
                self.at[place as usize] += u64::from(report.is_at(place));
            }
        }
    }

    fn lacks(&self, wanted: &[Place]) -> Option<Place> {
        let lacks = |place: &Place| self.at[*place as usize] < ENOUGH;
        wanted.iter().copied().find(lacks)
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
        write!(f, "\n{:>12} elsewhere", self.elsewhere)?;
        let others = [
            (self.turned_away, "turned away from the shared pair, alone"),
            (self.stalls, "stalled behind a frozen thread"),
        ];
        for (count, what) in others.into_iter().filter(|&(count, _)| count > 0) {
            write!(f, "\n{count:>8} {what}")?;
        }
        Ok(())
    }
}

/// Ends the hammering also where a check fails.
struct End<'a, S: Subject>(&'a Field<S>);

impl<S: Subject> Drop for End<'_, S> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A thread that takes a number registers the destructor that gives it back, for which the
/// runtime may lock. So threads take theirs before they can be frozen.
fn take_a_number() {
    let pool = BudgetPool::unconstrained();
    for _ in 0..2_000 {
        pool.charge(Usage::default());
    }
}

/// Plays rounds until there are enough, with enough freezes in each of these places.
fn play<S: Subject>(threads: usize, wanted: &[Place]) -> Outcome {
    let field = Arc::new(Field::<S>::new(ROUNDS_AT_MOST));
    let hammer = {
        let field = Arc::clone(&field);
        move |thread| field.hammer(thread)
    };
    let mut freezer = Freezer::start(threads, take_a_number, hammer);
    let end = End(&field);
    let mut mixed = Mixed(threads as u64);
    let mut outcome = Outcome::default();

    while outcome.rounds < ROUNDS || outcome.lacks(wanted).is_some() {
        let round = outcome.rounds;
        if let (ROUNDS_AT_MOST, Some(place)) = (round, outcome.lacks(wanted)) {
            panic!("{threads} threads, {}: too few {place}\n{outcome}", S::NAME);
        }
        field.begin(round);
        // Soon, while most have no pair of their own, or later.
        for _ in 0..1 << mixed.below(7) {
            thread::yield_now();
        }
        let alone = mixed.below(threads as u64) as usize;
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
                     {alone} did {} of {STEPS} steps in {patience:?}, and is {}; frozen: {}",
                    S::NAME,
                    field.steps(),
                    stopped.places,
                    list(&frozen)
                );
                outcome.stalls += u64::from(waits_for_a_lock(stopped, &frozen));
            } else {
                freezer.expect(&[Word::Done]);
            }
        }
        freezer.thaw();
    }

    drop(end);
    outcome.turned_away = field.turned_away();
    field.assert_adds_up(&freezer.join());
    println!("{threads} threads, {}:\n{outcome}", S::NAME);
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
    for threads in THREADS {
        let ours = play::<Records>(threads, &IN_AN_UPDATE);
        assert!(
            ours.turned_away > 0,
            "nobody needed the pair of a frozen thread"
        );
        let control = play::<Locked>(threads, &[Place::LockHeld]);
        assert!(control.stalls > 0, "a mutex that stops nobody");
    }
}

#[test]
fn one_reserves_while_all_others_are_frozen() {
    let _turn = wait_for_turn();
    for threads in THREADS {
        let in_an_end = [Place::Settle, Place::Drop];
        play::<Reservations>(threads, &[&IN_AN_UPDATE[..], &in_an_end].concat());
    }
}
