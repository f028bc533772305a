//! What a record costs: ours beside the published mutex crate and beside the same budget
//! behind an integer `std::sync::Mutex`.
//!
//! ```sh
//! cargo bench --bench record
//! ```
//!
//! Times are of one record, over all threads: with two threads that do not disturb each
//! other it is half of what it is with one. Every sample runs on a fresh pool; with
//! several threads the clock runs from the first that starts to the last that ends.
//! These loops do nothing but record, which no program does: it is the worst case.

mod rivals;

use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use rivals::IntegerMutex;
use token_budget_pool::{BudgetPool, Caps, MicroUsd, Usage};

const INPUT: u64 = 1_200;
const OUTPUT: u64 = 350;
const DOLLARS: f64 = 0.00885;

const ROOMY: Caps = Caps {
    max_input_tokens: Some(1 << 60),
    max_output_tokens: Some(1 << 60),
    max_total_tokens: Some(1 << 61),
    max_cost_usd: Some(1e9),
};

const FULL: Caps = Caps {
    max_input_tokens: Some(INPUT - 1),
    ..ROOMY
};

fn published(caps: Caps) -> published::BudgetPool {
    published::BudgetPool::with_caps(published::Caps {
        max_input_tokens: caps.max_input_tokens,
        max_output_tokens: caps.max_output_tokens,
        max_total_tokens: caps.max_total_tokens,
        max_cost_usd: caps.max_cost_usd,
    })
}

/// Time of `iterations` calls of `work` in all, shared by `threads`.
fn time(threads: u64, iterations: u64, work: impl Fn() + Sync) -> Duration {
    let share = iterations / threads + 1;
    let run = || {
        let start = Instant::now();
        for _ in 0..share {
            work();
        }
        (start, Instant::now())
    };
    let spans = if threads == 1 {
        vec![run()]
    } else {
        let spans = Mutex::new(Vec::new());
        let line = Barrier::new(threads as usize);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    line.wait();
                    let span = run();
                    spans.lock().unwrap().push(span);
                });
            }
        });
        spans.into_inner().unwrap()
    };
    let first = spans.iter().map(|span| span.0).min().unwrap();
    let last = spans.iter().map(|span| span.1).max().unwrap();
    (last - first).mul_f64(iterations as f64 / (share * threads) as f64)
}

/// Looks at the answer as a caller does, without copying it.
macro_rules! look {
    ($answer:expr) => {
        match $answer {
            Ok(totals) => drop(black_box(totals.calls)),
            Err(exceeded) => drop(black_box(exceeded.cap)),
        }
    };
}

fn record(c: &mut Criterion) {
    for (name, caps) in [("accepted", ROOMY), ("rejected", FULL)] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for threads in [1, 2, 8] {
            let usage = Usage::tokens(INPUT, OUTPUT).cost(MicroUsd::from_usd(DOLLARS).unwrap());
            group.bench_function(BenchmarkId::new("this crate, try_charge", threads), |b| {
                b.iter_custom(|iterations| {
                    let pool = BudgetPool::with_caps(caps);
                    time(threads, iterations, || {
                        match pool.try_charge(black_box(usage)) {
                            Ok(spent) => drop(black_box(spent.calls)),
                            Err(rejected) => drop(black_box(rejected.cap())),
                        }
                    })
                });
            });
            group.bench_function(BenchmarkId::new("this crate, record", threads), |b| {
                b.iter_custom(|iterations| {
                    let pool = BudgetPool::with_caps(caps);
                    time(threads, iterations, || {
                        look!(pool.record(INPUT, OUTPUT, black_box(DOLLARS)))
                    })
                });
            });
            group.bench_function(BenchmarkId::new("integer mutex", threads), |b| {
                b.iter_custom(|iterations| {
                    let pool = IntegerMutex::with_caps(caps);
                    let nanos = usage.cost.unwrap().as_nanos();
                    time(threads, iterations, || {
                        look!(pool.record(INPUT, OUTPUT, black_box(nanos)))
                    })
                });
            });
            group.bench_function(BenchmarkId::new("published 0.1.0", threads), |b| {
                b.iter_custom(|iterations| {
                    let pool = published(caps);
                    time(threads, iterations, || {
                        look!(pool.record(INPUT, OUTPUT, black_box(DOLLARS)))
                    })
                });
            });
        }
        group.finish();
    }
}

fn reserve(c: &mut Criterion) {
    let mut group = c.benchmark_group("reserve and settle");
    group.throughput(Throughput::Elements(1));
    let usage = Usage::tokens(INPUT, OUTPUT).cost(MicroUsd::from_usd(DOLLARS).unwrap());
    for threads in [1, 2, 8] {
        group.bench_function(BenchmarkId::new("this crate", threads), |b| {
            b.iter_custom(|iterations| {
                let pool = BudgetPool::with_caps(ROOMY);
                time(threads, iterations, || {
                    if let Ok(hold) = pool.reserve(black_box(usage)) {
                        black_box(hold.settle(usage).spent.calls);
                    }
                })
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = record, reserve
}
criterion_main!(benches);
