//! Thousands of tasks against one pool, and what is true of all of them in the end.

use std::any::Any;
use std::future::Future;
use std::panic;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};

use token_budget_pool::{Amounts, BudgetPool, Limits, Receipt, Rejected};
use tokio::task::{yield_now, JoinError, JoinSet};

use crate::books::{Books, End, Sum};
use crate::call::{call, wait, AbortedAt, FAKE};
use crate::plan::{Drawn, Fate, Plan};

/// What a run is made of.
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) tasks: u64,
    pub(crate) fates: &'static [Fate],
    /// By how many tokens of each side a call may go beyond its estimate.
    pub(crate) overrun: u64,
    pub(crate) limits: Limits,
    /// Runs on the side for as long as the tasks do.
    pub(crate) watch: fn(&BudgetPool, &Books),
}

/// What all tasks came to.
pub(crate) struct Outcome {
    pub(crate) pool: Arc<BudgetPool>,
    pub(crate) books: Arc<Books>,
    pub(crate) refused: u64,
    pub(crate) receipts: Vec<Receipt>,
}

pub(crate) async fn run(load: Load) -> Outcome {
    let pool = Arc::new(BudgetPool::new(load.limits));
    let books = Arc::new(Books::default());
    let done = Arc::new(AtomicBool::new(false));
    let watching = {
        let (pool, books, done) = (Arc::clone(&pool), Arc::clone(&books), Arc::clone(&done));
        tokio::spawn(async move {
            let mut looks = 0_u64;
            while !done.load(Ordering::Acquire) {
                (load.watch)(&pool, &books);
                looks += 1;
                yield_now().await;
            }
            looks
        })
    };

    let mut running = JoinSet::new();
    let refused = Arc::new(AtomicU64::new(0));
    let mut aborts = Drawn(load.seed ^ 1);
    let mut handles = Vec::new();
    for number in 0..load.tasks {
        let mut drawn = Drawn(load.seed.wrapping_add(number));
        let plan = Plan::draw(&mut drawn, load.fates, load.overrun);
        let (pool, books) = (Arc::clone(&pool), Arc::clone(&books));
        let refused = Arc::clone(&refused);
        let task = async move {
            wait(plan.latency).await;
            let reservation = match pool.try_reserve_owned(plan.estimate) {
                Ok(reservation) => reservation,
                Err(rejected) => {
                    assert!(matches!(rejected, Rejected::Exceeded(_)), "{rejected}");
                    refused.fetch_add(1, Ordering::Relaxed);
                    return Err(());
                }
            };
            call(plan, reservation, books).await
        };
        handles.push(running.spawn(AbortedAt::new(plan.aborted_at, task)));
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
            Err(error) => only_a_fake_panic(error),
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

/// A task was aborted, or the fake provider panicked in it. Every other panic goes on.
pub(crate) fn only_a_fake_panic(error: JoinError) {
    if let Ok(panic) = error.try_into_panic() {
        if message(&*panic) != Some(FAKE) {
            panic::resume_unwind(panic);
        }
    }
}

/// A runtime of four threads, in which the fake provider's panics print nothing.
pub(crate) fn with_tokio<R>(work: impl Future<Output = R>) -> R {
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
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if message(panic.payload()) != Some(FAKE) {
                before(panic);
            }
        }));
    });
}

/// Checks that the pool has nothing reserved, and has counted what is in the books.
pub(crate) fn check_the_books(pool: &Arc<BudgetPool>, books: &Books) {
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.reserved, Amounts::default());
    assert_eq!(snapshot.calls_in_flight, 0);
    assert_eq!(Sum::from(snapshot.spent), *books.spent.lock().unwrap());
    assert_eq!(*books.wrong_receipts.lock().unwrap(), []);
    assert_eq!(Arc::strong_count(pool), 1, "no task leaked");
}

/// Checks that all that is to be survived did happen.
pub(crate) fn check_that_all_happened(outcome: &Outcome) {
    let ends = outcome.books.ends.lock().unwrap();
    println!("{ends:?}, refused: {}", outcome.refused);
    let all = [
        End::DroppedBeforeStart,
        End::DroppedInFlight,
        End::Settled,
        End::BrokeOff,
        End::Forfeited,
        End::Released,
    ];
    for end in all {
        assert!(ends.get(&end).is_some_and(|&times| times > 20), "{end:?}");
    }
    assert!(outcome.refused > 20);
    assert!(!outcome.receipts.is_empty());
}
