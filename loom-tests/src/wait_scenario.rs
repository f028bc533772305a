//! Scenarios of those that wait: a pool, a few futures that are polled by hand, and threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::layout::{AMOUNTS, TERMS};
use crate::model::thread;
use crate::sync::{self, Setting};
use crate::{BudgetPool, Limits, OwnedReservation, Rejected, Usage, Usd};

/// Whether it was woken since it was polled last. Not the model's: nothing depends on its order.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One that waits.
pub struct Waiting<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    woken: Arc<Woken>,
    pub ended: Option<T>,
}

/// One that waits for room.
pub type Reserving = Waiting<Result<OwnedReservation, Rejected>>;

impl<T> Waiting<T> {
    fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::default(),
            ended: None,
        }
    }

    /// Polls it, if it has not ended.
    pub fn poll(mut self) -> Self {
        if self.ended.is_none() {
            self.woken.0.store(false, Ordering::Relaxed);
            let waker = Waker::from(self.woken.clone());
            let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(ended) = polled {
                self.ended = Some(ended);
            }
        }
        self
    }

    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// With what it ended, before or now that it was woken. `None` if it still waits.
    pub fn end(self) -> Option<T> {
        if self.ended.is_none() && !self.is_woken() {
            return None;
        }
        let ended = self.poll().ended;
        assert!(ended.is_some(), "woken for nothing");
        ended
    }
}

/// Input tokens at no cost.
pub fn input(tokens: u64) -> Usage {
    Usage::tokens(tokens, 0).cost(Usd::ZERO)
}

/// A pool with this limit on input tokens. It begins an execution.
pub fn pool(limit: u64) -> Arc<BudgetPool> {
    sync::begin(Setting {
        amounts: AMOUNTS,
        terms: TERMS,
        patience: 0,
        looks: 16,
    });
    let limits = Limits::unlimited().input_tokens(limit);
    Arc::new(BudgetPool::new(limits))
}

pub fn reserve(pool: &Arc<BudgetPool>, tokens: u64) -> Reserving {
    Waiting::new(pool.reserve_owned(input(tokens)))
}

pub fn idle(pool: &Arc<BudgetPool>) -> Waiting<()> {
    let pool = pool.clone();
    Waiting::new(async move { pool.idle().await })
}

/// Does both at once.
pub fn both<A, B>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send + 'static) -> (A, B)
where
    B: Send + 'static,
{
    sync::set_hint(0);
    // A thread of the model returns nothing that is not `'static`, so it leaves it here.
    let left = Arc::new(Mutex::new(None));
    let leaves = left.clone();
    let thread = thread::spawn(move || *leaves.lock().unwrap() = Some(other()));
    let one = one();
    thread.join().unwrap();
    let other = left.lock().unwrap().take().unwrap();
    (one, other)
}
