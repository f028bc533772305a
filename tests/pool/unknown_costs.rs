//! An unknown cost is not zero: a limit on cost refuses it unless a cost is assumed, and where it must
//! be counted the pool counts the best that is known, and the call as unpriced.

use crate::amounts::*;
use token_budget_pool::{
    BudgetPool, Call, Dimension, Excess, Limits, Price, Rates, Reason, Rejected, Usage, Usd,
};

/// The refusal of an unknown cost under this limit on cost.
#[track_caller]
fn unpriced_under(pool: &BudgetPool, expected: Usd) -> Rejected {
    match pool.check(Usage::tokens(0, 0)) {
        Err(rejected @ Rejected::Unpriced { limit, .. }) if limit == expected => rejected,
        other => panic!("not unpriced under {expected}: {other:?}"),
    }
}

#[test]
fn an_unknown_cost_is_refused_under_a_limit_on_cost_and_not_without() {
    let unknown = Usage::tokens(3, 4);
    let pool = BudgetPool::new(Limits::unlimited().cost(nanos(7)));
    let expected = unpriced_under(&pool, nanos(7));
    assert_eq!(expected.dimension(), Some(Dimension::Cost));
    assert!(!expected.is_busy());
    let mut reservation = pool.try_reserve(usage(1, 1, 1)).unwrap();
    assert_eq!(pool.try_charge(unknown), Err(expected));
    assert_eq!(pool.try_reserve(unknown).unwrap_err(), expected);
    assert_eq!(
        pool.try_reserve_up_to(unknown, 1..=2, nanos(0))
            .unwrap_err(),
        expected
    );
    assert_eq!(reservation.extend(unknown), Err(expected));
    let mut call = reservation.start();
    assert_eq!(call.extend(unknown), Err(expected));
    let _ = call.release();
    assert_eq!(pool.spent().unpriced_calls, 0);

    let pool = BudgetPool::unconstrained();
    assert_eq!(
        pool.try_charge(unknown).unwrap(),
        unpriced(1, spent(3, 4, 0, 1))
    );
}

#[test]
fn the_largest_limit_on_cost_is_a_limit_too() {
    let pool = BudgetPool::new(Limits::unlimited().cost(Usd::MAX));
    assert_eq!(pool.limits().cost, Some(Usd::MAX));
    unpriced_under(&pool, Usd::MAX);
}

#[test]
fn an_unknown_cost_that_must_be_counted_is_counted_as_unpriced() {
    let unknown = Usage::tokens(3, 4);
    let pool = BudgetPool::new(Limits::unlimited().cost(nanos(7)));
    let receipt = pool.charge(unknown);
    assert_eq!(receipt.spent, unpriced(1, spent(3, 4, 0, 1)));
    assert_eq!(receipt.overrun, Excess::default()); // nothing was reserved for it

    // Nobody knows what it cost, so what was reserved is the best guess.
    let call = pool.try_reserve(usage(1, 1, 5)).unwrap().start();
    let receipt = call.settle(unknown);
    assert_eq!(receipt.spent, unpriced(2, spent(6, 8, 5, 2)));
    assert_eq!(pool.take().unpriced_calls, 2);
    assert_eq!(pool.spent().unpriced_calls, 0);
}

#[test]
fn an_assumed_cost_stands_in_for_one_that_is_unknown() {
    let limits = Limits::unlimited().cost(nanos(100));
    let pool = BudgetPool::builder()
        .limits(limits)
        .assumed_cost(nanos(30))
        .build();
    let unknown = Usage::tokens(1, 1);
    assert_eq!(pool.try_charge(unknown).unwrap().cost, nanos(30));
    assert_eq!(pool.charge(unknown).spent.cost, nanos(60));
    let reservation = pool.try_reserve(unknown).unwrap();
    assert_eq!(reservation.reserved(), amounts(1, 1, 30));
    assert_eq!(
        exceeded(pool.check(unknown).unwrap_err()),
        (Dimension::Cost, Reason::Busy, [100, 60, 30, 30])
    );
    // It stands in for an unknown cost alone, and falls away where the true one is known.
    let receipt = reservation.start().settle(usage(1, 1, 4));
    assert_eq!(receipt.spent.cost, nanos(64));
    assert_eq!(receipt.spent.unpriced_calls, 2);
}

