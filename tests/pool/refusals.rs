//! A refused call changes nothing, and the refusal says exactly why: which limit, in which state of the
//! pool, and whether waiting could help.

use std::sync::Arc;

use crate::amounts::{amounts, exceeded, nanos, refused, usage};
use token_budget_pool::{
    Amount, BudgetExceeded, BudgetPool, Dimension, Level, Limits, Reason, Rejected, Usage, Usd,
};

/// The refusal of a pool that is closed.
const CLOSED: Rejected = Rejected::Closed { level: Level::ROOT };

fn pool_with_calls(calls: u64) -> BudgetPool {
    BudgetPool::new(Limits::unlimited().calls(calls))
}

/// A dimension, a limit of 100 in it, a call that asks for so much of it, and its name.
type Case = (Dimension, Limits, fn(u64) -> Usage, &'static str);

const CASES: [Case; 4] = [
    (
        Dimension::InputTokens,
        Limits::unlimited().input_tokens(100),
        |n| usage(n, 0, 0),
        "input_tokens",
    ),
    (
        Dimension::OutputTokens,
        Limits::unlimited().output_tokens(100),
        |n| usage(0, n, 0),
        "output_tokens",
    ),
    (
        Dimension::TotalTokens,
        Limits::unlimited().total_tokens(100),
        |n| usage(n / 2, n - n / 2, 0),
        "total_tokens",
    ),
    (
        Dimension::Cost,
        Limits::unlimited().cost(nanos(100)),
        |n| usage(0, 0, n),
        "cost_usd",
    ),
];

#[test]
fn a_refused_call_changes_nothing() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(10).calls(3));
    let mut reservation = pool.try_reserve(usage(1, 5, 1)).unwrap();
    let _ = pool.charge(Usage::tokens(2, 3));
    let before = pool.snapshot();
    assert!(pool.record(1_000, 6, 1.0).is_err());
    assert!(pool.try_charge(Usage::tokens(1_000, 6)).is_err());
    assert!(pool.check(usage(1_000, 6, 1)).is_err());
    assert!(pool.try_reserve(usage(1_000, 6, 1)).is_err());
    assert!(pool
        .try_reserve_up_to(usage(1_000, 0, 1), 6..=9, nanos(1))
        .is_err());
    assert!(reservation.extend(usage(1_000, 6, 1)).is_err());
    assert_eq!(reservation.reserved(), amounts(1, 5, 1));
    assert_eq!(pool.snapshot(), before);
    let mut call = reservation.start();
    assert!(call.extend(usage(1_000, 6, 1)).is_err());
    assert_eq!(call.reserved(), amounts(1, 5, 1));
    assert_eq!(pool.snapshot(), before);
    let pool = Arc::new(pool_with_calls(0));
    assert!(pool.try_reserve_owned(usage(0, 0, 0)).is_err());
    assert_eq!(Arc::strong_count(&pool), 1);
}

#[test]
fn every_limit_says_why_it_refuses_with_the_numbers_it_went_by() {
    for (dimension, limits, call, name) in CASES {
        let pool = BudgetPool::new(limits);
        pool.try_charge(call(40)).unwrap();
        let reservation = pool.try_reserve(call(30)).unwrap();
        for (asked, reason) in [
            (31, Reason::Busy),
            (60, Reason::Busy),
            (61, Reason::Exhausted),
            (100, Reason::Exhausted),
            (101, Reason::NeverFits),
        ] {
            let numbers = (dimension, reason, [100, 40, 30, asked]);
            let attempts = [
                pool.try_charge(call(asked)).unwrap_err(),
                pool.check(call(asked)).unwrap_err(),
                pool.try_reserve(call(asked)).unwrap_err(),
                pool.try_reserve_up_to(call(asked), 0..=9, nanos(0))
                    .unwrap_err(),
            ];
            for rejected in attempts {
                assert_eq!(exceeded(rejected), numbers);
                assert_eq!(rejected.is_busy(), reason == Reason::Busy);
                assert!(!rejected.is_closed());
                assert_eq!(rejected.dimension(), Some(dimension));
            }
            let usage = call(asked);
            let dollars = usage.cost.unwrap().to_f64();
            let limit = if dimension == Dimension::Cost {
                1e-7
            } else {
                100.0
            };
            let recorded = pool
                .record(usage.input_tokens, usage.output_tokens, dollars)
                .unwrap_err();
            assert_eq!(recorded.cap, name);
            assert_eq!(recorded.limit, limit);
            assert_eq!(recorded, BudgetExceeded::from(attempts[0]));
        }
        // What fits exactly is not refused.
        assert!(pool.check(call(30)).is_ok());
        drop(reservation);
    }
}

