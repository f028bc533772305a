//! A pool that is built from a snapshot goes on counting from it.

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Dimension, Limits, Reason, Restore, Snapshot, Spent, Usage};

/// Of a pool that was closed with some calls in flight.
fn snapshot(reserved: &[Usage]) -> Snapshot {
    let pool = BudgetPool::unconstrained();
    let _ = pool.charge(usage(10, 20, 30));
    let _ = pool.charge(Usage::tokens(1, 2));
    let _reservations: Vec<_> = reserved
        .iter()
        .map(|&usage| pool.try_reserve(usage).unwrap())
        .collect();
    pool.close();
    pool.snapshot()
}

fn restored(snapshot: &Snapshot, reserved: Restore) -> BudgetPool {
    let builder = BudgetPool::builder().limits(Limits::unlimited().input_tokens(50));
    builder.restore(snapshot, reserved).build()
}

#[test]
fn a_restored_pool_goes_on_counting() {
    let saved = snapshot(&[usage(100, 200, 300)]);
    let spent_by = |reserved| {
        let pool = restored(&saved, reserved);
        assert_nothing_is_reserved(&pool);
        assert_eq!(pool.limits(), Limits::unlimited().input_tokens(50));
        assert!(!pool.is_closed());
        pool.spent()
    };
    // What was reserved may have been billed, and is counted past the limit too.
    assert_eq!(
        spent_by(Restore::ReservedAsSpent),
        unpriced(1, forfeited(1, 300, spent(111, 222, 330, 3)))
    );
    assert_eq!(
        spent_by(Restore::WithoutReserved),
        unpriced(1, spent(11, 22, 30, 2))
    );
    let beyond = restored(&saved, Restore::ReservedAsSpent);
    assert_eq!(
        exceeded(beyond.check(usage(1, 0, 0)).unwrap_err()),
        (Dimension::InputTokens, Reason::Exhausted, [50, 111, 0, 1])
    );
}

#[test]
fn calls_that_were_in_flight_are_counted_as_forfeited_and_never_as_unpriced() {
    let saved = snapshot(&[usage(1, 2, 300), Usage::tokens(3, 4), usage(5, 6, 70)]);
    assert_eq!(saved.calls_in_flight, 3);
    let pool = restored(&saved, Restore::ReservedAsSpent);
    let expected = unpriced(1, forfeited(3, 370, spent(20, 34, 400, 5)));
    assert_eq!(pool.spent(), expected);

    // What was forfeited before is kept in either case, and more is added to it.
    drop(pool.try_reserve(usage(0, 0, 5)).unwrap().start());
    let _reservation = pool.try_reserve(usage(0, 0, 8)).unwrap();
    let saved = pool.snapshot();
    assert_eq!(
        restored(&saved, Restore::WithoutReserved).spent(),
        unpriced(1, forfeited(4, 375, spent(20, 34, 405, 6)))
    );
    assert_eq!(
        restored(&saved, Restore::ReservedAsSpent).spent(),
        unpriced(1, forfeited(5, 383, spent(20, 34, 413, 7)))
    );
}

#[test]
fn a_pool_restored_from_a_fresh_one_is_a_fresh_one() {
    let fresh = BudgetPool::unconstrained().snapshot();
    for reserved in [Restore::ReservedAsSpent, Restore::WithoutReserved] {
        assert_eq!(restored(&fresh, reserved).spent(), Spent::default());
    }
}

#[test]
fn a_restored_pool_has_the_saved_limits_unless_it_is_given_others() {
    let limits = Limits::unlimited().cost(nanos(40));
    let old = BudgetPool::new(limits);
    let _ = old.charge(usage(0, 0, 40));
    let saved = old.snapshot();
    let builder = || BudgetPool::builder().restore(&saved, Restore::ReservedAsSpent);
    let pool = builder().build();
    assert_eq!(pool.limits(), limits);
    assert!(pool.try_charge(usage(0, 0, 1)).is_err());

    let others = Limits::unlimited().calls(5);
    let before = BudgetPool::builder().limits(others);
    for builder in [
        builder().limits(others),
        before.restore(&saved, Restore::ReservedAsSpent),
    ] {
        assert_eq!(builder.build().limits(), others);
    }
}
