//! What waiting cannot help is an error at once, and as soon as it becomes so.

use token_budget_pool::{BudgetPool, Limits, Reason, Rejected, Usage, Usd};

use crate::by_hand::{output, waits_for, ByHand};

fn pool() -> BudgetPool {
    BudgetPool::new(Limits::unlimited().output_tokens(100))
}

fn reason(rejected: Rejected) -> Reason {
    match rejected {
        Rejected::Exceeded(exceeded) => exceeded.reason(),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn refused_at_once(pool: &BudgetPool, usage: Usage) -> Rejected {
    let ended = ByHand::new(pool.reserve(usage)).poll();
    ended.expect("an answer at once").unwrap_err()
}

#[test]
fn at_once_where_nobody_waits() {
    let pool = pool();
    assert_eq!(
        reason(refused_at_once(&pool, output(101))),
        Reason::NeverFits
    );
    pool.try_charge(output(30)).unwrap();
    assert_eq!(
        reason(refused_at_once(&pool, output(71))),
        Reason::Exhausted
    );
    pool.set_limits(Limits::unlimited().cost(Usd::cents(1)));
    let unpriced = refused_at_once(&pool, Usage::tokens(1, 1));
    assert!(matches!(unpriced, Rejected::Unpriced { .. }));
    pool.close();
    assert!(refused_at_once(&pool, output(1)).is_closed());
}

#[test]
fn at_once_behind_those_that_wait() {
    let pool = pool();
    let _reservation = pool.try_reserve(output(80)).unwrap();
    let _waiting = waits_for(&pool, 50);
    assert_eq!(
        reason(refused_at_once(&pool, output(101))),
        Reason::NeverFits
    );
    // It would fit, and waits its turn all the same.
    let _behind = waits_for(&pool, 1);
}

#[test]
fn a_close_ends_all_waiting() {
    let pool = pool();
    let _reservation = pool.try_reserve(output(80)).unwrap();
    let all = [50, 1, 60].map(|tokens| waits_for(&pool, tokens));
    assert!(pool.close());
    for waiting in all {
        assert!(waiting.ended().unwrap_err().is_closed());
    }
}

#[test]
fn what_is_spent_meanwhile_ends_the_waiting_of_those_that_it_makes_vain() {
    let spend: [fn(&BudgetPool); 3] = [
        |pool| assert!(pool.try_charge(output(11)).is_ok()),
        |pool| assert_eq!(pool.charge(output(11)).counted.calls, 1),
        |pool| assert!(pool.record(0, 11, 0.0).is_ok()),
    ];
    for spend in spend {
        let pool = pool();
        let reservation = pool.try_reserve(output(80)).unwrap();
        let small = waits_for(&pool, 30);
        let large = waits_for(&pool, 90);
        let middle = waits_for(&pool, 89);
        spend(&pool);
        // Also where others are first, and still wait.
        assert!(!small.is_woken());
        assert_eq!(reason(large.ended().unwrap_err()), Reason::Exhausted);
        assert!(!middle.is_woken());
        drop(reservation);
        let small = small.ended();
        assert!(small.is_ok());
        assert!(!middle.is_woken());
        drop(small);
        assert!(middle.ended().is_ok());
    }
}

#[test]
fn a_lowered_limit_ends_the_waiting_of_those_that_never_fit() {
    let pool = pool();
    let reservation = pool.try_reserve(output(80)).unwrap();
    let small = waits_for(&pool, 30);
    let large = waits_for(&pool, 60);
    pool.set_limits(Limits::unlimited().output_tokens(50));
    assert_eq!(reason(large.ended().unwrap_err()), Reason::NeverFits);
    assert!(!small.is_woken());
    drop(reservation);
    assert!(small.ended().is_ok());
}

#[test]
fn a_limit_on_cost_ends_the_waiting_of_those_without_one() {
    let pool = pool();
    let _reservation = pool.try_reserve(output(80)).unwrap();
    let waiting = ByHand::new(pool.reserve(Usage::tokens(0, 30))).waits();
    pool.set_limits(Limits::unlimited().output_tokens(100).cost(Usd::cents(1)));
    let refused = waiting.ended().unwrap_err();
    assert!(matches!(refused, Rejected::Unpriced { .. }));
}
