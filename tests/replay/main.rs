//! The example `replay` as its users run it: the built program, real files, exit status and output.

mod bad_input;
mod output;
mod plain_loop;
mod prices;
mod sums;
mod tree;
mod tree_plain_loop;

mod answers;
#[path = "../support/example.rs"]
mod example;
mod files;
mod program;
