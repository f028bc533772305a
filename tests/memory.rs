//! The memory that a pool takes, counted by the allocator itself. A fresh pool fits 320 bytes, a further
//! lane 384, and a pool with lanes made beforehand never allocates again. Threads may come and go: what
//! counts is how many are alive at once. So it is with children.
//!
//! A program of its own, since the allocator is the whole program's. It counts for a thread only
//! while that thread asks it to, so the test harness is not in the numbers.
//!
//! Threads that are stopped inside operations, and what the pool takes then, are in
//! `loom-tests/freeze`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::mem::size_of;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once};
use token_budget_pool::{BudgetPool, Caps, ChildPool, Limits, Usage, Usd};

/// What was allocated by threads that asked to have it counted.
struct Tally {
    allocations: AtomicU64,
    /// Bytes that were not freed yet.
    bytes: AtomicI64,
}

/// A new tally. Threads may use it until their very end. It is not leaked, since `.ci/asan` looks for
/// leaks.
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
    // In a thread that is being torn down nothing is counted.
    let tally = COUNTED_BY.try_with(Cell::get).ok().flatten();
    if let Some(tally) = tally {
        tally.allocations.fetch_add(allocations, Ordering::Relaxed);
        tally.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

// SAFETY: it hands every call on to the system's allocator and returns its answer.
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

    /// Counts from zero again, while no thread counts.
    fn forget(&self) {
        self.allocations.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
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

const FRESH: i64 = 320;
/// The most that a further lane takes.
const LANE: i64 = 384;
/// The most lanes that a pool can have, lane 0 included.
const LANES: usize = 4_096;

/// More than there are processors, so that threads are stopped inside operations now and then.
fn many_threads() -> usize {
    let processors = thread::available_parallelism().map_or(1, |number| number.get());
    (4 * processors).max(32)
}

fn usage(amount: u64) -> Usage {
    Usage::tokens(amount, amount).cost(Usd::from_nanos(amount))
}

/// Every operation there is, some of them refused.
fn every_operation(pool: &Arc<BudgetPool>) {
    let _ = pool.record(1, 1, 1e-9);
    let _ = pool.record(1, 1, f64::NAN);
    let _ = pool.try_charge(usage(1));
    let _ = pool.try_charge(Usage::tokens(1, 1));
    let _ = pool.charge(usage(1));
    let _ = pool.charge(Usage::tokens(1, 1));
    let _ = pool.check(usage(1));
    if let Ok(mut reservation) = pool.try_reserve(usage(3)) {
        let _ = reservation.extend(usage(1));
        let _ = reservation.extend(usage(u64::MAX));
        reservation.shrink_to(usage(3));
        let mut call = reservation.start();
        let _ = call.report(usage(1));
        let _ = call.extend(usage(1));
        call.shrink_to(usage(1));
        let _ = call.settle(usage(2));
    }
    if let Ok(reservation) = pool.try_reserve_owned(usage(2)) {
        let _ = reservation.start().settle_at_least(usage(3));
    }
    drop(pool.try_reserve(usage(4)));
    drop(
        pool.try_reserve(usage(4))
            .map(|reservation| reservation.start()),
    );
    if let Ok(reservation) = pool.try_reserve_up_to_owned(usage(1), 1..=2, Usd::from_nanos(1)) {
        let _ = reservation.start().release();
    }
    if let Ok(reservation) = pool.try_reserve_up_to(usage(1), 1..=9, Usd::from_nanos(1)) {
        let _ = reservation.start().forfeit();
    }
    let limits = pool.limits();
    pool.set_limits(limits);
    pool.update_limits(|limits| limits.calls = limits.calls.map(|calls| calls + 1));
    pool.totals();
    pool.caps();
    let _ = pool.snapshot().remaining();
    let _ = (pool.spent(), pool.remaining(), pool.is_closed());
    let _ = pool.take();
    pool.reset();
}

#[test]
fn a_fresh_pool_takes_320_bytes_at_most_object_and_heap_together() {
    let tally = tally!();
    let make: [fn() -> BudgetPool; 5] = [
        BudgetPool::unconstrained,
        || BudgetPool::new(Limits::unlimited().calls(1)),
        || {
            BudgetPool::with_caps(Caps {
                max_cost_usd: Some(1.0),
                ..Caps::default()
            })
        },
        || BudgetPool::builder().build(),
        || BudgetPool::builder().threads(1).build(),
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
    let tally = tally!();
    let pool = Arc::new(BudgetPool::new(Limits::unlimited().calls(1_000)));
    let work = || {
        tally.of(|| {
            for _ in 0..30 {
                every_operation(&pool);
            }
        });
    };
    work();
    // Threads that do not meet.
    for _ in 0..30 {
        thread::scope(|scope| scope.spawn(work).join().unwrap());
    }
    assert_eq!(tally.allocations(), 0);
    assert!(tally.bytes_with_pool() <= FRESH);
}

/// What a future says when it is polled once.
fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    block_on(poll_once(future))
}

#[test]
fn nothing_is_allocated_for_waiting_until_somebody_waits() {
    let pool = Arc::new(BudgetPool::new(Limits::unlimited().calls(1_000)));
    let tally = tally!();
    // It keeps what it needs to block.
    block_on(async {});
    tally.of(|| {
        for _ in 0..30 {
            drop(once(pool.reserve(usage(1))).expect("room"));
            drop(once(pool.reserve_owned(usage(1))).expect("room"));
            let up_to = pool.reserve_up_to(usage(1), 1..=9, Usd::from_nanos(1));
            drop(once(up_to).expect("room"));
            once(pool.idle()).expect("no call in flight");
        }
    });
    assert_eq!(tally.allocations(), 0);
}

#[test]
fn those_that_wait_leave_nothing_behind() {
    let tally = tally!();
    // It keeps what it needs to block.
    block_on(async {});
    let pool = tally.of(|| Arc::new(BudgetPool::new(Limits::unlimited().calls(1_000))));
    let one_after_the_other = |times| {
        tally.of(|| {
            for _ in 0..times {
                let full = pool.try_reserve(usage(1)).expect("room");
                pool.set_limits(Limits::unlimited().calls(1));
                // One is served, and one gives up.
                let mut served = pin!(pool.reserve(usage(1)));
                assert!(once(&mut served).is_none());
                assert!(once(pool.reserve(usage(1))).is_none());
                drop(full);
                drop(once(&mut served).expect("a turn"));
            }
        });
    };
    one_after_the_other(1);
    let bytes = tally.bytes();
    one_after_the_other(100);
    assert_eq!(tally.bytes(), bytes);
    tally.of(|| drop(pool));
    assert_eq!(tally.bytes(), 0);
}

#[test]
fn a_further_lane_takes_384_bytes_at_most_and_goes_with_the_pool() {
    let tally = tally!();
    for threads in [0, 1, 2, 3, 4, 5, 16, 17, 500, LANES - 1, LANES, usize::MAX] {
        let pool = tally.of(|| BudgetPool::builder().threads(threads).build());
        // Lane 0 lies in the pool itself.
        let further = threads.clamp(1, LANES) as i64 - 1;
        assert_eq!(tally.allocations(), further as u64, "{threads} threads");
        let bytes = tally.bytes();
        assert!(bytes <= further * LANE, "{threads} threads: {bytes} bytes");
        tally.of(|| drop(pool));
        assert_eq!(tally.bytes(), 0, "{threads} threads");
        tally.forget();
    }
}

/// Has `threads` threads, all alive at once, do everything `times` over.
fn all_at_once(pool: &Arc<BudgetPool>, threads: usize, times: usize, tally: &'static Tally) {
    let (begin, end) = (Barrier::new(threads), Barrier::new(threads));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                begin.wait();
                tally.of(|| (0..times).for_each(|_| every_operation(pool)));
                end.wait();
            });
        }
    });
}

