//! Longer programs than loom can exhaust: four threads, ten operations each, in random
//! schedules.

mod programs;

use programs::{ten, ADMISSION, ALL, CHANGES, RESERVATIONS};
use token_budget_pool::scenario::{Event, Scenario, Whose};
use token_budget_pool::{Limits, MicroUsd};

const ONE: Whose = Whose::Number(1);
const TWO: Whose = Whose::Number(2);
const THREE: Whose = Whose::Number(3);
const FOUR: Whose = Whose::Number(4);

/// Many updates: whoever goes through the shared pair then wants one of its own.
const HOT: u64 = 2_000;

fn scenario(name: &'static str, threads: [Whose; 4]) -> Scenario {
    // Any of them may be the first to bind.
    let limits = Limits::none()
        .input_tokens(75)
        .output_tokens(75)
        .total_tokens(145)
        .cost(MicroUsd::from_nanos(75))
        .calls(16);
    threads
        .into_iter()
        .fold(Scenario::new(name, limits), |scenario, whose| {
            scenario.thread(whose, [])
        })
}

#[test]
fn admission() {
    scenario("admission", [ONE, TWO, THREE, FOUR])
        .room(4)
        .meets([Event::Refused, Event::Lost, Event::OverwrittenWhileRead])
        .sample(|| ten(ADMISSION));
}

#[test]
fn reservations() {
    scenario("reservations", [ONE, TWO, THREE, FOUR])
        .room(4)
        .meets([Event::Refused, Event::Lost, Event::OverwrittenWhileRead])
        .sample(|| ten(RESERVATIONS));
}

#[test]
fn limits_that_change() {
    scenario("limits_that_change", [ONE, TWO, THREE, FOUR])
        .room(4)
        .meets([Event::Refused, Event::Lost, Event::OverwrittenWhileRead])
        .sample(|| ten(CHANGES));
}

/// There are two numbers. Who ends gives its own back, and somebody else finishes with it.
#[test]
fn threads_that_come_and_go() {
    scenario("threads_that_come_and_go", [Whose::Taken; 4])
        .numbers(2)
        .version(HOT)
        .meets([Event::Lost, Event::SharedTaken, Event::NumberReused])
        .sample(|| ten(ALL));
}

#[test]
fn numbers_that_are_lent() {
    scenario("numbers_that_are_lent", [Whose::Lent; 4])
        .numbers(2)
        .meets([Event::Lost, Event::SharedTaken, Event::NumberReused])
        .sample(|| ten(ALL));
}

/// All numbers are taken, so they take turns with the shared pair, beside one who has its own.
#[test]
fn the_shared_pair_in_a_crowd() {
    let threads = [Whose::None, Whose::None, Whose::None, FOUR];
    scenario("the_shared_pair_in_a_crowd", threads)
        .room(4)
        .meets([Event::Lost, Event::SharedTaken, Event::OverwrittenWhileRead])
        .sample(|| ten(ALL));
}

/// Two need the first page, two the table of the far pages and a page of it.
#[test]
fn pages() {
    let threads = [ONE, TWO, Whose::Number(65), Whose::Number(66)];
    scenario("pages", threads)
        .version(HOT)
        .meets([Event::Lost, Event::SharedTaken, Event::PageLost])
        .sample(|| ten(ALL));
}

/// A fresh pool and a thread of each kind.
#[test]
fn all_kinds_of_threads() {
    let threads = [THREE, Whose::Taken, Whose::Lent, Whose::None];
    scenario("all_kinds_of_threads", threads)
        .numbers(2)
        .meets(Event::ALL)
        .sample(|| ten(ALL));
}
