//! 100,000 tasks wait, a third of them is aborted at random, and nobody is forgotten: all others end, and
//! nothing stays reserved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use async_executor::Executor;
use futures_lite::future::{block_on, yield_now};
use token_budget_pool::{BudgetPool, Limits, Usage};

use crate::by_hand::output;

const TASKS: u64 = 100_000;
/// Room for ten of the largest.
const ROOM: u64 = 500;

struct Storm {
    pool: Arc<BudgetPool>,
    settled: AtomicU64,
    dropped: AtomicU64,
}

impl Storm {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(ROOM))),
            settled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        })
    }

    async fn task(self: Arc<Self>, index: u64) {
        let reservation = self.pool.reserve_owned(output(index % 50 + 1)).await;
        let reservation = reservation.expect("nothing is ever spent of the tokens");
        yield_now().await;
        if index % 5 == 0 {
            drop(reservation);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            let receipt = reservation.start().settle(Usage::ZERO);
            assert_eq!(receipt.counted.calls, 1);
            self.settled.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn assert_over(&self, ended: u64) {
        let settled = self.settled.load(Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        // One that is aborted just after its last step has ended as well.
        assert!(settled + dropped >= ended);
        let now = self.pool.snapshot();
        assert_eq!((now.calls_in_flight, now.reserved), Default::default());
        assert_eq!(now.spent.calls, settled);
        // And nobody stands in the way.
        let all = self.pool.reserve_owned(output(ROOM));
        assert!(block_on(futures_lite::future::poll_once(all))
            .unwrap()
            .is_ok());
    }
}

/// Whether this one is to be aborted: a third, evenly mixed.
fn is_aborted(index: u64) -> bool {
    index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < 0xFFFF / 3
}

#[test]
fn with_tokio() {
    let storm = Storm::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let ended = runtime.block_on(async {
        let mut tasks = vec![];
        for index in 0..TASKS {
            tasks.push(tokio::spawn(Arc::clone(&storm).task(index)));
            // One that may be at any point of its way by now.
            let behind = index.saturating_sub(index % 300);
            if is_aborted(behind + index) {
                tasks[behind as usize].abort();
            }
        }
        let mut ended = 0;
        for task in tasks {
            match task.await {
                Ok(()) => ended += 1,
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        storm.pool.idle().await;
        ended
    });
    assert!(ended > TASKS / 2 && ended < TASKS);
    storm.assert_over(ended);
}

#[test]
fn with_the_executor_of_smol() {
    let storm = Storm::new();
    let executor = Executor::new();
    // The threads of the executor end when this is closed.
    let open = BudgetPool::new(Limits::unlimited().output_tokens(1));
    let full = open.try_reserve(output(1)).unwrap();
    let ended = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| block_on(executor.run(open.reserve(output(1)))).is_err());
        }
        let mut ended = 0;
        let mut tasks = std::collections::VecDeque::new();
        for index in 0..TASKS {
            tasks.push_back(executor.spawn(Arc::clone(&storm).task(index)));
            if tasks.len() < 300 {
                continue;
            }
            // The oldest is dropped, wherever it is, or waited for.
            let oldest = tasks.pop_front();
            if let Some(oldest) = oldest.filter(|_| !is_aborted(index)) {
                block_on(oldest);
                ended += 1;
            }
        }
        for task in tasks {
            block_on(task);
            ended += 1;
        }
        block_on(storm.pool.idle());
        open.close();
        ended
    });
    drop(full);
    assert!(ended > TASKS / 2 && ended < TASKS);
    storm.assert_over(ended);
}
