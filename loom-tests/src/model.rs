//! Which model checker this is: loom, or shuttle where the feature `shuttle` says so.
//!
//! The shim and the scenarios are made of what is imported from here. What runs them
//! is `exhaust.rs` with loom, `sample.rs` with shuttle.

#[cfg(not(feature = "shuttle"))]
pub use loom::{
    sync::{atomic, Mutex, MutexGuard},
    thread,
};
#[cfg(feature = "shuttle")]
pub use shuttle::{
    sync::{atomic, Mutex, MutexGuard},
    thread,
};

/// A clock. What ended before something else began has happened before that.
#[cfg(feature = "shuttle")]
pub fn now() -> usize {
    shuttle::current::context_switches()
}

/// A clock that stands still: in the C11 model no order in time is a promise.
#[cfg(not(feature = "shuttle"))]
pub fn now() -> usize {
    0
}
