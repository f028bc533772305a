//! What the contestants do: the workloads, each written once for all budgets.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::elsewhere::Elsewhere;
use crate::machine;
use crate::measure::{self, Places, Random, Repeats, Run, Stop};
use crate::memory::Counted;
use crate::plan::Plan;
use crate::private_work::PrivateWork;
use crate::results::{Metric, Sample, Workload};
use crate::rivals::atomics::{AddThenUndo, CasLoop, FetchAdd, LaneAlone, Nothing, Seqlock};
use crate::rivals::mutex::{IntegerMutex, ParkingLot, ReservingMutex, Std};
use crate::rivals::others::{
    BudgetContext, Governor, LlmBudget, Published, SemaphoreDrop, SemaphoreForget,
};
use crate::rivals::ours::{Record, Reserve, TryCharge};
use crate::rivals::trees::{Charge, ChargeRoot, Context, ContextAll3, MutexTree, Reserve3};
use crate::rivals::{Budget, Call, Readable, Reserving, Room, Tree, CALL, ESTIMATE};

/// More than the cores on purpose: a lock's owner that is suspended is real life.
pub(crate) const THREADS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Threads of what is measured oversubscribed only.
pub(crate) const CROWD: usize = 16;
/// Records of a fresh pool.
pub(crate) const FIRST: usize = 500;
const FRESH_POOLS: usize = 20;
/// Pools that are hit at random, one a user, and the calls of each.
pub(crate) const POOLS: (usize, usize) = (10_000, 300);
pub(crate) const POOLS_100K: (usize, usize) = (100_000, 30);

/// What the runs share.
pub(crate) struct Env {
    pub(crate) plan: Plan,
    pub(crate) places: Places,
    pub(crate) repeats: Repeats,
    pub(crate) trace: Vec<Call>,
    pub(crate) elsewhere: Option<Elsewhere>,
    pub(crate) work_50: PrivateWork,
    pub(crate) work_100: PrivateWork,
    pub(crate) work_200: PrivateWork,
    pub(crate) work_1000: PrivateWork,
}

/// One budget in one heat.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Env, usize) -> Sample,
}

/// Those that run side by side, in turns.
pub(crate) struct Heat {
    pub(crate) workload: Workload,
    pub(crate) threads: usize,
    pub(crate) rounds: usize,
    pub(crate) contestants: Vec<Contestant>,
}

macro_rules! contestants {
    ($run:ident, $trait:ident: $($budget:ty),+ $(,)?) => {
        vec![$(Contestant { name: <$budget as $trait>::NAME, run: $run::<$budget> }),+]
    };
}

/// Those that do private work between the records.
macro_rules! with_work {
    ($run:ident) => {
        contestants![$run, Budget: TryCharge, Record, IntegerMutex<Std>, IntegerMutex<ParkingLot>,
            Published, Nothing]
    };
}

