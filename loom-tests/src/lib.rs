//! The library's own files, compiled against a model checker: loom, or shuttle.
//!
//! `sync` is a module of this package in place of the library's of the same name and shape:
//! nothing in the library's `src/` knows of a checker, so no flag can be forgotten.
//! Everything else is included from there as it is.
//!
//! A scenario (see [`scenario`]) is a pool, a program for each of some threads, and
//! the answers that sequential orders of these programs allow (see `src/explain.rs`). There
//! are three packages of these files, and they find different bugs, so run them all
//! (`cargo test --workspace`):
//!
//! - `cargo test`: loom, with the plain shim. All executions of short programs.
//! - `cargo test -p token-budget-pool-ghost`: loom, with the ghost shim (see `src/sync.rs`).
//! - `cargo test -p token-budget-pool-shuttle`: shuttle. Random executions of long
//!   programs (see `src/sample.rs`).

extern crate self as token_budget_pool;

include!("library.rs");

#[allow(dead_code)] // `tests/register` uses the rest of it.
mod sync;

#[path = "../../tests/support/oracle.rs"]
// In the crate that defines them, `non_exhaustive` enums are exhausted.
#[allow(unreachable_patterns, clippy::field_reassign_with_default)]
mod oracle;

#[cfg(not(feature = "shuttle"))]
pub mod crossing;
#[cfg(not(feature = "shuttle"))]
pub mod exhaust;
mod explain;
pub mod model;
#[cfg(feature = "shuttle")]
mod sample;
pub mod scenario;
mod sequence;
mod tree_oracle;
pub mod tree_scenario;
pub mod wait_scenario;
