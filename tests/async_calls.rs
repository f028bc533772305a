//! Async truth: thousands of tasks that reserve, call a provider that is slow, fails,
//! panics or never answers, stream parts, and are aborted at any await there is, before
//! and after the request is out. In the end nothing is held, and what is spent is what
//! the provider sent, to the last token.
//!
//! What happens to a task is drawn from a seed, which is printed: `SEED=... cargo test
//! --test async_calls` draws the same again. Which thread comes first is still the
//! machine's to say; the sums must not depend on it. Time decides nothing either: a
//! "latency" is a number of turns that a task gives away, and a time-out is a timer that
//! a task races, with either outcome counted as it happened.

use std::any::Any;
use std::collections::HashMap;
use std::env;
use std::future::Future;
use std::panic;
use std::pin::{pin, Pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use token_budget_pool::{
    BudgetPool, Limits, MicroUsd, OwnedReservation, Receipt, Rejected, Snapshot, Usage,
};
use tokio::task::{yield_now, JoinSet};

/// Tokens in, tokens out, nano-dollars, calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    input: u64,
    output: u64,
    nanos: u64,
    calls: u64,
}

impl Sum {
    fn add(&mut self, usage: Usage, calls: u64) {
        self.input += usage.input_tokens;
        self.output += usage.output_tokens;
        self.nanos += usage.cost.expect("priced").as_nanos();
        self.calls += calls;
    }

    fn of(snapshot: &Snapshot) -> Sum {
        let spent = snapshot.spent;
        Sum {
            input: spent.input_tokens,
            output: spent.output_tokens,
            nanos: spent.cost.as_nanos(),
            calls: spent.calls,
        }
    }
}

fn usage(input: u64, output: u64) -> Usage {
    Usage::tokens(input, output).cost(MicroUsd::from_nanos(3 * input + 15 * output))
}

/// Of each dimension.
fn larger(one: Usage, other: Usage) -> Usage {
    Usage::tokens(
        one.input_tokens.max(other.input_tokens),
        one.output_tokens.max(other.output_tokens),
    )
    .cost(one.cost.max(other.cost).expect("priced"))
}

struct Drawn(u64);

impl Drawn {
    fn below(&mut self, end: u64) -> u64 {
        // splitmix64: seeds next to each other draw nothing alike.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn seed() -> u64 {
    let seed = match env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64),
    };
    println!("SEED={seed}");
    seed
}

/// How a call goes, once it is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    Replies,
    Streams,
    /// A stream that breaks off, and is settled with what came.
    BreaksOff,
    Fails,
    Panics,
    TimesOut,
    /// Fails while it is still being prepared.
    NeverSent,
    PanicsUnsent,
    /// Fails, and the caller knows no better than to keep it all.
    Forfeited,
    /// Too many requests, and not billed.
    TurnedAway,
}

const FATES: [Fate; 10] = [
    Fate::Replies,
    Fate::Streams,
    Fate::BreaksOff,
    Fate::Fails,
    Fate::Panics,
    Fate::TimesOut,
    Fate::NeverSent,
    Fate::PanicsUnsent,
    Fate::Forfeited,
    Fate::TurnedAway,
];

/// What a task is going to do.
#[derive(Clone, Copy)]
struct Plan {
    fate: Fate,
    estimate: Usage,
    actual: Usage,
    parts: u64,
    /// Turns given away at every await.
    latency: u64,
    /// At which of its turns it is aborted, if it gets as far.
    aborted_at: Option<u64>,
}

impl Plan {
    fn draw(drawn: &mut Drawn, overrun: u64) -> Plan {
        let estimate = usage(1 + drawn.below(200), 1 + drawn.below(100));
        let within = |drawn: &mut Drawn, most: u64| drawn.below(most + 1);
        let actual = usage(
            within(drawn, estimate.input_tokens + overrun),
            within(drawn, estimate.output_tokens + overrun),
        );
        Plan {
            fate: FATES[drawn.below(FATES.len() as u64) as usize],
            estimate,
            actual,
            parts: 1 + drawn.below(4),
            latency: drawn.below(4),
            aborted_at: (drawn.below(3) == 0).then(|| drawn.below(24)),
        }
    }

