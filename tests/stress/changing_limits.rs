//! Limits change while calls are judged by them: at one moment, and none is lost.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;
use std::thread;

use token_budget_pool::{Amount, BudgetPool, Dimension, Limits, Rejected, Snapshot, Usage, Usd};

use crate::ratio::{in_ratio, is_in_ratio, usage};
use crate::together::{all_well, together};

#[test]
fn once_limits_are_lowered_nothing_is_admitted_past_them() {
    let pool = BudgetPool::new(Limits::unlimited().input_tokens(0));
    let (writers, stop, refused) = (3, AtomicBool::new(false), AtomicU64::new(0));
    together(writers + 1, |number| {
        if number < writers {
            while all_well() && !stop.load(Ordering::Relaxed) {
                let refusal = match number {
                    0 => pool.record(1, 2, 3e-9).err().map(|exceeded| exceeded.cap),
                    _ => match pool.try_reserve(in_ratio(1)) {
                        Ok(reservation) => {
                            let _ = reservation.start().settle(in_ratio(1));
                            None
                        }
                        Err(rejected) => rejected.dimension().map(Dimension::as_str),
                    },
                };
                if let Some(dimension) = refusal {
                    assert_eq!(dimension, "input_tokens");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            return;
        }
        for round in 0..200 {
            let spent = pool.totals().input_tokens;
            pool.set_limits(Limits::unlimited().input_tokens(spent + 1_000));
            while all_well() && pool.totals().input_tokens < spent + 100 {
                thread::yield_now();
            }
            // Below what is spent, so that everything is refused from here on.
            let lowered = Limits::unlimited()
                .input_tokens(spent + 50)
                .calls(u64::MAX - round);
            let old = pool.set_limits(lowered);
            assert_eq!(old, Limits::unlimited().input_tokens(spent + 1_000));
            let then = pool.snapshot();
            assert_eq!(then.limits, lowered);
            // What was reserved then may be settled, and nothing else moves.
            let taken =
                |snapshot: Snapshot| snapshot.spent.input_tokens + snapshot.reserved.input_tokens;
            let before = refused.load(Ordering::Relaxed);
            while all_well() && refused.load(Ordering::Relaxed) < before + 50 {
                assert_eq!(taken(pool.snapshot()), taken(then));
                thread::yield_now();
            }
            assert_eq!(taken(pool.snapshot()), taken(then));
            assert!(taken(then) <= spent + 1_000);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(is_in_ratio(pool.snapshot().spent));
}

#[test]
fn operators_who_each_add_ten_add_ten_each() {
    const OPERATORS: u64 = 4;
    const TIMES: u64 = 500;
    let pool = BudgetPool::new(Limits::unlimited().calls(0).cost(Usd::ZERO));
    let ten = Usd::from_nanos(10);
    together(OPERATORS + 1, |number| {
        for _ in 0..TIMES {
            if number == OPERATORS {
                // The calls that they pay for. One of unknown cost changes the terms too.
                let _ = pool.charge(Usage::tokens(1, 1));
                let _ = pool.record(1, 1, 1e-9);
                continue;
            }
            pool.update_limits(|limits| {
                limits.calls = limits.calls.map(|calls| calls + 10);
                limits.cost = limits.cost.map(|cost| cost.saturating_add(ten));
            });
        }
    });
    let sum = 10 * OPERATORS * TIMES;
    let expected = Limits::unlimited().calls(sum).cost(Usd::from_nanos(sum));
    assert_eq!(pool.limits(), expected);
    let spent = pool.snapshot().spent;
    assert_eq!(spent.unpriced_calls, TIMES);
    assert_eq!(spent.calls, TIMES + spent.cost.as_nanos());
}

#[test]
fn terms_and_amounts_change_together_or_not_at_all() {
    // Limits that depend on each other, in two versions, and calls that each version refuses by
    // another limit. A mixture of the two would admit all of them, or name a limit that no
    // version has.
    let versions = [
        Limits::unlimited()
            .input_tokens(1_000_000_000)
            .output_tokens(0),
        Limits::unlimited()
            .input_tokens(0)
            .output_tokens(1_000_000_000),
    ];
    let pool = BudgetPool::new(versions[0]);
    let (stop, answers) = (AtomicBool::new(false), Mutex::new([0_u64; 3]));
    together(4, |number| {
        if number == 0 {
            // Until both versions were met often enough.
            let mut version = 0;
            while all_well() {
                version ^= 1;
                let old = pool.set_limits(versions[version]);
                assert_eq!(old, versions[version ^ 1]);
                if answers.lock().unwrap().iter().all(|&times| times > 500) {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            return;
        }
        while all_well() && !stop.load(Ordering::Relaxed) {
            for _ in 0..64 {
                let both = pool.check(usage(1, 1, 0)).unwrap_err();
                let which = match both.dimension() {
                    Some(Dimension::InputTokens) => 0,
                    Some(Dimension::OutputTokens) => 1,
                    other => panic!("{other:?}"),
                };
                let Rejected::Exceeded(exceeded) = both else {
                    panic!("{both}");
                };
                assert_eq!(exceeded.limit(), Amount::Tokens(0));
                let unpriced = pool.charge(Usage::tokens(0, 0)).spent;
                assert_eq!(unpriced.calls, unpriced.unpriced_calls);
                assert!([versions[0], versions[1]].contains(&pool.snapshot().limits));
                let mut answers = answers.lock().unwrap();
                answers[which] += 1;
                answers[2] += 1;
            }
        }
    });
    let answers = answers.into_inner().unwrap();
    let spent = pool.snapshot().spent;
    assert_eq!(
        (spent.calls, spent.unpriced_calls),
        (answers[2], answers[2])
    );
    assert_eq!((spent.input_tokens, spent.output_tokens), (0, 0));
}
