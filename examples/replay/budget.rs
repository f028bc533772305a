//! The four amounts that a replay can be limited in, always in the same order: that of [`CAPS`].

use token_budget_pool::{Cap, Limits, MicroUsd, Spent, Usage};

pub(crate) const CAPS: [Cap; 4] = [
    Cap::InputTokens,
    Cap::OutputTokens,
    Cap::TotalTokens,
    Cap::Cost,
];

/// Tokens, and nano-dollars for the cost; wider than the library's own so that sums of them cannot overflow.
pub(crate) type Amounts = [u128; 4];

pub(crate) fn of_usage(usage: Usage) -> Amounts {
    let cost = usage.cost.expect("a replay prices every call");
    amounts(usage.input_tokens, usage.output_tokens, cost)
}

pub(crate) fn of_spent(spent: Spent) -> Amounts {
    amounts(spent.input_tokens, spent.output_tokens, spent.cost)
}

fn amounts(input: u64, output: u64, cost: MicroUsd) -> Amounts {
    let (input, output) = (u128::from(input), u128::from(output));
    [input, output, input + output, cost.as_nanos().into()]
}

pub(crate) fn of_limits(limits: Limits) -> [Option<u128>; 4] {
    let cost = limits.cost.map(MicroUsd::as_nanos);
    let caps = [
        limits.input_tokens,
        limits.output_tokens,
        limits.total_tokens,
        cost,
    ];
    caps.map(|cap| cap.map(u128::from))
}

/// An amount in plain decimals, of dollars if it is a cost.
pub(crate) fn plain(cap: Cap, amount: u128) -> String {
    match u64::try_from(amount) {
        Ok(nanos) if cap == Cap::Cost => MicroUsd::from_nanos(nanos).to_string(),
        _ => amount.to_string(),
    }
}
