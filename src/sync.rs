//! The atomics that the register is made of, and how long it waits.
//!
//! The register imports them from here and from nowhere else. The model checks compile the same
//! files against a module of this name and shape whose atomics are loom's
//! (`loom-tests/src/sync.rs`), so nothing in `src/` depends on a `cfg` that somebody could
//! forget to set, or that another crate's build sets for us.

use core::cell::Cell;

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{fence, AtomicPtr, AtomicU64, Ordering};
pub(crate) use std::thread::yield_now;

thread_local! {
    // Without initialisation and without a destructor, so that it costs a load.
    static HINT: Cell<usize> = const { Cell::new(0) };
}

/// What this thread noted last. A hint: any value will do.
#[inline(always)]
pub(crate) fn hint() -> usize {
    HINT.try_with(Cell::get).unwrap_or(0)
}

#[inline(always)]
pub(crate) fn set_hint(hint: usize) {
    // Where thread-locals are gone, at the end of a thread, there is none.
    let _ = HINT.try_with(|kept| kept.set(hint));
}

/// How long the head may stand still before a waiting caller takes a detour, in turns of the
/// processor's pause instruction. A yield counts for 100.
///
/// A fresh wait is five pauses, 375 turns on average (4 microseconds on AMD, about 15 on Intel since
/// Skylake), then six or seven yields. A wait that goes on after the head has moved only yields, ten
/// times. That is some hundred times as long as a running holder needs. A detour that comes too early
/// costs all callers more than it saves one.
pub(crate) const fn patience() -> u32 {
    1_000
}

/// How often a reader tries without a claim, and so does a caller whose last update was refused. After
/// that it claims a lane, and only updates from other lanes can come between. Beside one writer that
/// does nothing else, every second try succeeds.
pub(crate) const fn looks() -> u32 {
    16
}