/// The same again and again, until a thread was stopped inside an operation and another one appended
/// a lane.
fn until_it_grows(pool: &Arc<BudgetPool>, threads: usize, tally: &'static Tally) {
    let began = Instant::now();
    let before = tally.allocations();
    while tally.allocations() == before {
        let waited = began.elapsed();
        assert!(waited < Duration::from_secs(60), "no thread met another");
        all_at_once(pool, threads, 100, tally);
    }
}

#[test]
fn a_pool_with_lanes_for_its_threads_never_allocates_again() {
    let threads = many_threads();
    let limits = Limits::unlimited().calls(50).input_tokens(200);

    // Without lanes first, to see that these threads come to need them.
    let fresh = Arc::new(BudgetPool::new(limits));
    let operations = tally!();
    let began = Instant::now();
    until_it_grows(&fresh, threads, operations);
    let took = began.elapsed();
    let (bytes, most) = (operations.bytes(), (threads as i64 - 1) * LANE);
    assert!(bytes > 0 && bytes <= most, "{bytes} bytes");

    let builder = BudgetPool::builder().limits(limits).threads(threads);
    let pool = Arc::new(builder.build());
    let operations = tally!();
    let began = Instant::now();
    while began.elapsed() < took.max(Duration::from_millis(500)) {
        all_at_once(&pool, threads, 100, operations);
    }
    assert_eq!(operations.allocations(), 0);
}