/// Everything that is compared.
pub(crate) fn heats(plan: &Plan) -> Vec<Heat> {
    let mut heats = Vec::new();
    let mut heat = |workload, threads, rounds, contestants| {
        heats.push(Heat {
            workload,
            threads,
            rounds,
            contestants,
        });
    };
    for threads in THREADS {
        let mut often = |workload, contestants| heat(workload, threads, plan.rounds, contestants);
        let mut accepting = contestants![accepted, Budget: TryCharge, Record, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, ReservingMutex<Std>, Published, LlmBudget, BudgetContext, Governor,
                SemaphoreForget, SemaphoreDrop, AddThenUndo, Seqlock, FetchAdd, CasLoop];
        if threads == 1 {
            accepting.extend(contestants![accepted, Budget: LaneAlone]);
        }
        often(Workload::Accepted, accepting);
        often(Workload::Work50, with_work!(after_50_ns));
        often(Workload::Work100, with_work!(after_100_ns));
        often(Workload::Work200, with_work!(after_200_ns));
        often(Workload::Work1000, with_work!(after_1000_ns));
        often(
            Workload::Rejected,
            contestants![rejected, Budget: TryCharge, Record, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published, LlmBudget, BudgetContext, Governor,
                SemaphoreForget, AddThenUndo, Seqlock, CasLoop],
        );
        let mut reserving = contestants![reserve_and_settle, Reserving: Reserve,
            ReservingMutex<Std>, ReservingMutex<ParkingLot>, BudgetContext, SemaphoreForget];
        // Side by side with a record, to see how many of them it costs.
        reserving.extend(contestants![accepted, Budget: TryCharge]);
        often(Workload::Reserve, reserving);
        often(
            Workload::Mixed,
            contestants![mixed, Budget: TryCharge, Record, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published, Seqlock],
        );
        often(
            Workload::Readers,
            contestants![readers, Budget: TryCharge, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published, Seqlock],
        );
        often(
            Workload::Trace,
            contestants![trace, Budget: TryCharge, Record, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published],
        );
    }
    heat(
        Workload::Fresh,
        1,
        plan.rounds,
        contestants![fresh, Budget: TryCharge, Record, IntegerMutex<Std>,
            IntegerMutex<ParkingLot>, Published],
    );
    heat(Workload::Elsewhere, 1, plan.rounds, elsewhere());
    let cores = machine::cores();
    let mut crowds = vec![1, cores, CROWD];
    crowds.sort_unstable();
    crowds.dedup();
    for threads in crowds {
        heat(
            Workload::Pools,
            threads,
            plan.long_rounds,
            contestants![pools, Budget: TryCharge, Record, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published, CasLoop],
        );
    }
    for threads in [1, CROWD] {
        heat(
            Workload::Pools100k,
            threads,
            plan.long_rounds,
            contestants![pools_100k, Budget: TryCharge, IntegerMutex<Std>,
                IntegerMutex<ParkingLot>, Published],
        );
    }
    heat(
        Workload::Tail,
        CROWD,
        plan.long_rounds,
        contestants![tail, Budget: TryCharge, Record, IntegerMutex<Std>,
            IntegerMutex<ParkingLot>, Published, Nothing],
    );
    heat(
        Workload::TailWork,
        CROWD,
        plan.long_rounds,
        contestants![tail_after_1000_ns, Budget: TryCharge, Record, IntegerMutex<Std>,
            IntegerMutex<ParkingLot>, Published, Nothing],
    );
    heat(
        Workload::Fairness,
        cores,
        plan.long_rounds,
        contestants![fairness, Budget: TryCharge, Record, IntegerMutex<Std>,
            IntegerMutex<ParkingLot>, Published],
    );
    for threads in [1, 2, CROWD] {
        heat(
            Workload::Tree,
            threads,
            plan.rounds,
            contestants![tree, Tree: Charge<1>, ChargeRoot, Charge<2>, Charge<3>, Charge<5>, Reserve3,
                MutexTree<1>, MutexTree<2>, MutexTree<3>, MutexTree<5>,
                Context<1>, Context<2>, Context<3>, Context<5>, ContextAll3],
        );
    }
    for threads in [2, CROWD] {
        heat(
            Workload::TreeOneLeaf,
            threads,
            plan.rounds,
            contestants![tree_one_leaf, Tree: Charge<3>, Reserve3, MutexTree<3>, Context<3>,
                ContextAll3],
        );
    }
    heats
}

/// The figures of a run whose threads all made calls.
fn sample(run: &Run) -> Sample {
    sample_of(run, run.calls())
}

fn sample_of(run: &Run, calls: u64) -> Sample {
    let nanos = run.wall.as_secs_f64() * 1e9 / calls as f64;
    let mut sample = vec![(Metric::Nanos, nanos)];
    if let Some(share) = run.share {
        sample.push((Metric::Cores, share.cores));
        sample.push((Metric::Waiting, share.waiting));
    }
    sample
}

/// That the calls were made, all of them, and counted.
fn check<B: Budget>(budget: &B, calls: u64) {
    if let Some(counted) = budget.calls() {
        assert_eq!(counted, calls, "{} lost count", B::NAME);
    }
}

fn accepted<B: Budget>(env: &Env, threads: usize) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::Plenty));
        let run = measure::run(threads, env.plan.time(threads), |_, stop| {
            stop.repeat(|| budget.record(black_box(&CALL)))
        });
        check(&**budget, run.calls());
        run
    });
    sample(&run)
}

fn rejected<B: Budget>(env: &Env, threads: usize) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::TooLittle));
        let run = measure::run(threads, env.plan.time(threads), |_, stop| {
            stop.repeat(|| budget.record(black_box(&CALL)))
        });
        check(&**budget, 0);
        run
    });
    sample(&run)
}

fn after_50_ns<B: Budget>(env: &Env, threads: usize) -> Sample {
    after_work::<B>(env, threads, env.work_50)
}

fn after_100_ns<B: Budget>(env: &Env, threads: usize) -> Sample {
    after_work::<B>(env, threads, env.work_100)
}

fn after_200_ns<B: Budget>(env: &Env, threads: usize) -> Sample {
    after_work::<B>(env, threads, env.work_200)
}

