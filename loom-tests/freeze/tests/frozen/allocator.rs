//! The system's allocator, which notes when a thread is in it, and counts what a round takes.
//!
//! It may lock, and a thread that is frozen with that lock stops everybody who allocates.
//! That is no fault of a pool, so nobody is frozen there.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

use token_budget_pool::place::{self, Place};

use crate::freezer;
use crate::ROUNDS_AT_MOST;

/// Bytes that the threads of each round took, and did not give back.
static BYTES: [AtomicI64; ROUNDS_AT_MOST] = [const { AtomicI64::new(0) }; ROUNDS_AT_MOST];

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that threads took in this round, and did not give back.
pub fn bytes(round: usize) -> i64 {
    BYTES[round].load(Ordering::Relaxed)
}

/// Counts all rounds from zero again.
pub fn forget() {
    for bytes in &BYTES {
        bytes.store(0, Ordering::Relaxed);
    }
}

/// How often the calling thread has allocated.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

fn count(allocations: u64, bytes: i64) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    // A thread that is in no round is in one that there is not.
    if let Some(round) = BYTES.get(freezer::round()) {
        round.fetch_add(bytes, Ordering::Relaxed);
    }
}

struct Marked;

// SAFETY: it hands every call on to the system's allocator and returns what that says.
unsafe impl GlobalAlloc for Marked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe {
            System.dealloc(memory, layout)
        })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe {
            System.realloc(memory, layout, size)
        })
    }
}

#[global_allocator]
static ALLOCATOR: Marked = Marked;
