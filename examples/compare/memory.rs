//! How much memory is allocated, counted on demand.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// The system's allocator, which counts only when asked: a rival that allocates in every
/// call would otherwise have its threads meet here.
pub(crate) struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: all is passed on to `System` as it came. Counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`, and `pointer` came from
        // `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline]
fn count(bytes: i64) {
    // Relaxed, here and below: threads are joined before anybody reads the sum.
    if ON.load(Relaxed) {
        LIVE.fetch_add(bytes, Relaxed);
    }
}

/// Counts the bytes allocated and not freed, from now until dropped.
pub(crate) struct Counted(());

impl Counted {
    pub(crate) fn start() -> Self {
        LIVE.store(0, Relaxed);
        ON.store(true, Relaxed);
        Self(())
    }

    pub(crate) fn bytes(&self) -> f64 {
        LIVE.load(Relaxed) as f64
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ON.store(false, Relaxed);
    }
}
