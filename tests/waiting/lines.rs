//! First come, first served; whoever gives up lets the next come.

use token_budget_pool::{BudgetPool, Limits};

use crate::by_hand::{output, waits_for, ByHand};

fn pool() -> BudgetPool {
    BudgetPool::new(Limits::unlimited().output_tokens(100))
}

#[test]
fn in_the_order_in_which_they_came() {
    let pool = pool();
    let all = pool.try_reserve(output(100)).unwrap();
    let mut waiting: Vec<_> = (0..20).map(|_| waits_for(&pool, 40)).collect();
    let mut held = vec![all];
    while !waiting.is_empty() {
        drop(held.remove(0));
        while waiting.first().is_some_and(|first| first.is_woken()) {
            held.push(waiting.remove(0).ended().unwrap());
        }
        // As many as fit, and no other.
        assert!(held.len() == 2 || waiting.is_empty());
        assert!(waiting.iter().all(|other| !other.is_woken()));
    }
}

#[test]
fn a_large_one_is_not_passed_by_small_ones_that_came_later() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let large = waits_for(&pool, 60);
    let small = waits_for(&pool, 10);
    drop(reservation);
    let large = large.ended().unwrap();
    assert_eq!(small.ended().unwrap().reserved().output_tokens, 10);
    drop(large);
}

#[test]
fn those_that_do_not_wait_may_pass() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let waiting = waits_for(&pool, 60);
    let passes = pool.try_reserve(output(50)).unwrap();
    drop(reservation);
    assert!(!waiting.is_woken());
    drop(passes);
    assert!(waiting.ended().is_ok());
}

#[test]
fn one_that_gives_up_lets_the_next_come() {
    let pool = pool();
    let _reservation = pool.try_reserve(output(50)).unwrap();
    let large = waits_for(&pool, 60);
    let [small, other] = [10, 20].map(|tokens| waits_for(&pool, tokens));
    drop(large);
    assert!(small.ended().is_ok() && other.ended().is_ok());
}

#[test]
fn one_that_gives_up_behind_others_changes_nothing_for_them() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let first = waits_for(&pool, 60);
    drop(waits_for(&pool, 70));
    assert!(!first.is_woken());
    drop(reservation);
    assert!(first.ended().is_ok());
}

#[test]
fn what_was_reserved_for_one_that_gives_up_goes_to_the_next() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let first = waits_for(&pool, 60);
    let second = waits_for(&pool, 70);
    drop(reservation);
    assert!(first.is_woken());
    drop(first);
    assert_eq!(second.ended().unwrap().reserved().output_tokens, 70);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn one_that_is_never_polled_does_not_wait() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let never = pool.reserve(output(60));
    let waiting = waits_for(&pool, 60);
    drop(reservation);
    assert!(waiting.ended().is_ok());
    drop(never);
}

#[test]
fn one_that_comes_when_all_have_gone_does_not_wait() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    drop(waits_for(&pool, 60));
    assert!(ByHand::new(pool.reserve(output(50)))
        .poll()
        .unwrap()
        .is_ok());
    drop(reservation);
}

#[test]
fn one_that_is_polled_for_nothing_keeps_its_place() {
    let pool = pool();
    let reservation = pool.try_reserve(output(50)).unwrap();
    let mut first = waits_for(&pool, 60);
    let second = waits_for(&pool, 60);
    for _ in 0..3 {
        assert!(first.poll().is_none());
    }
    drop(reservation);
    assert!(!second.is_woken());
    drop(first.ended());
    assert!(second.ended().is_ok());
}
