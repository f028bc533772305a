//! Records: one step each, totals of just that step, no refusal without cause.

use token_budget_pool::scenario::{Event, Op, Scenario};
use token_budget_pool::{Limits, Usd};

/// One is refused by tokens, the other by cost, and which of them depends on the order.
fn tight() -> Limits {
    Limits::unlimited()
        .total_tokens(25)
        .cost(Usd::from_nanos(40))
}

#[test]
fn three_records() {
    Scenario::new("three_records", tight())
        .room(2)
        .thread([Op::Record(1, 2, 20), Op::Record(3, 5, 3)])
        .thread([Op::Record(7, 11, 4)])
        .meets([Event::Refused, Event::Lost])
        .preemptions(1, 1)
        .check([7648, 13], [13779, 1789]);
}

/// The limit admits two of them.
#[test]
#[cfg(not(feature = "ghost"))]
#[ignore = "takes minutes"]
fn three_writers() {
    let usage = token_budget_pool::scenario::usage;
    Scenario::new("three_writers", Limits::unlimited().output_tokens(14))
        .room(3)
        .thread([Op::TryCharge(usage(1, 2, 3))])
        .thread([Op::TryCharge(usage(5, 7, 11))])
        .thread([Op::TryCharge(usage(4, 6, 9))])
        .meets([Event::Refused, Event::Lost])
        .preemptions(1, 1)
        .check([280_000; 6], [0; 6]);
}

/// What happened before a read is in it, and a second read goes no further back.
#[test]
fn a_read_is_no_older_than_what_happened_before_it() {
    Scenario::new(
        "a_read_is_no_older_than_what_happened_before_it",
        Limits::unlimited(),
    )
    .room(1)
    .thread([Op::Record(1, 2, 3), Op::Raise, Op::Record(5, 7, 11)])
    .thread([Op::Look, Op::Totals, Op::Totals])
    .preemptions(1, 1)
    .check([1290, 2538], [975, 5231]);
}