#[test]
fn a_limit_on_calls_says_why_it_refuses_too() {
    let pool = pool_with_calls(2);
    let nothing = usage(0, 0, 0);
    pool.try_charge(nothing).unwrap();
    let call = pool.try_reserve(nothing).unwrap().start();
    assert_eq!(
        exceeded(pool.check(nothing).unwrap_err()),
        (Dimension::Calls, Reason::Busy, [2, 1, 1, 1])
    );
    assert_eq!(pool.record(0, 0, 0.0), refused("calls", 2.0, 3.0));
    let _ = call.forfeit();
    assert_eq!(
        exceeded(pool.check(nothing).unwrap_err()),
        (Dimension::Calls, Reason::Exhausted, [2, 2, 0, 1])
    );
    pool.set_limits(Limits::unlimited().calls(0));
    assert_eq!(
        exceeded(pool.check(nothing).unwrap_err()),
        (Dimension::Calls, Reason::NeverFits, [0, 2, 0, 1])
    );
}

#[test]
fn what_a_call_has_reserved_already_counts_with_what_it_asks_for() {
    for (dimension, limits, call, _) in CASES {
        let pool = BudgetPool::new(limits);
        pool.try_charge(call(20)).unwrap();
        let other = pool.try_reserve(call(10)).unwrap();
        let mut own = pool.try_reserve(call(30)).unwrap();
        for (more, reason) in [
            (41, Reason::Busy),
            (50, Reason::Busy),
            // Only its own reservation is in the way, so waiting does not help.
            (51, Reason::Exhausted),
            (70, Reason::Exhausted),
            (71, Reason::NeverFits),
        ] {
            assert_eq!(
                exceeded(own.extend(call(more)).unwrap_err()),
                (dimension, reason, [100, 20, 10, 30 + more])
            );
            assert_eq!(Usage::from(own.reserved()), call(30));
        }
        own.extend(call(40)).unwrap();
        assert_eq!(pool.snapshot().calls_in_flight, 2);
        let mut own = own.start();
        assert_eq!(
            exceeded(own.extend(call(1)).unwrap_err()),
            (dimension, Reason::Busy, [100, 20, 10, 71])
        );
        drop((own, other));
    }
}

#[test]
fn of_several_limits_that_refuse_the_first_with_the_worst_reason_is_named() {
    let limits = Limits::unlimited()
        .input_tokens(100)
        .output_tokens(100)
        .cost(nanos(100));
    let pool = BudgetPool::new(limits.calls(5));
    pool.try_charge(usage(0, 60, 60)).unwrap();
    let reservation = pool.try_reserve(usage(60, 0, 0)).unwrap();
    let named = |input, output, cost| {
        let (dimension, reason, _) = exceeded(pool.check(usage(input, output, cost)).unwrap_err());
        (dimension, reason)
    };
    assert_eq!(named(50, 0, 0), (Dimension::InputTokens, Reason::Busy));
    assert_eq!(
        named(50, 50, 0),
        (Dimension::OutputTokens, Reason::Exhausted)
    );
    assert_eq!(
        named(50, 50, 50),
        (Dimension::OutputTokens, Reason::Exhausted)
    );
    assert_eq!(named(50, 50, 101), (Dimension::Cost, Reason::NeverFits));
    assert_eq!(
        named(50, 101, 101),
        (Dimension::OutputTokens, Reason::NeverFits)
    );
    assert_eq!(
        named(101, 101, 101),
        (Dimension::InputTokens, Reason::NeverFits)
    );
    // Version 0.1 names the first of all.
    assert_eq!(pool.record(50, 101, 1.0).unwrap_err().cap, "input_tokens");
    drop(reservation);
}

