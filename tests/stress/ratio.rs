//! Amounts in a ratio of their own. A sum of two states, or half of one, is in another.

use token_budget_pool::{Spent, Usage, Usd};

pub(crate) fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(Usd::from_nanos(nanos))
}

pub(crate) fn in_ratio(amount: u64) -> Usage {
    usage(amount, 2 * amount, 3 * amount)
}

pub(crate) fn is_in_ratio(spent: Spent) -> bool {
    let amount = spent.input_tokens;
    spent.output_tokens == 2 * amount && spent.cost.as_nanos() == 3 * amount
}
