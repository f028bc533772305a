//! Limits are inclusive. Each refuses only calls that ask for more of its own dimension, and all of them
//! can be changed while the pool is in use.

use std::sync::LazyLock;
use std::thread;

use crate::amounts::{cost_cap, exceeded, excess, nanos, refused, usage};
use token_budget_pool::{BudgetPool, Caps, Dimension, Limits, Reason, Totals, Usage, Usd};

#[test]
fn a_record_of_nothing_counts_a_call() {
    let pool = BudgetPool::unconstrained();
    for calls in 1..=3 {
        let totals = pool.record(0, 0, 0.0).unwrap();
        assert_eq!(
            totals,
            Totals {
                calls,
                ..Totals::default()
            }
        );
    }
}

#[test]
fn a_limit_of_zero_admits_calls_that_ask_for_none_of_its_dimension() {
    let zero = Limits::unlimited()
        .input_tokens(0)
        .output_tokens(0)
        .total_tokens(0);
    let pool = BudgetPool::new(zero.cost(Usd::ZERO));
    assert!(pool.record(0, 0, 0.0).is_ok());
    assert!(pool.try_reserve(usage(0, 0, 0)).is_ok());
    for (call, dimension) in [
        (usage(1, 0, 0), Dimension::InputTokens),
        (usage(0, 1, 0), Dimension::OutputTokens),
        (usage(0, 0, 1), Dimension::Cost),
    ] {
        assert_eq!(pool.check(call).unwrap_err().dimension(), Some(dimension));
    }
    let pool = BudgetPool::new(Limits::unlimited().calls(0));
    assert_eq!(pool.record(0, 0, 0.0), refused("calls", 0.0, 1.0));
}

#[test]
fn a_full_pool_still_admits_calls_that_ask_for_none_of_the_full_dimension() {
    let limits = Limits::unlimited().input_tokens(10).cost(nanos(5));
    let pool = BudgetPool::new(limits);
    pool.try_charge(usage(10, 0, 5)).unwrap();
    assert!(pool.record(0, 7, 0.0).is_ok());
    assert!(pool.check(usage(0, 7, 0)).is_ok());
    let reservation = pool.try_reserve(usage(0, 7, 0)).unwrap();
    assert_eq!(pool.record(1, 0, 0.0).unwrap_err().cap, "input_tokens");
    assert_eq!(pool.record(0, 0, 1e-9).unwrap_err().cap, "cost_usd");
    drop(reservation);
}

#[test]
fn a_limit_that_is_passed_refuses_more_of_its_dimension_until_there_is_room() {
    let pool = BudgetPool::new(Limits::unlimited().total_tokens(100).cost(nanos(50)));
    let receipt = pool.charge(usage(150, 10, 20));
    assert_eq!(receipt.over_limit, excess(0, 0, 60, 0, 0));

    // Input and output both count.
    assert_eq!(
        exceeded(pool.check(usage(1, 0, 0)).unwrap_err()),
        (Dimension::TotalTokens, Reason::Exhausted, [100, 160, 0, 1])
    );
    assert_eq!(
        pool.record(0, 1, 0.0),
        refused("total_tokens", 100.0, 161.0)
    );
    assert!(pool.record(0, 0, 30e-9).is_ok());
    // A raised limit makes room only beyond what is spent.
    pool.set_limits(Limits::unlimited().total_tokens(160));
    assert!(pool.check(usage(0, 1, 0)).is_err());
    pool.set_limits(Limits::unlimited().total_tokens(161));
    assert!(pool.check(usage(0, 1, 0)).is_ok());
    pool.set_limits(Limits::unlimited().total_tokens(100));
    pool.reset();
    assert!(pool.check(usage(50, 50, 0)).is_ok());
}