    /// What a stream has told after so many parts.
    fn so_far(&self, part: u64) -> Usage {
        let share = |amount: u64| amount * part / self.parts;
        usage(
            share(self.actual.input_tokens),
            share(self.actual.output_tokens),
        )
    }
}

/// What the tasks did, told by the tasks: not by the pool.
#[derive(Default)]
struct Books {
    spent: Mutex<Sum>,
    ends: Mutex<HashMap<&'static str, u64>>,
    /// Tokens beyond the holds, entered before the pool is told of them.
    overruns: AtomicU64,
}

impl Books {
    /// Enters by how many tokens a call whose total is this goes beyond what it holds.
    fn overrun(&self, hold: &OwnedReservation, total: Usage) -> u64 {
        let beyond = |of: fn(Usage) -> u64| {
            let new = of(total).saturating_sub(of(hold.told()));
            new.saturating_sub(of(hold.held()))
        };
        let tokens = beyond(|usage| usage.input_tokens) + beyond(|usage| usage.output_tokens);
        self.overruns.fetch_add(tokens, Ordering::Relaxed);
        tokens
    }
}

/// One call, as its task sees it. Whatever ends the task, this is dropped, and enters into
/// the books what must have become of the call.
struct Entry {
    books: Arc<Books>,
    held: Usage,
    told: Usage,
    sent: bool,
    /// What was entered already.
    settled: Option<Usage>,
    end: &'static str,
}

impl Entry {
    fn told(&mut self, so_far: Usage) {
        // Cumulative.
        self.told = larger(self.told, so_far);
        self.sent = true;
    }

    fn settled(&mut self, actual: Usage, end: &'static str) {
        self.settled = Some(larger(actual, self.told));
        self.end = end;
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut spent = self.books.spent.lock().unwrap();
        match self.settled {
            Some(actual) => spent.add(actual, 1),
            // Kept: what it held, and what it was told if that was more.
            None if self.sent => spent.add(larger(self.held, self.told), 1),
            None => {}
        }
        drop(spent);
        *self.books.ends.lock().unwrap().entry(self.end).or_insert(0) += 1;
    }
}

/// Gives away turns, as a task does that waits for a network.
async fn wait(turns: u64) {
    for _ in 0..turns {
        yield_now().await;
    }
}

/// One task's call.
async fn call(plan: Plan, mut hold: OwnedReservation, books: Arc<Books>) -> Result<Receipt, ()> {
    let mut entry = Entry {
        books: Arc::clone(&books),
        held: plan.estimate,
        told: usage(0, 0),
        sent: false,
        settled: None,
        end: "refunded",
    };
    wait(plan.latency).await;
    match plan.fate {
        Fate::NeverSent => return Err(()),
        Fate::PanicsUnsent => panic!("{FAKE}"),
        _ => {}
    }
    hold.sent();
    entry.sent = true;
    entry.end = "kept";
    wait(plan.latency).await;
    match plan.fate {
        Fate::Fails => return Err(()),
        Fate::Panics => panic!("{FAKE}"),
        Fate::Forfeited => {
            entry.settled(plan.estimate, "forfeited");
            return Ok(hold.forfeit());
        }
        Fate::TurnedAway => {
            entry.sent = false;
            entry.end = "turned away";
            hold.refund();
            return Err(());
        }
        Fate::TimesOut => {
            // The provider is still at it when the time is up, or just done.
            let answer = tokio::time::timeout(Duration::from_micros(50), wait(plan.latency * 3));
            if answer.await.is_err() {
                entry.end = "timed out";
                return Err(());
            }
        }
        Fate::Streams | Fate::BreaksOff => {
            for part in 1..=plan.parts {
                let so_far = plan.so_far(part);
                let overrun = books.overrun(&hold, so_far);
                let receipt = hold.settle_so_far(so_far);
                assert_eq!(receipt.overrun.total_tokens, overrun);
                assert!(!receipt.told_more.any());
                entry.told(so_far);
                wait(plan.latency).await;
                if plan.fate == Fate::BreaksOff && part > plan.parts / 2 {
                    entry.settled(larger(so_far, plan.estimate), "broke off");
                    return Ok(hold.settle_at_least(so_far));
                }
            }
        }
        _ => {}
    }
    let overrun = books.overrun(&hold, plan.actual);
    entry.settled(plan.actual, "settled");
    let receipt = hold.settle(plan.actual);
    assert_eq!(receipt.overrun.total_tokens, overrun);
    Ok(receipt)
}

