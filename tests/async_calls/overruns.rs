//! Calls that go beyond their estimates: all of it is counted, and then all is refused.

use std::sync::atomic::Ordering;

use token_budget_pool::{BudgetPool, Limits, Receipt};

use crate::books::Books;
use crate::plan::{seed, usage, FATES};
use crate::run::{check_that_all_happened, check_the_books, run, with_tokio, Load};

const LIMIT: u64 = 800_000;

/// Checks that only overruns have taken spent and reserved past the limit.
fn past_the_limit_by_overruns_alone(pool: &BudgetPool, books: &Books) {
    // The pool first: what it has counted of overruns is in the books by then.
    let snapshot = pool.snapshot();
    let overruns = books.overruns.load(Ordering::Relaxed);
    let (spent, reserved) = (snapshot.spent, snapshot.reserved);
    let spent = spent.input_tokens + spent.output_tokens;
    let reserved = reserved.input_tokens + reserved.output_tokens;
    assert!(spent + reserved <= LIMIT + overruns, "{snapshot:?}");
}

fn total_tokens(pool: &BudgetPool) -> u64 {
    let spent = pool.snapshot().spent;
    spent.input_tokens + spent.output_tokens
}

#[test]
fn with_overruns_spent_passes_a_limit_by_what_was_used_beyond_and_then_all_is_refused() {
    let outcome = with_tokio(run(Load {
        seed: seed(),
        tasks: 20_000,
        fates: &FATES,
        overrun: 150,
        limits: Limits::unlimited().total_tokens(LIMIT),
        watch: past_the_limit_by_overruns_alone,
    }));
    let pool = &*outcome.pool;
    past_the_limit_by_overruns_alone(pool, &outcome.books);
    check_the_books(&outcome.pool, &outcome.books);
    check_that_all_happened(&outcome);

    let over = |receipt: &&Receipt| receipt.overrun.any();
    assert!(outcome.receipts.iter().filter(over).count() > 50);
    for receipt in &outcome.receipts {
        let spent = receipt.spent.input_tokens + receipt.spent.output_tokens;
        assert_eq!(receipt.over_limit.total_tokens, spent.saturating_sub(LIMIT));
    }

    // Into debt for certain. Then every later admission is refused until there is room.
    if let Some(room) = LIMIT.checked_sub(total_tokens(pool)) {
        let call = pool
            .try_reserve(usage(room, 0))
            .expect("what is left")
            .start();
        assert_eq!(call.settle(usage(room, 9)).over_limit.total_tokens, 9);
    }
    let debt = total_tokens(pool) - LIMIT;
    assert!(debt > 0);
    let refused = pool.try_reserve(usage(1, 0)).unwrap_err();
    assert!(!refused.is_busy(), "{refused}");
    assert!(pool.record(0, 1, 0.0).is_err());
    assert!(pool.record(0, 0, 1.0).is_ok());
    pool.set_limits(Limits::unlimited().total_tokens(LIMIT + debt + 1));
    assert!(pool.try_reserve(usage(1, 1)).is_err());
    assert!(pool.try_reserve(usage(1, 0)).is_ok());
}
