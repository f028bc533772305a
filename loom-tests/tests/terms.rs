//! The terms: limits, whether it is closed, calls without a price.

use token_budget_pool::scenario::{Event, Op, Scenario};
use token_budget_pool::{Limits, Usage};

/// A copy of the terms that lost its CAS must not be taken for good later: the third
/// record would be judged by a mixture, or by limits of the past.
#[test]
fn limits_change_between_records() {
    Scenario::new(
        "limits_change_between_records",
        Limits::none().input_tokens(100).output_tokens(100),
    )
    .room(2)
    .thread([Op::Record(1, 2, 3), Op::Record(13, 17, 19)])
    .thread([Op::SetLimits(Limits::none().input_tokens(10).calls(2))])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 1)
    .check([10, 5], [61, 13]);
}

#[test]
fn limits_change_twice_beside_a_record() {
    Scenario::new(
        "limits_change_twice_beside_a_record",
        Limits::none().input_tokens(100),
    )
    .room(2)
    .thread([Op::Record(1, 2, 3), Op::Record(5, 7, 11)])
    .thread([
        Op::SetLimits(Limits::none().input_tokens(4)),
        Op::SetLimits(Limits::none().output_tokens(8)),
    ])
    .meets([Event::Refused])
    .preemptions(2, 1)
    .check([14, 18], [66, 35]);
}

/// Two operators who each add ten add twenty.
#[test]
fn two_raise_the_limit() {
    Scenario::new("two_raise_the_limit", Limits::none().output_tokens(5))
        .room(2)
        .thread([Op::RaiseOutput(10), Op::Record(1, 16, 3)])
        .thread([Op::RaiseOutput(10)])
        .meets([Event::Lost, Event::Refused])
        .preemptions(2, 1)
        .check([8, 10], [116, 28]);
}

#[test]
fn a_reader_of_the_limits() {
    Scenario::new("a_reader_of_the_limits", Limits::none().input_tokens(4))
        .room(2)
        .thread([
            Op::SetLimits(Limits::none().input_tokens(5).output_tokens(6)),
            Op::Record(1, 2, 3),
        ])
        .thread([Op::Limits])
        .preemptions(1, 1)
        .check([6, 1], [35, 26]);
}

#[test]
fn a_reset_between_records() {
    Scenario::new("a_reset_between_records", Limits::none().output_tokens(10))
        .room(2)
        .thread([Op::Record(1, 2, 3), Op::Record(5, 7, 11)])
        .thread([Op::Take, Op::Record(3, 4, 5)])
        .meets([Event::Lost, Event::Refused])
        .preemptions(2, 1)
        .check([15, 15], [64, 58]);
}

/// After it closed, nothing is admitted; what is spent counts.
#[test]
fn closed_between_records() {
    Scenario::new("closed_between_records", Limits::none())
        .room(2)
        .thread([Op::Record(1, 2, 3), Op::Record(5, 7, 11)])
        .thread([Op::Close, Op::Charge(Usage::tokens(13, 17))])
        .meets([Event::Lost, Event::Refused])
        .preemptions(2, 1)
        .check([13, 27], [69, 38]);
}

/// Counting a call without a price sets terms.
#[test]
fn unpriced_calls_beside_a_record() {
    Scenario::new("unpriced_calls_beside_a_record", Limits::none())
        .room(2)
        .thread([Op::Record(1, 2, 3), Op::TryCharge(Usage::tokens(5, 7))])
        .thread([Op::Charge(Usage::tokens(13, 17)), Op::Take])
        .meets([Event::Lost])
        .preemptions(2, 1)
        .check([15, 15], [63, 45]);
}