const FAKE: &str = "a fake provider's panic";

/// Polls a task so many times and then drops it where it stands: aborted at that await,
/// and at no other.
struct AbortedAt<F> {
    task: Option<Pin<Box<F>>>,
    turns: Option<u64>,
}

impl<F: Future> Future for AbortedAt<F> {
    /// `None` if it was aborted.
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.turns == Some(0) {
            self.task = None;
        }
        if let Some(turns) = &mut self.turns {
            *turns = turns.saturating_sub(1);
        }
        match &mut self.task {
            None => Poll::Ready(None),
            Some(task) => task.as_mut().poll(context).map(Some),
        }
    }
}

/// What all tasks came to.
struct Outcome {
    pool: Arc<BudgetPool>,
    books: Arc<Books>,
    refused: u64,
    receipts: Vec<Receipt>,
}

/// Runs `tasks` tasks against a pool that does not have room for all of them at once, with
/// `watch` on the side for as long as they run.
async fn run(
    seed: u64,
    tasks: u64,
    overrun: u64,
    limits: Limits,
    watch: fn(&BudgetPool, &Books),
) -> Outcome {
    let pool = Arc::new(BudgetPool::with_limits(limits));
    let books = Arc::new(Books::default());
    let done = Arc::new(AtomicBool::new(false));
    let watching = {
        let (pool, books, done) = (Arc::clone(&pool), Arc::clone(&books), Arc::clone(&done));
        tokio::spawn(async move {
            let mut looks = 0_u64;
            while !done.load(Ordering::Acquire) {
                watch(&pool, &books);
                looks += 1;
                yield_now().await;
            }
            looks
        })
    };

    let mut running = JoinSet::new();
    let refused = Arc::new(AtomicU64::new(0));
    let mut aborts = Drawn(seed ^ 1);
    let mut handles = Vec::new();
    for number in 0..tasks {
        let plan = Plan::draw(&mut Drawn(seed.wrapping_add(number)), overrun);
        let (pool, books) = (Arc::clone(&pool), Arc::clone(&books));
        let refused = Arc::clone(&refused);
        let task = async move {
            wait(plan.latency).await;
            let hold = match pool.reserve_owned(plan.estimate) {
                Ok(hold) => hold,
                Err(rejected) => {
                    assert!(matches!(rejected, Rejected::Exceeded(_)), "{rejected}");
                    refused.fetch_add(1, Ordering::Relaxed);
                    return Err(());
                }
            };
            call(plan, hold, books).await
        };
        let task = AbortedAt {
            task: Some(Box::pin(task)),
            turns: plan.aborted_at,
        };
        handles.push(running.spawn(task));
        // And some by tokio itself, from outside, wherever they are by then: as often as
        // not before they ever ran.
        if aborts.below(8) == 0 {
            let victim = aborts.below(handles.len() as u64);
            handles[victim as usize].abort();
        }
        if number % 64 == 0 {
            yield_now().await;
        }
    }
    let mut receipts = Vec::new();
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok(Some(Ok(receipt))) => receipts.push(receipt),
            Ok(_) => {}
            Err(error) if error.is_panic() => {
                // The fake provider's panics and no others.
                let panic = error.into_panic();
                if message(&*panic) != Some(FAKE) {
                    panic::resume_unwind(panic);
                }
            }
            Err(_) => {}
        }
    }
    done.store(true, Ordering::Release);
    assert!(watching.await.expect("the watch saw nothing wrong") > 0);
    Outcome {
        pool,
        books,
        refused: refused.load(Ordering::Relaxed),
        receipts,
    }
}

