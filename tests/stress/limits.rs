//! What is spent and reserved never passes a limit.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{Amounts, BudgetPool, Dimension, Limits, Usage, Usd};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

#[test]
fn a_thousand_calls_of_a_dime_against_five_dollars_make_fifty() {
    let limits = Limits::unlimited().cost(Usd::dollars(5));
    let dime = Usage::tokens(1, 1).cost(Usd::cents(10));

    let recorded = BudgetPool::new(limits);
    let made = together(1_000, |_| recorded.record(1, 1, 0.1).is_ok());
    assert_eq!(made.iter().filter(|&&made| made).count(), 50);
    assert_eq!(recorded.totals().cost_usd, 5.0);

    let reserved = BudgetPool::new(limits);
    let made = together(1_000, |_| match reserved.try_reserve(dime) {
        Ok(reservation) => {
            assert!(!reservation.start().settle(dime).over_limit.any());
            true
        }
        Err(rejected) => {
            assert_eq!(rejected.dimension(), Some(Dimension::Cost));
            false
        }
    });
    assert_eq!(made.iter().filter(|&&made| made).count(), 50);
    assert_eq!(reserved.snapshot().spent.calls, 50);
    assert_eq!(reserved.snapshot().spent.cost, Usd::dollars(5));
}

#[test]
fn what_is_reserved_and_spent_never_passes_a_limit_and_adds_up_in_the_end() {
    const LIMIT: u64 = 5_000;
    let pool = BudgetPool::new(Limits::unlimited().input_tokens(LIMIT));
    let (writers, done) = (4, AtomicU64::new(0));
    let settled = together(writers + 1, |number| {
        if number == writers {
            let mut sampled = 0;
            while all_well() && (done.load(Ordering::Relaxed) < writers || sampled < 100) {
                let snapshot = pool.snapshot();
                let taken = snapshot.spent.input_tokens + snapshot.reserved.input_tokens;
                assert!(taken <= LIMIT, "{snapshot:?}");
                sampled += 1;
            }
            return (0, 0);
        }
        let mut mixed = Mixed(number + 1);
        let (mut tokens, mut calls) = (0, 0);
        for _ in 0..6_000 {
            let Ok(mut reservation) = pool.try_reserve(in_ratio(50)) else {
                continue;
            };
            // Never more than was reserved, and mostly nothing: the room lasts until near the end.
            match mixed.below(40) {
                0 => {
                    let _ = reservation.start().settle(in_ratio(2));
                    (tokens, calls) = (tokens + 2, calls + 1);
                }
                1 => {
                    let mut call = reservation.start();
                    let _ = call.report(in_ratio(1));
                    let _ = call.report(in_ratio(3));
                    let _ = call.settle(in_ratio(3));
                    (tokens, calls) = (tokens + 3, calls + 1);
                }
                2 => {
                    if reservation.extend(in_ratio(7)).is_ok() {
                        assert_eq!(Usage::from(reservation.reserved()), in_ratio(57));
                    }
                    let _ = reservation.start().settle(in_ratio(1));
                    (tokens, calls) = (tokens + 1, calls + 1);
                }
                3 => {
                    reservation.shrink_to(in_ratio(4));
                    assert_eq!(Usage::from(reservation.reserved()), in_ratio(4));
                    let receipt = reservation.start().forfeit();
                    assert!(!receipt.over_limit.any());
                    (tokens, calls) = (tokens + 4, calls + 1);
                }
                4 => {
                    let _ = reservation.start().release();
                }
                _ => drop(reservation),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        (tokens, calls)
    });
    let tokens: u64 = settled.iter().map(|(tokens, _)| tokens).sum();
    let calls: u64 = settled.iter().map(|(_, calls)| calls).sum();
    let snapshot = pool.snapshot();
    assert!(is_in_ratio(snapshot.spent));
    assert_eq!(snapshot.spent.input_tokens, tokens);
    assert_eq!(snapshot.spent.calls, calls);
    assert_eq!(snapshot.reserved, Amounts::default());
    assert_eq!(snapshot.calls_in_flight, 0);
}
