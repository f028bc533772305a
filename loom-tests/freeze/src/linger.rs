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

/// Whether the calling thread lingers from now on.
pub fn set(lingers: bool) {
    LINGERS.set(lingers);
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

/// Lingers before some of the operations on atomics, one in 32, so that threads are
/// stopped between any two.
pub(crate) fn now_and_then() {
    // xorshift32: numbers that only look random.
    let mut mixed = MIXED.get();
    mixed ^= mixed << 13;
    mixed ^= mixed >> 17;
    mixed ^= mixed << 5;
    MIXED.set(mixed);
    if mixed % 32 == 0 {
        linger(1);
    }
}
