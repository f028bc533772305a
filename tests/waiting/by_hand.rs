//! A future that is polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use token_budget_pool::{BudgetPool, Rejected, Reservation, Usage, Usd};

/// Whether it was woken since it was asked last.
#[derive(Default)]
pub(crate) struct Woken(AtomicBool);

impl Woken {
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) struct ByHand<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    woken: Arc<Woken>,
}

impl<'a, T> ByHand<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            woken: Arc::default(),
        }
    }

    /// Polls it, woken or not.
    pub(crate) fn poll(&mut self) -> Option<T> {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&self.woken));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => None,
        }
    }

    /// Whether it was woken since it was polled last.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.is_woken()
    }

    /// Polls it the first time: it has to wait.
    #[track_caller]
    pub(crate) fn waits(mut self) -> Self {
        assert!(self.poll().is_none(), "it does not wait");
        assert!(!self.is_woken());
        self
    }

    /// What it ends with, now that it was woken.
    #[track_caller]
    pub(crate) fn ended(mut self) -> T {
        assert!(self.is_woken(), "it was not woken");
        self.poll().expect("it was woken for nothing")
    }
}

pub(crate) type Reserving<'a> = ByHand<'a, Result<Reservation<&'a BudgetPool>, Rejected>>;

/// Output tokens at no cost.
pub(crate) fn output(tokens: u64) -> Usage {
    Usage::tokens(0, tokens).cost(Usd::ZERO)
}

/// One that waits for this many output tokens.
#[track_caller]
pub(crate) fn waits_for(pool: &BudgetPool, tokens: u64) -> Reserving<'_> {
    ByHand::new(pool.reserve(output(tokens))).waits()
}
