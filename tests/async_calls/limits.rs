//! What is spent and reserved passes no limit, as long as calls stay within their estimates.

use std::sync::Arc;

use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
use tokio::task::JoinSet;

use crate::call::wait;
use crate::plan::{seed, FATES};
use crate::run::{check_that_all_happened, check_the_books, run, with_tokio, Load};

const LIMIT: u64 = 800_000;

#[test]
fn within_the_estimates_no_moment_shows_spent_and_reserved_past_a_limit() {
    let outcome = with_tokio(run(Load {
        seed: seed(),
        tasks: 20_000,
        fates: &FATES,
        overrun: 0,
        limits: Limits::unlimited()
            .total_tokens(LIMIT)
            .cost(Usd::from_nanos(12 * LIMIT)),
        watch: |pool, _| {
            let snapshot = pool.snapshot();
            let (spent, reserved) = (snapshot.spent, snapshot.reserved);
            let tokens = spent.input_tokens
                + spent.output_tokens
                + reserved.input_tokens
                + reserved.output_tokens;
            assert!(tokens <= LIMIT, "{snapshot:?}");
            let cost = spent.cost.as_nanos() + reserved.cost.as_nanos();
            assert!(cost <= 12 * LIMIT, "{snapshot:?}");
        },
    }));
    check_the_books(&outcome.pool, &outcome.books);
    check_that_all_happened(&outcome);
    for receipt in &outcome.receipts {
        assert!(!receipt.overrun.any() && !receipt.over_limit.any() && !receipt.saturated);
    }
}

#[test]
fn a_thousand_concurrent_calls_of_a_dime_against_five_dollars_make_exactly_fifty() {
    let dime = Usage::tokens(10, 10).cost(Usd::cents(10));
    with_tokio(async {
        let pool = Arc::new(BudgetPool::new(Limits::unlimited().cost(Usd::dollars(5))));
        let mut calls = JoinSet::new();
        for number in 0..1_000 {
            let pool = Arc::clone(&pool);
            calls.spawn(async move {
                wait(number % 3).await;
                let Ok(reservation) = pool.try_reserve_owned(dime) else {
                    return 0;
                };
                let call = reservation.start();
                wait(number % 7).await;
                let _ = call.settle(dime);
                1
            });
        }
        let made: Vec<u64> = calls.join_all().await;
        assert_eq!(made.iter().sum::<u64>(), 50);
        let spent = pool.snapshot().spent;
        assert_eq!((spent.calls, spent.cost), (50, Usd::dollars(5)));
    });
}