fn after_1000_ns<B: Budget>(env: &Env, threads: usize) -> Sample {
    after_work::<B>(env, threads, env.work_1000)
}

fn after_work<B: Budget>(env: &Env, threads: usize, work: PrivateWork) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::Plenty));
        let run = measure::run(threads, env.plan.time(threads), |thread, stop| {
            let mut state = Random::new(thread as u64).next();
            stop.repeat(|| {
                state = work.run(state);
                black_box(state);
                budget.record(black_box(&CALL))
            })
        });
        check(&**budget, run.calls());
        run
    });
    sample(&run)
}

fn trace<B: Budget>(env: &Env, threads: usize) -> Sample {
    let calls = &env.trace[..];
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::Plenty));
        let run = measure::run(threads, env.plan.time(threads), |thread, stop| {
            let mut rest = calls[calls.len() * thread / threads..].iter();
            stop.repeat(|| {
                let call = rest.next().unwrap_or_else(|| {
                    rest = calls[1..].iter();
                    &calls[0]
                });
                budget.record(call)
            })
        });
        check(&**budget, run.calls());
        run
    });
    sample(&run)
}

fn reserve_and_settle<B: Reserving>(env: &Env, threads: usize) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::Plenty));
        measure::run(threads, env.plan.time(threads), |_, stop| {
            stop.repeat(|| budget.reserve_and_settle(black_box(&ESTIMATE), black_box(&CALL)))
        })
    });
    sample(&run)
}

/// Budgets within budgets, a leaf for each thread.
fn tree<T: Tree>(env: &Env, threads: usize) -> Sample {
    spend_at::<T>(env, threads, threads)
}

fn tree_one_leaf<T: Tree>(env: &Env, threads: usize) -> Sample {
    spend_at::<T>(env, threads, 1)
}

fn spend_at<T: Tree>(env: &Env, threads: usize, leaves: usize) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let tree = env.places.put(T::new(leaves));
        let run = measure::run(threads, env.plan.time(threads), |thread, stop| {
            let charge = tree.spender(thread % leaves);
            stop.repeat(|| charge(black_box(&CALL)))
        });
        assert_eq!(tree.calls(), run.calls(), "{} lost count", T::NAME);
        run
    });
    sample(&run)
}

/// One call in eight reads the totals.
fn mixed<B: Readable>(env: &Env, threads: usize) -> Sample {
    let run = env.repeats.undisturbed(threads, || {
        let budget = env.places.put(B::new(Room::Plenty));
        measure::run(threads, env.plan.time(threads), |thread, stop| {
            let mut turn = thread;
            stop.repeat(|| {
                turn += 1;
                match turn % 8 {
                    0 => budget.totals(),
                    _ => budget.record(black_box(&CALL)),
                }
            })
        })
    });
    sample(&run)
}

/// So many readers beside one writer: the time of a read.
fn readers<B: Readable>(env: &Env, readers: usize) -> Sample {
    let run = env.repeats.undisturbed(readers + 1, || {
        let budget = env.places.put(B::new(Room::Plenty));
        let run = measure::run(
            readers + 1,
            env.plan.time(readers + 1),
            |thread, stop| match thread {
                0 => stop.repeat(|| budget.record(black_box(&CALL))),
                _ => stop.repeat(|| budget.totals()),
            },
        );
        check(&**budget, run.counts[0]);
        run
    });
    sample_of(&run, run.counts[1..].iter().sum())
}

/// The first records of new budgets, one thread.
fn fresh<B: Budget>(env: &Env, _: usize) -> Sample {
    let budgets = [(); FRESH_POOLS].map(|()| env.places.put(B::new(Room::Plenty)));
    let one = || {
        let mut time = Duration::ZERO;
        for budget in &budgets {
            let (start, mut sum) = (Instant::now(), 0_u64);
            for _ in 0..FIRST {
                sum = sum.wrapping_add(budget.record(black_box(&CALL)));
            }
            time += start.elapsed();
            black_box(sum);
        }
        time
    };
    let time = thread::scope(|scope| scope.spawn(one).join().expect("no panic"));
    let calls = (FRESH_POOLS * FIRST) as f64;
    vec![(Metric::Nanos, time.as_secs_f64() * 1e9 / calls)]
}

