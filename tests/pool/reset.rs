//! A reset begins a new period: nothing is spent, what is reserved stays reserved, and no amount is
//! counted in two periods.

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Dimension, Limits, Reason, Spent, Totals, Usage};

#[test]
fn a_reset_keeps_what_is_reserved_and_what_was_reported_stays_in_the_old_period() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(100));
    let mut call = pool.try_reserve(usage(0, 80, 0)).unwrap().start();
    let _ = call.report(usage(0, 30, 0));
    let old = pool.take();
    assert_eq!((old.output_tokens, old.calls), (30, 0));
    assert_eq!(pool.snapshot().reserved, amounts(0, 50, 0));
    assert_eq!(
        exceeded(pool.check(usage(0, 51, 0)).unwrap_err()),
        (Dimension::OutputTokens, Reason::Busy, [100, 0, 50, 51])
    );
    let receipt = call.settle(usage(0, 45, 0));
    assert_eq!((receipt.spent.output_tokens, receipt.spent.calls), (15, 1));
    pool.reset();
    assert_eq!(pool.totals(), Totals::default());
}

#[test]
fn a_reset_begins_the_counts_of_guessed_calls_again() {
    let pool = BudgetPool::unconstrained();
    let guess = |pool: &BudgetPool| {
        let _ = pool.charge(Usage::tokens(1, 1));
        drop(pool.try_reserve(usage(1, 2, 3)).unwrap().start());
    };
    let one_of_each = unpriced(1, forfeited(1, 3, spent(2, 3, 3, 2)));
    for _ in 0..2 {
        guess(&pool);
        assert_eq!(pool.take(), one_of_each);
        assert_eq!(pool.spent(), Spent::default());
        guess(&pool);
        assert_eq!(pool.spent(), one_of_each);
        pool.reset();
        assert_eq!(pool.spent(), Spent::default());
    }
}

#[test]
fn a_call_is_forfeited_in_the_period_in_which_it_ends_for_what_was_not_reported_before() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    let _ = call.report(usage(4, 8, 12));
    assert_eq!(pool.take(), spent(4, 8, 12, 0));
    drop(call);
    assert_eq!(pool.take(), forfeited(1, 18, spent(6, 12, 18, 1)));
}