#[test]
fn limits_below_what_is_spent_are_legal_and_undo_nothing() {
    let pool = BudgetPool::new(Limits::unlimited().input_tokens(100));
    let _ = pool.charge(usage(50, 0, 0));
    let reservation = pool.try_reserve(usage(30, 0, 0)).unwrap();
    let before = pool.snapshot();
    let old = pool.set_limits(Limits::unlimited().input_tokens(10));
    assert_eq!(old, Limits::unlimited().input_tokens(100));
    let now = pool.snapshot();
    assert_eq!((now.spent, now.reserved), (before.spent, before.reserved));
    assert_eq!(now.remaining().input_tokens, Some(0));
    let receipt = reservation.start().settle(usage(30, 0, 0));
    assert_eq!(receipt.over_limit.input_tokens, 70);
}

#[test]
fn a_change_of_limits_runs_again_when_another_came_between() {
    let pool = BudgetPool::new(Limits::unlimited().calls(10));
    let mut runs = 0;
    let new = pool.update_limits(|limits| {
        runs += 1;
        if runs == 1 {
            // Another operator adds ten too. The pool can be used meanwhile.
            pool.update_limits(|limits| limits.calls = limits.calls.map(|calls| calls + 10));
            pool.record(1, 1, 0.0).unwrap();
        }
        limits.calls = limits.calls.map(|calls| calls + 10);
    });
    assert_eq!(
        (runs, new.calls, pool.limits().calls),
        (2, Some(30), Some(30))
    );
    assert_eq!(pool.totals().calls, 1);
}

#[test]
fn caps_follow_the_limits_that_are_set() {
    let pool = BudgetPool::with_caps(cost_cap(0.1 + 0.2));
    // The same limit stays to the bit what it was given as.
    pool.update_limits(|limits| limits.calls = Some(3));
    assert_eq!(pool.caps(), cost_cap(0.1 + 0.2));
    pool.set_limits(
        Limits::unlimited()
            .output_tokens(5)
            .cost(nanos(250_000_000)),
    );
    let caps = Caps {
        max_output_tokens: Some(5),
        ..cost_cap(0.25)
    };
    assert_eq!(pool.caps(), caps);
    pool.set_limits(Limits::unlimited().calls(1));
    assert_eq!(pool.caps(), Caps::default());
}

#[test]
fn what_remains_is_none_where_unlimited_and_zero_where_a_limit_is_passed() {
    let limits = Limits::unlimited().input_tokens(10).total_tokens(100);
    let pool = BudgetPool::new(limits.cost(nanos(50)).calls(3));
    let _ = pool.charge(usage(12, 8, 20));
    assert!(pool.try_reserve(usage(0, 30, 40)).is_err());
    let reservation = pool.try_reserve(usage(0, 30, 25)).unwrap();
    let room = pool.snapshot().remaining();
    assert_eq!(room.input_tokens, Some(0));
    assert_eq!(room.output_tokens, None);
    assert_eq!(room.total_tokens, Some(50));
    assert_eq!(room.cost, Some(nanos(5)));
    assert_eq!(room.calls, Some(1));
    assert_eq!(pool.remaining(), room);
    drop(reservation);
}

#[test]
fn limits_in_a_constant_bound_a_pool_in_a_static() {
    const ESTIMATE: Usage = Usage::tokens(10, 5).cost(Usd::cents(25));
    const LIMITS: Limits = Limits::unlimited()
        .cost(Usd::dollars(20))
        .input_tokens(10_000)
        .output_tokens(10_000)
        .total_tokens(20_000)
        .calls(1_000);
    static POOL: LazyLock<BudgetPool> = LazyLock::new(|| BudgetPool::new(LIMITS));

    let spend_all = || {
        let mut calls = 0;
        while let Ok(reservation) = POOL.try_reserve(ESTIMATE) {
            let _ = reservation.start().settle(ESTIMATE);
            calls += 1;
        }
        calls
    };
    let calls: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(spend_all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(calls, 80);
    assert_eq!(POOL.spent().cost, Usd::dollars(20));
    let left = Limits::unlimited()
        .cost(Usd::ZERO)
        .input_tokens(10_000 - 800)
        .output_tokens(10_000 - 400)
        .total_tokens(20_000 - 1_200)
        .calls(1_000 - 80);
    assert_eq!(POOL.remaining(), left);
    assert_eq!(POOL.limits(), LIMITS);
}
