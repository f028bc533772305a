//! Costs and caps that are no amount of dollars (NaN, infinite, negative) are errors. They name the field
//! and the value, and change nothing.

use std::panic::catch_unwind;

use crate::amounts::{cost_cap, nanos, refused, MOST};
use token_budget_pool::{BudgetPool, Caps, Limits, Usage, Usd};

const INVALID_COSTS: [f64; 6] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    -1.0,
    -5e-324,
    f64::MIN,
];

#[test]
fn an_invalid_cost_is_refused_before_any_cap_is_checked() {
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
        for cost in INVALID_COSTS {
            let refusal = pool.record(5, 5, cost).unwrap_err();
            assert_eq!(refusal.cap, "cost_usd");
            assert_eq!(refusal.limit, limit);
            assert_eq!(refusal.attempted.to_bits(), cost.to_bits());
        }
        assert_eq!(pool.snapshot(), before);
    }
}

#[test]
fn an_invalid_cost_names_infinity_as_the_limit_where_no_cap_is_in_force() {
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
fn an_invalid_cost_is_called_invalid_and_not_an_exceeded_cap() {
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
    // A cap of minus zero is a cap of zero.
    let pool = BudgetPool::with_caps(cost_cap(-0.0));
    assert_eq!(pool.limits().cost, Some(Usd::ZERO));
    assert!(pool.record(0, 0, 0.0).is_ok());
    assert!(pool.record(0, 0, 1e-9).is_err());
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
fn try_with_caps_returns_an_error_for_a_cap_that_makes_no_sense() {
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
fn a_cap_of_infinity_or_past_the_largest_cost_caps_nothing() {
    for dollars in [f64::INFINITY, 18_446_744_073.709_553, 1e30, f64::MAX] {
        let pool = BudgetPool::with_caps(cost_cap(dollars));
        assert_eq!(pool.limits(), Limits::unlimited());
        pool.record(1, 1, 1e10).unwrap();
        // No cap on cost is in force, so an unknown cost is admitted.
        assert!(pool.check(Usage::tokens(1, 1)).is_ok());
        assert_eq!(pool.caps(), cost_cap(dollars));
    }
    let largest = f64::from_bits(18_446_744_073.709_553_f64.to_bits() - 1);
    let limits = Limits::try_from(cost_cap(largest)).unwrap();
    assert_eq!(limits.cost, Some(nanos(MOST - 2047)));
}
