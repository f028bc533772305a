//! Native threads against one pool: exact sums, and every single answer explained.
//!
//! The model checks show small scenarios in every interleaving. Here large ones run in those
//! that the machine comes up with. Nothing is taken on trust for that: accepted operations
//! carry their place in the order, so the whole history is put back in order and replayed, and
//! every refusal and every snapshot has to be of a state in it.
//!
//! No test waits for a time to pass. One that has to see something happen goes on until it did.

mod changing_limits;
mod closing;
mod limits;
mod one_order;
mod periods;
mod snapshots;
mod threads_come_and_go;
mod thresholds;

mod ratio;
mod together;

#[path = "../support/mixed.rs"]
mod mixed;
#[path = "../support/oracle.rs"]
mod oracle;
