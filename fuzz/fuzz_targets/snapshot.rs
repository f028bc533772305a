#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    token_budget_pool_fuzz::snapshot::check(bytes);
});
