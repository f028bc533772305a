//! Longer programs than loom can exhaust: four threads, ten operations each, in random
//! schedules.

mod programs;
mod tree_programs;
mod trees;

use programs::{ten, ADMISSION, ALL, CHANGES, RESERVATIONS};
use token_budget_pool::scenario::{Event, Scenario};
use token_budget_pool::{Limits, Usd};

/// Four threads that take a detour as soon as a lane is held.
fn scenario(name: &'static str) -> Scenario {
    // Any of them may be the first to bind.
    let limits = Limits::unlimited()
        .input_tokens(75)
        .output_tokens(75)
        .total_tokens(145)
        .cost(Usd::from_nanos(75))
        .calls(16);
    (0..4).fold(Scenario::new(name, limits), |scenario, _| {
        scenario.thread([])
    })
}

#[test]
fn admission() {
    scenario("admission")
        .room(4)
        .meets([
            Event::Refused,
            Event::LookedFirst,
            Event::Lost,
            Event::OverwrittenWhileRead,
        ])
        .sample(|| ten(ADMISSION));
}

#[test]
fn reservations() {
    scenario("reservations")
        .room(4)
        .meets([Event::Refused, Event::Lost, Event::OverwrittenWhileRead])
        .sample(|| ten(RESERVATIONS));
}

#[test]
fn limits_that_change() {
    scenario("limits_that_change")
        .room(4)
        .meets([
            Event::Refused,
            Event::Lost,
            Event::OverwrittenWhileRead,
            Event::TermsReused,
        ])
        .sample(|| ten(CHANGES));
}

/// All lanes are appended while others are at work.
#[test]
fn a_fresh_pool() {
    scenario("a_fresh_pool")
        .meets([
            Event::Lost,
            Event::Held,
            Event::Detour,
            Event::Appended,
            Event::AppendLost,
            Event::HandedOver,
            Event::DetourHandedOver,
        ])
        .sample(|| ten(ALL));
}

/// Threads wait for some turns. So most take turns in one lane, and few take a detour.
#[test]
fn threads_that_wait() {
    scenario("threads_that_wait")
        .patience(150)
        .meets([
            Event::Lost,
            Event::Held,
            Event::Followed,
            Event::Detour,
            Event::HandedOver,
            Event::DetourHandedOver,
        ])
        .sample(|| ten(ALL));
}

/// A thread that is none of the four holds lane 0 for ever.
#[test]
fn lane_0_is_held_for_ever() {
    scenario("lane_0_is_held_for_ever")
        .patience(150)
        .stuck()
        .meets([
            Event::Lost,
            Event::Held,
            Event::Followed,
            Event::Appended,
            Event::DetourHandedOver,
        ])
        .sample(|| ten(ALL));
}

/// Readers look once, and then claim a lane.
#[test]
fn readers_that_claim() {
    scenario("readers_that_claim")
        .looks(1)
        .meets([Event::Lost, Event::ReaderClaimed, Event::LookedFirst])
        .sample(|| ten(ALL));
}
