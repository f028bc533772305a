//! Nodes below a register.
//!
//! Each node has one sum and one limit. The oracle is a plain tree: see `step.rs`.

pub(crate) mod case;
pub(crate) mod step;

pub(crate) mod detours;
pub(crate) mod free;
pub(crate) mod nodes;
pub(crate) mod paths;
pub(crate) mod raises;
pub(crate) mod readers;
pub(crate) mod refusals;
pub(crate) mod terms;
pub(crate) mod unwinding;
