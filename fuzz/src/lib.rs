//! What is done with a fuzzer's bytes: one file per target.
//!
//! Plain functions that know no fuzzer. Each of those for a parser reads its text a second
//! time, in a simpler way, and panics where the two readings part. It returns whether the text
//! was accepted.

// `tests/corpus.rs` includes this file, and exports nothing.
#![allow(unreachable_pub)]

pub mod amount;
pub mod operations;
pub mod prices;
pub mod snapshot;
pub mod trace;

mod decimal;
mod json;
mod refusal;
mod replay;

#[path = "../../tests/support/oracle.rs"]
mod oracle;
#[path = "../../tests/support/program.rs"]
mod program;
