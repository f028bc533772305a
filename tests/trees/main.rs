//! Pools below pools.

mod children;
mod properties;

#[path = "../support/amounts.rs"]
mod amounts;
#[path = "../support/oracle.rs"]
mod oracle;
#[path = "../support/tree_oracle.rs"]
mod tree_oracle;
#[path = "../support/tree_program.rs"]
mod tree_program;
