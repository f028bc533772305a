//! Where counts end: an admission that would pass `u64::MAX` is refused, and what is spent already stops
//! there and says so. The counts of guessed calls stop at `u32::MAX`.
//!
//! Nothing here depends on the build. Run it in debug and in release, with and without overflow checks.

use crate::amounts::*;
use token_budget_pool::{
    BudgetPool, Call, Caps, Dimension, Limits, Reason, Restore, Snapshot, Usage, Usd,
};

fn restored(snapshot: &Snapshot) -> BudgetPool {
    let builder = BudgetPool::builder();
    builder.restore(snapshot, Restore::ReservedAsSpent).build()
}

#[test]
fn tokens_past_the_largest_count_are_refused_as_by_a_limit() {
    let most = MOST as f64;
    let pool = BudgetPool::unconstrained();
    pool.record(MOST, 0, 0.0).unwrap();
    assert_eq!(pool.record(1, 0, 0.0), refused("input_tokens", most, most));
    assert_eq!(
        exceeded(pool.try_charge(usage(1, 0, 0)).unwrap_err()),
        (
            Dimension::InputTokens,
            Reason::Exhausted,
            [MOST, MOST, 0, 1]
        )
    );
    let pool = BudgetPool::unconstrained();
    pool.record(0, MOST, 0.0).unwrap();
    assert_eq!(pool.record(0, 1, 0.0), refused("output_tokens", most, most));
    assert_eq!(pool.totals().calls, 1);
}

