//! Threads and pools come and go, and nothing that was counted goes with them.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, LazyLock};
use std::thread;

use token_budget_pool::{Amounts, BudgetPool, Usage};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::together;

#[test]
fn a_thousand_threads_at_once_are_all_counted() {
    const THREADS: u64 = 1_000;
    let pool = BudgetPool::unconstrained();
    together(THREADS, |number| {
        for _ in 0..5 {
            pool.record(number, 2 * number, 1e-9).unwrap();
        }
        let call = pool.try_reserve(in_ratio(number)).unwrap().start();
        let _ = call.forfeit();
    });
    let sum = THREADS * (THREADS - 1) / 2;
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.spent.calls, 6 * THREADS);
    assert_eq!(snapshot.spent.input_tokens, 6 * sum);
    assert_eq!(snapshot.spent.output_tokens, 12 * sum);
    assert_eq!(snapshot.spent.cost.as_nanos(), 5 * THREADS + 3 * sum);
    assert_eq!(snapshot.spent.forfeited_calls, THREADS);
    assert_eq!(snapshot.spent.forfeited_cost.as_nanos(), 3 * sum);
    assert_eq!(snapshot.calls_in_flight, 0);
}

/// Records in its pool when its thread is torn down.
struct Late(&'static BudgetPool);

impl Late {
    const RECORDS: u64 = 200;
}

impl Drop for Late {
    fn drop(&mut self) {
        for _ in 0..Late::RECORDS {
            self.0.record(1, 2, 3e-9).unwrap();
            drop(self.0.try_reserve(in_ratio(5)).unwrap());
        }
    }
}

thread_local! {
    static BEFORE: Cell<Option<Late>> = const { Cell::new(None) };
    static AFTER: RefCell<Vec<Late>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn destructors_of_thread_locals_record_before_and_after_the_crates_own() {
    const THREADS: u64 = 16;
    const ROUNDS: u64 = 20;
    static POOL: LazyLock<BudgetPool> = LazyLock::new(BudgetPool::default);
    let pool = &*POOL;
    for _ in 0..ROUNDS {
        together(THREADS, |_| {
            // Destructors run in the order of a stack or of a queue. In both, the crate's own,
            // which the records set up, is between these two.
            AFTER.with(|late| late.borrow_mut().push(Late(pool)));
            for _ in 0..Late::RECORDS {
                pool.record(1, 2, 3e-9).unwrap();
            }
            BEFORE.set(Some(Late(pool)));
        });
    }
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.spent.calls, 3 * THREADS * ROUNDS * Late::RECORDS);
    assert_eq!(snapshot.spent.input_tokens, snapshot.spent.calls);
    assert!(is_in_ratio(snapshot.spent));
    assert_eq!(snapshot.reserved, Amounts::default());
}

#[test]
fn threads_that_end_take_no_count_with_them() {
    const GENERATIONS: u64 = 150;
    const RECORDS: u64 = 100;
    // A dozen pools at a time, of which each thread uses some: what a thread leaves behind, it
    // leaves in all of them at once.
    let pools: Vec<_> = (0..12).map(|_| BudgetPool::unconstrained()).collect();
    let recorded = together(4, |number| {
        let mut recorded = [0; 12];
        for generation in 0..GENERATIONS {
            let seed = 1 + number * GENERATIONS + generation;
            let short_lived = || {
                let mut mixed = Mixed(seed);
                let mut recorded = [0; 12];
                for _ in 0..RECORDS {
                    let (pool, amount) = (mixed.below(12) as usize, mixed.below(9));
                    pools[pool].try_charge(in_ratio(amount)).unwrap();
                    recorded[pool] += amount;
                }
                recorded
            };
            let thread = thread::scope(|scope| scope.spawn(short_lived).join().unwrap());
            for (sum, amount) in recorded.iter_mut().zip(thread) {
                *sum += amount;
            }
        }
        recorded
    });
    for (index, pool) in pools.iter().enumerate() {
        let sum: u64 = recorded.iter().map(|recorded| recorded[index]).sum();
        let spent = pool.snapshot().spent;
        assert!(is_in_ratio(spent));
        assert_eq!(spent.input_tokens, sum);
    }
}

fn charge(pool: &BudgetPool, times: u64, usage: Usage) {
    for _ in 0..times {
        let _ = pool.charge(usage);
    }
}

#[test]
fn many_pools_made_and_dropped_under_many_threads_keep_apart() {
    together(4, |number| {
        let mut mixed = Mixed(number + 1);
        for _ in 0..300 {
            let pool = Arc::new(BudgetPool::unconstrained());
            let owned = pool.try_reserve_owned(in_ratio(1)).unwrap();
            let mine = mixed.below(50);
            let other = thread::scope(|scope| {
                let other = scope.spawn(|| {
                    charge(&pool, mine, in_ratio(2));
                    owned.start().settle(in_ratio(3))
                });
                charge(&pool, 50, in_ratio(1));
                other.join().unwrap()
            });
            assert!(is_in_ratio(other.spent));
            let spent = pool.snapshot().spent;
            assert!(is_in_ratio(spent));
            assert_eq!(spent.input_tokens, 50 + 2 * mine + 3);
            assert_eq!(Arc::strong_count(&pool), 1);
        }
    });
}
