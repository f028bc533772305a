//! A signal handler uses the pool whose call it interrupts. Its thread holds a lane, maybe lane 0,
//! and cannot give it back before the handler has returned. The handler has to go on all the same,
//! with exact sums.
//!
//! The lanes are made beforehand, so that the handler does not allocate.

use std::cell::Cell;
use std::ffi::c_int;
use std::fmt;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use token_budget_pool::place::{self, Place};
use token_budget_pool::{linger, BudgetPool, Limits, Usage, Usd};

use crate::allocator;
use crate::freezer::FOR_EVER;
use crate::subjects::{record, reserve, spend, Calls, State};
use crate::{wait_for_turn, ENOUGH};

const INTERRUPT: Signal = Signal::SIGUSR2;
/// For each thread.
const INTERRUPTIONS: u64 = 5_000;
const INTERRUPTIONS_AT_MOST: u64 = 100_000;

/// A limit that refuses only calls of more than it.
const MOST: u64 = 1 << 50;

/// What one thread does: its calls, or those of the handlers that interrupted it.
#[derive(Default)]
struct Spending {
    turn: AtomicU64,
    /// Those that were counted.
    calls: AtomicU64,
    /// Those of them that were forfeited.
    forfeited: AtomicU64,
}

impl Spending {
    /// Does what comes next. Whether it took effect, and was not refused.
    fn step(&self, pool: &BudgetPool, amount: u64) -> bool {
        // Only one thread is here, so it need not add in one step.
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Relaxed);
        let stepped = match turn % 6 {
            0 | 1 => record(pool, amount),
            2 | 3 => reserve(pool, amount, turn / 6 + turn % 6),
            // Twice in a row: the second one looks before it claims a lane.
            _ => {
                let too_much = Usage::tokens(MOST + 1, 0).cost(Usd::ZERO);
                let refused = place::at(Place::Refused, || pool.try_charge(too_much));
                assert!(refused.is_err());
                return false;
            }
        };
        let mut calls = self.calls();
        calls += stepped.calls;
        self.calls.store(calls.all, Ordering::Relaxed);
        self.forfeited.store(calls.forfeited, Ordering::Relaxed);
        true
    }

    fn calls(&self) -> Calls {
        Calls {
            all: self.calls.load(Ordering::Relaxed),
            forfeited: self.forfeited.load(Ordering::Relaxed),
        }
    }
}

/// A thread that is interrupted.
struct Seat {
    pool: &'static BudgetPool,
    thread: u64,
    is_ready: AtomicBool,
    ends: AtomicBool,
    own: Spending,
    handlers: Spending,
    /// How often a handler has run.
    interruptions: AtomicU64,
    /// Those of them that found the thread in each place.
    at: [AtomicU64; Place::ALL.len()],
    /// How often a handler found lane 0 held by its own thread, and committed from another lane.
    detours: AtomicU64,
    /// How often it ought to have done so and did not.
    through_held: AtomicU64,
    /// How often it allocated.
    allocated: AtomicU64,
}

thread_local! {
    // Without initialisation and without a destructor, so that the handler may look.
    static SEAT: Cell<Option<&'static Seat>> = const { Cell::new(None) };
}

