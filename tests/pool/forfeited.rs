//! What is counted only because it was reserved is counted as forfeited, so that a bill can be compared
//! with what is known.

use std::sync::Arc;
use std::thread;

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Call, Usage};

const ESTIMATE: Usage = usage(10, 20, 30);

fn started(pool: &BudgetPool) -> Call<&BudgetPool> {
    pool.try_reserve(ESTIMATE).unwrap().start()
}

#[test]
fn a_dropped_call_counts_all_that_is_reserved_and_as_forfeited() {
    let pool = Arc::new(BudgetPool::unconstrained());
    drop(started(&pool));
    assert_eq!(pool.spent(), forfeited(1, 30, spent(10, 20, 30, 1)));
    // Of a task that ends in the middle of its call, too.
    let call = pool.try_reserve_owned(ESTIMATE).unwrap().start();
    thread::spawn(move || drop(call)).join().unwrap();
    assert_eq!(pool.spent(), forfeited(2, 60, spent(20, 40, 60, 2)));
    assert_nothing_is_reserved(&pool);
}

#[test]
fn a_forfeit_counts_what_a_drop_counts_and_its_receipt_says_so() {
    let pool = BudgetPool::unconstrained();
    let receipt = started(&pool).forfeit();
    assert_eq!(receipt.counted, forfeited(1, 30, spent(10, 20, 30, 1)));
    assert_eq!(receipt.spent, receipt.counted);
    assert_eq!(pool.spent(), receipt.spent);
    assert_nothing_is_reserved(&pool);
}

#[test]
fn what_was_reported_is_not_forfeited() {
    for drops in [false, true] {
        let pool = BudgetPool::unconstrained();
        let mut call = started(&pool);
        let _ = call.report(usage(4, 25, 6));
        assert_eq!(pool.spent(), spent(4, 25, 6, 0));
        if drops {
            drop(call);
        } else {
            let receipt = call.forfeit();
            assert_eq!(receipt.counted, forfeited(1, 24, spent(6, 0, 24, 1)));
        }
        assert_eq!(pool.spent(), forfeited(1, 24, spent(10, 25, 30, 1)));
    }
}

#[test]
fn a_call_that_reported_all_of_its_cost_is_forfeited_at_no_cost() {
    let pool = BudgetPool::unconstrained();
    let mut call = started(&pool);
    let _ = call.report(usage(11, 21, 31));
    drop(call);
    assert_eq!(pool.spent(), forfeited(1, 0, spent(11, 21, 31, 1)));
}

#[test]
fn a_reservation_that_was_not_started_is_never_forfeited() {
    let pool = BudgetPool::unconstrained();
    drop(pool.try_reserve(ESTIMATE).unwrap());
    assert_eq!(pool.spent(), spent(0, 0, 0, 0));
    assert_nothing_is_reserved(&pool);
}

#[test]
fn settle_at_least_forfeits_only_what_is_beyond_the_actual_usage() {
    for (actual, counts) in [
        // More than was reserved, or exactly that: nothing is a guess.
        (ESTIMATE, spent(10, 20, 30, 1)),
        (usage(11, 21, 31), spent(11, 21, 31, 1)),
        // Less of some dimension.
        (usage(10, 20, 29), forfeited(1, 1, spent(10, 20, 30, 1))),
        (usage(11, 2, 3), forfeited(1, 27, spent(11, 20, 30, 1))),
        (usage(0, 0, 0), forfeited(1, 30, spent(10, 20, 30, 1))),
        // Of tokens alone: the call is forfeited, and its cost is known.
        (usage(9, 20, 30), forfeited(1, 0, spent(10, 20, 30, 1))),
        (usage(10, 0, 40), forfeited(1, 0, spent(10, 20, 40, 1))),
    ] {
        let pool = BudgetPool::unconstrained();
        let receipt = started(&pool).settle_at_least(actual);
        assert_eq!(receipt.counted, counts, "{actual:?}");
        assert_eq!(pool.spent(), counts, "{actual:?}");
        assert_nothing_is_reserved(&pool);
    }
}

#[test]
fn settle_at_least_forfeits_only_what_is_beyond_the_reports_too() {
    for (actual, counts) in [
        // As reported, or less: what is still reserved is beyond it.
        (usage(4, 8, 12), forfeited(1, 18, spent(10, 20, 30, 1))),
        (usage(1, 1, 1), forfeited(1, 18, spent(10, 20, 30, 1))),
        (usage(8, 20, 25), forfeited(1, 5, spent(10, 20, 30, 1))),
        (usage(10, 20, 30), spent(10, 20, 30, 1)),
        (usage(10, 25, 30), spent(10, 25, 30, 1)),
    ] {
        let pool = BudgetPool::unconstrained();
        let mut call = started(&pool);
        let _ = call.report(usage(4, 8, 12));
        let _ = call.settle_at_least(actual);
        assert_eq!(pool.spent(), counts, "{actual:?}");
    }
}

#[test]
fn a_forfeited_call_of_unknown_cost_is_unpriced_too() {
    let forfeited_and_unpriced = unpriced(1, forfeited(1, 30, spent(10, 20, 30, 1)));

    let pool = BudgetPool::unconstrained();
    let _ = started(&pool).settle_at_least(Usage::tokens(10, 20));
    assert_eq!(pool.spent(), forfeited_and_unpriced);

    let pool = BudgetPool::unconstrained();
    let mut call = started(&pool);
    let _ = call.report(Usage::tokens(4, 8));
    drop(call);
    assert_eq!(pool.spent(), forfeited_and_unpriced);

    let pool = BudgetPool::builder().assumed_cost(nanos(30)).build();
    drop(pool.try_reserve(Usage::tokens(10, 20)).unwrap().start());
    assert_eq!(pool.spent(), forfeited_and_unpriced);
}

#[test]
fn what_is_settled_charged_or_released_is_never_forfeited() {
    let pool = BudgetPool::unconstrained();
    let _ = pool.charge(ESTIMATE);
    let _ = pool.charge(Usage::tokens(1, 1));
    pool.try_charge(ESTIMATE).unwrap();
    pool.record(1, 1, 1e-9).unwrap();
    for actual in [usage(1, 1, 1), usage(50, 50, 50), Usage::tokens(1, 1)] {
        let _ = started(&pool).settle(actual);
        let mut call = started(&pool);
        let _ = call.report(actual);
        let _ = call.settle(usage(2, 2, 2));
        let mut call = started(&pool);
        let _ = call.report(actual);
        let _ = call.release();
        let _ = started(&pool).release();
    }
    let spent = pool.spent();
    assert_eq!((spent.forfeited_calls, spent.forfeited_cost), (0, nanos(0)));
    assert_eq!(spent.calls, 13);
}

#[test]
fn the_pool_shows_the_same_forfeited_calls_wherever_it_is_asked() {
    let pool = BudgetPool::unconstrained();
    drop(started(&pool));
    let _ = pool.charge(Usage::tokens(1, 1));
    let expected = unpriced(1, forfeited(1, 30, spent(11, 21, 30, 2)));
    assert_eq!(pool.spent(), expected);
    assert_eq!(pool.snapshot().spent, expected);
    assert_eq!(pool.charge(usage(0, 0, 0)).spent.forfeited_cost, nanos(30));
    let admitted = pool.try_charge(usage(0, 0, 0)).unwrap();
    assert_eq!(
        admitted,
        unpriced(1, forfeited(1, 30, spent(11, 21, 30, 4)))
    );
    assert_eq!(pool.take(), admitted);
    assert_eq!(pool.spent(), spent(0, 0, 0, 0));
}
