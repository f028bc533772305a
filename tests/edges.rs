//! Bad input and edges, a named test each: costs that are none, amounts at the end of
//! what can be counted, caps that make no sense, pools that are full, in debt or closed,
//! and the exact numbers of every refusal.
//!
//! Nothing here depends on the build: what overflows is refused or stops at `u64::MAX`,
//! with and without overflow checks, so these tests are run in debug and in release.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use token_budget_pool::{
    BudgetExceeded, BudgetPool, Cap, Caps, Exceeded, Excess, Limits, MicroUsd, Reason, Rejected,
    Reservation, Restore, Totals, Usage,
};

const MOST: u64 = u64::MAX;

const fn nanos(nanos: u64) -> MicroUsd {
    MicroUsd::from_nanos(nanos)
}

/// Tokens in, tokens out, nano-dollars.
fn usage(input: u64, output: u64, cost: u64) -> Usage {
    Usage::tokens(input, output).cost(nanos(cost))
}

fn cost_cap(dollars: f64) -> Caps {
    Caps {
        max_cost_usd: Some(dollars),
        ..Caps::default()
    }
}

fn refused(cap: &'static str, limit: f64, attempted: f64) -> Result<Totals, BudgetExceeded> {
    Err(BudgetExceeded {
        cap,
        limit,
        attempted,
    })
}

/// Of a refusal by a limit: the cap, the reason, and limit, spent, reserved, requested.
fn why(rejected: Rejected) -> (Cap, Reason, [u64; 4]) {
    match rejected {
        Rejected::Exceeded(Exceeded {
            cap,
            limit,
            spent,
            reserved,
            requested,
            reason,
            ..
        }) => (cap, reason, [limit, spent, reserved, requested]),
        other => panic!("not refused by a limit: {other:?}"),
    }
}

fn excess(input: u64, output: u64, total: u64, cost: u64, calls: u64) -> Excess {
    let mut excess = Excess::default();
    excess.input_tokens = input;
    excess.output_tokens = output;
    excess.total_tokens = total;
    excess.cost = nanos(cost);
    excess.calls = calls;
    excess
}

const NO_COSTS: [f64; 6] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -1.0,
    -5e-324,
    f64::MIN,
];

#[test]
fn a_cost_that_is_none_is_refused_before_any_cap_is_looked_at() {
    let full = Caps {
        max_input_tokens: Some(0),
        max_cost_usd: Some(2.5),
        ..Caps::default()
    };
    let closed = BudgetPool::unconstrained();
    closed.close();
    for (pool, limit) in [
        (BudgetPool::unconstrained(), f64::INFINITY),
        (BudgetPool::with_caps(cost_cap(2.5)), 2.5),
        (BudgetPool::with_caps(full), 2.5),
        (closed, f64::INFINITY),
    ] {
        let before = pool.snapshot();
        for cost in NO_COSTS {
            let refusal = pool.record(5, 5, cost).unwrap_err();
            assert_eq!(refusal.cap, "cost_usd");
            assert_eq!(refusal.limit, limit);
            assert_eq!(refusal.attempted.to_bits(), cost.to_bits());
        }
        assert_eq!(pool.snapshot(), before);
    }
}

#[test]
fn an_invalid_cost_names_infinity_where_the_cap_given_is_none() {
    for dollars in [f64::INFINITY, 1e30] {
        let pool = BudgetPool::with_caps(cost_cap(dollars));
        assert_eq!(pool.limits().cost, None);
        assert_eq!(
            pool.record(0, 0, -1.0),
            refused("cost_usd", f64::INFINITY, -1.0)
        );
    }
}

#[test]
fn an_invalid_cost_is_called_that_and_not_an_exceeded_cap() {
    let pool = BudgetPool::with_caps(cost_cap(1.0));
    let infinite = (f64::INFINITY, "unknown or infinite");
    for (cost, value) in [(f64::NAN, "NaN"), infinite, (-2.5, "-2.5")] {
        let text = pool.record(0, 0, cost).unwrap_err().to_string();
        assert!(text.contains("invalid") && text.contains(value), "{text}");
        assert!(!text.contains("exceeded"), "{text}");
    }
    let text = pool.record(0, 0, 2.5).unwrap_err().to_string();
    assert!(
        text.contains("exceeded") && !text.contains("invalid"),
        "{text}"
    );
}

#[test]
fn a_cost_of_minus_zero_is_zero() {
    let pool = BudgetPool::with_caps(cost_cap(0.0));
    let totals = pool.record(0, 0, -0.0).unwrap();
    assert_eq!(totals.cost_usd.to_bits(), 0.0_f64.to_bits());
    assert_eq!(totals.calls, 1);
    // And a cap of it is a cap of zero.
    let pool = BudgetPool::with_caps(cost_cap(-0.0));
    assert_eq!(pool.limits().cost, Some(MicroUsd::ZERO));
    assert!(pool.record(0, 0, 0.0).is_ok());
    assert!(pool.record(0, 0, 1e-9).is_err());
}

#[test]
fn tokens_past_what_can_be_counted_are_refused_like_a_cap() {
    let most = MOST as f64;
    let pool = BudgetPool::unconstrained();
    pool.record(MOST, 0, 0.0).unwrap();
    assert_eq!(pool.record(1, 0, 0.0), refused("input_tokens", most, most));
    assert_eq!(
        why(pool.try_charge(usage(1, 0, 0)).unwrap_err()),
        (Cap::InputTokens, Reason::Exhausted, [MOST, MOST, 0, 1])
    );
    let pool = BudgetPool::unconstrained();
    pool.record(0, MOST, 0.0).unwrap();
    assert_eq!(pool.record(0, 1, 0.0), refused("output_tokens", most, most));
    assert_eq!(pool.totals().calls, 1);
}

#[test]
fn input_and_output_together_past_what_can_be_counted_are_refused_with_or_without_a_cap() {
    let most = u128::from(MOST);
    for cap in [None, Some(MOST)] {
        let pool = BudgetPool::with_caps(Caps {
            max_total_tokens: cap,
            ..Caps::default()
        });
        // In one call, and in two.
        assert_eq!(
            pool.record(MOST, 1, 0.0),
            refused("total_tokens", MOST as f64, (most + 1) as f64)
        );
        assert_eq!(
            why(pool.check(usage(MOST, MOST, 0)).unwrap_err()),
            (Cap::TotalTokens, Reason::NeverFits, [MOST, 0, 0, MOST])
        );
        pool.record(MOST - 2, 0, 0.0).unwrap();
        assert_eq!(
            pool.record(0, 3, 0.0),
            refused("total_tokens", MOST as f64, (most + 1) as f64)
        );
        pool.record(0, 2, 0.0).unwrap();
        assert_eq!(
            why(pool.check(usage(0, 1, 0)).unwrap_err()),
            (Cap::TotalTokens, Reason::Exhausted, [MOST, MOST, 0, 1])
        );
    }
    let pool = BudgetPool::with_caps(Caps {
        max_total_tokens: Some(10),
        ..Caps::default()
    });
    assert_eq!(
        pool.record(MOST, MOST, 0.0),
        refused("total_tokens", 10.0, (2 * most) as f64)
    );
}

