//! Reservations against records, against each other, and against changes of the pool.

use token_budget_pool::scenario::{usage, Event, Op, Role, Scenario};
use token_budget_pool::{Limits, Usage, Usd};

/// Room for one of the two calls at their worst, for both as they turn out.
#[test]
fn reserve_and_settle_beside_a_record() {
    Scenario::new(
        "reserve_and_settle_beside_a_record",
        Limits::unlimited().output_tokens(20),
    )
    .room(2)
    .thread([Op::Reserve(usage(1, 12, 3)), Op::Settle(0, usage(2, 5, 7))])
    .thread([Op::Record(11, 13, 17)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 1)
    .check([39760, 361], [3929, 328]);
}

#[test]
fn reserve_and_drop_beside_a_record() {
    Scenario::new(
        "reserve_and_drop_beside_a_record",
        Limits::unlimited().cost(Usd::from_nanos(20)),
    )
    .room(2)
    .thread([Op::Reserve(usage(1, 2, 12)), Op::Drop(0)])
    .thread([Op::Record(5, 7, 11)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(1, 1)
    .check([2005, 11], [3929, 328]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes a quarter of a minute")]
fn two_reserve_and_end() {
    Scenario::new(
        "two_reserve_and_end",
        Limits::unlimited().total_tokens(30).calls(2),
    )
    .room(2)
    .thread([
        Op::Reserve(usage(1, 12, 3)),
        Op::Start(0),
        Op::SettleAtLeast(0, usage(2, 13, 4)),
    ])
    .thread([Op::Reserve(usage(7, 11, 4)), Op::Settle(0, usage(7, 12, 4))])
    .meets([Event::Refused, Event::Lost])
    .preemptions(1, 1)
    .check([24030, 9191], [44236, 22589]);
}

/// It makes room for the second record.
#[test]
fn a_call_is_released_beside_records() {
    Scenario::new(
        "a_call_is_released_beside_records",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .role(Role::new([Op::Release(0)]).before([Op::Reserve(usage(1, 12, 3)), Op::Start(0)]))
    .thread([Op::Record(11, 17, 17), Op::Record(2, 3, 4)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 1)
    .check([132, 287], [52, 1129]);
}

/// It makes room for the first record.
#[test]
fn a_call_shrinks_beside_records() {
    Scenario::new(
        "a_call_shrinks_beside_records",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .role(
        Role::new([Op::ShrinkTo(0, usage(1, 5, 2))])
            .before([Op::Reserve(usage(1, 12, 3)), Op::Start(0)]),
    )
    .thread([Op::Record(11, 19, 17), Op::Record(2, 3, 4)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 1)
    .check([436, 387], [74, 1052]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes a quarter of a minute")]
fn a_stream_that_was_cut_off_beside_records() {
    Scenario::new(
        "a_stream_that_was_cut_off_beside_records",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .role(
        Role::new([Op::SettleAtLeast(0, usage(1, 7, 3))])
            .before([Op::Reserve(usage(1, 12, 3)), Op::Report(0, usage(1, 5, 2))]),
    )
    .thread([Op::Record(11, 17, 17), Op::Record(2, 3, 4)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 2)
    .check([151, 328], [21109, 22978]);
}

#[test]
fn a_report_beside_records() {
    Scenario::new(
        "a_report_beside_records",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .role(Role::new([Op::Report(0, usage(1, 5, 2))]).before([Op::Reserve(usage(1, 12, 3))]))
    .thread([Op::Record(11, 17, 17), Op::Record(2, 3, 4)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(2, 1)
    .check([151, 328], [51, 1127]);
}

#[test]
fn up_to_what_fits_beside_a_record() {
    Scenario::new(
        "up_to_what_fits_beside_a_record",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .thread([
        Op::ReserveUpTo(usage(1, 2, 3), 4, 40),
        Op::Settle(0, usage(1, 9, 3)),
    ])
    .thread([Op::Record(5, 11, 7)])
    .meets([Event::Refused, Event::Lost])
    .preemptions(1, 1)
    .check([2005, 13], [3971, 330]);
}

#[test]
fn two_extend() {
    Scenario::new("two_extend", Limits::unlimited().output_tokens(30))
        .room(2)
        .role(Role::new([Op::Extend(0, usage(1, 8, 3))]).before([Op::Reserve(usage(1, 10, 3))]))
        .role(Role::new([Op::Extend(0, usage(2, 9, 4))]).before([Op::Reserve(usage(5, 7, 4))]))
        .meets([Event::Refused, Event::Lost])
        .preemptions(3, 2)
        .check([127, 127], [1208, 1208]);
}

/// Over a reset what is reserved stays, and is counted in the new period.
#[test]
fn a_reset_beside_a_call_in_flight() {
    Scenario::new("a_reset_beside_a_call_in_flight", Limits::unlimited())
        .room(2)
        .role(
            Role::new([Op::Report(0, usage(1, 5, 2)), Op::Settle(0, usage(1, 7, 4))])
                .before([Op::Reserve(usage(1, 12, 3))]),
        )
        .thread([Op::Take])
        .meets([Event::Lost])
        .preemptions(2, 1)
        .check([42526, 461], [3848, 317]);
}

/// Closing refuses what asks for room, also for a call in flight.
#[test]
fn closed_beside_an_extend() {
    Scenario::new("closed_beside_an_extend", Limits::unlimited())
        .room(2)
        .role(Role::new([Op::Extend(0, usage(2, 3, 5))]).before([Op::Reserve(usage(1, 12, 3))]))
        .thread([Op::Close])
        .meets([Event::Lost, Event::Refused])
        .preemptions(3, 2)
        .check([153, 134], [1912, 2212]);
}

/// And it loses nothing of what is in flight.
#[test]
fn closed_beside_a_settle() {
    Scenario::new("closed_beside_a_settle", Limits::unlimited())
        .room(2)
        .role(
            Role::new([Op::Settle(0, Usage::tokens(1, 7))]).before([Op::Reserve(usage(1, 12, 3))]),
        )
        .thread([Op::Close, Op::Record(1, 2, 3)])
        .meets([Event::Lost, Event::Refused])
        .preemptions(3, 1)
        .check([337, 1016], [229, 996]);
}

/// Once the change has returned, nothing is reserved by the old limits.
#[test]
fn limits_lowered_beside_a_reserve() {
    Scenario::new(
        "limits_lowered_beside_a_reserve",
        Limits::unlimited().output_tokens(30),
    )
    .room(2)
    .thread([Op::Reserve(usage(1, 15, 3))])
    .thread([Op::SetLimits(Limits::unlimited().output_tokens(14))])
    .meets([Event::Lost, Event::Refused])
    .preemptions(3, 2)
    .check([153, 134], [1459, 1889]);
}
