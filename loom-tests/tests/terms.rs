//! The terms: limits, whether it is closed, calls without a price.

use token_budget_pool::scenario::{Event, Op, Role, Scenario};
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
    .role(Role::new([Op::Record(13, 17, 19)]).before([Op::Record(1, 2, 3)]))
    .thread([Op::SetLimits(Limits::none().input_tokens(10).calls(2))])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 2)
    .check([95, 78], [1729, 2132]);
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
        .check([2696, 431], [3420, 1138]);
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
        .check([3241, 1], [4403, 6446]);
}

#[test]
fn a_reset_between_records() {
    Scenario::new("a_reset_between_records", Limits::none().output_tokens(10))
        .room(2)
        .role(Role::new([Op::Record(5, 7, 11)]).before([Op::Record(1, 2, 3)]))
        .thread([Op::Take, Op::Record(3, 4, 5)])
        .meets([Event::Lost, Event::Refused])
        .preemptions(1, 1)
        .check([13, 19425], [4784, 34330]);
}

/// After it closed, nothing is admitted.
#[test]
fn closed_between_records() {
    Scenario::new("closed_between_records", Limits::none())
        .room(2)
        .role(Role::new([Op::Record(5, 7, 11)]).before([Op::Record(1, 2, 3)]))
        .thread([Op::Close])
        .meets([Event::Lost, Event::Refused])
        .preemptions(3, 2)
        .check([153, 134], [2038, 2309]);
}

/// Counting a call without a price sets terms.
#[test]
fn unpriced_calls_beside_a_record() {
    Scenario::new("unpriced_calls_beside_a_record", Limits::none())
        .room(2)
        .role(Role::new([Op::TryCharge(Usage::tokens(5, 7))]).before([Op::Record(1, 2, 3)]))
        .role(Role::new([Op::Take]).before([Op::Charge(Usage::tokens(13, 17))]))
        .meets([Event::Lost])
        .preemptions(2, 2)
        .check([96, 96], [5777, 5329]);
}