/// The same calls, from the package `elsewhere`.
fn elsewhere() -> Vec<Contestant> {
    fn run(env: &Env, contestant: &str) -> Sample {
        let elsewhere = env.elsewhere.as_ref();
        let nanos = elsewhere.and_then(|program| program.nanos(contestant, env.plan.time(1)));
        nanos
            .map(|nanos| (Metric::Nanos, nanos))
            .into_iter()
            .collect()
    }
    vec![
        Contestant {
            name: TryCharge::NAME,
            run: |env, _| run(env, "try_charge"),
        },
        Contestant {
            name: Record::NAME,
            run: |env, _| run(env, "record"),
        },
        Contestant {
            name: IntegerMutex::<Std>::NAME,
            run: |env, _| run(env, "mutex"),
        },
        Contestant {
            name: Published::NAME,
            run: |env, _| run(env, "published"),
        },
    ]
}

fn pools<B: Budget>(_: &Env, threads: usize) -> Sample {
    many_pools::<B>(threads, POOLS)
}

fn pools_100k<B: Budget>(_: &Env, threads: usize) -> Sample {
    many_pools::<B>(threads, POOLS_100K)
}

/// Many budgets, hit at random: the time of a record, and memory.
fn many_pools<B: Budget>(threads: usize, (pools, calls_a_pool): (usize, usize)) -> Sample {
    let mut budgets = Vec::with_capacity(pools);
    let counted = Counted::start();
    budgets.extend((0..pools).map(|_| Box::new(B::new(Room::Plenty))));
    let fresh = counted.bytes() / pools as f64;
    let share = pools * calls_a_pool / threads;
    let work = |thread: usize, _: &Stop| {
        let (mut random, mut sum) = (Random::new(thread as u64), 0_u64);
        for _ in 0..share {
            let budget = &budgets[random.below(pools as u64) as usize];
            sum = sum.wrapping_add(budget.record(black_box(&CALL)));
        }
        black_box(sum);
        share as u64
    };
    // Told to stop at once, but they do their share.
    let run = measure::run(threads, Duration::ZERO, work);
    let used = counted.bytes() / pools as f64;
    drop(counted);
    let calls: Option<u64> = budgets.iter().map(|budget| budget.calls()).sum();
    if let Some(calls) = calls {
        assert_eq!(calls, run.calls(), "{} lost count", B::NAME);
    }
    let mut sample = sample(&run);
    sample.extend([(Metric::BytesFresh, fresh), (Metric::BytesUsed, used)]);
    sample
}

fn tail<B: Budget>(env: &Env, threads: usize) -> Sample {
    timed::<B>(env, threads, |state| state)
}

fn tail_after_1000_ns<B: Budget>(env: &Env, threads: usize) -> Sample {
    let work = env.work_1000;
    timed::<B>(env, threads, |state| work.run(state))
}

/// The time of each single record, clock included.
fn timed<B: Budget>(env: &Env, threads: usize, work: impl Fn(u64) -> u64 + Sync) -> Sample {
    // Up to a minute, at two digits: three would push the budget out of the cache.
    let empty = || Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 2).expect("bounds");
    let budget = env.places.put(B::new(Room::Plenty));
    let all = std::sync::Mutex::new(empty());
    let run = measure::run(threads, env.plan.tail, |thread, stop| {
        let mut times = empty();
        let mut state = Random::new(thread as u64).next();
        let calls = stop.repeat(|| {
            state = work(state);
            black_box(state);
            let start = Instant::now();
            let seen = budget.record(black_box(&CALL));
            let time = start.elapsed();
            times.saturating_record(time.as_nanos() as u64);
            seen
        });
        all.lock().unwrap().add(times).expect("the same bounds");
        calls
    });
    check(&**budget, run.calls());
    let times = all.into_inner().unwrap();
    let at = |quantile| times.value_at_quantile(quantile) as f64;
    let mut sample = sample(&run);
    sample.extend([
        (Metric::P50, at(0.5)),
        (Metric::P99, at(0.99)),
        (Metric::P999, at(0.999)),
        (Metric::P9999, at(0.9999)),
        (Metric::Max, times.max() as f64),
    ]);
    sample
}

fn fairness<B: Budget>(env: &Env, threads: usize) -> Sample {
    let budget = env.places.put(B::new(Room::Plenty));
    let run = measure::run(threads, env.plan.fairness, |_, stop| {
        stop.repeat(|| budget.record(black_box(&CALL)))
    });
    let slowest = run.counts.iter().min().copied().unwrap_or(0);
    let fastest = run.counts.iter().max().copied().unwrap_or(1);
    let mut sample = sample(&run);
    sample.push((Metric::Fairness, slowest as f64 / fastest as f64));
    sample
}
