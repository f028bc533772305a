//! A call ends in exactly one of its ways. Each counts what it says, in one step, and gives back the
//! rest of what was reserved.

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Excess, Limits, Spent, Usage};

#[test]
fn a_call_ends_in_each_of_its_ways_once() {
    let state = |pool: &BudgetPool| {
        assert_nothing_is_reserved(pool);
        let spent = pool.spent();
        (
            spent.input_tokens,
            spent.output_tokens,
            spent.cost.as_nanos(),
            spent.calls,
        )
    };
    let pool = || BudgetPool::new(Limits::unlimited().calls(1));
    let estimate = usage(10, 20, 30);

    let not_started = pool();
    drop(not_started.try_reserve(estimate).unwrap());
    assert_eq!(state(&not_started), (0, 0, 0, 0));

    let dropped = pool();
    drop(dropped.try_reserve(estimate).unwrap().start());
    assert_eq!(state(&dropped), (10, 20, 30, 1));

    let forfeited = pool();
    let call = forfeited.try_reserve(estimate).unwrap().start();
    let _ = call.forfeit();
    assert_eq!(state(&forfeited), (10, 20, 30, 1));

    let settled = pool();
    let call = settled.try_reserve(estimate).unwrap().start();
    let _ = call.settle(usage(11, 2, 3));
    assert_eq!(state(&settled), (11, 2, 3, 1));

    let cut_off = pool();
    let call = cut_off.try_reserve(estimate).unwrap().start();
    let _ = call.settle_at_least(usage(11, 2, 3));
    assert_eq!(state(&cut_off), (11, 20, 30, 1));

    let streamed = pool();
    let mut call = streamed.try_reserve(estimate).unwrap().start();
    let _ = call.report(usage(4, 25, 6));
    drop(call);
    assert_eq!(state(&streamed), (10, 25, 30, 1));

    let turned_away = pool();
    let call = turned_away.try_reserve(estimate).unwrap().start();
    let _ = call.release();
    assert_eq!(state(&turned_away), (0, 0, 0, 0));

    let released_rest = pool();
    let mut call = released_rest.try_reserve(estimate).unwrap().start();
    let _ = call.report(usage(4, 25, 6));
    let _ = call.release();
    assert_eq!(state(&released_rest), (4, 25, 6, 1));
}

#[test]
fn a_call_counts_what_is_new_and_never_lowers_what_is_spent() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(100, 100, 100)).unwrap().start();
    let first = call.report(usage(10, 40, 5));
    assert_eq!(first.spent.calls, 0);
    assert_eq!(first.counted, spent(10, 40, 5, 0));
    // The same again, or less than before: nothing moves.
    let second = call.report(usage(10, 40, 5));
    assert_eq!(second.counted, Spent::default());
    let mut repeated = first;
    repeated.counted = Spent::default();
    assert_eq!(second, repeated);
    let third = call.report(usage(9, 40, 2));
    assert_eq!(third.spent, first.spent);
    assert_eq!(third.counted, Spent::default());
    assert_eq!(third.over_reported, excess(1, 0, 1, 3, 0));
    assert_eq!(call.reserved(), amounts(90, 60, 95));
    assert_eq!(call.reported(), amounts(10, 40, 5));

    let last = call.settle(usage(20, 30, 5));
    assert_eq!(last.over_reported, excess(0, 10, 10, 0, 0));
    assert_eq!(last.overrun, Excess::default());
    assert_eq!(last.counted, spent(10, 0, 0, 1));
    assert_eq!(last.spent, spent(20, 40, 5, 1));
    assert_nothing_is_reserved(&pool);
}

#[test]
fn a_release_without_reports_counts_nothing_not_even_the_call() {
    let pool = BudgetPool::new(Limits::unlimited().calls(2).cost(nanos(30)));
    let before = pool.charge(usage(1, 1, 0)).spent;
    for estimate in [usage(10, 20, 30), usage(0, 0, 0)] {
        let call = pool.try_reserve(estimate).unwrap().start();
        let receipt = call.release();
        assert_eq!(receipt.counted, Spent::default());
        assert_eq!(receipt.spent, before);
        assert_eq!(receipt.overrun, Excess::default());
        assert_eq!(receipt.over_reported, Excess::default());
        assert!(!receipt.is_guess());
        assert_nothing_is_reserved(&pool);
    }
    // Also of what was reserved later, and with an estimate of unknown cost.
    let pool = BudgetPool::builder().assumed_cost(nanos(7)).build();
    let mut call = pool.try_reserve(Usage::tokens(1, 1)).unwrap().start();
    call.extend(usage(5, 5, 5)).unwrap();
    assert_eq!(call.release().spent, Spent::default());
    assert_nothing_is_reserved(&pool);
}

#[test]
fn a_release_after_reports_counts_the_call_and_gives_back_what_was_not_reported() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    let _ = call.report(usage(4, 25, 6));
    let receipt = call.release();
    assert_eq!(receipt.counted, spent(0, 0, 0, 1));
    assert_eq!(receipt.spent, spent(4, 25, 6, 1));
    assert!(!receipt.is_guess());
    assert_nothing_is_reserved(&pool);

    // A report of nothing is a report.
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    let _ = call.report(usage(0, 0, 0));
    assert_eq!(call.release().spent, spent(4, 25, 6, 2));

    // The reserved cost is counted where the reported one is unknown.
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    let _ = call.report(Usage::tokens(1, 1));
    let receipt = call.release();
    assert_eq!(receipt.counted, unpriced(1, spent(0, 0, 30, 1)));
    assert!(receipt.is_guess());
    assert_eq!(receipt.spent, unpriced(1, spent(5, 26, 36, 3)));
    assert_nothing_is_reserved(&pool);
}

#[test]
fn a_released_call_leaves_its_place_and_its_room_to_another() {
    let limits = Limits::unlimited().calls(1).output_tokens(20);
    let pool = BudgetPool::new(limits.cost(nanos(30)));
    let estimate = usage(10, 20, 30);
    for _ in 0..3 {
        let call = pool.try_reserve(estimate).unwrap().start();
        assert!(pool.try_reserve(estimate).unwrap_err().is_busy());
        let _ = call.release();
    }
    assert_eq!(pool.spent(), Spent::default());
    assert_eq!(pool.remaining(), limits.cost(nanos(30)));
}

#[test]
fn a_call_prints_what_is_reserved_and_what_was_reported() {
    let pool = BudgetPool::unconstrained();
    let reservation = pool.try_reserve(usage(3, 5, 7)).unwrap();
    let text = format!("{reservation:?}");
    assert!(text.contains(&format!("{:?}", amounts(3, 5, 7))), "{text}");
    let mut call = reservation.start();
    let _ = call.report(usage(1, 2, 3));
    let text = format!("{call:?}");
    for amounts in [amounts(2, 3, 4), amounts(1, 2, 3)] {
        assert!(text.contains(&format!("{amounts:?}")), "{text}");
    }
}
