//! What is taken at the end of each period adds up to all that was counted.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{BudgetPool, Spent, Usage};

use crate::ratio::in_ratio;
use crate::together::{all_well, together};

#[test]
fn periods_add_up_to_what_was_counted() {
    const TIMES: u64 = 8_000;
    let pool = BudgetPool::unconstrained();
    let (writers, done) = (4, AtomicU64::new(0));
    let periods = together(writers + 2, |number| {
        let mut sum = [0; 7];
        if number < writers {
            for time in 0..TIMES {
                match time % 5 {
                    0 => {
                        let _ = pool.charge(Usage::tokens(1, 2));
                    }
                    1 => {
                        let call = pool.try_reserve(in_ratio(9)).unwrap().start();
                        let _ = call.settle(in_ratio(1));
                    }
                    2 => {
                        let call = pool.try_reserve(in_ratio(1)).unwrap().start();
                        drop(call);
                    }
                    _ => {
                        pool.record(1, 2, 3e-9).unwrap();
                    }
                }
            }
            done.fetch_add(1, Ordering::Release);
            return sum;
        }
        while all_well() {
            let last = done.load(Ordering::Acquire) == writers;
            add(&mut sum, numbers(pool.take()));
            if last {
                break;
            }
        }
        sum
    });
    let mut sum = [0; 7];
    periods.iter().for_each(|&period| add(&mut sum, period));
    let calls = writers * TIMES;
    let (unpriced, forfeited) = (calls / 5, calls / 5);
    let nanos = 3 * (calls - unpriced);
    let forfeited_nanos = 3 * forfeited;
    let expected = [
        calls,
        2 * calls,
        nanos,
        calls,
        unpriced,
        forfeited,
        forfeited_nanos,
    ];
    assert_eq!(sum, expected);
    assert_eq!(pool.take(), Spent::default());
}

fn numbers(spent: Spent) -> [u64; 7] {
    [
        spent.input_tokens,
        spent.output_tokens,
        spent.cost.as_nanos(),
        spent.calls,
        spent.unpriced_calls,
        spent.forfeited_calls,
        spent.forfeited_cost.as_nanos(),
    ]
}

fn add(sum: &mut [u64; 7], period: [u64; 7]) {
    for (sum, amount) in sum.iter_mut().zip(period) {
        *sum += amount;
    }
}
