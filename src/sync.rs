//! The atomics that the register is made of, and how long it waits. (And the lock of those that wait for
//! room.)
//!
//! The register imports them only from here. The model checks compile the same files against another
//! module of this name and shape, with loom's atomics (`loom-tests/src/sync.rs`). So nothing in
//! `src/` depends on a `cfg` that someone could forget to set, or that another crate's build could
//! set for us.

use core::cell::Cell;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{fence, AtomicPtr, AtomicU64, Ordering};
// The words of a tree that are not in a lane. They are the same here. The model checks watch each kind
// in its own way.
pub(crate) use core::sync::atomic::{AtomicU64 as AtomicLink, AtomicU64 as AtomicNodeHead};
pub(crate) use std::sync::{Mutex, MutexGuard};
pub(crate) use std::thread::yield_now;

thread_local! {
    // Needs no initialisation and no destructor, so an access costs only a load.
    static HINT: Cell<usize> = const { Cell::new(0) };
}

/// What this thread noted last. It is only a hint: any value is correct.
#[inline(always)]
pub(crate) fn hint() -> usize {
    HINT.try_with(Cell::get).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn set_hint(hint: usize) {
    // At the end of a thread, its thread-locals are gone. Then there is no hint.
    let _ = HINT.try_with(|kept| kept.set(hint));
}

/// How long the head may stand still before a waiting caller takes a detour, in pause instructions of
/// the processor. A yield counts as 100.
///
/// A fresh wait is five pauses, then six or seven yields. The pauses are 375 instructions on average:
/// 4 microseconds on AMD, about 15 on Intel since Skylake. A wait that goes on after the head has moved
/// only yields, ten times. That is some hundred times as long as a running holder needs. A detour that
/// comes too early costs all callers more than it saves one.
pub(crate) const fn patience() -> u32 {
    1_000
}

/// How many times a reader tries without a claim, or a caller whose last update was refused. After
/// that it claims a lane, and only updates from other lanes can interfere. Next to one writer that
/// does nothing else, every second try succeeds.
pub(crate) const fn looks() -> u32 {
    16
}
