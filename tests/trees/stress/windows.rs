//! A window is a child that one thread resets while others charge through it. What is taken of all its
//! periods adds up to what the pools above have counted.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{BudgetPool, Limits, Usage};

use crate::ratio::in_ratio;
use crate::together::{all_well, together};

#[test]
fn the_periods_of_a_window_add_up_to_what_is_counted_above_and_below() {
    const TIMES: u64 = 4_000;
    let root = BudgetPool::unconstrained();
    let window = root.child(Limits::unlimited()).unwrap();
    let runs = [(); 3].map(|()| window.child(Limits::unlimited()).unwrap());
    let (writers, done) = (3, AtomicU64::new(0));
    let numbers = |spent: token_budget_pool::Spent| {
        [
            spent.input_tokens,
            spent.output_tokens,
            spent.cost.as_nanos(),
            spent.calls,
            spent.unpriced_calls,
            spent.forfeited_calls,
            spent.forfeited_cost.as_nanos(),
        ]
    };
    let periods = together(writers + 2, |number| {
        let mut sum = [0; 7];
        if number < writers {
            let run = &runs[number as usize];
            for time in 0..TIMES {
                match time % 5 {
                    0 => drop(run.charge(Usage::tokens(1, 2))),
                    1 => {
                        let call = run.try_reserve(in_ratio(9)).unwrap().start();
                        let _ = call.settle(in_ratio(1));
                    }
                    2 => drop(run.try_reserve(in_ratio(1)).unwrap().start()),
                    _ => drop(run.record(1, 2, 3e-9).unwrap()),
                }
            }
            done.fetch_add(1, Ordering::Release);
            return sum;
        }
        while all_well() {
            let last = done.load(Ordering::Acquire) == writers;
            let period = numbers(window.take());
            sum = std::array::from_fn(|index| sum[index] + period[index]);
            if last {
                break;
            }
        }
        sum
    });
    let sum: [u64; 7] =
        std::array::from_fn(|index| periods.iter().map(|period| period[index]).sum());
    assert_eq!(sum, numbers(root.spent()));
    let below: [u64; 7] = std::array::from_fn(|index| {
        let runs = runs.iter().map(|run| numbers(run.spent())[index]);
        runs.sum()
    });
    assert_eq!(sum, below);
    let calls = writers * TIMES;
    assert_eq!(sum[..2], [calls, 2 * calls]);
    assert_eq!(window.snapshot().calls_in_flight, 0);
    assert_eq!(window.spent().calls, 0);
}

#[test]
fn no_period_of_a_window_has_more_than_its_limit() {
    const LIMIT: u64 = 50;
    let root = BudgetPool::unconstrained();
    let window = root.child(Limits::unlimited().calls(LIMIT)).unwrap();
    let runs = [(); 2].map(|()| window.child(Limits::unlimited()).unwrap());
    // One period alone, to see that it can be full at all.
    while runs[0].try_charge(in_ratio(1)).is_ok() {
        assert!(runs[0].spent().calls <= LIMIT);
    }
    let first = window.take().calls;
    assert_eq!(first, LIMIT);
    let enough = AtomicU64::new(0);
    let taken = together(3, |number| {
        let Some(run) = runs.get(number as usize) else {
            let (mut sum, mut full) = (0, 0);
            while all_well() && full < 200 {
                let calls = window.take().calls;
                assert!(calls <= LIMIT, "{calls} in a period");
                full += u64::from(calls == LIMIT);
                sum += calls;
                // A period is full soon. Then its writers wait for the next one.
                std::thread::yield_now();
            }
            enough.store(1, Ordering::Relaxed);
            return sum;
        };
        while all_well() && enough.load(Ordering::Relaxed) == 0 {
            if let Err(refused) = run.try_charge(in_ratio(1)) {
                assert_eq!(refused.level().depth(), 1);
                std::thread::yield_now();
            }
        }
        0
    });
    let rest = window.take().calls;
    let taken = taken.iter().sum::<u64>();
    assert_eq!(first + taken + rest, root.spent().calls);
}
