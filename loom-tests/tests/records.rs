//! Records: one step each, totals of just that step, no refusal without cause.

use token_budget_pool::scenario::{Event, Op, Scenario};
use token_budget_pool::{Limits, MicroUsd};

/// One is refused by tokens, the other by cost, and which of them depends on the order.
fn tight() -> Limits {
    Limits::none()
        .total_tokens(25)
        .cost(MicroUsd::from_nanos(40))
}

#[test]
fn two_writers_twice() {
    Scenario::new("two_writers_twice", tight())
        .room(2)
        .thread([Op::Record(1, 2, 20), Op::Record(3, 5, 3)])
        .thread([Op::Record(7, 11, 4), Op::Record(0, 1, 18)])
        .meets([Event::Refused, Event::Lost])
        .check([14, 14], [3878, 3984]);
}

#[test]
fn three_writers() {
    Scenario::new("three_writers", Limits::none().output_tokens(14))
        .room(3)
        .thread([Op::Record(1, 2, 3)])
        .thread([Op::Record(5, 7, 11)])
        .thread([Op::Record(4, 6, 9)])
        .meets([Event::Refused, Event::Lost])
        .preemptions(2, 1)
        .check([87, 87, 87, 87, 87, 87], [372, 372, 372, 372, 372, 372]);
}

/// What happened before a read is in it, and a second read goes no further back.
#[test]
fn a_read_is_no_older_than_what_happened_before_it() {
    Scenario::new(
        "a_read_is_no_older_than_what_happened_before_it",
        Limits::none(),
    )
    .room(1)
    .thread([Op::Record(1, 2, 3), Op::Raise, Op::Record(5, 7, 11)])
    .thread([Op::Look, Op::Totals, Op::Totals])
    .preemptions(2, 1)
    .check([116, 30], [92, 98]);
}
