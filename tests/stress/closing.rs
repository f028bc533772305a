//! A closed pool admits nothing, and comes to rest at what was settled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use token_budget_pool::{BudgetPool, Snapshot};

use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

#[test]
fn a_closed_pool_drains_to_what_was_settled() {
    for _ in 0..20 {
        let pool = BudgetPool::unconstrained();
        let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        let closed = AtomicBool::new(false);
        let answers = together(5, |number| {
            if number == 4 {
                while all_well() && begun.load(Ordering::Relaxed) < 200 {
                    thread::yield_now();
                }
                assert!(pool.close(), "it was open");
                closed.store(true, Ordering::Release);
                let drained = |snapshot: Snapshot| snapshot.calls_in_flight == 0;
                while all_well() && !drained(pool.snapshot()) {
                    if ended.load(Ordering::Acquire) == 4 {
                        break;
                    }
                    thread::yield_now();
                }
                let snapshot = pool.snapshot();
                assert!(drained(snapshot) && snapshot.closed, "{snapshot:?}");
                return (snapshot.spent.calls, snapshot.spent.input_tokens);
            }
            let (mut calls, mut tokens) = (0, 0);
            while all_well() {
                let was_closed = closed.load(Ordering::Acquire);
                match pool.try_reserve(in_ratio(10)) {
                    Ok(reservation) => {
                        assert!(!was_closed, "admitted after it was closed");
                        begun.fetch_add(1, Ordering::Relaxed);
                        let _ = reservation.start().settle(in_ratio(number + 1));
                        calls += 1;
                        tokens += number + 1;
                    }
                    Err(rejected) => {
                        assert!(rejected.is_closed());
                        // It never opens again.
                        assert_eq!(pool.record(0, 0, 0.0).unwrap_err().cap, "closed");
                        break;
                    }
                }
            }
            ended.fetch_add(1, Ordering::Release);
            (calls, tokens)
        });
        let (settled, drained) = answers.split_at(4);
        let calls: u64 = settled.iter().map(|(calls, _)| calls).sum();
        let tokens: u64 = settled.iter().map(|(_, tokens)| tokens).sum();
        assert_eq!(drained, [(calls, tokens)]);
        assert!(is_in_ratio(pool.snapshot().spent));
    }
}

#[test]
fn of_all_that_close_a_pool_at_once_exactly_one_finds_it_open() {
    const TIMES: u64 = 200;
    for _ in 0..TIMES {
        let pool = BudgetPool::unconstrained();
        let found_open = together(4, |number| {
            // Records that get in the way, until it is closed.
            while number == 0 && all_well() && pool.record(1, 2, 3e-9).is_ok() {}
            number > 0 && pool.close()
        });
        assert_eq!(found_open.iter().filter(|&&open| open).count(), 1);
        assert!(pool.is_closed() && !pool.close());
        assert!(is_in_ratio(pool.spent()));
    }
}
