//! The register itself, with as few words as it takes.
//!
//! loom tries for each load each store that it may read, so what is explored grows with
//! two to the power of the words that a slow reader reads. A pool reads twenty; here are
//! one or two amounts and one term. It is the register that has the orderings, and this is
//! where they are checked; the other files check that what stands on it is right.
//!
//! A scenario (see `case.rs`; with nodes below the register, `trees/case.rs`) is a register, what is done before the threads start, and a
//! program for each thread.

#[path = "../../../src/register/mod.rs"]
// Only pools use `fixed`, and some names that it exports.
#[allow(dead_code, unused_imports)]
mod register;
// `loom-tests/src/scenario.rs` uses the rest of it.
#[path = "../../src/sync.rs"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod sync;

mod case;
mod step;

mod detours;
mod further;
mod hints;
mod lanes;
mod never_were;
mod notes;
mod readers;
mod terms;
mod trees;
mod unbounded;
mod unwinding;