#[test]
fn input_and_output_together_past_the_largest_count_are_refused_with_or_without_a_cap() {
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
            exceeded(pool.check(usage(MOST, MOST, 0)).unwrap_err()),
            (
                Dimension::TotalTokens,
                Reason::NeverFits,
                [MOST, 0, 0, MOST]
            )
        );
        pool.record(MOST - 2, 0, 0.0).unwrap();
        assert_eq!(
            pool.record(0, 3, 0.0),
            refused("total_tokens", MOST as f64, (most + 1) as f64)
        );
        pool.record(0, 2, 0.0).unwrap();
        assert_eq!(
            exceeded(pool.check(usage(0, 1, 0)).unwrap_err()),
            (
                Dimension::TotalTokens,
                Reason::Exhausted,
                [MOST, MOST, 0, 1]
            )
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
fn a_cost_past_the_largest_is_refused_as_by_a_limit() {
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
fn calls_past_the_largest_count_are_refused() {
    let mut snapshot = BudgetPool::unconstrained().snapshot();
    snapshot.spent.calls = MOST - 1;
    let pool = restored(&snapshot);
    let call = pool.try_reserve(usage(0, 0, 0)).unwrap().start();
    assert_eq!(
        exceeded(pool.try_reserve(usage(0, 0, 0)).unwrap_err()),
        (Dimension::Calls, Reason::Busy, [MOST, MOST - 1, 1, 1])
    );
    assert!(!call.forfeit().saturated);
    assert_eq!(
        pool.record(0, 0, 0.0),
        refused("calls", MOST as f64, (u128::from(MOST) + 1) as f64)
    );
    assert!(pool.charge(usage(0, 0, 0)).saturated);
    assert_eq!(pool.totals().calls, MOST);
}

#[test]
fn a_charge_stops_at_the_largest_count_and_says_so() {
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
        assert_eq!(spent.cost, Usd::MAX);
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
fn a_settle_stops_at_the_largest_count_and_says_so() {
    let pool = BudgetPool::unconstrained();
    let mut streamed = pool.try_reserve(usage(5, 5, 5)).unwrap().start();
    let settled = pool.try_reserve(usage(5, 5, 5)).unwrap().start();
    assert!(!pool.charge(usage(MOST, 0, 0)).saturated);
    assert!(!streamed.report(usage(0, 0, 1)).saturated);
    assert!(streamed.report(usage(1, 0, 1)).saturated);
    assert_eq!(streamed.reserved(), amounts(4, 5, 4));
    let receipt = settled.settle(usage(0, MOST, 0));
    assert!(receipt.saturated);
    assert_eq!(receipt.overrun, excess(0, MOST - 5, MOST - 5, 0, 0));
    assert_eq!(receipt.spent.output_tokens, MOST);
    assert!(streamed.forfeit().saturated);
    assert_nothing_is_reserved(&pool);
}

#[test]
fn what_is_reserved_is_counted_also_after_a_report_of_the_largest_count() {
    let ends: [fn(Call<&BudgetPool>); 3] = [
        |call| drop(call),
        |call| {
            let _ = call.forfeit();
        },
        |call| {
            let _ = call.settle_at_least(usage(0, 0, 0));
        },
    ];
    for end in ends {
        let pool = BudgetPool::unconstrained();
        let mut call = pool.try_reserve(usage(0, 0, 0)).unwrap().start();
        let _ = call.report(usage(MOST, 0, 0));
        pool.reset();
        call.extend(usage(5, 0, 0)).unwrap();
        end(call);
        assert_eq!(pool.snapshot().spent.input_tokens, 5);
    }
}

#[test]
fn both_counts_of_tokens_may_fit_and_their_sum_stop_at_the_largest() {
    let pool = BudgetPool::new(Limits::unlimited().total_tokens(10));
    let receipt = pool.charge(usage(MOST - 5, 5, 0));
    assert!(!receipt.saturated);
    assert_eq!(receipt.over_limit.total_tokens, MOST - 10);
    let receipt = pool.charge(usage(0, 1, 0));
    assert!(receipt.saturated);
    assert_eq!(receipt.over_limit.total_tokens, MOST - 10);
    let spent = receipt.spent;
    assert_eq!((spent.input_tokens, spent.output_tokens), (MOST - 5, 6));
    // There is no room for input nor for output.
    pool.set_limits(Limits::unlimited());
    assert_eq!(
        exceeded(pool.check(usage(1, 0, 0)).unwrap_err()),
        (
            Dimension::TotalTokens,
            Reason::Exhausted,
            [MOST, MOST, 0, 1]
        )
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
        assert!(restored(&snapshot).charge(more).saturated, "{more:?}");
    }
}

#[test]
fn a_restored_count_stops_at_the_largest() {
    let pool = BudgetPool::unconstrained();
    let _reservation = pool.try_reserve(usage(0, 5, 5)).unwrap();
    let mut snapshot = pool.snapshot();
    snapshot.spent.output_tokens = MOST - 1;
    snapshot.spent.cost = Usd::MAX;
    let spent = restored(&snapshot).spent();
    assert_eq!((spent.output_tokens, spent.cost), (MOST, Usd::MAX));
}

const MOST_GUESSED: u64 = u32::MAX as u64;

/// Of a pool that counted so many unpriced and so many forfeited calls before.
fn with_guesses(unpriced_calls: u64, forfeited_calls: u64) -> BudgetPool {
    let mut snapshot = BudgetPool::unconstrained().snapshot();
    snapshot.spent.unpriced_calls = unpriced_calls;
    snapshot.spent.forfeited_calls = forfeited_calls;
    restored(&snapshot)
}

fn guessed_calls(pool: &BudgetPool) -> (u64, u64) {
    let spent = pool.spent();
    (spent.unpriced_calls, spent.forfeited_calls)
}

#[test]
fn the_count_of_unpriced_calls_stops_at_u32_max_and_does_not_reach_the_other() {
    let pool = with_guesses(MOST_GUESSED - 1, 5);
    for calls in 1..=2 {
        let receipt = pool.charge(Usage::tokens(1, 1));
        assert_eq!(guessed_calls(&pool), (MOST_GUESSED, 5));
        assert_eq!((receipt.spent.calls, receipt.saturated), (calls, false));
        assert_eq!(receipt.counted.unpriced_calls, 1);
    }
    assert_eq!(pool.try_charge(Usage::tokens(1, 1)).unwrap().calls, 3);
    assert_eq!(guessed_calls(&pool), (MOST_GUESSED, 5));
}

#[test]
fn the_count_of_forfeited_calls_stops_at_u32_max_and_does_not_reach_the_other() {
    let pool = with_guesses(5, MOST_GUESSED - 1);
    for calls in 1..=2 {
        drop(pool.try_reserve(usage(1, 1, 7)).unwrap().start());
        assert_eq!(guessed_calls(&pool), (5, MOST_GUESSED));
        let spent = pool.spent();
        assert_eq!(
            (spent.calls, spent.forfeited_cost),
            (calls, nanos(7 * calls))
        );
    }
    // Both in one step.
    let pool = with_guesses(MOST_GUESSED, MOST_GUESSED);
    let call = pool.try_reserve(Usage::tokens(1, 1)).unwrap().start();
    let _ = call.forfeit();
    assert_eq!(guessed_calls(&pool), (MOST_GUESSED, MOST_GUESSED));
}

#[test]
fn a_restored_count_of_guessed_calls_stops_at_u32_max_too() {
    let mut snapshot = BudgetPool::unconstrained().snapshot();
    for (saved, expected) in [
        ((MOST_GUESSED + 1, 5), (MOST_GUESSED, 5)),
        ((MOST, 0), (MOST_GUESSED, 0)),
        ((5, MOST_GUESSED + 1), (5, MOST_GUESSED)),
        ((0, MOST), (0, MOST_GUESSED)),
    ] {
        (
            snapshot.spent.unpriced_calls,
            snapshot.spent.forfeited_calls,
        ) = saved;
        for reserved in [Restore::ReservedAsSpent, Restore::WithoutReserved] {
            let builder = BudgetPool::builder();
            let pool = builder.restore(&snapshot, reserved).build();
            assert_eq!(guessed_calls(&pool), expected, "{saved:?}");
        }
    }
    (
        snapshot.spent.unpriced_calls,
        snapshot.spent.forfeited_calls,
    ) = (7, MOST_GUESSED - 1);
    snapshot.calls_in_flight = 3;
    assert_eq!(guessed_calls(&restored(&snapshot)), (7, MOST_GUESSED));
}

#[test]
fn the_cost_of_forfeited_calls_stops_at_the_largest_cost() {
    let mut snapshot = BudgetPool::unconstrained().snapshot();
    snapshot.spent.forfeited_cost = nanos(MOST - 4);
    for (cost, expected) in [(3, MOST - 1), (4, MOST), (5, MOST)] {
        let pool = restored(&snapshot);
        drop(pool.try_reserve(usage(0, 0, cost)).unwrap().start());
        assert_eq!(pool.spent().forfeited_cost, nanos(expected));

        let mut snapshot = snapshot;
        snapshot.reserved.cost = nanos(cost);
        assert_eq!(restored(&snapshot).spent().forfeited_cost, nanos(expected));
    }
}