/// A runtime of four threads, in which the fake provider's panics print nothing.
fn with_tokio<R>(work: impl Future<Output = R>) -> R {
    quiet();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async { pin!(work).await })
}

fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
}

fn quiet() {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if message(panic.payload()) != Some(FAKE) {
                before(panic);
            }
        }));
    });
}

fn check_the_books(outcome: &Outcome) {
    let snapshot = outcome.pool.snapshot();
    assert_eq!(snapshot.reserved, Usage::default());
    assert_eq!(snapshot.calls_in_flight, 0);
    let spent = *outcome.books.spent.lock().unwrap();
    assert_eq!(Sum::of(&snapshot), spent);
    assert_eq!(snapshot.spent.unpriced_calls, 0);
    assert_eq!(Arc::strong_count(&outcome.pool), 1, "no task leaked");

    // Everything that is to be survived did happen.
    let ends = outcome.books.ends.lock().unwrap();
    println!("{ends:?}, refused: {}", outcome.refused);
    let all = [
        "refunded",
        "kept",
        "settled",
        "broke off",
        "forfeited",
        "turned away",
    ];
    for end in all {
        assert!(ends.get(end).is_some_and(|&times| times > 20), "{end}");
    }
    assert!(outcome.refused > 20);
    assert!(!outcome.receipts.is_empty());
}

const CAP: u64 = 800_000;

#[test]
fn within_the_estimates_no_moment_shows_spent_and_reserved_past_a_cap() {
    let limits = Limits::none()
        .total_tokens(CAP)
        .cost(MicroUsd::from_nanos(12 * CAP));
    let outcome = with_tokio(run(seed(), 20_000, 0, limits, |pool, _| {
        let snapshot = pool.snapshot();
        let (spent, reserved) = (snapshot.spent, snapshot.reserved);
        let tokens = spent.input_tokens
            + spent.output_tokens
            + reserved.input_tokens
            + reserved.output_tokens;
        assert!(tokens <= CAP, "{snapshot:?}");
        let cost = spent.cost.as_nanos() + reserved.cost.unwrap().as_nanos();
        assert!(cost <= 12 * CAP, "{snapshot:?}");
    }));
    check_the_books(&outcome);
    for receipt in &outcome.receipts {
        assert!(!receipt.overrun.any() && !receipt.over_cap.any() && !receipt.saturated);
    }
}

