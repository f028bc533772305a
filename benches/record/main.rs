//! What a record costs: ours beside the published mutex crate, beside the same budget behind
//! a mutex, beside what else there is, and beside the floor.
//!
//! ```sh
//! cargo bench --bench record
//! cargo bench --bench record -- 'accepted/.*/1$'
//! ```
//!
//! Times are of one record, over all threads: with two threads that do not disturb each
//! other it is half of what it is with one. Every sample runs on a fresh budget. With
//! several threads the clock runs from the first that starts to the last that ends.
//! These loops do nothing but record, which no program does: it is the worst case.
//!
//! For one contestant over time, before and after a change. To compare them with each other
//! use `cargo run --release --example compare`, which runs them in turns.

#[allow(dead_code)] // What each of them lacks is for the report of `compare`.
#[path = "../../examples/compare/rivals/mod.rs"]
mod rivals;

use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{criterion_group, criterion_main};
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};

use rivals::atomics::{AddThenUndo, CasLoop, FetchAdd, Nothing, Seqlock};
use rivals::mutex::{IntegerMutex, ParkingLot, ReservingMutex, Std};
use rivals::others::{
    BudgetContext, Governor, LlmBudget, Published, SemaphoreDrop, SemaphoreForget,
};
use rivals::ours::{Record, Reserve, TryCharge};
use rivals::trees::{Charge, ChargeRoot, Context, MutexTree, Reserve3};
use rivals::{Budget, Readable, Reserving, Room, Tree, CALL, ESTIMATE};

const THREADS: [u64; 3] = [1, 2, 8];

/// Time of `iterations` calls of `work` in all, shared by `threads`.
fn time(threads: u64, iterations: u64, work: impl Fn() -> u64 + Sync) -> Duration {
    let share = iterations / threads + 1;
    let run = || {
        let (start, mut sum) = (Instant::now(), 0_u64);
        for _ in 0..share {
            sum = sum.wrapping_add(work());
        }
        let end = Instant::now();
        black_box(sum);
        (start, end)
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

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn record<B: Budget>(group: &mut Group<'_>, room: Room) {
    for threads in THREADS {
        group.bench_function(BenchmarkId::new(B::NAME, threads), |b| {
            b.iter_custom(|iterations| {
                let budget = B::new(room);
                let time = time(threads, iterations, || budget.record(black_box(&CALL)));
                if let Some(calls) = budget.calls() {
                    assert_eq!(calls > 0, room == Room::Plenty, "{}", B::NAME);
                }
                time
            });
        });
    }
}

fn reserve<B: Reserving>(group: &mut Group<'_>) {
    for threads in THREADS {
        group.bench_function(BenchmarkId::new(B::NAME, threads), |b| {
            b.iter_custom(|iterations| {
                let budget = B::new(Room::Plenty);
                time(threads, iterations, || {
                    budget.reserve_and_settle(black_box(&ESTIMATE), black_box(&CALL))
                })
            });
        });
    }
}

fn totals<B: Readable>(group: &mut Group<'_>) {
    for threads in THREADS {
        group.bench_function(BenchmarkId::new(B::NAME, threads), |b| {
            b.iter_custom(|iterations| {
                let budget = B::new(Room::Plenty);
                budget.record(&CALL);
                time(threads, iterations, || budget.totals())
            });
        });
    }
}

/// All threads at one leaf.
fn charge<T: Tree>(group: &mut Group<'_>) {
    for threads in THREADS {
        group.bench_function(BenchmarkId::new(T::NAME, threads), |b| {
            b.iter_custom(|iterations| {
                let tree = T::new(1);
                let time = time(threads, iterations, || tree.spender(0)(black_box(&CALL)));
                assert!(tree.calls() > 0, "{}", T::NAME);
                time
            });
        });
    }
}

macro_rules! each {
    ($bench:ident $args:tt: $($budget:ty),+ $(,)?) => {
        $($bench::<$budget> $args;)+
    };
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("accepted");
    group.throughput(Throughput::Elements(1));
    each!(record(&mut group, Room::Plenty): TryCharge, Record, IntegerMutex<Std>,
        IntegerMutex<ParkingLot>, Published, LlmBudget, BudgetContext, Governor,
        SemaphoreForget, SemaphoreDrop, AddThenUndo, Seqlock, FetchAdd, CasLoop, Nothing);
    group.finish();

    let mut group = c.benchmark_group("rejected");
    group.throughput(Throughput::Elements(1));
    each!(record(&mut group, Room::TooLittle): TryCharge, Record, IntegerMutex<Std>,
        IntegerMutex<ParkingLot>, Published, LlmBudget, BudgetContext, Governor,
        SemaphoreForget, AddThenUndo, Seqlock, CasLoop);
    group.finish();

    let mut group = c.benchmark_group("reserve and settle");
    group.throughput(Throughput::Elements(1));
    each!(reserve(&mut group): Reserve, ReservingMutex<Std>, ReservingMutex<ParkingLot>,
        BudgetContext, SemaphoreForget);
    group.finish();

    let mut group = c.benchmark_group("totals");
    group.throughput(Throughput::Elements(1));
    each!(totals(&mut group): TryCharge, Record, IntegerMutex<Std>, IntegerMutex<ParkingLot>,
        Published, Seqlock);
    group.finish();

    let mut group = c.benchmark_group("trees");
    group.throughput(Throughput::Elements(1));
    each!(charge(&mut group): Charge<1>, ChargeRoot, Charge<2>, Charge<3>, Charge<5>, Reserve3,
        MutexTree<3>, Context<3>);
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = benches
}
criterion_main!(all);
