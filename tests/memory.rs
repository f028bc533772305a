//! What a pool takes, counted by the allocator itself: a fresh one fits 640 bytes, one
//! with room made beforehand never allocates again, and however many threads come and
//! go, what a pool takes depends on how many are alive at once.
//!
//! A program of its own, since the allocator is the whole program's. It counts for a
//! thread only while that thread asks it to, so the test harness is not in the numbers.
//! Thread numbers are the whole process's too, so the tests take turns.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::mem::size_of;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;

use token_budget_pool::{BudgetPool, Caps, Limits, MicroUsd, Usage};

/// What was allocated while somebody asked to have it counted.
struct Tally {
    allocations: AtomicU64,
    /// Bytes that were not freed yet.
    bytes: AtomicI64,
}

/// A new one, which threads may ask for until their very end. No leak: `.ci/asan` looks for them.
macro_rules! tally {
    () => {{
        static TALLY: Tally = Tally {
            allocations: AtomicU64::new(0),
            bytes: AtomicI64::new(0),
        };
        &TALLY
    }};
}

thread_local! {
    static COUNTED_BY: Cell<Option<&'static Tally>> = const { Cell::new(None) };
}

struct Counting;

fn count(allocations: u64, bytes: i64) {
    // A thread that is being torn down has nobody who counts.
    let tally = COUNTED_BY.try_with(Cell::get).ok().flatten();
    if let Some(tally) = tally {
        tally.allocations.fetch_add(allocations, Ordering::Relaxed);
        tally.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: it hands every call on to the system's allocator and returns what that says.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

impl Tally {
    /// Counts what `work` allocates and frees on this thread.
    fn of<R>(&'static self, work: impl FnOnce() -> R) -> R {
        let before = COUNTED_BY.replace(Some(self));
        let result = work();
        COUNTED_BY.set(before);
        result
    }

    fn allocations(&self) -> u64 {
        self.allocations.load(Ordering::Relaxed)
    }

    /// What is on the heap now.
    fn bytes(&self) -> i64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What is on the heap now, and the pool itself.
    fn bytes_with_pool(&self) -> i64 {
        self.bytes() + size_of::<BudgetPool>() as i64
    }
}

/// Records when its thread is torn down.
struct Last {
    pool: &'static BudgetPool,
    tally: &'static Tally,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.tally.of(|| {
            for _ in 0..10 {
                self.pool.record(1, 2, 3e-9).unwrap();
            }
        });
    }
}

thread_local! {
    static LAST: Cell<Option<Last>> = const { Cell::new(None) };
}

const FRESH: i64 = 640;
/// For 16 threads.
const PAGE: i64 = 4096;

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn usage(amount: u64) -> Usage {
    Usage::tokens(amount, amount).cost(MicroUsd::from_nanos(amount))
}

/// Every operation there is, some of them refused.
fn every_operation(pool: &Arc<BudgetPool>) {
    let _ = pool.record(1, 1, 1e-9);
    let _ = pool.record(1, 1, f64::NAN);
    let _ = pool.try_charge(usage(1));
    let _ = pool.try_charge(Usage::tokens(1, 1));
    pool.charge(usage(1));
    pool.charge(Usage::tokens(1, 1));
    let _ = pool.check(usage(1));
    if let Ok(mut hold) = pool.reserve(usage(3)) {
        let _ = hold.extend(usage(1));
        let _ = hold.extend(usage(u64::MAX));
        hold.sent();
        hold.settle_so_far(usage(1));
        hold.settle(usage(2));
    }
    if let Ok(hold) = pool.reserve_owned(usage(2)) {
        hold.settle_at_least(usage(3));
    }
    drop(pool.reserve(usage(4)));
    if let Ok(hold) = pool.reserve_up_to_owned(usage(1), 1..=2, MicroUsd::from_nanos(1)) {
        hold.refund();
    }
    if let Ok(hold) = pool.reserve_up_to(usage(1), 1..=9, MicroUsd::from_nanos(1)) {
        hold.forfeit();
    }
    let limits = pool.limits();
    pool.set_limits(limits);
    pool.update_limits(|limits| limits.calls = limits.calls.map(|calls| calls + 1));
    pool.totals();
    pool.caps();
    let _ = pool.snapshot().remaining();
    let _ = pool.take();
    pool.reset();
}

