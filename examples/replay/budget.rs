//! The four amounts that a replay can be limited in, always in the same order: that of [`DIMENSIONS`].

use token_budget_pool::{self as pool, Dimension, Limits, Spent, Usage, Usd};

pub(crate) const DIMENSIONS: [Dimension; 4] = [
    Dimension::InputTokens,
    Dimension::OutputTokens,
    Dimension::TotalTokens,
    Dimension::Cost,
];

/// Tokens, and nano-dollars for the cost. They are wider than the library's own, so that sums cannot overflow.
pub(crate) type Amounts = [u128; 4];

pub(crate) fn of_usage(usage: Usage) -> Amounts {
    let cost = usage.cost.expect("a replay prices every call");
    amounts(usage.input_tokens, usage.output_tokens, cost)
}

pub(crate) fn of_reserved(reserved: pool::Amounts) -> Amounts {
    amounts(reserved.input_tokens, reserved.output_tokens, reserved.cost)
}

pub(crate) fn of_spent(spent: Spent) -> Amounts {
    amounts(spent.input_tokens, spent.output_tokens, spent.cost)
}

fn amounts(input: u64, output: u64, cost: Usd) -> Amounts {
    let (input, output) = (u128::from(input), u128::from(output));
    [input, output, input + output, cost.as_nanos().into()]
}

pub(crate) fn of_limits(limits: Limits) -> [Option<u128>; 4] {
    let cost = limits.cost.map(Usd::as_nanos);
    let limits = [
        limits.input_tokens,
        limits.output_tokens,
        limits.total_tokens,
        cost,
    ];
    limits.map(|limit| limit.map(u128::from))
}

/// An amount in plain decimals, of dollars if it is a cost.
pub(crate) fn plain(dimension: Dimension, amount: u128) -> String {
    match u64::try_from(amount) {
        Ok(nanos) if dimension == Dimension::Cost => Usd::from_nanos(nanos).to_string(),
        _ => amount.to_string(),
    }
}
