//! Threads that take their time.
//!
//! The places that matter are some instructions wide, and where there are few cores a
//! thread is seldom stopped in one of them. So the atomics of this package linger: a
//! thread spins, to be caught at any instruction, and gives way, so that many are under
//! way at once. This is all that is done to aim. No thread asks whether somebody wants
//! to stop it.

use std::cell::Cell;
use std::hint::spin_loop;
use std::thread::yield_now;

thread_local! {
    static LINGERS: Cell<bool> = const { Cell::new(false) };
    static MIXED: Cell<u32> = const { Cell::new(1) };
}

/// Whether the calling thread lingers from now on. Returns whether it did before.
pub fn set(lingers: bool) -> bool {
    LINGERS.replace(lingers)
}

/// Lingers for so many turns of the others.
pub fn linger(turns: u32) {
    if !LINGERS.get() {
        return;
    }
    for _ in 0..turns {
        for _ in 0..32 {
            spin_loop();
        }
        yield_now();
    }
}

/// How many turns are more than a thread waits for the holder of its lane.
const LONG: u32 = 12;

/// Lingers where a thread holds a lane: for a turn, or one time in `often` until those who wait
/// for the lane have lost patience.
pub(crate) fn with_a_lane(often: u32) {
    if mixed() % often == 0 {
        for_long();
    } else {
        linger(1);
    }
}

/// Lingers where threads come seldom.
pub(crate) fn for_long() {
    linger(LONG);
}

/// Lingers before some of the operations on atomics, one in 32, so that threads are
/// stopped between any two.
pub(crate) fn now_and_then() {
    if mixed() % 32 == 0 {
        linger(1);
    }
}

/// A number that only looks random.
pub(crate) fn mixed() -> u32 {
    // xorshift32.
    let mut mixed = MIXED.get();
    mixed ^= mixed << 13;
    mixed ^= mixed >> 17;
    mixed ^= mixed << 5;
    MIXED.set(mixed);
    mixed
}
