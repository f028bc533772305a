//! Where the calling thread is, kept where a signal handler that interrupts it can look.
//!
//! `sync` tells of the places inside the library, the test of those around it. A place
//! is entered after what puts a thread there and left before what takes it away: a
//! thread that is said to be there is there.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{compiler_fence, AtomicU16, Ordering};

/// A stretch of a thread's way that matters for who else can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Between claiming the shared pair and giving it back.
    SharedPair,
    /// Between filling a slot and the CAS of the head that would publish it.
    Filled,
    /// Between the CAS of the head and giving the shared pair back.
    Swung,
    /// Between making a page and having it installed, or found another's there.
    Installing,
    /// In the allocator.
    Allocator,
    /// In the end of a reservation that is settled.
    Settle,
    /// In the end of one that is dropped.
    Drop,
    /// Between asking for the lock of a pool that has one and having given it back.
    Lock,
    /// Between getting such a lock and giving it back.
    LockHeld,
}

impl Place {
    pub const ALL: [Place; 9] = [
        Place::SharedPair,
        Place::Filled,
        Place::Swung,
        Place::Installing,
        Place::Allocator,
        Place::Settle,
        Place::Drop,
        Place::Lock,
        Place::LockHeld,
    ];

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::SharedPair => "holding the shared pair",
            Place::Filled => "between filling a slot and its CAS",
            Place::Swung => "after the CAS, before the shared pair was given back",
            Place::Installing => "in the installation of a page",
            Place::Allocator => "in the allocator",
            Place::Settle => "in settle",
            Place::Drop => "in drop",
            Place::Lock => "at the lock",
            Place::LockHeld => "holding the lock",
        })
    }
}

/// The places that a thread is at, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places(pub u16);

impl Places {
    pub fn contains(self, place: Place) -> bool {
        self.0 & place.bit() != 0
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = Place::ALL.into_iter().filter(|&place| self.contains(place));
        match at.next() {
            None => f.write_str("elsewhere")?,
            Some(first) => write!(f, "{first}")?,
        }
        at.try_for_each(|place| write!(f, ", {place}"))
    }
}

thread_local! {
    // Without initialisation and without destructors, so that a signal handler and an
    // allocator may touch them.
    static HERE: AtomicU16 = const { AtomicU16::new(0) };
    static TURNED_AWAY: Cell<u64> = const { Cell::new(0) };
}

/// Where the calling thread is.
pub fn here() -> Places {
    Places(HERE.with(|here| here.load(Ordering::Relaxed)))
}

fn set_here(places: u16) {
    // What comes before and after stays there: for a handler that runs on the same thread,
    // it takes the compiler's part of a fence and no more.
    compiler_fence(Ordering::SeqCst);
    HERE.with(|here| here.store(places, Ordering::Relaxed));
    compiler_fence(Ordering::SeqCst);
}

pub fn enter(place: Place) {
    set_here(here().0 | place.bit());
}

pub fn leave(place: Place) {
    set_here(here().0 & !place.bit());
}

/// Does `work` at `place`.
pub fn at<R>(place: Place, work: impl FnOnce() -> R) -> R {
    enter(place);
    let result = work();
    leave(place);
    result
}

pub(crate) fn turn_away() {
    TURNED_AWAY.set(TURNED_AWAY.get() + 1);
}

/// How often the calling thread has found the shared pair taken.
pub fn turned_away() -> u64 {
    TURNED_AWAY.get()
}
