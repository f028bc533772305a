//! Recorded histories: every call of 2 to 32 native threads, with when it began and ended,
//! what it asked and what it was answered, and some order of all calls explains them all.
//!
//! The order must keep that of time, and the sequential pool (`tests/support/oracle.rs`)
//! must give each answer at its place in it. That leaves no room for a call that was
//! refused although it fitted, for totals that were never true, and for a read that comes
//! late. Records and reads of totals are checked in one go, however many (`records.rs` and
//! `checker.rs`). Resets, reservations and changes of the limits do not all tell their place
//! in the order, so it is searched for (`windows.rs` and `search.rs`), with 2 to 8 threads.
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
mod windows;

#[path = "../support/mixed.rs"]
mod mixed;
#[path = "../support/oracle.rs"]
mod oracle;

const THREADS: [usize; 5] = [2, 4, 8, 16, 32];
