//! Pools below pools: what a tree answers to one thread, by example and beside a sequential tree, and to
//! many threads at once.

mod bad_input;
mod counting;
mod display;
mod giving_back;
mod one_node;
mod overflow;
mod owned;
mod properties;
mod receipts;
mod refusals;
mod snapshots;
mod stress;
mod thresholds;
mod unknown_costs;

#[path = "../support/amounts.rs"]
mod amounts;
#[path = "../support/mixed.rs"]
mod mixed;
#[path = "../support/oracle.rs"]
mod oracle;
#[path = "../stress/ratio.rs"]
mod ratio;
#[path = "../support/strategies.rs"]
mod strategies;
#[path = "../stress/together.rs"]
mod together;
#[path = "../support/tree_oracle.rs"]
mod tree_oracle;
#[path = "../support/tree_program.rs"]
mod tree_program;