#[test]
fn with_overruns_spent_passes_a_cap_by_what_was_told_beyond_and_then_all_is_refused() {
    let limits = Limits::none().total_tokens(CAP);
    let past_the_cap_by_overruns_alone = |pool: &BudgetPool, books: &Books| {
        // The pool first: what it has counted of overruns is in the books by then.
        let snapshot = pool.snapshot();
        let overruns = books.overruns.load(Ordering::Relaxed);
        let (spent, reserved) = (snapshot.spent, snapshot.reserved);
        let spent = spent.input_tokens + spent.output_tokens;
        let reserved = reserved.input_tokens + reserved.output_tokens;
        assert!(spent + reserved <= CAP + overruns, "{snapshot:?}");
    };
    let outcome = with_tokio(run(
        seed(),
        20_000,
        150,
        limits,
        past_the_cap_by_overruns_alone,
    ));
    past_the_cap_by_overruns_alone(&outcome.pool, &outcome.books);
    check_the_books(&outcome);

    let total = |sum: Sum| sum.input + sum.output;
    let spent = total(Sum::of(&outcome.pool.snapshot()));
    let over = |receipt: &&Receipt| receipt.overrun.any();
    assert!(outcome.receipts.iter().filter(over).count() > 50);
    for receipt in &outcome.receipts {
        let spent = receipt.spent.input_tokens + receipt.spent.output_tokens;
        assert_eq!(receipt.over_cap.total_tokens, spent.saturating_sub(CAP));
    }

    // Into debt for certain: then every later admission is refused until there is room.
    let room = CAP.saturating_sub(spent);
    if room > 0 {
        let hold = outcome.pool.reserve(usage(room, 0)).expect("what is left");
        assert_eq!(hold.settle(usage(room, 9)).over_cap.total_tokens, 9);
    }
    let debt = total(Sum::of(&outcome.pool.snapshot())) - CAP;
    assert!(debt > 0);
    let refused = outcome.pool.reserve(usage(1, 0)).unwrap_err();
    assert!(!refused.is_busy(), "{refused}");
    assert!(outcome.pool.record(0, 1, 0.0).is_err());
    assert!(outcome.pool.record(0, 0, 1.0).is_ok());
    outcome
        .pool
        .set_limits(Limits::none().total_tokens(CAP + debt + 1));
    assert!(outcome.pool.reserve(usage(1, 1)).is_err());
    assert!(outcome.pool.reserve(usage(1, 0)).is_ok());
}

#[test]
fn a_thousand_concurrent_calls_of_a_dime_against_five_dollars_make_exactly_fifty() {
    let limits = Limits::none().cost("5".parse().unwrap());
    let dime = Usage::tokens(10, 10).cost("0.10".parse().unwrap());
    with_tokio(async {
        let pool = Arc::new(BudgetPool::with_limits(limits));
        let mut calls = JoinSet::new();
        for number in 0..1_000 {
            let pool = Arc::clone(&pool);
            calls.spawn(async move {
                wait(number % 3).await;
                let Ok(mut hold) = pool.reserve_owned(dime) else {
                    return 0;
                };
                hold.sent();
                wait(number % 7).await;
                hold.settle(dime);
                1
            });
        }
        let made: Vec<u64> = calls.join_all().await;
        assert_eq!(made.iter().sum::<u64>(), 50);
        let spent = pool.snapshot().spent;
        assert_eq!((spent.calls, spent.cost), (50, "5".parse().unwrap()));
    });
}

#[test]
fn every_await_of_a_call_can_be_its_last() {
    // Each fate aborted at its first await, its second, and so on to its end: one at a time,
    // so that what must become of each is known exactly.
    let mut aborted = 0;
    with_tokio(async {
        for fate in FATES {
            let plan = Plan {
                fate,
                estimate: usage(100, 200),
                actual: usage(90, 270),
                parts: 3,
                latency: 2,
                aborted_at: None,
            };
            for turns in 0..40 {
                let pool = Arc::new(BudgetPool::unconstrained());
                let books = Arc::new(Books::default());
                let hold = pool.reserve_owned(plan.estimate).unwrap();
                let task = AbortedAt {
                    task: Some(Box::pin(call(plan, hold, Arc::clone(&books)))),
                    turns: Some(turns),
                };
                let ended = tokio::spawn(task).await;
                let snapshot = pool.snapshot();
                assert_eq!(snapshot.calls_in_flight, 0);
                assert_eq!(snapshot.reserved, Usage::default());
                let spent = *books.spent.lock().unwrap();
                assert_eq!(Sum::of(&snapshot), spent, "{fate:?} at {turns}");
                match ended {
                    Ok(None) => aborted += 1,
                    Ok(Some(_)) | Err(_) => break,
                }
            }
        }
    });
    assert!(aborted > 50, "{aborted}");
}
