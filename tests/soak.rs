//! Threads that come and go, and pools with them: hundreds of short-lived threads a wave,
//! each with a few pools that it shares and some that it makes, spending until its last
//! thread-local is gone. After each wave all sums are exact, and the memory is at most what the
//! threads that were alive at once need. When the pools are dropped, it is what it was before.
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
use token_budget_pool::{BudgetPool, Limits, MicroUsd, OwnedReservation, Usage};

#[path = "support/mixed.rs"]
mod mixed;

/// Bytes that are allocated now, by the whole process; and the most that there were.
static LIVE: AtomicUsize = AtomicUsize::new(0);
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

// SAFETY: it hands every call on to the system's allocator and returns what that says.
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
    Usage::tokens(amount, 2 * amount).cost(MicroUsd::from_nanos(3 * amount))
}

static POOLS_MADE: AtomicU64 = AtomicU64::new(0);
static POOLS_DROPPED: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// What a failed test has locked is as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was wrong when an account was closed. In a destructor of a thread-local an
/// assertion would abort.
static WRONG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A pool, and what those who spend from it say it comes to.
struct Account {
    pool: Arc<BudgetPool>,
    amount: AtomicU64,
    calls: AtomicU64,
}

impl Account {
    /// Some with a limit that is soon reached.
    fn open(mixed: &mut Mixed) -> Arc<Account> {
        POOLS_MADE.fetch_add(1, Ordering::Relaxed);
        let limits = match mixed.below(3) {
            0 => Limits::none().input_tokens(mixed.below(5_000)),
            _ => Limits::none(),
        };
        Arc::new(Account {
            pool: Arc::new(BudgetPool::with_limits(limits)),
            amount: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        })
    }

    /// What is wrong with it, while nobody spends.
    fn flaw(&self) -> Option<String> {
        let snapshot = self.pool.snapshot();
        let amount = self.amount.load(Ordering::Relaxed);
        let calls = self.calls.load(Ordering::Relaxed);
        let (spent, expected) = (snapshot.spent, in_ratio(amount));
        let limit = snapshot.limits.input_tokens.unwrap_or(u64::MAX);
        let exact = spent.input_tokens == expected.input_tokens
            && spent.output_tokens == expected.output_tokens
            && Some(spent.cost) == expected.cost
            && (spent.calls, spent.unpriced_calls) == (calls, 0)
            && (snapshot.reserved, snapshot.calls_in_flight) == (Usage::default(), 0)
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

/// One thread's dealings with an account, added up where nobody else looks.
struct Spender {
    account: Arc<Account>,
    amount: u64,
    calls: u64,
    /// Dropped later.
    left: Option<OwnedReservation>,
}

impl Spender {
    fn new(account: Arc<Account>) -> Spender {
        Spender {
            account,
            amount: 0,
            calls: 0,
            left: None,
        }
    }

    fn spend(&mut self, mixed: &mut Mixed) {
        let amount = mixed.below(9);
        let asked = in_ratio(amount);
        let pool = &self.account.pool;
        let spent = match mixed.below(8) {
            0 => pool
                .reserve(in_ratio(9))
                .map(|hold| hold.settle(asked))
                .is_ok(),
            // Replaces another one, which is dropped.
            1 => {
                self.left = pool.reserve_owned(asked).ok();
                false
            }
            // As a call that was made, and nobody knows to what end.
            2 => pool.reserve(asked).map(|mut hold| hold.sent()).is_ok(),
            _ => {
                let cost_usd = MicroUsd::from_nanos(3 * amount).as_usd();
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
        self.account
            .amount
            .fetch_add(self.amount, Ordering::Relaxed);
        self.account.calls.fetch_add(self.calls, Ordering::Relaxed);
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
        // The pool too, where nobody else spends from it.
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

/// Some waves on the same pools, but for those that threads put in their place.
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

fn soak(is_enough: impl Fn(u64) -> bool) {
    // All threads are counted, whichever test started them.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = lock(&TURN);
    // What the standard library allocates for good, it has after the first.
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

fn time_to_soak() -> Result<Duration, String> {
    let Some(told) = env::var_os("SOAK_SECONDS") else {
        return Ok(Duration::from_secs(180));
    };
    match told.to_str().and_then(|told| told.parse().ok()) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "SOAK_SECONDS is {told:?}, which is not a number of whole seconds, one at least"
        )),
    }
}
