//! Where the calling thread is, kept where a signal handler that interrupts it can look.
//!
//! `sync` notes the places inside the library, the tests those around it. A place is entered
//! after the step that puts a thread there, and left before the step that takes it away: a thread
//! that is noted there is there.

use std::cell::Cell;
use std::fmt;
use std::mem::size_of;
use std::sync::atomic::{compiler_fence, AtomicU32, Ordering};

use crate::BudgetPool;

/// A stretch of a thread's way that matters for whether others can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Between claiming lane 0 and giving it back.
    Lane0,
    /// Between claiming or appending another lane and giving it back.
    FurtherLane,
    /// Between filling a slot and the CAS of the head that would publish it.
    Filled,
    /// Between the CAS of the head and giving the lane back.
    Committed,
    /// Between making a lane and appending it.
    Append,
    /// Between writing to the list of a slot and the CAS of the head that would publish it.
    Listed,
    /// Between deciding to raise the head of a node and its CAS.
    Raise,
    /// Between making what a tree has for a lane (lists, or the slots of a node) and appending it.
    /// The thread holds that lane.
    AppendForLane,
    /// Between making some nodes, or the tree itself, and appending them.
    AppendNodes,
    /// Between finding a node free and the CAS that takes it.
    TakeNode,
    /// Between deciding to give a node back and the CAS that does.
    GiveNodeBack,
    /// Between asking for a child and having it.
    Make,
    /// In the drop of a child.
    DropChild,
    /// In the allocator.
    Allocator,
    /// In the end of a call that is settled.
    Settle,
    /// In the end of a reservation that is dropped.
    Drop,
    /// In the end of a call that is dropped. It changes the terms.
    Forfeit,
    /// In a call that is refused.
    Refused,
    /// In a snapshot.
    Snapshot,
    /// With the lock of those that wait for room.
    Queue,
    /// Between asking for the lock of a pool that has one and having given it back.
    Lock,
    /// Between getting such a lock and giving it back.
    LockHeld,
}

impl Place {
    pub const ALL: [Place; 22] = [
        Place::Lane0,
        Place::FurtherLane,
        Place::Filled,
        Place::Committed,
        Place::Append,
        Place::Listed,
        Place::Raise,
        Place::AppendForLane,
        Place::AppendNodes,
        Place::TakeNode,
        Place::GiveNodeBack,
        Place::Make,
        Place::DropChild,
        Place::Allocator,
        Place::Settle,
        Place::Drop,
        Place::Forfeit,
        Place::Refused,
        Place::Snapshot,
        Place::Queue,
        Place::Lock,
        Place::LockHeld,
    ];

    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Lane0 => "holding lane 0",
            Place::FurtherLane => "holding a further lane",
            Place::Filled => "between filling a slot and its CAS",
            Place::Committed => "after the CAS, before the lane was given back",
            Place::Append => "in the append of a lane",
            Place::Listed => "between writing to a list and its CAS",
            Place::Raise => "in the raise of a node's head",
            Place::AppendForLane => "in the append of what a tree has for a lane",
            Place::AppendNodes => "in the append of nodes",
            Place::TakeNode => "in the take of a free node",
            Place::GiveNodeBack => "in the return of a node",
            Place::Make => "in the making of a child",
            Place::DropChild => "in the drop of a child",
            Place::Allocator => "in the allocator",
            Place::Settle => "in settle",
            Place::Drop => "in the drop of a reservation",
            Place::Forfeit => "in the drop of a call",
            Place::Refused => "in a call that is refused",
            Place::Snapshot => "in a snapshot",
            Place::Queue => "with the lock of those that wait",
            Place::Lock => "at the lock",
            Place::LockHeld => "holding the lock",
        })
    }
}

/// The places that a thread is at, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places(pub u32);

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

/// What a thread has met in its updates.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// It found lane 0 held.
    pub turned_away: u64,
    /// It committed from another lane.
    pub detours: u64,
    /// It appended one.
    pub appends: u64,
}

thread_local! {
    // Without initialisation and without destructors, so that a signal handler and an
    // allocator may touch them.
    static HERE: AtomicU32 = const { AtomicU32::new(0) };
    /// The address of the pool that the thread uses.
    static POOL: Cell<usize> = const { Cell::new(0) };
    static MET: Cell<Met> = const {
        Cell::new(Met {
            turned_away: 0,
            detours: 0,
            appends: 0,
        })
    };
}

/// Where the calling thread is.
pub fn here() -> Places {
    Places(HERE.with(|here| here.load(Ordering::Relaxed)))
}

fn set_here(places: u32) {
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

/// Whether the calling thread holds a lane.
pub(crate) fn holds_a_lane() -> bool {
    here().contains(Place::Lane0) || here().contains(Place::FurtherLane)
}

/// Does `work` at `place`.
pub fn at<R>(place: Place, work: impl FnOnce() -> R) -> R {
    enter(place);
    let result = work();
    leave(place);
    result
}

/// Does `work` with places of its own: that of a signal handler, or that of a pool's making, whose
/// lanes nobody holds.
pub fn apart<R>(work: impl FnOnce() -> R) -> R {
    let before = here();
    set_here(0);
    let result = work();
    set_here(before.0);
    result
}

/// The pool that the calling thread uses from now on. Its address shows which lane 0 is its own.
pub fn set_pool(pool: &BudgetPool) {
    POOL.set(std::ptr::from_ref(pool) as usize);
}

/// Whether this lies in that pool, and not on the heap.
pub(crate) fn is_in_pool<T>(part: &T) -> bool {
    let offset = (std::ptr::from_ref(part) as usize).wrapping_sub(POOL.get());
    offset < size_of::<BudgetPool>()
}

/// What the calling thread has met so far.
pub fn met() -> Met {
    MET.get()
}

pub(crate) fn count_turned_away() {
    let met = MET.get();
    MET.set(Met {
        turned_away: met.turned_away + 1,
        ..met
    });
}

pub(crate) fn count_detour() {
    let met = MET.get();
    MET.set(Met {
        detours: met.detours + 1,
        ..met
    });
}

pub(crate) fn count_append() {
    let met = MET.get();
    MET.set(Met {
        appends: met.appends + 1,
        ..met
    });
}
