//! Threads that come and go, and pools with them: hundreds of short-lived threads a wave,
//! each with a few pools that it shares and some that it makes. A thread spends until its last
//! thread-local is gone. After each wave all sums are exact, and the memory is at most what the
//! threads that were alive at once need. When the pools are dropped, it is what it was before. And so it
//! is with the children of one pool that stays.
//!
//! A program of its own, since the allocator that counts is the whole program's.
//!
//! Every `cargo test` runs a few waves. For minutes of them, or as many seconds as
//! `SOAK_SECONDS` says:
//!
//! ```text
//! cargo test --release --test soak -- --ignored --nocapture
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::env;
use std::mem::{self, size_of};
use std::slice;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mixed::Mixed;
use token_budget_pool::{Amounts, BudgetPool, Limits, OwnedReservation, Usage, Usd};

#[path = "support/mixed.rs"]
mod mixed;

/// Bytes that are allocated now, by the whole process.
static LIVE: AtomicUsize = AtomicUsize::new(0);
/// The most that there were.
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

impl Counting {
    fn took(bytes: usize) {
        let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
        PEAK.fetch_max(live, Ordering::Relaxed);
    }

    fn gave(bytes: usize) {
        LIVE.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// SAFETY: it hands every call on to the system's allocator and returns its answer.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Counting::took(layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Counting::gave(layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Counting::took(size);
        Counting::gave(layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Threads alive at once.
const AT_A_TIME: u64 = 16;
/// Threads that follow each other, for each of those.
const GENERATIONS: u64 = 20;
/// Waves of a season.
const WAVES: u64 = 5;
/// Pools that threads share.
const SHARED: usize = 8;

/// What a shared pool may take: itself, its account, and a further lane for each thread but one.
const MOST_BYTES: usize = size_of::<BudgetPool>() + 256 + 384 * (AT_A_TIME as usize - 1);

/// Amounts in a ratio of their own: an update that is torn shows.
fn in_ratio(amount: u64) -> Usage {
    Usage::tokens(amount, 2 * amount).cost(Usd::from_nanos(3 * amount))
}

static POOLS_MADE: AtomicU64 = AtomicU64::new(0);
static POOLS_DROPPED: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Locks it also after a test that failed with it locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was wrong when an account was closed. An assertion would abort in the destructor of a
/// thread-local.
static WRONG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A pool, and what its spenders have counted themselves.
struct Account {
    pool: Arc<BudgetPool>,
    amount: AtomicU64,
    calls: AtomicU64,
    /// Of these, the forfeited ones.
    forfeited_amount: AtomicU64,
    forfeited_calls: AtomicU64,
}

impl Account {
    /// Some with a limit that is soon reached.
    fn open(mixed: &mut Mixed) -> Arc<Account> {
        POOLS_MADE.fetch_add(1, Ordering::Relaxed);
        let limits = match mixed.below(3) {
            0 => Limits::unlimited().input_tokens(mixed.below(5_000)),
            _ => Limits::unlimited(),
        };
        Arc::new(Account {
            pool: Arc::new(BudgetPool::new(limits)),
            amount: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            forfeited_amount: AtomicU64::new(0),
            forfeited_calls: AtomicU64::new(0),
        })
    }

    /// What is wrong with it, while no thread spends.
    fn flaw(&self) -> Option<String> {
        let snapshot = self.pool.snapshot();
        let amount = self.amount.load(Ordering::Relaxed);
        let calls = self.calls.load(Ordering::Relaxed);
        let forfeited = in_ratio(self.forfeited_amount.load(Ordering::Relaxed));
        let forfeited_calls = self.forfeited_calls.load(Ordering::Relaxed);
        let (spent, expected) = (snapshot.spent, in_ratio(amount));
        let limit = snapshot.limits.input_tokens.unwrap_or(u64::MAX);
        let exact = spent.input_tokens == expected.input_tokens
            && spent.output_tokens == expected.output_tokens
            && Some(spent.cost) == expected.cost
            && (spent.calls, spent.unpriced_calls) == (calls, 0)
            && Some(spent.forfeited_cost) == forfeited.cost
            && spent.forfeited_calls == forfeited_calls
            && (snapshot.reserved, snapshot.calls_in_flight) == (Amounts::default(), 0)
            && amount <= limit
            && Arc::strong_count(&self.pool) == 1;
        (!exact).then(|| format!("not {amount} in {calls} calls: {snapshot:?}"))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        POOLS_DROPPED.fetch_add(1, Ordering::Relaxed);
        CALLS.fetch_add(*self.calls.get_mut(), Ordering::Relaxed);
        if let Some(flaw) = self.flaw() {
            lock(&WRONG).push(flaw);
        }
    }
}

/// What one thread spends from an account, added up by that thread alone.
struct Spender {
    account: Arc<Account>,
    amount: u64,
    calls: u64,
    /// Of these, the forfeited ones.
    forfeited_amount: u64,
    forfeited_calls: u64,
    /// Dropped later.
    left: Option<OwnedReservation>,
}

impl Spender {
    fn new(account: Arc<Account>) -> Spender {
        Spender {
            account,
            amount: 0,
            calls: 0,
            forfeited_amount: 0,
            forfeited_calls: 0,
            left: None,
        }
    }

    fn spend(&mut self, mixed: &mut Mixed) {
        let amount = mixed.below(9);
        let asked = in_ratio(amount);
        let pool = &self.account.pool;
        let spent = match mixed.below(8) {
            0 => pool
                .try_reserve(in_ratio(9))
                .map(|reservation| reservation.start().settle(asked))
                .is_ok(),
            // Replaces another one, which is dropped.
            1 => {
                self.left = pool.try_reserve_owned(asked).ok();
                false
            }
            // A call whose end nobody saw.
            2 => {
                let call = pool
                    .try_reserve(asked)
                    .map(|reservation| reservation.start());
                if call.is_ok() {
                    self.forfeited_amount += amount;
                    self.forfeited_calls += 1;
                }
                call.is_ok()
            }
            _ => {
                let cost_usd = Usd::from_nanos(3 * amount).to_f64();
                pool.record(amount, 2 * amount, cost_usd).is_ok()
            }
        };
        if spent {
            self.amount += amount;
            self.calls += 1;
        }
    }
}

impl Drop for Spender {
    fn drop(&mut self) {
        self.left = None;
        let account = &self.account;
        for (total, own) in [
            (&account.amount, self.amount),
            (&account.calls, self.calls),
            (&account.forfeited_amount, self.forfeited_amount),
            (&account.forfeited_calls, self.forfeited_calls),
        ] {
            total.fetch_add(own, Ordering::Relaxed);
        }
    }
}

/// Goes on spending when its thread is torn down, also from a pool that is made only then.
struct Spenders {
    spenders: Vec<Spender>,
    mixed: Mixed,
}

impl Spenders {
    fn new(accounts: &[Arc<Account>], seed: u64) -> Spenders {
        let spenders = accounts.iter().cloned().map(Spender::new).collect();
        let mixed = Mixed(seed);
        Spenders { spenders, mixed }
    }

    fn spend(&mut self, times: u64) {
        for _ in 0..times {
            for spender in &mut self.spenders {
                spender.spend(&mut self.mixed);
            }
        }
    }
}

impl Drop for Spenders {
    fn drop(&mut self) {
        let account = Account::open(&mut self.mixed);
        self.spenders.push(Spender::new(account));
        self.spend(10);
    }
}

thread_local! {
    static AFTER: Cell<Option<Spenders>> = const { Cell::new(None) };
    static BEFORE: Cell<Option<Spenders>> = const { Cell::new(None) };
}

/// The pools that threads share. They put new ones in place of old ones.
type Shared = [Mutex<Arc<Account>>; SHARED];

/// What a short-lived thread does.
fn live_and_die(shared: &Shared, seed: u64) {
    let mut mixed = Mixed(seed);
    let mut any = || &shared[mixed.below(SHARED as u64) as usize];
    let some = [(); 3].map(|()| lock(any()).clone());

    // One is set up before the first calls and the other after some, so that whatever else there
    // is at the end of a thread comes between them.
    AFTER.set(None);
    for late in [&AFTER, &BEFORE] {
        let mut spenders = Spenders::new(&some, seed);
        spenders.spend(20);
        late.set(Some(spenders));
    }

    let own = Account::open(&mut Mixed(seed));
    Spenders::new(slice::from_ref(&own), seed).spend(30);
    if seed % 4 == 0 {
        let old = mem::replace(&mut *lock(any()), own);
        // This drops the pool too, if no other thread spends from it.
        drop(old);
    }
}

/// Runs [`AT_A_TIME`] rows of threads, each thread of a row after the one before.
fn wave(shared: &Shared, wave: u64) {
    let row = |row| {
        move || {
            for generation in 0..GENERATIONS {
                let seed = 1 + (wave * AT_A_TIME + row) * GENERATIONS + generation;
                thread::scope(|scope| {
                    let thread = scope.spawn(move || live_and_die(shared, seed));
                    // By hand, since a scope alone does not wait for destructors of thread-locals.
                    thread.join().expect("no thread panics");
                });
            }
        }
    };
    thread::scope(|scope| {
        let rows: Vec<_> = (0..AT_A_TIME)
            .map(|number| scope.spawn(row(number)))
            .collect();
        for row in rows {
            row.join().expect("no row panics");
        }
    });
}

fn assert_no_account_was_wrong() {
    let wrong = lock(&WRONG);
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Some waves on the same pools, except those that threads put in their place.
fn season(number: u64) {
    let before = LIVE.load(Ordering::Relaxed);
    let mut mixed = Mixed(number + 1);
    let shared: Shared = [(); SHARED].map(|()| Mutex::new(Account::open(&mut mixed)));
    for number in number * WAVES..(number + 1) * WAVES {
        wave(&shared, number);
        assert_no_account_was_wrong();
        for account in shared.iter().map(lock) {
            assert_eq!(account.flaw(), None);
            assert_eq!(Arc::strong_count(&account), 1);
        }
        let bytes = LIVE.load(Ordering::Relaxed) - before;
        assert!(bytes <= SHARED * MOST_BYTES, "{bytes} after wave {number}");
    }
    drop(shared);
    assert_no_account_was_wrong();
}

/// All threads are counted, whichever test started them. So one test runs at a time.
static TURN: Mutex<()> = Mutex::new(());

fn soak(is_enough: impl Fn(u64) -> bool) {
    let _turn = lock(&TURN);
    // After the first season the standard library has allocated what it keeps for good.
    season(0);
    let before = LIVE.load(Ordering::Relaxed);
    let mut seasons = 1;
    while !is_enough(seasons) {
        season(seasons);
        let now = LIVE.load(Ordering::Relaxed);
        assert_eq!(now, before, "bytes, after season {seasons}");
        seasons += 1;
    }
    let pools = POOLS_MADE.load(Ordering::Relaxed);
    assert_eq!(POOLS_DROPPED.load(Ordering::Relaxed), pools);
    println!(
        "{} waves, {} threads, {pools} pools, {} calls; {before} bytes before and after, {} at most",
        seasons * WAVES,
        seasons * WAVES * AT_A_TIME * GENERATIONS,
        CALLS.load(Ordering::Relaxed),
        PEAK.load(Ordering::Relaxed)
    );
}

#[test]
fn threads_and_pools_that_come_and_go_leave_exact_sums_and_no_byte() {
    soak(|seasons| seasons == 4);
}

#[test]
#[ignore = "takes three minutes, or SOAK_SECONDS"]
fn soak_for_minutes() -> Result<(), String> {
    let time = time_to_soak()?;
    let began = Instant::now();
    soak(|_| began.elapsed() >= time);
    Ok(())
}

/// Threads that make children.
const PARENTS: u64 = 8;

/// One thread's children of a pool that stays: runs with agents below them, of all lengths of life.
/// Returns what they spent, and how many there were.
fn children_of(root: &Arc<BudgetPool>, seed: u64) -> (u64, u64) {
    let mut mixed = Mixed(seed);
    let mut alive: Vec<Arc<BudgetPool>> = Vec::new();
    let mut left: Vec<OwnedReservation> = Vec::new();
    let (mut spent, mut made) = (0, 0);
    for _ in 0..400 {
        let parent = match alive.len() as u64 {
            0 => Arc::clone(root),
            many => match mixed.below(3) {
                0 => Arc::clone(root),
                _ => Arc::clone(&alive[mixed.below(many) as usize]),
            },
        };
        let limit = mixed.below(200);
        let Ok(child) = parent.child_owned(Limits::unlimited().input_tokens(limit)) else {
            assert_eq!(parent.level().depth(), 7, "it is the deepest");
            continue;
        };
        made += 1;
        assert_eq!(child.snapshot().spent.calls, 0);
        for _ in 0..mixed.below(5) {
            let amount = mixed.below(40);
            match mixed.below(4) {
                0 => left.extend(child.try_reserve_owned(in_ratio(amount))),
                1 => {
                    if let Ok(reservation) = child.try_reserve(in_ratio(amount)) {
                        // An end that nobody saw.
                        drop(reservation.start());
                        spent += amount;
                    }
                }
                _ => {
                    if child.try_charge(in_ratio(amount)).is_ok() {
                        spent += amount;
                    }
                }
            }
        }
        assert!(child.spent().input_tokens <= limit);
        alive.push(child);
        while alive.len() as u64 > 1 + mixed.below(12) {
            alive.swap_remove(mixed.below(alive.len() as u64) as usize);
        }
        while left.len() as u64 > mixed.below(8) {
            // With the last of them its pool may go, and those above.
            let reservation = left.swap_remove(mixed.below(left.len() as u64) as usize);
            if mixed.below(2) == 0 {
                let _ = reservation.start().settle(in_ratio(1));
                spent += 1;
            }
        }
    }
    (spent, made)
}

/// Children of one pool, until it is enough. After each wave all sums are exact, and only the root is
/// left. The memory is at most what the children that are alive at once need.
fn soak_children(is_enough: impl Fn(u64) -> bool) {
    let _turn = lock(&TURN);
    let before = LIVE.load(Ordering::Relaxed);
    let root = Arc::new(BudgetPool::unconstrained());
    let (mut spent, mut made, mut waves) = (0, 0, 0);
    while !is_enough(waves) {
        let wave = |thread| children_of(&root, 1 + waves * PARENTS + thread);
        thread::scope(|scope| {
            let wave = &wave;
            let threads: Vec<_> = (0..PARENTS)
                .map(|thread| scope.spawn(move || wave(thread)))
                .collect();
            for thread in threads {
                let (more, children) = thread.join().expect("no thread panics");
                (spent, made) = (spent + more, made + children);
            }
        });
        waves += 1;
        let snapshot = root.snapshot();
        let expected = in_ratio(spent);
        assert_eq!(snapshot.spent.input_tokens, expected.input_tokens);
        assert_eq!(snapshot.spent.output_tokens, expected.output_tokens);
        assert_eq!(Some(snapshot.spent.cost), expected.cost);
        assert_eq!(snapshot.reserved, Amounts::default());
        assert_eq!(snapshot.calls_in_flight, 0);
        assert_eq!(Arc::strong_count(&root), 1);
        assert_eq!(root.tree_snapshot().children, []);
        let bytes = LIVE.load(Ordering::Relaxed) - before;
        // A thread has at most 24 handles at once, and the pools above them are seldom more than two for
        // each. In every lane that there is, a node may have slots.
        let nodes = PARENTS as usize * 24 * 3;
        let most = nodes * (320 + 384 * (PARENTS as usize - 1));
        assert!(bytes <= most, "{bytes} bytes after wave {waves}");
    }
    drop(root);
    println!(
        "{waves} waves, {made} children, {spent} tokens in; {} bytes at most",
        PEAK.load(Ordering::Relaxed)
    );
}

#[test]
fn children_that_come_and_go_leave_exact_sums() {
    soak_children(|waves| waves == 2);
}

#[test]
#[ignore = "takes three minutes, or SOAK_SECONDS"]
fn soak_children_for_minutes() -> Result<(), String> {
    let time = time_to_soak()?;
    let began = Instant::now();
    soak_children(|_| began.elapsed() >= time);
    Ok(())
}

fn time_to_soak() -> Result<Duration, String> {
    let Some(text) = env::var_os("SOAK_SECONDS") else {
        return Ok(Duration::from_secs(180));
    };
    match text.to_str().and_then(|text| text.parse().ok()) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "SOAK_SECONDS is {text:?}, which is not a number of whole seconds, one at least"
        )),
    }
}