impl Seat {
    fn take(pool: &'static BudgetPool, thread: usize) -> &'static Seat {
        // For good, since no handler must find it gone.
        Box::leak(Box::new(Seat {
            pool,
            thread: thread as u64,
            is_ready: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            own: Spending::default(),
            handlers: Spending::default(),
            interruptions: AtomicU64::new(0),
            at: [const { AtomicU64::new(0) }; Place::ALL.len()],
            detours: AtomicU64::new(0),
            through_held: AtomicU64::new(0),
            allocated: AtomicU64::new(0),
        }))
    }

    /// What each call is, of the thread's own and of its handlers', in tokens in.
    fn amounts(&self) -> (u64, u64) {
        (2 * self.thread + 1, 2 * self.thread + 2)
    }

    /// What the thread does.
    fn spend(&'static self) {
        place::set_pool(self.pool);
        linger::set(true);
        SEAT.set(Some(self));
        self.is_ready.store(true, Ordering::Relaxed);
        let (amount, _) = self.amounts();
        while !self.ends.load(Ordering::Relaxed) {
            self.own.step(self.pool, amount);
            self.pool.snapshot().assert_is_one_state();
        }
        SEAT.set(None);
    }

    /// What a handler does.
    fn interrupt(&self) {
        let add = |to: &AtomicU64| to.fetch_add(1, Ordering::Relaxed);
        let here = place::here();
        for place in Place::ALL.into_iter().filter(|&place| here.contains(place)) {
            add(&self.at[place as usize]);
        }
        let lingers = linger::set(false);
        let (detours, allocations) = (place::met().detours, allocator::allocations());
        let (_, amount) = self.amounts();
        let took_effect = place::apart(|| {
            let took_effect = self.handlers.step(self.pool, amount);
            self.pool.snapshot().assert_is_one_state();
            took_effect
        });
        if took_effect && here.contains(Place::Lane0) {
            let went_round = place::met().detours > detours;
            add(if went_round {
                &self.detours
            } else {
                &self.through_held
            });
        }
        if allocator::allocations() != allocations {
            add(&self.allocated);
        }
        linger::set(lingers);
        add(&self.interruptions);
    }

    fn interruptions(&self) -> u64 {
        self.interruptions.load(Ordering::Relaxed)
    }
}

extern "C" fn on_interrupt(_: c_int) {
    let errno = Errno::last_raw();
    if let Some(seat) = SEAT.get() {
        seat.interrupt();
    }
    Errno::set_raw(errno);
}

/// What the handlers met, of all threads.
struct Outcome<'a>(&'a [&'static Seat]);

impl Outcome<'_> {
    fn sum(&self, of: impl Fn(&Seat) -> &AtomicU64) -> u64 {
        let each = |seat: &&'static Seat| of(seat).load(Ordering::Relaxed);
        self.0.iter().map(each).sum()
    }

    fn at(&self, place: Place) -> u64 {
        self.sum(|seat| &seat.at[place as usize])
    }

    fn lacks(&self, wanted: &[Place]) -> Option<Place> {
        let lacks = |&place: &Place| self.at(place) < ENOUGH;
        wanted.iter().copied().find(lacks)
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.0.len();
        let interruptions = self.sum(|seat| &seat.interruptions);
        write!(f, "{threads} threads, {interruptions} interruptions:")?;
        for place in Place::ALL {
            match self.at(place) {
                0 => {}
                count => write!(f, "\n{count:>12} {place}")?,
            }
        }
        let detours = self.sum(|seat| &seat.detours);
        write!(f, "\n{detours:>8} commits round the handler's own thread")
    }
}

fn interrupt_all(threads: usize, wanted: &[Place]) {
    // SAFETY: `on_interrupt` does only what is safe in a signal handler: atomics and plain cells of
    // the thread, and calls of a pool. It keeps `errno`.
    let handler = SigHandler::Handler(on_interrupt);
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: as above.
    unsafe { sigaction(INTERRUPT, &action) }.expect("a handler for the signal");

    // A thread and its handler hold a lane each.
    let builder = BudgetPool::builder()
        .limits(Limits::unlimited().input_tokens(MOST))
        .threads(2 * threads);
    let pool: &'static BudgetPool = Box::leak(Box::new(place::apart(|| builder.build())));
    let seats: Vec<_> = (0..threads)
        .map(|thread| Seat::take(pool, thread))
        .collect();
    let start = |&seat: &&'static Seat| thread::spawn(move || seat.spend());
    let handles: Vec<_> = seats.iter().map(start).collect();

    for seat in &seats {
        while !seat.is_ready.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }

    let outcome = Outcome(&seats);
    let mut interruptions = 0;
    while interruptions < INTERRUPTIONS || outcome.lacks(wanted).is_some() {
        if let (INTERRUPTIONS_AT_MOST, Some(place)) = (interruptions, outcome.lacks(wanted)) {
            panic!("too few {place}\n{outcome}");
        }
        let before: Vec<_> = seats.iter().map(|seat| seat.interruptions()).collect();
        for handle in &handles {
            pthread_kill(handle.as_pthread_t(), INTERRUPT).expect("a thread to signal");
        }
        let began = Instant::now();
        for (seat, before) in seats.iter().zip(before) {
            while seat.interruptions() == before {
                let waits = began.elapsed();
                assert!(waits < FOR_EVER, "a handler does not return\n{outcome}");
                thread::yield_now();
            }
        }
        interruptions += 1;
    }
    for seat in &seats {
        seat.ends.store(true, Ordering::Relaxed);
    }
    for handle in handles {
        handle.join().expect("no thread panics");
    }

    println!("{outcome}");
    let through_held = outcome.sum(|seat| &seat.through_held);
    assert_eq!(through_held, 0, "commits from a lane that is held");
    let allocated = outcome.sum(|seat| &seat.allocated);
    assert_eq!(allocated, 0, "handlers that allocated");
    assert!(outcome.sum(|seat| &seat.detours) >= ENOUGH);
    let mut expected = BudgetPool::new(Limits::unlimited().input_tokens(MOST)).snapshot();
    for seat in &seats {
        let (own, handlers) = seat.amounts();
        spend(&mut expected.spent, own, seat.own.calls());
        spend(&mut expected.spent, handlers, seat.handlers.calls());
    }
    assert_eq!(pool.snapshot(), expected);
}

#[test]
fn a_signal_handler_uses_the_pool_whose_call_it_interrupts() {
    let _turn = wait_for_turn();
    let alone = [
        Place::Lane0,
        Place::Filled,
        Place::Committed,
        Place::Settle,
        Place::Drop,
        Place::Forfeit,
        Place::Refused,
    ];
    interrupt_all(1, &alone);
    interrupt_all(4, &[&alone[..], &[Place::FurtherLane]].concat());
}
