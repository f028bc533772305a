//! Random amounts and usages, for the programs on a pool and on a tree.

use proptest::prelude::*;
use token_budget_pool::{Usage, Usd};

/// Small amounts, so that sums of a few end just below a limit, on it or just above.
pub(crate) fn small() -> BoxedStrategy<u64> {
    prop_oneof![2 => Just(0), 8 => 0..=12_u64].boxed()
}

/// Mostly small ones, and those where counting ends.
pub(crate) fn edgy() -> BoxedStrategy<u64> {
    prop_oneof![
        8 => 0..=12_u64,
        1 => (0..=3_u64).prop_map(|less| u64::MAX - less),
        1 => (0..=3_u64).prop_map(|more| (1 << 63) - 2 + more),
        1 => any::<u64>(),
    ]
    .boxed()
}

pub(crate) fn usage(amount: BoxedStrategy<u64>) -> BoxedStrategy<Usage> {
    let cost = proptest::option::weighted(0.85, amount.clone());
    (amount.clone(), amount, cost)
        .prop_map(|(input, output, cost)| {
            let mut usage = Usage::tokens(input, output);
            usage.cost = cost.map(Usd::from_nanos);
            usage
        })
        .boxed()
}