#[test]
fn a_fresh_pool_takes_640_bytes_at_most_object_and_heap_together() {
    let _turn = one_at_a_time();
    let tally = tally!();
    let make: [fn() -> BudgetPool; 4] = [
        BudgetPool::unconstrained,
        || BudgetPool::with_limits(Limits::none().calls(1)),
        || {
            BudgetPool::with_caps(Caps {
                max_cost_usd: Some(1.0),
                ..Caps::default()
            })
        },
        || BudgetPool::builder().build(),
    ];
    for make in make {
        let pool = tally.of(make);
        assert!(tally.bytes_with_pool() <= FRESH);
        tally.of(|| drop(pool));
        assert_eq!(tally.bytes(), 0);
    }
}

#[test]
fn a_quiet_pool_stays_as_small_as_a_fresh_one() {
    let _turn = one_at_a_time();
    let tally = tally!();
    let pool = Arc::new(BudgetPool::with_limits(Limits::none().calls(1_000)));
    tally.of(|| {
        for _ in 0..30 {
            every_operation(&pool);
        }
    });
    assert_eq!(tally.allocations(), 0);
    assert!(tally.bytes_with_pool() <= FRESH);
}

/// Has `threads` threads, all alive at once, do everything `times` over.
fn all_at_once(pool: &Arc<BudgetPool>, threads: usize, times: usize, tally: &'static Tally) {
    let (begin, end) = (Barrier::new(threads), Barrier::new(threads));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    begin.wait();
                    tally.of(|| (0..times).for_each(|_| every_operation(pool)));
                    end.wait();
                })
            })
            .collect();
        // Joined by hand: a scope does not wait for the destructors of thread-locals,
        // and with them for the numbers to be given back.
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_pool_with_room_for_its_threads_never_allocates_again() {
    let _turn = one_at_a_time();
    const THREADS: usize = 32;
    let tally = tally!();
    let limits = Limits::none().calls(50).input_tokens(200);
    let pool = tally.of(|| {
        BudgetPool::builder()
            .limits(limits)
            .threads(THREADS)
            .build()
    });
    let room = tally.bytes();
    assert!(room > 0 && room <= 256 * THREADS as i64, "{room}");

    let pool = Arc::new(pool);
    let operations = tally!();
    all_at_once(&pool, THREADS, 100, operations);
    assert_eq!(operations.allocations(), 0);

    // The same without: so those threads did come to need what was made beforehand.
    let pool = Arc::new(BudgetPool::with_limits(limits));
    let operations = tally!();
    all_at_once(&pool, THREADS, 100, operations);
    assert!(operations.allocations() > 0);
    assert_eq!(operations.bytes(), 2 * PAGE);
}

#[test]
fn all_that_a_pool_took_is_given_back_with_it() {
    let _turn = one_at_a_time();
    let tally = tally!();
    for threads in [0, 1, 16, 17, 64, 65, 500, 8_191, usize::MAX] {
        let pool = tally.of(|| BudgetPool::builder().threads(threads).build());
        // 256 bytes a thread, in pages; and beyond 64 threads a table of the pages.
        let threads = threads.min(8_191);
        let pages = threads.div_ceil(16) as i64;
        let table = if threads > 64 { 512 * 8 } else { 0 };
        let bytes = tally.bytes();
        assert!(bytes <= pages * PAGE + table, "{threads}: {bytes}");
        assert!(bytes >= pages * PAGE, "{threads}: {bytes}");
        tally.of(|| drop(pool));
        assert_eq!(tally.bytes(), 0);
    }
    let pool = tally.of(|| Arc::new(BudgetPool::unconstrained()));
    all_at_once(&pool, 70, 20, tally);
    assert!(tally.bytes() > 5 * PAGE, "{}", tally.bytes());
    tally.of(|| drop(pool));
    assert_eq!(tally.bytes(), 0);
}

