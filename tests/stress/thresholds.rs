//! Of all threads that cross a threshold together, exactly one reports it, once in each period.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use token_budget_pool::{BudgetPool, Limits, Threshold, Usage};

use crate::together::{all_well, together};

const LIMIT: u64 = 40;
const PERCENT: [u32; 3] = [25, 50, 100];

/// How many reports there were of each threshold.
type Reports = [AtomicU64; PERCENT.len()];

fn watched() -> (Arc<Reports>, BudgetPool) {
    let reports = Arc::new(Reports::default());
    let told = reports.clone();
    let mut builder = BudgetPool::builder().limits(Limits::unlimited().calls(LIMIT));
    for percent in PERCENT {
        builder = builder.warn_at(Threshold::percent(percent).unwrap());
    }
    let pool = builder.on_crossed(move |crossed| {
        let which = PERCENT
            .iter()
            .position(|percent| percent * 10 == crossed.per_mille());
        told[which.expect("one of them")].fetch_add(1, Ordering::Relaxed);
    });
    (reports, pool.build())
}

/// Spends in every way, one call each. Some are refused.
fn spend(pool: &BudgetPool, time: u64) {
    let start = || {
        pool.try_reserve(Usage::ZERO)
            .map(|reserved| reserved.start())
    };
    match time % 6 {
        0 => {
            let _ = pool.try_charge(Usage::ZERO);
        }
        1 => {
            let _ = pool.record(0, 0, 0.0);
        }
        2 => {
            let _ = start().map(|call| call.settle(Usage::ZERO));
        }
        3 => {
            let _ = start();
        }
        _ => {
            let _ = pool.charge(Usage::ZERO);
        }
    }
}

/// Writers spend on `pools[n]`, and others take the periods of `of`. Each period that has come so far as to a
/// threshold has one report of it, and no other period has.
fn once_in_each_period(pools: &[&BudgetPool], of: &BudgetPool, reports: &Reports) {
    const PERIODS: u64 = 150;
    let (writers, takers, ended) = (pools.len() as u64, 2, AtomicU64::new(0));
    let going = || all_well() && ended.load(Ordering::Relaxed) < PERIODS;
    let taken = together(writers + takers, |number| {
        let mut periods = [0; PERCENT.len()];
        if let Some(pool) = pools.get(number as usize) {
            for time in number.. {
                spend(pool, time);
                if !going() {
                    break;
                }
            }
            return periods;
        }
        // Periods end below, between and above the thresholds.
        let mut ends = [1, LIMIT / 3, LIMIT * 2 / 3, LIMIT].into_iter().cycle();
        let mut end = 1;
        while going() {
            if of.spent().calls >= end {
                add(&mut periods, of.take().calls);
                end = ends.next().expect("a cycle");
                ended.fetch_add(1, Ordering::Relaxed);
            }
            std::thread::yield_now();
        }
        periods
    });
    let mut periods = [0; PERCENT.len()];
    for taken in taken {
        for (sum, taken) in periods.iter_mut().zip(taken) {
            *sum += taken;
        }
    }
    add(&mut periods, of.spent().calls);
    let reports: Vec<_> = reports
        .iter()
        .map(|reports| reports.load(Ordering::Relaxed))
        .collect();
    assert_eq!(reports, periods);
    assert!(periods[2] > 0, "{periods:?}");
}

/// Counts a period of so many calls at each threshold to which it has come.
fn add(periods: &mut [u64; PERCENT.len()], calls: u64) {
    for (periods, percent) in periods.iter_mut().zip(PERCENT) {
        *periods += u64::from(calls * 100 >= LIMIT * u64::from(percent));
    }
}

#[test]
fn each_threshold_is_reported_once_in_each_period() {
    let (reports, pool) = watched();
    once_in_each_period(&[&pool; 4], &pool, &reports);
}

#[test]
fn each_threshold_of_a_root_is_reported_once_whichever_child_crosses_it() {
    let (reports, root) = watched();
    let children = [(); 4].map(|()| root.child(Limits::unlimited()).unwrap());
    let pools: Vec<&BudgetPool> = children.iter().map(|child| &**child).collect();
    once_in_each_period(&pools, &root, &reports);
}

/// What receipts say is what the hook is told. Nobody resets.
#[test]
fn one_receipt_has_it() {
    for _ in 0..200 {
        let (reports, pool) = watched();
        let crossed = together(4, |_| {
            (0..LIMIT)
                .filter(|_| pool.charge(Usage::ZERO).crossed.is_some())
                .count()
        });
        assert_eq!(crossed.iter().sum::<usize>(), PERCENT.len());
        for reports in &*reports {
            assert_eq!(reports.load(Ordering::Relaxed), 1);
        }
    }
}