#[test]
fn an_unknown_cost_counts_the_larger_of_the_assumed_cost_and_what_is_reported_and_reserved() {
    let unknown = Usage::tokens(0, 0);
    for (assumed, expected) in [(10, 50), (70, 70)] {
        let pool = || {
            let builder = BudgetPool::builder().assumed_cost(nanos(assumed));
            builder.build()
        };
        let cost = |pool: &BudgetPool| {
            let spent = pool.spent();
            assert_eq!((spent.calls, spent.unpriced_calls), (1, 1));
            assert_nothing_is_reserved(pool);
            spent.cost.as_nanos()
        };
        // All of it reserved, and 20 of it reported.
        for reported in [None, Some(20)] {
            let ends: [fn(Call<&BudgetPool>); 2] = [
                |call| {
                    let _ = call.settle(Usage::tokens(0, 0));
                },
                |call| {
                    let _ = call.settle_at_least(Usage::tokens(0, 0));
                },
            ];
            for end in ends {
                let pool = pool();
                let mut call = pool.try_reserve(usage(0, 0, 50)).unwrap().start();
                if let Some(cost) = reported {
                    let _ = call.report(usage(0, 0, cost));
                }
                end(call);
                assert_eq!(cost(&pool), expected);
            }
        }
        // An estimate without a cost, forfeited or dropped.
        let forfeited = pool();
        let _ = forfeited.try_reserve(unknown).unwrap().start().forfeit();
        assert_eq!(cost(&forfeited), assumed);
        let dropped = pool();
        drop(dropped.try_reserve(unknown).unwrap().start());
        assert_eq!(cost(&dropped), assumed);
    }
}

#[test]
fn after_a_report_without_a_cost_every_end_counts_the_reserved_cost_unless_a_settle_knows_it() {
    let ends: [fn(Call<&BudgetPool>); 5] = [
        |call| drop(call),
        |call| {
            let _ = call.release();
        },
        |call| {
            let _ = call.forfeit();
        },
        |call| {
            let _ = call.settle(Usage::tokens(4, 2));
        },
        |call| {
            let _ = call.settle_at_least(Usage::tokens(4, 2));
        },
    ];
    for end in ends {
        let pool = BudgetPool::unconstrained();
        let mut call = pool.try_reserve(usage(10, 10, 50)).unwrap().start();
        let receipt = call.report(Usage::tokens(4, 2));
        assert_eq!(receipt.spent.cost, nanos(0));
        assert_eq!(call.reserved(), amounts(6, 8, 50));
        assert_eq!(call.reported(), amounts(4, 2, 0));
        end(call);
        let spent = pool.spent();
        assert_eq!((spent.cost, spent.unpriced_calls), (nanos(50), 1));
    }
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 10, 50)).unwrap().start();
    let _ = call.report(Usage::tokens(4, 2));
    let receipt = call.settle(usage(4, 2, 20));
    assert_eq!(receipt.spent, spent(4, 2, 20, 1));
}

#[test]
fn a_later_report_with_a_cost_makes_the_call_priced_again() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 10, 50)).unwrap().start();
    let _ = call.report(Usage::tokens(4, 2));
    let _ = call.report(usage(5, 3, 9));
    assert_eq!(call.release().spent, spent(5, 3, 9, 1));
}

#[test]
fn an_extension_of_unknown_cost_reserves_up_to_the_assumed_cost_of_one_call() {
    let pool = BudgetPool::builder().assumed_cost(nanos(30)).build();
    let mut reservation = pool.try_reserve(usage(0, 0, 20)).unwrap();
    reservation.extend(Usage::tokens(1, 0)).unwrap();
    assert_eq!(reservation.reserved(), amounts(1, 0, 30));
    let mut call = reservation.start();
    call.extend(Usage::tokens(1, 0)).unwrap();
    assert_eq!(call.reserved(), amounts(2, 0, 30));
    let _ = call.forfeit();
    assert_eq!(pool.spent().unpriced_calls, 1);
}

#[test]
fn more_at_an_unknown_cost_does_not_pass_a_limit_on_cost() {
    let builder = || BudgetPool::builder().limits(Limits::unlimited().cost(nanos(50)));
    for pool in [builder().build(), builder().assumed_cost(nanos(20)).build()] {
        let mut reservation = pool.try_reserve(usage(1, 1, 50)).unwrap();
        let refused = reservation.extend(Usage::tokens(0, 1_000_000)).unwrap_err();
        assert!(matches!(refused, Rejected::Unpriced { limit, .. } if limit == nanos(50)));
        assert_eq!(reservation.reserved(), amounts(1, 1, 50));
        let mut call = reservation.start();
        assert!(call.extend(Usage::tokens(0, 1_000_000)).is_err());
        assert!(call.extend(usage(0, 1_000_000, 0)).is_ok());
        let _ = call.release();
    }
    // The assumed cost stands for all of a call whose estimate had none.
    let pool = builder().assumed_cost(nanos(20)).build();
    let mut reservation = pool.try_reserve(Usage::tokens(1, 1)).unwrap();
    reservation.extend(Usage::tokens(0, 1_000_000)).unwrap();
    assert_eq!(reservation.reserved(), amounts(1, 1_000_001, 20));
}

#[test]
fn a_price_that_overflows_is_not_taken_for_an_unknown_cost() {
    let price = Price::per_million(Rates::uncached("3", "15")).unwrap();
    let pool = BudgetPool::builder()
        .limits(Limits::unlimited().cost(Usd::dollars(1)))
        .assumed_cost(Usd::cents(2))
        .build();
    let refused = pool
        .try_reserve(price.worst_case(1_000, u64::MAX / 2))
        .unwrap_err();
    assert_eq!(refused.dimension(), Some(Dimension::Cost));
    assert!(!refused.is_busy());
}
