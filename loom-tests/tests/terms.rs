//! The terms: limits, whether it is closed, calls that count at a guess.

use token_budget_pool::scenario::{usage, Event, Op, Role, Scenario};
use token_budget_pool::{Limits, Usage};

/// A copy of the terms that lost its CAS must not be taken for good later: the third
/// record would be judged by a mixture, or by limits of the past.
#[test]
fn limits_change_between_records() {
    Scenario::new(
        "limits_change_between_records",
        Limits::unlimited().input_tokens(100).output_tokens(100),
    )
    .room(2)
    .role(Role::new([Op::Record(13, 17, 19)]).before([Op::Record(1, 2, 3)]))
    .thread([Op::SetLimits(Limits::unlimited().input_tokens(10).calls(2))])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 2)
    .check([95, 78], [1729, 2132]);
}

#[test]
#[cfg(not(feature = "ghost"))]
#[ignore = "takes minutes"]
fn limits_change_twice_beside_a_record() {
    Scenario::new(
        "limits_change_twice_beside_a_record",
        Limits::unlimited().input_tokens(100),
    )
    .room(2)
    .thread([Op::Record(1, 2, 3), Op::Record(5, 7, 11)])
    .thread([
        Op::SetLimits(Limits::unlimited().input_tokens(4)),
        Op::SetLimits(Limits::unlimited().output_tokens(8)),
    ])
    .meets([Event::Refused])
    .preemptions(1, 1)
    .check([87_000, 630_000], [0, 0]);
}

/// Two operators who each add ten add twenty.
#[test]
fn two_raise_the_limit() {
    Scenario::new("two_raise_the_limit", Limits::unlimited().output_tokens(5))
        .room(2)
        .thread([Op::RaiseOutput(10), Op::Record(1, 16, 3)])
        .thread([Op::RaiseOutput(10)])
        .meets([Event::Lost, Event::Refused])
        .preemptions(2, 1)
        .check([2696, 431], [3420, 1138]);
}

#[test]
fn a_reader_of_the_limits() {
    Scenario::new(
        "a_reader_of_the_limits",
        Limits::unlimited().input_tokens(4),
    )
    .room(2)
    .thread([
        Op::SetLimits(Limits::unlimited().input_tokens(5).output_tokens(6)),
        Op::Record(1, 2, 3),
    ])
    .thread([Op::Limits])
    .preemptions(1, 1)
    .check([3241, 1], [4403, 6446]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes a quarter of a minute")]
fn a_reset_between_records() {
    Scenario::new(
        "a_reset_between_records",
        Limits::unlimited().output_tokens(10),
    )
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
    Scenario::new("closed_between_records", Limits::unlimited())
        .room(2)
        .role(Role::new([Op::Record(5, 7, 11)]).before([Op::Record(1, 2, 3)]))
        .thread([Op::Close])
        .meets([Event::Lost, Event::Refused])
        .preemptions(3, 2)
        .check([153, 134], [2038, 2309]);
}

/// What is spent counts, also after the close.
#[test]
#[ignore = "takes minutes"]
fn a_charge_after_the_close() {
    Scenario::new("a_charge_after_the_close", Limits::unlimited())
        .room(2)
        .thread([Op::Record(1, 2, 3), Op::Record(5, 7, 11)])
        .thread([Op::Close, Op::Charge(Usage::tokens(13, 17))])
        .meets([Event::Lost, Event::Refused])
        .preemptions(1, 1)
        .check([90_000, 600_000], [600_000, 1_100_000]);
}

/// Counting a call without a price sets terms.
#[test]
fn unpriced_calls_beside_a_record() {
    Scenario::new("unpriced_calls_beside_a_record", Limits::unlimited())
        .room(2)
        .role(Role::new([Op::TryCharge(Usage::tokens(5, 7))]).before([Op::Record(1, 2, 3)]))
        .role(Role::new([Op::Take]).before([Op::Charge(Usage::tokens(13, 17))]))
        .meets([Event::Lost])
        .preemptions(2, 2)
        .check([96, 96], [5777, 5329]);
}

/// A thread whose program is `end`, with a call of its own in flight.
fn in_flight(end: Op) -> Role {
    Role::new([end]).before([Op::Reserve(usage(1, 12, 3)), Op::Start(0)])
}

/// Counting a forfeited call sets terms.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes tens of seconds")]
fn two_calls_are_forfeited() {
    Scenario::new("two_calls_are_forfeited", Limits::unlimited())
        .room(2)
        .role(in_flight(Op::Drop(0)))
        .role(in_flight(Op::Forfeit(0)))
        .meets([Event::Lost])
        .preemptions(3, 1)
        .check([140, 140], [228, 228]);
}

/// The number of unpriced calls is in the same word.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes tens of seconds")]
fn a_call_is_forfeited_beside_an_unpriced_one() {
    Scenario::new(
        "a_call_is_forfeited_beside_an_unpriced_one",
        Limits::unlimited(),
    )
    .room(2)
    .role(in_flight(Op::Drop(0)))
    .thread([Op::TryCharge(Usage::tokens(5, 7))])
    .meets([Event::Lost])
    .preemptions(3, 2)
    .check([140, 140], [10017, 10266]);
}

/// What is forfeited was reserved, so the record has room either way, or neither.
#[test]
fn a_call_is_forfeited_beside_records() {
    Scenario::new(
        "a_call_is_forfeited_beside_records",
        Limits::unlimited().output_tokens(20),
    )
    .room(2)
    .role(in_flight(Op::Drop(0)))
    .thread([Op::Record(2, 9, 4), Op::Record(5, 8, 11)])
    .meets([Event::Lost, Event::Refused])
    .preemptions(2, 1)
    .check([504, 301], [263, 1012]);
}

/// What is forfeited is counted in the old period or in the new one, with its cost.
#[test]
fn a_call_is_forfeited_beside_a_take() {
    Scenario::new("a_call_is_forfeited_beside_a_take", Limits::unlimited())
        .room(2)
        .role(in_flight(Op::Drop(0)))
        .role(Role::new([Op::Take]).before([Op::Reserve(usage(5, 7, 11)), Op::Forfeit(0)]))
        .meets([Event::Lost])
        .preemptions(3, 2)
        .check([140, 140], [4634, 4995]);
}

/// Neither change of terms undoes the other.
#[test]
fn a_call_is_forfeited_beside_a_change_of_limits() {
    Scenario::new(
        "a_call_is_forfeited_beside_a_change_of_limits",
        Limits::unlimited().output_tokens(20),
    )
    .room(2)
    .role(in_flight(Op::Drop(0)))
    .thread([Op::SetLimits(Limits::unlimited().input_tokens(4))])
    .meets([Event::Lost])
    .preemptions(3, 2)
    .check([140, 140], [4110, 3440]);
}
