//! Dollars in `f64` become exact nano-dollars: ten times 0.1 is 1.

use crate::amounts::{cost_cap, refused};
use token_budget_pool::BudgetPool;

#[test]
fn a_cost_is_rounded_to_the_nearest_nano_dollar_and_never_to_zero() {
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
fn a_thousand_of_the_smallest_costs_add_up_to_a_thousand_nano_dollars() {
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
fn a_refusal_names_the_cost_cap_as_it_was_given() {
    let given = 0.1 + 0.2;
    assert_ne!(given, 0.3);
    let pool = BudgetPool::with_caps(cost_cap(given));
    assert_eq!(pool.record(0, 0, 0.5), refused("cost_usd", given, 0.5));
    assert_eq!(pool.record(0, 0, -0.5), refused("cost_usd", given, -0.5));
    assert!(pool.record(0, 0, 0.3).is_ok());
}
