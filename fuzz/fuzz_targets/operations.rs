#![no_main]

use libfuzzer_sys::fuzz_target;
use token_budget_pool_fuzz::operations::{check, Program};

// As a program, so that `cargo fuzz fmt` prints one and not bytes.
fuzz_target!(|program: Program| check(&program));