#[test]
fn millions_of_records_by_threads_that_come_and_go_leave_a_page() {
    let _turn = one_at_a_time();
    const AT_A_TIME: u64 = 8;
    const GENERATIONS: u64 = 50;
    const RECORDS: u64 = if cfg!(debug_assertions) {
        10_000
    } else {
        25_000
    };
    let tally = tally!();
    let pool = BudgetPool::unconstrained();
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..AT_A_TIME)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..GENERATIONS {
                        let records = || {
                            tally.of(|| {
                                for _ in 0..RECORDS {
                                    pool.record(1, 2, 3e-9).unwrap();
                                }
                            });
                        };
                        thread::scope(|scope| scope.spawn(records).join().unwrap());
                    }
                })
            })
            .collect();
        for lane in lanes {
            lane.join().unwrap();
        }
    });
    let records = AT_A_TIME * GENERATIONS * RECORDS;
    assert_eq!(pool.totals().calls, records);
    assert_eq!(pool.snapshot().spent.cost.as_nanos(), 3 * records);
    assert_eq!(tally.bytes(), PAGE, "as for the eight alive at once");
}

#[test]
fn a_number_borrowed_by_a_thread_that_is_torn_down_goes_back() {
    let _turn = one_at_a_time();
    let tally = tally!();
    static POOL: LazyLock<BudgetPool> = LazyLock::new(BudgetPool::default);
    let pool = &*POOL;
    const THREADS: u64 = 100;
    let mut recorded = 0;
    // Touched before the crate's own thread-local, it is destroyed after it: on Linux at
    // least, where the order is that of a stack. Elsewhere it may be the other way round,
    // which has to work just as well.
    for _ in 0..THREADS {
        let thread = thread::spawn(move || {
            LAST.set(Some(Last { pool, tally }));
            tally.of(|| {
                for _ in 0..50 {
                    pool.record(1, 2, 3e-9).unwrap();
                }
            });
        });
        thread.join().unwrap();
        recorded += 60;
        assert_eq!(pool.totals().calls, recorded);
    }
    // One thread at a time: had they kept what they borrowed, there were seven.
    assert_eq!(tally.bytes(), PAGE);
}

#[test]
fn with_more_threads_than_thread_numbers_the_others_take_turns() {
    let _turn = one_at_a_time();
    const NUMBERS: usize = 8_191;
    const THREADS: usize = NUMBERS + 9;
    const RECORDS: u64 = 5;
    let tally = tally!();
    let pool = BudgetPool::unconstrained();
    // Hot, so that every thread comes to need a number.
    tally.of(|| {
        for _ in 0..2_000 {
            pool.charge(Usage::default());
        }
        pool.reset();
    });
    let (begin, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let record = || {
        begin.wait();
        tally.of(|| {
            for _ in 0..RECORDS {
                pool.record(1, 2, 3e-9).unwrap();
            }
        });
        end.wait();
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn_scoped(scope, record)
                    .expect("this machine allows 8,200 threads")
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    let totals = pool.totals();
    assert_eq!(totals.calls, RECORDS * THREADS as u64);
    assert_eq!(totals.input_tokens, totals.calls);
    assert_eq!(totals.output_tokens, 2 * totals.calls);
    assert_eq!(pool.snapshot().spent.cost.as_nanos(), 3 * totals.calls);
    // All 512 pages, so all numbers were taken.
    let table = (512 - 4) * 8;
    assert_eq!(tally.bytes(), 512 * PAGE + table);
}