#[test]
fn a_cost_past_what_can_be_counted_is_refused_like_a_cap() {
    let most = MOST as f64 / 1e9;
    for dollars in [1e11, 1e30, f64::MAX] {
        let pool = BudgetPool::unconstrained();
        assert_eq!(
            pool.record(0, 0, dollars),
            refused("cost_usd", most, dollars)
        );
        let pool = BudgetPool::with_caps(cost_cap(7.25));
        pool.record(0, 0, 0.25).unwrap();
        assert_eq!(
            pool.record(0, 0, dollars),
            refused("cost_usd", 7.25, 0.25 + dollars)
        );
        // The order of caps is the same as ever.
        let pool = BudgetPool::with_caps(Caps {
            max_output_tokens: Some(4),
            ..cost_cap(1.0)
        });
        assert_eq!(
            pool.record(0, 5, dollars),
            refused("output_tokens", 4.0, 5.0)
        );
    }
    let pool = BudgetPool::unconstrained();
    pool.record(0, 0, 18_446_744_073.0).unwrap();
    let twice = (2 * 18_446_744_073_000_000_000_u128) as f64 / 1e9;
    assert_eq!(
        pool.record(0, 0, 18_446_744_073.0),
        refused("cost_usd", most, twice)
    );
    assert_eq!(pool.totals().cost_usd, 18_446_744_073.0);
}

#[test]
fn calls_past_what_can_be_counted_are_refused() {
    let mut snapshot = BudgetPool::unconstrained().snapshot();
    snapshot.spent.calls = MOST - 1;
    let pool = BudgetPool::builder()
        .restore(&snapshot, Restore::ReservedAsSpent)
        .build();
    let hold = pool.reserve(usage(0, 0, 0)).unwrap();
    assert_eq!(
        why(pool.reserve(usage(0, 0, 0)).unwrap_err()),
        (Cap::Calls, Reason::Busy, [MOST, MOST - 1, 1, 1])
    );
    hold.forfeit();
    assert_eq!(
        pool.record(0, 0, 0.0),
        refused("calls", MOST as f64, (u128::from(MOST) + 1) as f64)
    );
    assert!(pool.charge(usage(0, 0, 0)).saturated);
    assert_eq!(pool.totals().calls, MOST);
}

#[test]
fn a_cap_that_makes_no_sense_panics_with_its_field_and_value() {
    for (dollars, value) in [
        (f64::NAN, "NaN"),
        (-1.5, "-1.5"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let panic = catch_unwind(|| BudgetPool::with_caps(cost_cap(dollars))).unwrap_err();
        let message = panic.downcast_ref::<String>().expect("a formatted message");
        assert!(message.contains("max_cost_usd"), "{message}");
        assert!(message.contains(value), "{message}");
    }
}

#[test]
fn a_cap_that_makes_no_sense_is_an_error_where_asked_for_one() {
    for dollars in [f64::NAN, f64::NEG_INFINITY, -1.5, -5e-324, f64::MIN] {
        let invalid = BudgetPool::try_with_caps(cost_cap(dollars)).unwrap_err();
        assert_eq!(invalid.field(), "max_cost_usd");
        assert_eq!(invalid.value().to_bits(), dollars.to_bits());
        let text = invalid.to_string();
        assert!(text.contains("max_cost_usd"), "{text}");
        assert!(text.contains(&dollars.to_string()), "{text}");
        assert!(Limits::try_from(cost_cap(dollars)).is_err());
    }
    assert!(BudgetPool::try_with_caps(cost_cap(0.5)).is_ok());
}

#[test]
fn a_cap_of_infinity_or_of_more_than_fits_caps_nothing() {
    for dollars in [f64::INFINITY, 18_446_744_073.709_553, 1e30, f64::MAX] {
        let pool = BudgetPool::with_caps(cost_cap(dollars));
        assert_eq!(pool.limits(), Limits::none());
        pool.record(1, 1, 1e10).unwrap();
        // No cap, so nothing to be unpriced under.
        assert!(pool.check(Usage::tokens(1, 1)).is_ok());
        assert_eq!(pool.caps(), cost_cap(dollars));
    }
    let largest = f64::from_bits(18_446_744_073.709_553_f64.to_bits() - 1);
    let limits = Limits::try_from(cost_cap(largest)).unwrap();
    assert_eq!(limits.cost, Some(nanos(MOST - 2047)));
}

#[test]
fn a_cost_is_taken_to_the_nearest_nano_dollar_and_never_to_zero() {
    for (dollars, expected) in [
        (0.0, 0),
        (5e-324, 1),
        (1e-30, 1),
        (4.999_999_999_999_999e-10, 1),
        (1.4e-9, 1),
        (1.5e-9, 2),
        (2.5e-9, 3),
        (3.499e-9, 3),
        (0.1, 100_000_000),
        (4_503_599.627_370_497, (1 << 52) + 1),
    ] {
        let pool = BudgetPool::unconstrained();
        pool.record(0, 0, dollars).unwrap();
        assert_eq!(
            pool.snapshot().spent.cost.as_nanos(),
            expected,
            "{dollars:?}"
        );
    }
}

#[test]
fn a_thousand_of_the_smallest_costs_are_a_thousand_of_them() {
    let pool = BudgetPool::with_caps(cost_cap(1e-6));
    for _ in 0..1_000 {
        pool.record(1, 0, 1e-10).unwrap();
    }
    assert_eq!(pool.totals().cost_usd, 1e-6);
    assert_eq!(
        pool.record(1, 0, 1e-10),
        refused("cost_usd", 1e-6, 1_001e-9)
    );
}

#[test]
fn ten_dimes_fit_a_dollar_and_three_fit_thirty_cents() {
    for (cap, dimes) in [(1.0, 10), (0.3, 3)] {
        let pool = BudgetPool::with_caps(cost_cap(cap));
        for _ in 0..dimes {
            pool.record(0, 0, 0.1).unwrap();
        }
        assert_eq!(pool.totals().cost_usd, cap);
        assert_eq!(pool.record(0, 0, 0.1).unwrap_err().limit, cap);
        assert_eq!(pool.totals().calls, dimes);
    }
}

#[test]
fn a_refusal_tells_the_cost_cap_as_it_was_given() {
    let given = 0.1 + 0.2;
    assert_ne!(given, 0.3);
    let pool = BudgetPool::with_caps(cost_cap(given));
    assert_eq!(pool.record(0, 0, 0.5), refused("cost_usd", given, 0.5));
    assert_eq!(pool.record(0, 0, -0.5), refused("cost_usd", given, -0.5));
    assert!(pool.record(0, 0, 0.3).is_ok());
}

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
fn a_cap_of_zero_admits_what_asks_for_none_of_it() {
    let none = Limits::none()
        .input_tokens(0)
        .output_tokens(0)
        .total_tokens(0);
    let pool = BudgetPool::with_limits(none.cost(MicroUsd::ZERO));
    assert!(pool.record(0, 0, 0.0).is_ok());
    assert!(pool.reserve(usage(0, 0, 0)).is_ok());
    for (call, cap) in [
        (usage(1, 0, 0), Cap::InputTokens),
        (usage(0, 1, 0), Cap::OutputTokens),
        (usage(0, 0, 1), Cap::Cost),
    ] {
        assert_eq!(pool.check(call).unwrap_err().cap(), Some(cap));
    }
    let pool = BudgetPool::with_limits(Limits::none().calls(0));
    assert_eq!(pool.record(0, 0, 0.0), refused("calls", 0.0, 1.0));
}

#[test]
fn a_full_pool_still_takes_what_asks_nothing_of_the_full_dimension() {
    let limits = Limits::none().input_tokens(10).cost(nanos(5));
    let pool = BudgetPool::with_limits(limits);
    pool.try_charge(usage(10, 0, 5)).unwrap();
    assert!(pool.record(0, 7, 0.0).is_ok());
    assert!(pool.check(usage(0, 7, 0)).is_ok());
    let hold = pool.reserve(usage(0, 7, 0)).unwrap();
    assert_eq!(pool.record(1, 0, 0.0).unwrap_err().cap, "input_tokens");
    assert_eq!(pool.record(0, 0, 1e-9).unwrap_err().cap, "cost_usd");
    drop(hold);
}

#[test]
fn debt_refuses_what_asks_for_more_of_it_until_there_is_room() {
    let pool = BudgetPool::with_limits(Limits::none().total_tokens(100).cost(nanos(50)));
    let receipt = pool.charge(usage(150, 10, 20));
    assert_eq!(receipt.over_cap, excess(0, 0, 60, 0, 0));

    // The total is of either side.
    assert_eq!(
        why(pool.check(usage(1, 0, 0)).unwrap_err()),
        (Cap::TotalTokens, Reason::Exhausted, [100, 160, 0, 1])
    );
    assert_eq!(
        pool.record(0, 1, 0.0),
        refused("total_tokens", 100.0, 161.0)
    );
    assert!(pool.record(0, 0, 30e-9).is_ok());
    // A raised limit pays it back in part, and only what is over stays.
    pool.set_limits(Limits::none().total_tokens(160));
    assert!(pool.check(usage(0, 1, 0)).is_err());
    pool.set_limits(Limits::none().total_tokens(161));
    assert!(pool.check(usage(0, 1, 0)).is_ok());
    pool.set_limits(Limits::none().total_tokens(100));
    pool.reset();
    assert!(pool.check(usage(50, 50, 0)).is_ok());
}

#[test]
fn what_is_counted_leaves_what_others_hold_as_it_was() {
    let pool = BudgetPool::unconstrained();
    let hold = pool.reserve(usage(10, 20, 30)).unwrap();
    let other = pool.reserve(usage(1, 2, 3)).unwrap();
    let steps: [fn(&BudgetPool); 6] = [
        |pool| {
            let _ = pool.record(1, 1, 1e-9).unwrap();
        },
        |pool| {
            let _ = pool.try_charge(Usage::tokens(1, 1)).unwrap();
        },
        |pool| {
            let _ = pool.charge(usage(1, 1, 1));
        },
        |pool| {
            let _ = pool.take();
        },
        |pool| pool.reset(),
        |pool| pool.close(),
    ];
    for (index, step) in steps.into_iter().enumerate() {
        step(&pool);
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.reserved, usage(11, 22, 33), "after step {index}");
        assert_eq!(snapshot.calls_in_flight, 2, "after step {index}");
    }
    other.forfeit();
    assert_eq!(pool.snapshot().reserved, hold.held());
}

