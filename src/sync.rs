//! The atomics that the register and the thread numbers are made of.
//!
//! Both import them from here and from nowhere else. The model checks compile
//! the same files against a module of this name and shape whose atomics are
//! loom's (`loom-tests/src/sync.rs`), so nothing in `src/` depends on a `cfg`
//! that somebody could forget to set, or that another crate's build sets for us.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{fence, AtomicBool, AtomicPtr, AtomicU64, Ordering};
pub(crate) use std::thread::yield_now;