#[test]
fn all_that_a_pool_took_is_given_back_with_it() {
    let threads = many_threads();
    let tally = tally!();
    for _ in 0..5 {
        let pool = tally.of(|| Arc::new(BudgetPool::unconstrained()));
        let fresh = tally.bytes();
        until_it_grows(&pool, threads, tally);
        let lanes = tally.bytes() - fresh;
        let most = (threads as i64 - 1) * LANE;
        assert!(lanes > 0 && lanes <= most, "{lanes} bytes");
        tally.of(|| drop(pool));
        assert_eq!(tally.bytes(), 0);
    }
}

#[test]
fn millions_of_records_by_threads_that_come_and_go_take_what_those_alive_at_once_need() {
    const AT_A_TIME: u64 = 8;
    const GENERATIONS: u64 = 50;
    const RECORDS: u64 = if cfg!(debug_assertions) {
        10_000
    } else {
        25_000
    };
    let tally = tally!();
    let pool = BudgetPool::unconstrained();
    let records = || {
        tally.of(|| {
            for _ in 0..RECORDS {
                pool.record(1, 2, 3e-9).unwrap();
            }
        });
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                for _ in 0..GENERATIONS {
                    thread::scope(|scope| scope.spawn(records).join().unwrap());
                }
            });
        }
    });
    let records = AT_A_TIME * GENERATIONS * RECORDS;
    assert_eq!(pool.totals().calls, records);
    assert_eq!(pool.snapshot().spent.cost.as_nanos(), 3 * records);
    let bytes = tally.bytes();
    assert!(bytes <= (AT_A_TIME as i64 - 1) * LANE, "{bytes} bytes");
}

#[test]
fn a_thread_that_is_torn_down_records_like_any_other() {
    let tally = tally!();
    static POOL: LazyLock<BudgetPool> = LazyLock::new(BudgetPool::default);
    let pool = &*POOL;
    const THREADS: u64 = 100;
    let mut recorded = 0;
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
    // One thread at a time: none was in the way of another.
    assert_eq!(tally.allocations(), 0);
}

/// The most that a tree takes besides its nodes. It is allocated for the first child.
const TREE: i64 = 448;
/// The most that a node takes: a child's state and label, with slots for lane 0.
const NODE: i64 = 320;
/// The most that a tree takes for a further lane, besides what each node takes.
const LISTS: i64 = 256;

/// The most that a tree and so many nodes take. Nodes are allocated one, two, four and so on at a time.
fn tree_with(nodes: i64) -> i64 {
    let mut bytes = TREE;
    let (mut chunk, mut allocated) = (1, 0);
    while allocated < nodes {
        bytes += chunk * NODE + 16;
        allocated += chunk;
        chunk *= 2;
    }
    bytes
}

#[test]
fn a_pool_takes_no_more_for_trees_until_it_has_a_child() {
    let tally = tally!();
    let root = tally.of(BudgetPool::unconstrained);
    assert!(tally.bytes_with_pool() <= FRESH);
    tally.of(|| drop(root.tree_snapshot()));
    tally.of(|| drop(root.child(limits_of_a_call()).map(drop)));
    let bytes = tally.bytes();
    assert!(0 < bytes && bytes <= tree_with(1), "{bytes} bytes");
    // The tree stays for the next child.
    let allocations = tally.allocations();
    tally.of(|| drop(root.child(limits_of_a_call()).map(drop)));
    assert_eq!((tally.bytes(), tally.allocations()), (bytes, allocations));
    tally.of(|| drop(root));
    assert_eq!(tally.bytes(), 0);
}

fn limits_of_a_call() -> Limits {
    Limits::unlimited().calls(1)
}

