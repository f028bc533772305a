//! Two hundred calls with room for twenty: those that wait in the pool, beside those that try again every 50
//! milliseconds, and beside tokio's `Semaphore`, which counts calls and knows no budget.
//!
//! ```sh
//! cargo run --release --example waiting
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use token_budget_pool::{BudgetPool, Limits, OwnedReservation, Usage, Usd};
use tokio::sync::Semaphore;
use tokio::task::{yield_now, JoinSet};
use tokio::time::sleep;

const CALLS: usize = 200;
const ROOM: u64 = 20;
const ROUNDS: usize = 15;
/// How long a call takes. Two hundred with room for twenty take ten times as long at least.
const CALL: Duration = Duration::from_millis(5);
/// So many calls where there is room, to see what it costs not to wait.
const WITH_ROOM: u32 = 1_000_000;
/// So many calls one after the other in each task, which take no time, to see what the waiting costs.
const IN_A_ROW: usize = 100;

fn one_call() -> Usage {
    Usage::tokens(1_000, 500).cost(Usd::cents(2))
}

fn pool() -> Arc<BudgetPool> {
    let limit = one_call().cost.expect("a cost").as_nanos() * ROOM;
    let limits = Limits::unlimited().cost(Usd::from_nanos(limit));
    Arc::new(BudgetPool::new(limits))
}

/// The request is sent, takes `time`, and costs nothing: so there is room for as many to the end.
async fn call(reservation: OwnedReservation, time: Option<Duration>) {
    let call = reservation.start();
    pass(time).await;
    let _ = call.settle(Usage::ZERO);
}

async fn pass(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => yield_now().await,
    }
}

async fn waits(pool: Arc<BudgetPool>, time: Option<Duration>) {
    let reservation = pool.reserve_owned(one_call()).await;
    call(reservation.expect("an open pool"), time).await;
}

async fn tries_again(pool: Arc<BudgetPool>, time: Option<Duration>) {
    let reservation = loop {
        match pool.try_reserve_owned(one_call()) {
            Ok(reservation) => break reservation,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    call(reservation, time).await;
}

async fn asks_a_semaphore(semaphore: Arc<Semaphore>, time: Option<Duration>) {
    let _permit = semaphore.acquire_owned().await.expect("it is not closed");
    pass(time).await;
}

/// How long it takes until all calls are done.
async fn time_of<S, F>(
    shared: Arc<S>,
    in_a_row: usize,
    one: impl Fn(Arc<S>) -> F + Copy + Send + 'static,
) -> Duration
where
    S: Send + Sync + 'static,
    F: std::future::Future<Output = ()> + Send,
{
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let shared = Arc::clone(&shared);
        calls.spawn(async move {
            for _ in 0..in_a_row {
                one(Arc::clone(&shared)).await;
            }
        });
    }
    calls.join_all().await;
    started.elapsed()
}

/// How long a reservation and its end take where there is room, in a future that need not wait and without one.
async fn with_room() -> [Duration; 2] {
    let pool = pool();
    let started = Instant::now();
    for _ in 0..WITH_ROOM {
        drop(pool.reserve(one_call()).await.expect("room"));
    }
    let waits = started.elapsed();
    let started = Instant::now();
    for _ in 0..WITH_ROOM {
        drop(pool.try_reserve(one_call()).expect("room"));
    }
    [waits, started.elapsed()]
}

fn print(what: &str, mut times: Vec<Duration>, unit: f64, name: &str) {
    times.sort_unstable();
    let of = |time: Duration| time.as_secs_f64() / unit;
    println!(
        "{what:40} {:8.1} {name}   ({:.1} to {:.1})",
        of(times[times.len() / 2]),
        of(times[0]),
        of(times[times.len() - 1]),
    );
}

#[tokio::main]
async fn main() {
    let semaphore = || Arc::new(Semaphore::new(ROOM as usize));
    let mut times: [Vec<Duration>; 7] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(time_of(pool(), 1, |pool| waits(pool, Some(CALL))).await);
        times[1].push(time_of(semaphore(), 1, |s| asks_a_semaphore(s, Some(CALL))).await);
        times[2].push(time_of(pool(), 1, |pool| tries_again(pool, Some(CALL))).await);
        times[3].push(time_of(pool(), IN_A_ROW, |pool| waits(pool, None)).await);
        times[4].push(time_of(semaphore(), IN_A_ROW, |s| asks_a_semaphore(s, None)).await);
    }
    for _ in 0..ROUNDS {
        let [waits, tries] = with_room().await;
        times[5].push(waits);
        times[6].push(tries);
    }
    println!(
        "{CALLS} calls of {CALL:?} with room for {ROOM}: until all are done (median, and range)"
    );
    let [waits, semaphore, tries, waits_only, semaphore_only, no_wait, no_future] = times;
    print("  reserve().await", waits, 1e-3, "ms");
    print("  tokio's Semaphore", semaphore, 1e-3, "ms");
    print("  try_reserve, again every 50 ms", tries, 1e-3, "ms");
    let each = 1e-6 * (CALLS * IN_A_ROW) as f64;
    println!("the same with {IN_A_ROW} calls a task that only yield: each call");
    print("  reserve().await, start, settle", waits_only, each, "us");
    print("  tokio's Semaphore", semaphore_only, each, "us");
    println!("room for all, one thread: each reservation, which is dropped");
    let each = 1e-9 * f64::from(WITH_ROOM);
    print("  reserve().await", no_wait, each, "ns");
    print("  try_reserve", no_future, each, "ns");
}
