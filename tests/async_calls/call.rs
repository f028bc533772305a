//! One task's call, and how it is aborted at a certain await.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use token_budget_pool::{OwnedReservation, Receipt};
use tokio::task::yield_now;

use crate::books::{Books, Entry};
use crate::plan::{Fate, Plan};

/// What the fake provider panics with.
pub(crate) const FAKE: &str = "a fake provider's panic";

/// Gives away turns, as a task does that waits for a network.
pub(crate) async fn wait(turns: u64) {
    for _ in 0..turns {
        yield_now().await;
    }
}

pub(crate) async fn call(
    plan: Plan,
    reservation: OwnedReservation,
    books: Arc<Books>,
) -> Result<Receipt, ()> {
    let mut entry = Entry::reserved(books, plan.estimate);
    wait(plan.latency).await;
    match plan.fate {
        Fate::FailsBeforeStart => return Err(()),
        Fate::PanicsBeforeStart => panic!("{FAKE}"),
        _ => {}
    }
    let mut call = reservation.start();
    entry.started();
    wait(plan.latency).await;
    match plan.fate {
        Fate::Fails => return Err(()),
        Fate::Panics => panic!("{FAKE}"),
        Fate::Forfeited => {
            let receipt = call.forfeit();
            entry.forfeited(&receipt);
            return Ok(receipt);
        }
        Fate::TurnedAway => {
            let receipt = call.release();
            entry.released(&receipt);
            return Err(());
        }
        Fate::TimesOut => {
            // The provider is still at it when the time is up, or just done.
            let answer = tokio::time::timeout(Duration::from_micros(50), wait(plan.latency * 3));
            if answer.await.is_err() {
                entry.timed_out();
                return Err(());
            }
        }
        Fate::Streams | Fate::BreaksOff => {
            for report in 1..=plan.reports {
                let so_far = plan.so_far(report);
                let overrun = entry.overrun(so_far);
                let receipt = call.report(so_far);
                assert_eq!(receipt.overrun.total_tokens, overrun);
                assert!(!receipt.over_reported.any());
                entry.reported(&receipt, so_far);
                wait(plan.latency).await;
                if plan.fate == Fate::BreaksOff && report > plan.reports / 2 {
                    let receipt = call.settle_at_least(so_far);
                    entry.broke_off(&receipt, so_far);
                    return Ok(receipt);
                }
            }
        }
        Fate::Replies => {}
        Fate::FailsBeforeStart | Fate::PanicsBeforeStart => unreachable!("it was not started"),
    }
    let overrun = entry.overrun(plan.actual);
    let receipt = call.settle(plan.actual);
    assert_eq!(receipt.overrun.total_tokens, overrun);
    entry.settled(&receipt, plan.actual);
    Ok(receipt)
}

/// Polls a task so many times and then drops it where it stands: aborted at that await, and at no
/// other.
pub(crate) struct AbortedAt<F> {
    task: Option<Pin<Box<F>>>,
    turns: Option<u64>,
}

impl<F> AbortedAt<F> {
    pub(crate) fn new(turns: Option<u64>, task: F) -> AbortedAt<F> {
        AbortedAt {
            task: Some(Box::pin(task)),
            turns,
        }
    }
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