#[test]
fn a_child_takes_640_bytes_at_most_its_handle_and_its_node_together() {
    let tally = tally!();
    assert!(size_of::<ChildPool<'_>>() as i64 + NODE <= 640);
    let root = tally.of(BudgetPool::unconstrained);
    let mut children = Vec::with_capacity(1_000);
    for alive in 1..=1_000 {
        children.push(tally.of(|| root.child(limits_of_a_call()).unwrap()));
        let bytes = tally.bytes();
        assert!(bytes <= tree_with(alive), "{alive} children: {bytes} bytes");
    }
    // An operation of one thread allocates nothing, on any of them.
    let allocations = tally.allocations();
    for child in &children {
        tally.of(|| assert!(child.try_charge(usage(1)).is_ok()));
        tally.of(|| assert!(child.try_charge(usage(1)).is_err()));
    }
    assert_eq!(tally.allocations(), allocations);
    // Their places are used again, at the same depth.
    tally.of(|| children.clear());
    for _ in 0..1_000 {
        children.push(tally.of(|| root.child(limits_of_a_call()).unwrap()));
    }
    assert_eq!(tally.allocations(), allocations);
    drop(children);
    tally.of(|| drop(root));
    assert_eq!(tally.bytes(), 0);
}

/// A million, in release.
const CHILDREN: u64 = if cfg!(debug_assertions) {
    30_000
} else {
    1_000_000
};
/// What an `Arc` adds to a pool: two counts, padded to a cache line.
const ARC: i64 = 64;

/// Makes that many children one after the other, and one below some of them.
fn children_come_and_go(root: &Arc<BudgetPool>, times: u64) {
    for time in 0..times {
        if time % 4 == 0 {
            let run = root.child(limits_of_a_call()).unwrap();
            let agent = run.child(Limits::unlimited()).unwrap();
            agent.try_charge(usage(1)).unwrap();
        } else if time % 4 == 1 {
            let run = root.child_owned(limits_of_a_call()).unwrap();
            let call = run.try_reserve_owned(usage(1)).unwrap().start();
            drop(run);
            let _ = call.settle(usage(1));
        } else {
            let run = root.child(limits_of_a_call()).unwrap();
            run.try_charge(usage(1)).unwrap();
        }
    }
}

#[test]
fn children_that_come_and_go_take_what_those_alive_at_once_need() {
    let tally = tally!();
    let root = tally.of(|| Arc::new(BudgetPool::unconstrained()));
    tally.of(|| children_come_and_go(&root, 1_000));
    let after_a_thousand = tally.bytes();
    tally.of(|| children_come_and_go(&root, CHILDREN - 1_000));
    assert_eq!(tally.bytes(), after_a_thousand);
    // A child and one below it, and the root itself.
    let most = tree_with(2) + FRESH + ARC;
    assert!(after_a_thousand <= most, "{after_a_thousand} bytes");
    assert_eq!(root.spent().calls, CHILDREN);
    tally.of(|| drop(root));
    assert_eq!(tally.bytes(), 0);
}

#[test]
fn children_that_come_and_go_in_four_threads_take_what_those_alive_at_once_need() {
    const THREADS: i64 = 4;
    let tally = tally!();
    let root = tally.of(|| Arc::new(BudgetPool::unconstrained()));
    let wave = |times: u64| {
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| tally.of(|| children_come_and_go(&root, times)));
            }
        });
    };
    // At most a child of each thread and one below it are alive at once.
    let nodes = 2 * THREADS;
    let lanes = THREADS - 1;
    // Nodes are allocated a few at a time, but only those that were used have further lanes.
    let most = tree_with(nodes) + lanes * (LISTS + LANE + nodes * LANE) + FRESH + ARC;
    for times in [250, CHILDREN / 4 - 250] {
        wave(times);
        let bytes = tally.bytes();
        assert!(bytes <= most, "{bytes} bytes, where {most} are the most");
    }
    assert_eq!(root.spent().calls, CHILDREN);
    assert_eq!(root.tree_snapshot().children.len(), 0);
    tally.of(|| drop(root));
    assert_eq!(tally.bytes(), 0);
}

/// [`Builder::threads`](token_budget_pool::Builder::threads) allocates lanes of the root. What a node has
/// for a lane is allocated when an operation in that lane first comes to it.
#[test]
fn a_node_takes_at_most_a_lane_for_each_thread_and_all_goes_with_the_tree() {
    let threads = many_threads();
    let lanes = threads as i64 - 1;
    let tally = tally!();
    let root = tally.of(|| {
        let builder = BudgetPool::builder().threads(threads);
        Arc::new(builder.build())
    });
    let child = tally.of(|| root.child_owned(Limits::unlimited().calls(50)).unwrap());
    let before = tally.bytes();
    until_it_grows(&child, threads, tally);
    let bytes = tally.bytes() - before;
    let most = lanes * (LANE + LISTS);
    assert!(0 < bytes && bytes <= most, "{bytes} bytes");
    tally.of(|| drop((child, root)));
    assert_eq!(tally.bytes(), 0);
}
