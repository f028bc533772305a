//! Short ways to write amounts, and to read a refusal.

// Each test program uses the part that it needs.
#![allow(dead_code)]

use token_budget_pool::{
    Amount, Amounts, BudgetExceeded, BudgetPool, Caps, Dimension, Excess, Reason, Rejected, Spent,
    Totals, Usage, Usd,
};

/// The largest count, and in nano-dollars the largest cost.
pub(crate) const MOST: u64 = u64::MAX;

pub(crate) const fn nanos(nanos: u64) -> Usd {
    Usd::from_nanos(nanos)
}

/// Tokens in, tokens out, nano-dollars.
pub(crate) const fn usage(input: u64, output: u64, cost: u64) -> Usage {
    Usage::tokens(input, output).cost(nanos(cost))
}

/// Tokens in, tokens out, nano-dollars.
pub(crate) fn amounts(input: u64, output: u64, cost: u64) -> Amounts {
    let mut amounts = Amounts::default();
    amounts.input_tokens = input;
    amounts.output_tokens = output;
    amounts.cost = nanos(cost);
    amounts
}

/// Tokens in, tokens out, total tokens, nano-dollars, calls.
pub(crate) fn excess(input: u64, output: u64, total: u64, cost: u64, calls: u64) -> Excess {
    let mut excess = Excess::default();
    excess.input_tokens = input;
    excess.output_tokens = output;
    excess.total_tokens = total;
    excess.cost = nanos(cost);
    excess.calls = calls;
    excess
}

/// What is spent on these calls. None of them is a guess.
pub(crate) fn spent(input: u64, output: u64, cost: u64, calls: u64) -> Spent {
    let mut spent = Spent::default();
    spent.input_tokens = input;
    spent.output_tokens = output;
    spent.cost = nanos(cost);
    spent.calls = calls;
    spent
}

/// The same, with so many unpriced calls.
pub(crate) fn unpriced(calls: u64, spent: Spent) -> Spent {
    let mut spent = spent;
    spent.unpriced_calls = calls;
    spent
}

/// The same, with so many forfeited calls, which are in the cost with so many nano-dollars.
pub(crate) fn forfeited(calls: u64, cost: u64, spent: Spent) -> Spent {
    let mut spent = spent;
    spent.forfeited_calls = calls;
    spent.forfeited_cost = nanos(cost);
    spent
}

/// Fails while anything is reserved.
#[track_caller]
pub(crate) fn assert_nothing_is_reserved(pool: &BudgetPool) {
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.reserved, Amounts::default());
    assert_eq!(snapshot.calls_in_flight, 0);
}

pub(crate) fn cost_cap(dollars: f64) -> Caps {
    Caps {
        max_cost_usd: Some(dollars),
        ..Caps::default()
    }
}

/// What `record` answers where a cap refuses.
pub(crate) fn refused(
    cap: &'static str,
    limit: f64,
    attempted: f64,
) -> Result<Totals, BudgetExceeded> {
    Err(BudgetExceeded {
        cap,
        limit,
        attempted,
    })
}

/// Of a refusal by a limit: its dimension, the reason, and limit, spent, reserved, requested. Fails if
/// one of these is not in the unit of the dimension.
#[track_caller]
pub(crate) fn exceeded(rejected: Rejected) -> (Dimension, Reason, [u64; 4]) {
    let Rejected::Exceeded(exceeded) = rejected else {
        panic!("not refused by a limit: {rejected:?}");
    };
    let dimension = exceeded.dimension();
    let amounts = [
        exceeded.limit(),
        exceeded.spent(),
        exceeded.reserved(),
        exceeded.requested(),
    ];
    let counts = amounts.map(|amount| match (dimension, amount) {
        (Dimension::Cost, Amount::Cost(cost)) => cost.as_nanos(),
        (Dimension::Calls, Amount::Calls(calls)) => calls,
        (
            Dimension::InputTokens | Dimension::OutputTokens | Dimension::TotalTokens,
            Amount::Tokens(tokens),
        ) => tokens,
        _ => panic!("{amount:?} is not an amount of {dimension}"),
    });
    (dimension, exceeded.reason(), counts)
}
