//! Native threads on one tree: no limit is passed at any level, every sum is exact, and every snapshot
//! of the tree shows one moment.
//!
//! No test waits for a time to pass. One that has to see something happen goes on until it did.

mod come_and_go;
mod exact_fill;
mod limits;
mod one_moment;
mod windows;
