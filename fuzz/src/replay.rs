//! The parsers of the example `replay`.

// Of which only what they make of a file is wanted.
#![allow(dead_code)]

#[path = "../../examples/replay/input.rs"]
pub(crate) mod input;
#[path = "../../examples/replay/prices.rs"]
pub(crate) mod prices;
#[path = "../../examples/replay/trace.rs"]
pub(crate) mod trace;
