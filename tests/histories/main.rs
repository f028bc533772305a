//! Recorded histories: every operation of 2 to 32 native threads, with when it began and ended,
//! what it asked for and what it was answered. One order of all operations explains them all.
//!
//! The order must keep that of time, and the sequential pool (`tests/support/oracle.rs`)
//! must give each answer at its place in it. That leaves no room for a call that was
//! refused although it fitted, for totals that were never true, or for a read that comes
//! late. Records and reads of totals are checked in one go, however many (`records.rs` and
//! `checker.rs`). Not every answer to a reset, a reservation or a change of the limits says its
//! place in the order. For those the order is searched for (`windows.rs` and `search.rs`), with
//! 2 to 8 threads. So it is for trees, with snapshots of several pools (`trees.rs`).
//!
//! That the checkers catch what is wrong is checked on a pool that is wrong (`naive.rs`), on
//! histories written by hand, and on random ones, beside brute force.

mod brute_force;
mod checker;
mod gate;
mod hand_written;
mod naive;
mod operation;
mod overlap;
mod recorder;
mod records;
mod search;
mod trees;
mod windows;

#[path = "../support/mixed.rs"]
mod mixed;
#[path = "../support/oracle.rs"]
mod oracle;
#[path = "../support/tree_oracle.rs"]
mod tree_oracle;

const THREADS: [usize; 5] = [2, 4, 8, 16, 32];