#[test]
fn refusals_are_checked_in_the_order_closed_unpriced_limits() {
    let pool = BudgetPool::new(Limits::unlimited().input_tokens(1).cost(nanos(9)));
    let unpriced = Usage::tokens(5, 0);
    assert!(matches!(
        pool.check(unpriced),
        Err(Rejected::Unpriced { limit, .. }) if limit == nanos(9)
    ));
    assert!(matches!(
        pool.check(unpriced.cost(nanos(1))),
        Err(Rejected::Exceeded(_))
    ));
    pool.close();
    assert_eq!(pool.check(unpriced), Err(CLOSED));
}

#[test]
fn a_refusal_becomes_the_error_of_version_0_1() {
    let as_0_1 = |rejected: Rejected| {
        let BudgetExceeded {
            cap,
            limit,
            attempted,
        } = rejected.into();
        (cap, limit, attempted)
    };
    assert_eq!(as_0_1(CLOSED), ("closed", 0.0, 1.0));

    let pool = BudgetPool::new(Limits::unlimited().cost(nanos(2_500_000_000)));
    let rejected = pool.check(Usage::tokens(1, 1)).unwrap_err();
    assert_eq!(as_0_1(rejected), ("cost_usd", 2.5, f64::INFINITY));

    let _ = pool.charge(usage(0, 0, 2_000_000_000));
    let rejected = pool.check(usage(0, 0, 1_000_000_000)).unwrap_err();
    assert_eq!(as_0_1(rejected), ("cost_usd", 2.5, 3.0));

    let pool = BudgetPool::new(Limits::unlimited().input_tokens(10_000));
    let _reservation = pool.try_reserve(usage(1_000, 0, 0)).unwrap();
    let rejected = pool.check(usage(20_000, 0, 0)).unwrap_err();
    assert_eq!(as_0_1(rejected), ("input_tokens", 10_000.0, 21_000.0));
    let text = BudgetExceeded::from(rejected).to_string();
    assert_eq!(
        text,
        "budget cap `input_tokens` exceeded: limit=10000, attempted=21000"
    );
}

#[test]
fn a_refusal_says_in_words_what_it_is() {
    let pool = BudgetPool::new(Limits::unlimited().cost(nanos(2_500_000_000)));
    let text = pool.check(Usage::tokens(1, 1)).unwrap_err().to_string();
    assert!(text.contains("unknown") && text.contains("$2.5"), "{text}");
    let _reservation = pool.try_reserve(usage(0, 0, 2_000_000_001)).unwrap();
    let rejected = pool.check(usage(0, 0, 500_000_000)).unwrap_err();
    let text = rejected.to_string();
    for part in ["cost_usd", "busy", "$2.5", "$2.000000001", "$0.5"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    pool.close();
    let text = pool.check(usage(0, 0, 0)).unwrap_err().to_string();
    assert!(text.contains("closed"), "{text}");
    assert_eq!(
        text,
        pool.record(0, 0, 0.0).unwrap_err().to_string(),
        "both faces"
    );
}

#[test]
fn each_amount_of_a_refusal_is_in_the_unit_of_its_dimension() {
    let limits = Limits::unlimited().input_tokens(7).cost(Usd::cents(5));
    let pool = BudgetPool::new(limits.calls(3));
    let _ = pool.charge(Usage::tokens(1, 0).cost(Usd::cents(1)));
    let _reservation = pool.try_reserve(Usage::tokens(2, 0).cost(Usd::cents(2)));
    let refusal = |usage| match pool.check(usage) {
        Err(Rejected::Exceeded(exceeded)) => [
            exceeded.limit(),
            exceeded.spent(),
            exceeded.reserved(),
            exceeded.requested(),
        ],
        other => panic!("not refused by a limit: {other:?}"),
    };
    let cents = |cents| Amount::Cost(Usd::cents(cents));
    assert_eq!(
        refusal(Usage::tokens(5, 0).cost(Usd::ZERO)),
        [7, 1, 2, 5].map(Amount::Tokens)
    );
    assert_eq!(
        refusal(Usage::tokens(0, 0).cost(Usd::cents(4))),
        [5, 1, 2, 4].map(cents)
    );
    pool.update_limits(|limits| limits.calls = Some(2));
    assert_eq!(refusal(Usage::ZERO), [2, 1, 1, 1].map(Amount::Calls));
    // A cost prints as dollars, and a count as it is.
    assert_eq!(cents(4).to_string(), "$0.04");
    assert_eq!(Amount::Tokens(1_000).to_string(), "1000");
    assert_eq!(Amount::Calls(3).to_string(), "3");
}
