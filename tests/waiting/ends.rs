//! Whatever makes room wakes the first that waits.

use std::sync::Arc;

use token_budget_pool::{BudgetPool, Limits, Usage, Usd};

use crate::by_hand::{output, waits_for, ByHand};

fn pool() -> BudgetPool {
    BudgetPool::new(Limits::unlimited().output_tokens(100))
}

#[test]
fn nobody_waits_where_there_is_room() {
    let pool = pool();
    let reservation = ByHand::new(pool.reserve(output(100))).poll().unwrap();
    assert_eq!(reservation.unwrap().reserved().output_tokens, 100);
}

#[test]
fn a_call_that_settles_below_its_reservation() {
    let pool = pool();
    let call = pool.try_reserve(output(80)).unwrap().start();
    let waiting = waits_for(&pool, 50);
    let _ = call.settle(output(50));
    assert_eq!(waiting.ended().unwrap().reserved().output_tokens, 50);
}

#[test]
fn a_call_that_settles_with_what_was_reserved_wakes_nobody() {
    let pool = pool();
    let (call, other) = (pool.try_reserve(output(40)), pool.try_reserve(output(40)));
    let waiting = waits_for(&pool, 50);
    let _ = call.unwrap().start().settle(output(40));
    assert!(!waiting.is_woken());
    drop(other);
    assert!(waiting.ended().is_ok());
}

#[test]
fn a_reservation_that_is_dropped() {
    let pool = pool();
    let reservation = pool.try_reserve(output(80));
    let waiting = waits_for(&pool, 50);
    drop(reservation);
    assert!(waiting.ended().is_ok());
}

#[test]
fn a_call_that_is_released() {
    let pool = pool();
    let call = pool.try_reserve(output(80)).unwrap().start();
    let waiting = waits_for(&pool, 50);
    let _ = call.release();
    assert!(waiting.ended().is_ok());
}

#[test]
fn a_reservation_that_shrinks() {
    let pool = pool();
    let mut reservation = pool.try_reserve(output(80)).unwrap();
    let waiting = waits_for(&pool, 50);
    reservation.shrink_to(output(50));
    assert!(waiting.ended().is_ok());
}

#[test]
fn a_reset() {
    let pool = pool();
    pool.try_charge(output(40)).unwrap();
    let reservation = pool.try_reserve(output(30));
    let waiting = waits_for(&pool, 60);
    pool.reset();
    assert!(waiting.ended().is_ok());
    drop(reservation);
}

#[test]
fn a_period_that_is_taken() {
    let pool = pool();
    pool.try_charge(output(40)).unwrap();
    let reservation = pool.try_reserve(output(30));
    let waiting = waits_for(&pool, 60);
    assert_eq!(pool.take().output_tokens, 40);
    assert!(waiting.ended().is_ok());
    drop(reservation);
}

#[test]
fn a_raised_limit() {
    for raise in [
        |pool: &BudgetPool| {
            pool.set_limits(Limits::unlimited().output_tokens(130));
        },
        |pool: &BudgetPool| {
            pool.update_limits(|limits| limits.output_tokens = Some(130));
        },
    ] {
        let pool = pool();
        let _reservation = pool.try_reserve(output(80)).unwrap();
        let waiting = waits_for(&pool, 50);
        raise(&pool);
        assert!(waiting.ended().is_ok());
    }
}

#[test]
fn a_dropped_call_that_counts_makes_no_room() {
    let pool = pool();
    let call = pool.try_reserve(output(80)).unwrap().start();
    let waiting = waits_for(&pool, 50);
    drop(call);
    // What is spent now leaves too little room for ever.
    let refused = waiting.ended().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "budget limit `output_tokens` exceeded (exhausted): \
         limit=100, spent=80, reserved=0, requested=50"
    );
}

#[test]
fn an_owned_one_goes_into_a_task_and_keeps_the_pool() {
    let pool = Arc::new(pool());
    let reservation = pool.try_reserve(output(80)).unwrap();
    let waiting = ByHand::new(pool.reserve_owned(output(50))).waits();
    drop(reservation);
    let weak = Arc::downgrade(&pool);
    drop(pool);
    let call = waiting.ended().unwrap().start();
    assert_eq!(call.settle(output(20)).spent.output_tokens, 20);
    assert!(weak.upgrade().is_none());
}

#[test]
fn up_to_waits_for_the_least_and_takes_the_most() {
    let pool = Arc::new(pool());
    let prompt = Usage::tokens(10, 0).cost(Usd::ZERO);
    let reservation = pool.try_reserve(output(80)).unwrap();
    let up_to = |range| pool.reserve_up_to(prompt, range, Usd::ZERO);
    let at_once = ByHand::new(up_to(10..=40)).poll().unwrap().unwrap();
    assert_eq!(at_once.reserved().output_tokens, 20);
    drop(at_once);
    let waiting = ByHand::new(up_to(30..=90)).waits();
    let owned = ByHand::new(pool.reserve_up_to_owned(prompt, 20..=70, Usd::ZERO)).waits();
    drop(reservation);
    let reservation = waiting.ended().unwrap();
    assert_eq!(reservation.reserved().output_tokens, 90);
    drop(reservation);
    assert_eq!(owned.ended().unwrap().reserved().output_tokens, 70);
}

#[test]
fn an_assumed_cost_is_waited_for() {
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().cost(Usd::cents(10)))
        .assumed_cost(Usd::cents(8))
        .build();
    let reservation = pool.try_reserve(Usage::tokens(1, 1));
    let waiting = ByHand::new(pool.reserve(Usage::tokens(1, 1))).waits();
    drop(reservation);
    let reservation = waiting.ended().unwrap();
    assert_eq!(reservation.reserved().cost, Usd::cents(8));
    let _ = reservation.start().settle(Usage::tokens(1, 1));
    assert_eq!(pool.spent().unpriced_calls, 1);
}

#[test]
fn limits_stay_when_somebody_begins_to_wait_and_ends() {
    let limits = Limits::unlimited().output_tokens(100).calls(7);
    let pool = BudgetPool::new(limits);
    let reservation = pool.try_reserve(output(80));
    let waiting = waits_for(&pool, 50);
    assert_eq!(pool.limits(), limits);
    assert!(!pool.is_closed());
    drop(reservation);
    drop(waiting.ended());
    assert_eq!(pool.limits(), limits);
    assert_eq!(pool.remaining(), limits);
}