#[test]
fn a_refused_call_changes_nothing() {
    let pool = BudgetPool::with_limits(Limits::none().output_tokens(10).calls(3));
    let mut hold = pool.reserve(usage(1, 5, 1)).unwrap();
    pool.charge(Usage::tokens(2, 3));
    let before = pool.snapshot();
    assert!(pool.record(1_000, 6, 1.0).is_err());
    assert!(pool.try_charge(Usage::tokens(1_000, 6)).is_err());
    assert!(pool.check(usage(1_000, 6, 1)).is_err());
    assert!(pool.reserve(usage(1_000, 6, 1)).is_err());
    assert!(pool
        .reserve_up_to(usage(1_000, 0, 1), 6..=9, nanos(1))
        .is_err());
    assert!(hold.extend(usage(1_000, 6, 1)).is_err());
    assert_eq!(hold.held(), usage(1, 5, 1));
    assert_eq!(pool.snapshot(), before);
    let pool = Arc::new(pool_with_calls(0));
    assert!(pool.reserve_owned(usage(0, 0, 0)).is_err());
    assert_eq!(Arc::strong_count(&pool), 1);
}

fn pool_with_calls(calls: u64) -> BudgetPool {
    BudgetPool::with_limits(Limits::none().calls(calls))
}

/// A limit of 100 in one dimension, a call that asks for so much of it, and its name.
type Dimension = (Cap, Limits, fn(u64) -> Usage, &'static str);

const DIMENSIONS: [Dimension; 4] = [
    (
        Cap::InputTokens,
        Limits::none().input_tokens(100),
        |n| usage(n, 0, 0),
        "input_tokens",
    ),
    (
        Cap::OutputTokens,
        Limits::none().output_tokens(100),
        |n| usage(0, n, 0),
        "output_tokens",
    ),
    (
        Cap::TotalTokens,
        Limits::none().total_tokens(100),
        |n| usage(n / 2, n - n / 2, 0),
        "total_tokens",
    ),
    (
        Cap::Cost,
        Limits::none().cost(nanos(100)),
        |n| usage(0, 0, n),
        "cost_usd",
    ),
];

#[test]
fn every_cap_says_why_it_refuses_with_the_numbers_it_went_by() {
    for (cap, limits, call, name) in DIMENSIONS {
        let pool = BudgetPool::with_limits(limits);
        pool.try_charge(call(40)).unwrap();
        let hold = pool.reserve(call(30)).unwrap();
        for (asked, reason) in [
            (31, Reason::Busy),
            (60, Reason::Busy),
            (61, Reason::Exhausted),
            (100, Reason::Exhausted),
            (101, Reason::NeverFits),
        ] {
            let numbers = (cap, reason, [100, 40, 30, asked]);
            let attempts = [
                pool.try_charge(call(asked)).unwrap_err(),
                pool.check(call(asked)).unwrap_err(),
                pool.reserve(call(asked)).unwrap_err(),
                pool.reserve_up_to(call(asked), 0..=9, nanos(0))
                    .unwrap_err(),
            ];
            for rejected in attempts {
                assert_eq!(why(rejected), numbers);
                assert_eq!(rejected.is_busy(), reason == Reason::Busy);
                assert!(!rejected.is_closed());
                assert_eq!(rejected.cap(), Some(cap));
            }
            let usage = call(asked);
            let dollars = usage.cost.unwrap().as_usd();
            let limit = if cap == Cap::Cost { 1e-7 } else { 100.0 };
            let recorded = pool
                .record(usage.input_tokens, usage.output_tokens, dollars)
                .unwrap_err();
            assert_eq!(recorded.cap, name);
            assert_eq!(recorded.limit, limit);
            assert_eq!(recorded, BudgetExceeded::from(attempts[0]));
        }
        // What fits exactly is not refused.
        assert!(pool.check(call(30)).is_ok());
        drop(hold);
    }
}

#[test]
fn a_limit_on_calls_says_why_it_refuses_too() {
    let pool = pool_with_calls(2);
    let call = usage(0, 0, 0);
    pool.try_charge(call).unwrap();
    let hold = pool.reserve(call).unwrap();
    assert_eq!(
        why(pool.check(call).unwrap_err()),
        (Cap::Calls, Reason::Busy, [2, 1, 1, 1])
    );
    assert_eq!(pool.record(0, 0, 0.0), refused("calls", 2.0, 3.0));
    hold.forfeit();
    assert_eq!(
        why(pool.check(call).unwrap_err()),
        (Cap::Calls, Reason::Exhausted, [2, 2, 0, 1])
    );
    pool.set_limits(Limits::none().calls(0));
    assert_eq!(
        why(pool.check(call).unwrap_err()),
        (Cap::Calls, Reason::NeverFits, [0, 2, 0, 1])
    );
}

#[test]
fn what_a_call_holds_itself_counts_with_what_it_asks_for() {
    for (cap, limits, call, _) in DIMENSIONS {
        let pool = BudgetPool::with_limits(limits);
        pool.try_charge(call(20)).unwrap();
        let other = pool.reserve(call(10)).unwrap();
        let mut own = pool.reserve(call(30)).unwrap();
        for (more, reason) in [
            (41, Reason::Busy),
            (50, Reason::Busy),
            // Nobody but itself would be in the way: waiting is for ever.
            (51, Reason::Exhausted),
            (70, Reason::Exhausted),
            (71, Reason::NeverFits),
        ] {
            assert_eq!(
                why(own.extend(call(more)).unwrap_err()),
                (cap, reason, [100, 20, 10, 30 + more])
            );
            assert_eq!(own.held(), call(30));
        }
        own.extend(call(40)).unwrap();
        assert_eq!(pool.snapshot().calls_in_flight, 2);
        drop((own, other));
    }
}

#[test]
fn an_extension_takes_no_call() {
    let pool = pool_with_calls(1);
    let mut hold = pool.reserve(usage(1, 1, 1)).unwrap();
    hold.extend(usage(1, 2, 3)).unwrap();
    assert_eq!(hold.held(), usage(2, 3, 4));
    assert_eq!(pool.snapshot().reserved, usage(2, 3, 4));
    assert_eq!(pool.snapshot().calls_in_flight, 1);
    drop(hold);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn of_several_caps_that_refuse_the_first_with_the_worst_reason_is_named() {
    let limits = Limits::none()
        .input_tokens(100)
        .output_tokens(100)
        .cost(nanos(100));
    let pool = BudgetPool::with_limits(limits.calls(5));
    pool.try_charge(usage(0, 60, 60)).unwrap();
    let hold = pool.reserve(usage(60, 0, 0)).unwrap();
    let named = |input, output, cost| {
        let (cap, reason, _) = why(pool.check(usage(input, output, cost)).unwrap_err());
        (cap, reason)
    };
    assert_eq!(named(50, 0, 0), (Cap::InputTokens, Reason::Busy));
    assert_eq!(named(50, 50, 0), (Cap::OutputTokens, Reason::Exhausted));
    assert_eq!(named(50, 50, 50), (Cap::OutputTokens, Reason::Exhausted));
    assert_eq!(named(50, 50, 101), (Cap::Cost, Reason::NeverFits));
    assert_eq!(named(50, 101, 101), (Cap::OutputTokens, Reason::NeverFits));
    assert_eq!(named(101, 101, 101), (Cap::InputTokens, Reason::NeverFits));
    // Version 0.1 names the first of all.
    assert_eq!(pool.record(50, 101, 1.0).unwrap_err().cap, "input_tokens");
    drop(hold);
}

#[test]
fn refusals_are_looked_at_in_the_order_closed_unpriced_caps() {
    let pool = BudgetPool::with_limits(Limits::none().input_tokens(1).cost(nanos(9)));
    let unpriced = Usage::tokens(5, 0);
    assert_eq!(
        pool.check(unpriced).unwrap_err(),
        unpriced_under(&pool, nanos(9))
    );
    assert!(matches!(
        pool.check(unpriced.cost(nanos(1))),
        Err(Rejected::Exceeded(_))
    ));
    pool.close();
    assert_eq!(pool.check(unpriced), Err(Rejected::Closed));
}

/// `Rejected::Unpriced` with this limit, once it was seen to be that.
fn unpriced_under(pool: &BudgetPool, expected: MicroUsd) -> Rejected {
    match pool.check(Usage::tokens(0, 0)) {
        Err(rejected @ Rejected::Unpriced { limit, .. }) if limit == expected => rejected,
        other => panic!("not unpriced under {expected}: {other:?}"),
    }
}

#[test]
fn a_refusal_becomes_the_one_of_0_1() {
    let told = |rejected: Rejected| {
        let BudgetExceeded {
            cap,
            limit,
            attempted,
        } = rejected.into();
        (cap, limit, attempted)
    };
    assert_eq!(told(Rejected::Closed), ("closed", 0.0, 1.0));

    let pool = BudgetPool::with_limits(Limits::none().cost(nanos(2_500_000_000)));
    let rejected = pool.check(Usage::tokens(1, 1)).unwrap_err();
    assert_eq!(told(rejected), ("cost_usd", 2.5, f64::INFINITY));

    pool.charge(usage(0, 0, 2_000_000_000));
    let rejected = pool.check(usage(0, 0, 1_000_000_000)).unwrap_err();
    assert_eq!(told(rejected), ("cost_usd", 2.5, 3.0));

    let pool = BudgetPool::with_limits(Limits::none().input_tokens(10_000));
    let _hold = pool.reserve(usage(1_000, 0, 0)).unwrap();
    let rejected = pool.check(usage(20_000, 0, 0)).unwrap_err();
    assert_eq!(told(rejected), ("input_tokens", 10_000.0, 21_000.0));
    let text = BudgetExceeded::from(rejected).to_string();
    assert_eq!(
        text,
        "budget cap `input_tokens` exceeded: limit=10000, attempted=21000"
    );
}

#[test]
fn a_refusal_says_in_words_what_it_is() {
    let pool = BudgetPool::with_limits(Limits::none().cost(nanos(2_500_000_000)));
    let text = pool.check(Usage::tokens(1, 1)).unwrap_err().to_string();
    assert!(text.contains("unknown") && text.contains("$2.5"), "{text}");
    let _hold = pool.reserve(usage(0, 0, 2_000_000_001)).unwrap();
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
fn an_unknown_cost_is_refused_under_a_limit_on_cost_and_not_without() {
    let unpriced = Usage::tokens(3, 4);
    let pool = BudgetPool::with_limits(Limits::none().cost(MicroUsd::from_nanos(7)));
    let expected = unpriced_under(&pool, nanos(7));
    assert_eq!(expected.cap(), Some(Cap::Cost));
    assert!(!expected.is_busy());
    let mut hold = pool.reserve(usage(1, 1, 1)).unwrap();
    assert_eq!(pool.try_charge(unpriced), Err(expected));
    assert_eq!(pool.reserve(unpriced).unwrap_err(), expected);
    assert_eq!(
        pool.reserve_up_to(unpriced, 1..=2, nanos(0)).unwrap_err(),
        expected
    );
    assert_eq!(hold.extend(unpriced), Err(expected));
    drop(hold);
    assert_eq!(pool.snapshot().spent.unpriced_calls, 0);

    let pool = BudgetPool::unconstrained();
    let spent = pool.try_charge(unpriced).unwrap();
    assert_eq!((spent.input_tokens, spent.output_tokens), (3, 4));
    assert_eq!(
        (spent.cost, spent.calls, spent.unpriced_calls),
        (nanos(0), 1, 1)
    );
}

#[test]
fn the_largest_limit_on_cost_is_a_limit_too() {
    let pool = BudgetPool::with_limits(Limits::none().cost(MicroUsd::MAX));
    assert_eq!(pool.limits().cost, Some(MicroUsd::MAX));
    unpriced_under(&pool, MicroUsd::MAX);
}

#[test]
fn an_unknown_cost_that_must_be_counted_is_counted_as_unpriced() {
    let unpriced = Usage::tokens(3, 4);
    let pool = BudgetPool::with_limits(Limits::none().cost(nanos(7)));
    let receipt = pool.charge(unpriced);
    assert_eq!(receipt.spent.cost, nanos(0));
    assert_eq!((receipt.spent.calls, receipt.spent.unpriced_calls), (1, 1));
    assert_eq!(receipt.overrun, excess(3, 4, 7, 0, 0));

    // Nobody told what it came to, so the hold is the best that is known.
    let receipt = pool.reserve(usage(1, 1, 5)).unwrap().settle(unpriced);
    assert_eq!(receipt.spent.cost, nanos(5));
    assert_eq!((receipt.spent.calls, receipt.spent.unpriced_calls), (2, 2));
    assert_eq!(pool.take().unpriced_calls, 2);
    assert_eq!(pool.snapshot().spent.unpriced_calls, 0);
}

#[test]
fn an_assumed_cost_stands_in_for_one_that_is_unknown() {
    let limits = Limits::none().cost(nanos(100));
    let pool = BudgetPool::builder()
        .limits(limits)
        .assumed_cost(nanos(30))
        .build();
    let unpriced = Usage::tokens(1, 1);
    assert_eq!(pool.try_charge(unpriced).unwrap().cost, nanos(30));
    assert_eq!(pool.charge(unpriced).spent.cost, nanos(60));
    let hold = pool.reserve(unpriced).unwrap();
    assert_eq!(hold.held(), usage(1, 1, 30));
    assert_eq!(
        why(pool.check(unpriced).unwrap_err()),
        (Cap::Cost, Reason::Busy, [100, 60, 30, 30])
    );
    // It stands in for an unknown cost alone, and falls away where the true one is told.
    let receipt = hold.settle(usage(1, 1, 4));
    assert_eq!(receipt.spent.cost, nanos(64));
    assert_eq!(receipt.spent.unpriced_calls, 2);
}

#[test]
fn an_unknown_cost_counts_the_larger_of_what_is_assumed_and_what_the_call_told_and_holds() {
    let pool = |assumed| {
        let builder = BudgetPool::builder().assumed_cost(nanos(assumed));
        builder.build()
    };
    let unknown = Usage::tokens(0, 0);
    for (assumed, expected) in [(10, 50), (70, 70)] {
        let held = || pool(assumed);
        let cost = |pool: &BudgetPool| {
            let spent = pool.snapshot().spent;
            assert_eq!((spent.calls, spent.unpriced_calls), (1, 1));
            assert_eq!(pool.snapshot().reserved, usage(0, 0, 0));
            spent.cost.as_nanos()
        };
        // Held, and of that 20 told in a part.
        for part in [None, Some(20)] {
            let (one, another) = (held(), held());
            let mut hold = one.reserve(usage(0, 0, 50)).unwrap();
            part.map(|part| hold.settle_so_far(usage(0, 0, part)));
            hold.settle(unknown);
            assert_eq!(cost(&one), expected);
            let mut hold = another.reserve(usage(0, 0, 50)).unwrap();
            part.map(|part| hold.settle_so_far(usage(0, 0, part)));
            hold.settle_at_least(unknown);
            assert_eq!(cost(&another), expected);
        }
        // An estimate without a cost, forfeited or dropped after it was sent.
        let pool = held();
        pool.reserve(unknown).unwrap().forfeit();
        assert_eq!(cost(&pool), assumed);
        let pool = held();
        pool.reserve(unknown).unwrap().sent();
        assert_eq!(cost(&pool), assumed);
    }
}

#[test]
fn parts_told_without_a_cost_leave_the_held_cost_owed() {
    // Every end counts it,
    let ends: [fn(Reservation<'_>); 5] = [
        |hold| drop(hold),
        |hold| hold.refund(),
        |hold| {
            hold.forfeit();
        },
        |hold| {
            hold.settle(Usage::tokens(4, 2));
        },
        |hold| {
            hold.settle_at_least(Usage::tokens(4, 2));
        },
    ];
    for end in ends {
        let pool = BudgetPool::unconstrained();
        let mut hold = pool.reserve(usage(10, 10, 50)).unwrap();
        let receipt = hold.settle_so_far(Usage::tokens(4, 2));
        assert_eq!(receipt.spent.cost, nanos(0));
        assert_eq!(hold.held(), usage(6, 8, 50));
        assert_eq!(hold.told(), usage(4, 2, 0));
        end(hold);
        let spent = pool.snapshot().spent;
        assert_eq!((spent.cost, spent.unpriced_calls), (nanos(50), 1));
    }
    // but for a settle that tells it.
    let pool = BudgetPool::unconstrained();
    let mut hold = pool.reserve(usage(10, 10, 50)).unwrap();
    hold.settle_so_far(Usage::tokens(4, 2));
    hold.settle(usage(4, 2, 20));
    let spent = pool.snapshot().spent;
    assert_eq!((spent.cost, spent.unpriced_calls), (nanos(20), 0));
}

#[test]
fn an_extension_of_unknown_cost_is_topped_up_to_what_is_assumed_for_one_call() {
    let pool = BudgetPool::builder().assumed_cost(nanos(30)).build();
    let mut hold = pool.reserve(usage(0, 0, 20)).unwrap();
    hold.extend(Usage::tokens(1, 0)).unwrap();
    assert_eq!(hold.held(), usage(1, 0, 30));
    hold.extend(Usage::tokens(1, 0)).unwrap();
    assert_eq!(hold.held(), usage(2, 0, 30));
    hold.forfeit();
    assert_eq!(pool.snapshot().spent.unpriced_calls, 1);
}

#[test]
fn what_must_be_counted_stops_at_the_most_and_says_so() {
    let pool = BudgetPool::unconstrained();
    assert!(!pool.charge(usage(MOST, 0, MOST - 1)).saturated);
    assert!(!pool.charge(usage(0, 0, 1)).saturated);
    for (call, expected) in [
        (usage(0, 0, 1), (MOST, 0)),
        (usage(1, 0, 0), (MOST, 0)),
        (usage(MOST, 0, 0), (MOST, 0)),
        (usage(0, MOST, 0), (MOST, MOST)),
        (usage(0, 1, 0), (MOST, MOST)),
    ] {
        let receipt = pool.charge(call);
        assert!(receipt.saturated, "{call:?}");
        let spent = receipt.spent;
        assert_eq!((spent.input_tokens, spent.output_tokens), expected);
        assert_eq!(spent.cost, MicroUsd::MAX);
        assert!(receipt.to_string().contains("full"), "{receipt}");
    }
    // A full count has no room until a reset.
    assert!(pool.check(usage(1, 0, 0)).is_err());
    assert!(pool.check(usage(0, 0, 1)).is_err());
    assert!(pool.check(usage(0, 0, 0)).is_ok());
    pool.reset();
    assert!(pool.check(usage(MOST, 0, MOST)).is_ok());
}

#[test]
fn a_settle_stops_at_the_most_and_says_so() {
    let pool = BudgetPool::unconstrained();
    let mut streamed = pool.reserve(usage(5, 5, 5)).unwrap();
    let settled = pool.reserve(usage(5, 5, 5)).unwrap();
    pool.charge(usage(MOST, 0, 0));
    assert!(!streamed.settle_so_far(usage(0, 0, 1)).saturated);
    assert!(streamed.settle_so_far(usage(1, 0, 1)).saturated);
    assert_eq!(streamed.held(), usage(4, 5, 4));
    let receipt = settled.settle(usage(0, MOST, 0));
    assert!(receipt.saturated);
    assert_eq!(receipt.overrun, excess(0, MOST - 5, MOST - 5, 0, 0));
    assert_eq!(receipt.spent.output_tokens, MOST);
    assert!(streamed.forfeit().saturated);
    assert_eq!(pool.snapshot().reserved, usage(0, 0, 0));
}

#[test]
fn what_is_held_is_kept_also_where_the_call_was_told_more_than_can_be_counted() {
    let ends: [fn(Reservation<'_>); 3] = [
        |hold| drop(hold),
        |hold| {
            hold.forfeit();
        },
        |hold| {
            hold.settle_at_least(usage(0, 0, 0));
        },
    ];
    for end in ends {
        let pool = BudgetPool::unconstrained();
        let mut hold = pool.reserve(usage(0, 0, 0)).unwrap();
        hold.settle_so_far(usage(MOST, 0, 0));
        pool.reset();
        hold.extend(usage(5, 0, 0)).unwrap();
        end(hold);
        assert_eq!(pool.snapshot().spent.input_tokens, 5);
    }
}

#[test]
fn a_receipt_says_what_was_beyond_the_hold_and_beyond_the_limits() {
    let limits = Limits::none()
        .input_tokens(10)
        .output_tokens(100)
        .total_tokens(50);
    let pool = BudgetPool::with_limits(limits.cost(nanos(7)).calls(0));
    pool.set_limits(limits.cost(nanos(7)).calls(1));
    let hold = pool.reserve(usage(5, 5, 5)).unwrap();
    pool.set_limits(limits.cost(nanos(7)).calls(0));
    let receipt = hold.settle(usage(12, 60, 5));
    assert_eq!(receipt.overrun, excess(7, 55, 62, 0, 0));
    assert_eq!(receipt.told_more, Excess::default());
    assert_eq!(receipt.over_cap, excess(2, 0, 22, 0, 1));
    assert!(!receipt.saturated);
    assert!(receipt.over_cap.any() && !receipt.told_more.any());
    let text = receipt.to_string();
    for part in ["input_tokens=2", "total_tokens=22", "calls=1"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_receipt_says_in_words_what_is_too_much_and_nothing_else() {
    let pool = BudgetPool::with_limits(Limits::none().output_tokens(10).cost(nanos(7)));
    let hold = pool.reserve(usage(3, 5, 5)).unwrap();
    let receipt = hold.settle(usage(2, 5, 5));
    assert_eq!(receipt.to_string(), "spent $0.000000005 in 1 calls");
    assert_eq!(receipt.overrun.to_string(), "nothing");
    assert_eq!(
        pool.charge(usage(0, 20, 0)).to_string(),
        "spent $0.000000005 in 2 calls; beyond its hold: output_tokens=20, total_tokens=20; \
         over cap: output_tokens=15"
    );
    assert_eq!(
        pool.charge(usage(0, 0, 4)).to_string(),
        "spent $0.000000009 in 3 calls; beyond its hold: cost=$0.000000004; \
         over cap: output_tokens=15, cost=$0.000000002"
    );
}

#[test]
fn a_reservation_prints_what_it_holds_and_was_told() {
    let pool = BudgetPool::unconstrained();
    let mut hold = pool.reserve(usage(3, 5, 7)).unwrap();
    hold.settle_so_far(usage(1, 2, 3));
    let text = format!("{hold:?}");
    for usage in [usage(2, 3, 4), usage(1, 2, 3)] {
        assert!(text.contains(&format!("{usage:?}")), "{text}");
    }
}

#[test]
fn both_counts_of_tokens_may_fit_and_their_sum_stop_at_the_most() {
    let pool = BudgetPool::with_limits(Limits::none().total_tokens(10));
    let receipt = pool.charge(usage(MOST - 5, 5, 0));
    assert!(!receipt.saturated);
    assert_eq!(receipt.over_cap.total_tokens, MOST - 10);
    let receipt = pool.charge(usage(0, 1, 0));
    assert!(receipt.saturated);
    assert_eq!(receipt.over_cap.total_tokens, MOST - 10);
    let spent = receipt.spent;
    assert_eq!((spent.input_tokens, spent.output_tokens), (MOST - 5, 6));
    // Of either side there is no room.
    pool.set_limits(Limits::none());
    assert_eq!(
        why(pool.check(usage(1, 0, 0)).unwrap_err()),
        (Cap::TotalTokens, Reason::Exhausted, [MOST, MOST, 0, 1])
    );
    assert!(pool.check(usage(0, 0, 1)).is_ok());
}

#[test]
fn a_receipt_says_that_counts_are_full_also_where_two_are() {
    for (output, cost, calls, more) in [
        (MOST, MOST, 0, usage(0, 1, 1)),
        (0, MOST, MOST, usage(0, 0, 1)),
        // The second is the sum of tokens.
        (MOST, 0, MOST, usage(1, 0, 0)),
    ] {
        let mut snapshot = BudgetPool::unconstrained().snapshot();
        snapshot.spent.output_tokens = output;
        snapshot.spent.cost = nanos(cost);
        snapshot.spent.calls = calls;
        let pool = BudgetPool::builder().restore(&snapshot, Restore::ReservedAsSpent);
        assert!(pool.build().charge(more).saturated, "{more:?}");
    }
}

#[test]
fn a_settle_counts_what_is_new_and_never_lowers_what_is_spent() {
    let pool = BudgetPool::unconstrained();
    let mut hold = pool.reserve(usage(100, 100, 100)).unwrap();
    let first = hold.settle_so_far(usage(10, 40, 5));
    assert_eq!(first.spent.calls, 0);
    // Told twice, or less than before: nothing moves.
    let second = hold.settle_so_far(usage(10, 40, 5));
    assert_eq!(first, second);
    let third = hold.settle_so_far(usage(9, 40, 2));
    assert_eq!(third.spent, first.spent);
    assert_eq!(third.told_more, excess(1, 0, 1, 3, 0));
    assert_eq!(hold.held(), usage(90, 60, 95));
    assert_eq!(hold.told(), usage(10, 40, 5));

    let last = hold.settle(usage(20, 30, 5));
    assert_eq!(last.told_more, excess(0, 10, 10, 0, 0));
    assert_eq!(last.overrun, Excess::default());
    let spent = last.spent;
    assert_eq!(
        (spent.input_tokens, spent.output_tokens, spent.cost),
        (20, 40, nanos(5))
    );
    assert_eq!(spent.calls, 1);
    assert_eq!(pool.snapshot().reserved, usage(0, 0, 0));
}

#[test]
fn a_reservation_ends_in_each_of_its_ways_once() {
    let state = |pool: &BudgetPool| {
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.reserved, usage(0, 0, 0));
        assert_eq!(snapshot.calls_in_flight, 0);
        let spent = snapshot.spent;
        (
            spent.input_tokens,
            spent.output_tokens,
            spent.cost.as_nanos(),
            spent.calls,
        )
    };
    let pool = || BudgetPool::with_limits(Limits::none().calls(1));
    let estimate = usage(10, 20, 30);

    let unsent = pool();
    drop(unsent.reserve(estimate).unwrap());
    assert_eq!(state(&unsent), (0, 0, 0, 0));

    let sent = pool();
    sent.reserve(estimate).unwrap().sent();
    assert_eq!(state(&sent), (10, 20, 30, 1));

    let forfeited = pool();
    forfeited.reserve(estimate).unwrap().forfeit();
    assert_eq!(state(&forfeited), (10, 20, 30, 1));

    let settled = pool();
    settled.reserve(estimate).unwrap().settle(usage(11, 2, 3));
    assert_eq!(state(&settled), (11, 2, 3, 1));

    let cut_off = pool();
    cut_off
        .reserve(estimate)
        .unwrap()
        .settle_at_least(usage(11, 2, 3));
    assert_eq!(state(&cut_off), (11, 20, 30, 1));

    let streamed = pool();
    let mut hold = streamed.reserve(estimate).unwrap();
    hold.settle_so_far(usage(4, 25, 6));
    drop(hold);
    assert_eq!(state(&streamed), (10, 25, 30, 1));

    let turned_away = pool();
    let mut hold = turned_away.reserve(estimate).unwrap();
    hold.sent();
    hold.refund();
    assert_eq!(state(&turned_away), (0, 0, 0, 0));

    let refunded_rest = pool();
    let mut hold = refunded_rest.reserve(estimate).unwrap();
    hold.settle_so_far(usage(4, 25, 6));
    hold.refund();
    assert_eq!(state(&refunded_rest), (4, 25, 6, 1));
}

#[test]
fn a_panic_gives_back_what_was_held_and_breaks_nothing() {
    let pool = BudgetPool::with_limits(Limits::none().calls(3));
    let estimate = usage(1, 2, 3);
    let unsent = catch_unwind(AssertUnwindSafe(|| {
        let _hold = pool.reserve(estimate).unwrap();
        panic!("before it was sent");
    }));
    assert!(unsent.is_err());
    assert_eq!(pool.snapshot().spent.calls, 0);
    let sent = catch_unwind(AssertUnwindSafe(|| {
        let mut hold = pool.reserve(estimate).unwrap();
        hold.sent();
        panic!("after it was sent");
    }));
    assert!(sent.is_err());
    assert_eq!(pool.snapshot().spent.calls, 1);
    let changing = catch_unwind(AssertUnwindSafe(|| {
        pool.update_limits(|_| panic!("in the middle of a change"));
    }));
    assert!(changing.is_err());
    let thread = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pool.charge(estimate);
            panic!("with the pool at hand");
        });
        thread.join()
    });
    assert!(thread.is_err());
    assert_eq!(pool.snapshot().calls_in_flight, 0);
    assert_eq!(pool.limits().calls, Some(3));
    assert_eq!(pool.record(0, 0, 0.0).unwrap().calls, 3);
}

#[test]
fn the_most_output_that_fits_is_granted_to_the_last_token() {
    // Rooms, prices and fixed parts that leave remainders.
    let rooms = [0, 1, 9, 10, 11, 99, 100, 1_000];
    let prices = [0, 1, 333_333, 1_000_000, 1_500_000, 7_000_001];
    let mut limited_by = [0; 3];
    for (room, price, fixed) in rooms
        .into_iter()
        .flat_map(|room| prices.map(|price| (room, price)))
        .flat_map(|(room, price)| [0, 1, 10].map(|fixed| (room, price, fixed)))
    {
        let limits = [
            Limits::none().output_tokens(room),
            Limits::none().total_tokens(room),
            Limits::none().cost(nanos(room)),
        ];
        for (which, limits) in limits.into_iter().enumerate() {
            let pool = BudgetPool::with_limits(limits);
            let fixed = usage(fixed, fixed, fixed);
            let call = |output: u64| {
                let cost = (u128::from(output) * u128::from(price)).div_ceil(1_000_000);
                usage(0, output, cost as u64).checked_add(fixed).unwrap()
            };
            let fits = |output| pool.check(call(output)).is_ok();
            let most = 500;
            let expected = (0..=most).rev().find(|&output| fits(output));
            match pool.reserve_up_to(fixed, 0..=most, nanos(price)) {
                Ok(hold) => {
                    let granted = expected.expect("nothing fits, and something was granted");
                    assert_eq!(hold.held(), call(granted));
                    assert_eq!(pool.snapshot().reserved, call(granted));
                    if granted < most {
                        drop(hold);
                        assert!(!fits(granted + 1));
                        limited_by[which] += 1;
                    }
                }
                Err(rejected) => {
                    assert_eq!(expected, None);
                    assert_eq!(Err(rejected), pool.check(fixed));
                }
            };
        }
    }
    assert!(limited_by.iter().all(|&times| times > 20), "{limited_by:?}");
}

#[test]
fn the_output_granted_is_never_less_than_the_least_nor_more_than_the_most() {
    let pool = BudgetPool::with_limits(Limits::none().output_tokens(100));
    let held = |least, most| {
        let hold = pool.reserve_up_to(usage(0, 0, 0), least..=most, nanos(0));
        hold.map(|hold| hold.held().output_tokens)
    };
    assert_eq!(held(10, 50), Ok(50));
    assert_eq!(held(10, 500), Ok(100));
    assert_eq!(held(100, MOST), Ok(100));
    let (cap, reason, numbers) = why(held(101, 500).unwrap_err());
    assert_eq!((cap, reason), (Cap::OutputTokens, Reason::NeverFits));
    assert_eq!(numbers, [100, 0, 0, 101]);
    // An empty range is its least.
    assert_eq!(held(70, 20), Ok(70));
    assert_eq!(held(1, 0), Ok(1));
    assert!(held(101, 0).is_err());
    // The largest of everything.
    let pool = BudgetPool::unconstrained();
    let hold = pool
        .reserve_up_to(usage(0, 0, 0), 0..=MOST, MicroUsd::MAX)
        .unwrap();
    assert_eq!(hold.held(), usage(0, 1_000_000, MOST));
}

#[test]
fn a_grant_takes_part_of_the_estimates_unknown_cost_from_what_is_assumed() {
    let pool = BudgetPool::builder()
        .limits(Limits::none().cost(nanos(100)))
        .assumed_cost(nanos(40))
        .build();
    let hold = pool
        .reserve_up_to(Usage::tokens(1, 0), 1..=1_000, nanos(1_000_000))
        .unwrap();
    assert_eq!(hold.held(), usage(1, 60, 100));
    hold.forfeit();
    assert_eq!(pool.snapshot().spent.unpriced_calls, 1);
}

#[test]
fn a_closed_pool_refuses_every_admission_and_counts_what_is_spent() {
    let pool = BudgetPool::unconstrained();
    let mut hold = pool.reserve(usage(1, 2, 3)).unwrap();
    let mut streamed = pool.reserve(usage(1, 2, 3)).unwrap();
    let unsent = pool.reserve(usage(1, 2, 3)).unwrap();
    pool.close();
    pool.close();
    let nothing = usage(0, 0, 0);
    assert_eq!(pool.record(0, 0, 0.0), refused("closed", 0.0, 1.0));
    assert_eq!(pool.try_charge(nothing), Err(Rejected::Closed));
    assert_eq!(pool.check(nothing), Err(Rejected::Closed));
    assert_eq!(pool.reserve(nothing).unwrap_err(), Rejected::Closed);
    let granted = pool.reserve_up_to(nothing, 0..=1, nanos(0));
    assert_eq!(granted.unwrap_err(), Rejected::Closed);
    assert_eq!(hold.extend(nothing), Err(Rejected::Closed));
    assert!(pool.check(nothing).unwrap_err().is_closed());
    assert_eq!(pool.check(nothing).unwrap_err().cap(), None);

    assert_eq!(pool.charge(usage(10, 0, 0)).spent.input_tokens, 10);
    streamed.settle_so_far(usage(1, 1, 1));
    assert_eq!(hold.settle(usage(20, 0, 0)).spent.input_tokens, 31);
    drop(unsent);
    streamed.forfeit();
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.calls_in_flight, 0);
    assert_eq!(snapshot.spent.calls, 3);

    // For good, whatever else is done.
    pool.set_limits(Limits::none());
    pool.update_limits(|limits| limits.calls = Some(9));
    pool.reset();
    assert_eq!(pool.take().calls, 0);
    assert!(pool.snapshot().closed);
    assert_eq!(pool.check(nothing), Err(Rejected::Closed));
    assert_eq!(pool.limits().calls, Some(9));
}

#[test]
fn a_reset_keeps_what_is_reserved_and_what_was_told_stays_in_the_old_period() {
    let pool = BudgetPool::with_limits(Limits::none().output_tokens(100));
    let mut hold = pool.reserve(usage(0, 80, 0)).unwrap();
    hold.settle_so_far(usage(0, 30, 0));
    let old = pool.take();
    assert_eq!((old.output_tokens, old.calls), (30, 0));
    assert_eq!(pool.snapshot().reserved, usage(0, 50, 0));
    assert_eq!(
        why(pool.check(usage(0, 51, 0)).unwrap_err()),
        (Cap::OutputTokens, Reason::Busy, [100, 0, 50, 51])
    );
    let receipt = hold.settle(usage(0, 45, 0));
    assert_eq!((receipt.spent.output_tokens, receipt.spent.calls), (15, 1));
    pool.reset();
    assert_eq!(pool.totals(), Totals::default());
}

#[test]
fn limits_below_what_is_spent_are_legal_and_undo_nothing() {
    let pool = BudgetPool::with_limits(Limits::none().input_tokens(100));
    pool.charge(usage(50, 0, 0));
    let hold = pool.reserve(usage(30, 0, 0)).unwrap();
    let before = pool.snapshot();
    let old = pool.set_limits(Limits::none().input_tokens(10));
    assert_eq!(old, Limits::none().input_tokens(100));
    let now = pool.snapshot();
    assert_eq!((now.spent, now.reserved), (before.spent, before.reserved));
    assert_eq!(now.remaining().input_tokens, Some(0));
    assert_eq!(hold.settle(usage(30, 0, 0)).over_cap.input_tokens, 70);
}

#[test]
fn a_change_of_limits_runs_again_when_another_came_between() {
    let pool = BudgetPool::with_limits(Limits::none().calls(10));
    let mut runs = 0;
    let new = pool.update_limits(|limits| {
        runs += 1;
        if runs == 1 {
            // Another operator, who also adds ten; and the pool is free to be used.
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
fn limits_that_are_set_are_told_as_caps_too() {
    let pool = BudgetPool::with_caps(cost_cap(0.1 + 0.2));
    // The same limit stays to the bit what it was given as.
    pool.update_limits(|limits| limits.calls = Some(3));
    assert_eq!(pool.caps(), cost_cap(0.1 + 0.2));
    pool.set_limits(Limits::none().output_tokens(5).cost(nanos(250_000_000)));
    let caps = Caps {
        max_output_tokens: Some(5),
        ..cost_cap(0.25)
    };
    assert_eq!(pool.caps(), caps);
    pool.set_limits(Limits::none().calls(1));
    assert_eq!(pool.caps(), Caps::default());
}

#[test]
fn what_remains_is_none_where_unlimited_and_zero_in_debt() {
    let limits = Limits::none().input_tokens(10).total_tokens(100);
    let pool = BudgetPool::with_limits(limits.cost(nanos(50)).calls(3));
    pool.charge(usage(12, 8, 20));
    let hold = pool.reserve(usage(0, 30, 40));
    assert!(hold.is_err());
    let hold = pool.reserve(usage(0, 30, 25)).unwrap();
    let room = pool.snapshot().remaining();
    assert_eq!(room.input_tokens, Some(0));
    assert_eq!(room.output_tokens, None);
    assert_eq!(room.total_tokens, Some(50));
    assert_eq!(room.cost, Some(nanos(5)));
    assert_eq!(room.calls, Some(1));
    drop(hold);
}

#[test]
fn a_restored_pool_goes_on_counting() {
    let old = BudgetPool::unconstrained();
    old.charge(usage(10, 20, 30));
    old.charge(Usage::tokens(1, 2));
    let hold = old.reserve(usage(100, 200, 300)).unwrap();
    old.close();
    let snapshot = old.snapshot();
    drop(hold);

    let limits = Limits::none().input_tokens(50);
    let restored = |reserved| {
        let builder = BudgetPool::builder().limits(limits);
        builder.restore(&snapshot, reserved).build().snapshot()
    };
    let spent = |reserved| {
        let snapshot = restored(reserved);
        assert_eq!(snapshot.reserved, usage(0, 0, 0));
        assert_eq!(snapshot.calls_in_flight, 0);
        assert_eq!(snapshot.limits, limits);
        assert!(!snapshot.closed);
        let spent = snapshot.spent;
        let amounts = usage(
            spent.input_tokens,
            spent.output_tokens,
            spent.cost.as_nanos(),
        );
        (amounts, spent.calls, spent.unpriced_calls)
    };
    // What was reserved may have been billed, and past the limit it is debt.
    assert_eq!(
        spent(Restore::ReservedAsSpent),
        (usage(111, 222, 330), 3, 1)
    );
    assert_eq!(spent(Restore::WithoutReserved), (usage(11, 22, 30), 2, 1));
    let debt = BudgetPool::builder().limits(limits);
    let debt = debt.restore(&snapshot, Restore::ReservedAsSpent).build();
    assert_eq!(
        why(debt.check(usage(1, 0, 0)).unwrap_err()),
        (Cap::InputTokens, Reason::Exhausted, [50, 111, 0, 1])
    );
}

#[test]
fn a_restored_count_stops_at_the_most() {
    let pool = BudgetPool::unconstrained();
    let _hold = pool.reserve(usage(0, 5, 5)).unwrap();
    let mut snapshot = pool.snapshot();
    snapshot.spent.output_tokens = MOST - 1;
    snapshot.spent.cost = MicroUsd::MAX;
    let restored = BudgetPool::builder().restore(&snapshot, Restore::ReservedAsSpent);
    let spent = restored.build().snapshot().spent;
    assert_eq!((spent.output_tokens, spent.cost), (MOST, MicroUsd::MAX));
}
