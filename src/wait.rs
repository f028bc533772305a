//! Waiting for room, and for the end of all calls.

use std::borrow::Borrow;
use std::future::Future;
use std::mem;
use std::ops::RangeInclusive;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::dimension::Tally;
use crate::money::Usd;
use crate::ops::admit::ReserveUpTo;
use crate::ops::settle::Settle;
use crate::pool::BudgetPool;
use crate::queue::{Ended, Queue, Ticket, Wants};
use crate::rejection::Rejected;
use crate::reservation::{OwnedReservation, Reservation};
use crate::usage::Usage;

impl BudgetPool {
    /// Reserve an estimate for a call that is about to be made, as soon as it fits.
    ///
    /// This is [`try_reserve`](Self::try_reserve), but where that is refused as [busy](Rejected::is_busy),
    /// this waits. Busy means that only what is reserved for other calls is in the way. Whatever makes room
    /// wakes it: a call that settles for less than was reserved for it, a call that is released, a
    /// reservation that is dropped, a reset, a raised limit.
    ///
    /// It works on any runtime, and has no timer and no task of its own. For a limit in time, use the timeout
    /// of your runtime. The future is `Send`. It borrows the pool. For spawned tasks there is
    /// [`reserve_owned`](Self::reserve_owned).
    ///
    /// # Fairness
    ///
    /// Those that wait are served in the order in which they came. A future comes when it is first polled,
    /// not when it is made. A large request that waits holds up smaller ones behind it, so that they do not
    /// pass it for ever. [`try_reserve`](Self::try_reserve), [`record`](Self::record) and the other methods
    /// that do not wait may pass those that do.
    ///
    /// In a [tree](Self::child) it waits at the level that has too little room. It holds up others at that
    /// level and below it. Pools beside that level go on.
    ///
    /// # Errors
    ///
    /// [`Rejected`], as of [`try_reserve`](Self::try_reserve), if waiting cannot help: the pool is closed, or
    /// the estimate is larger than a limit, or what is spent leaves too little room, or the cost is unknown
    /// where cost is limited. (If the budget is spent, a reset or a raised limit would help, but no call in
    /// flight will.)
    ///
    /// If waiting becomes useless while it waits, it ends with that error. In a tree, the budget of a level
    /// other than the one at which it waits may run out. Then the error comes when its turn comes, or before.
    ///
    /// # Cancel safety
    ///
    /// It is safe to drop the future. Then nothing is reserved for it, and the next in line has its turn. Its
    /// place is lost: a new future waits at the end of the line.
    ///
    /// # Deadlocks
    ///
    /// As with a semaphore, two habits make tasks wait for ever:
    ///
    /// - To wait for one reservation while holding another. A task may wait for room that it holds itself, or
    ///   two tasks for each other. Reserve all that a task needs in one step, or end what it holds first.
    /// - To keep a future that waits without polling it. When its turn comes, room is reserved for it, and
    ///   stays reserved until the future is polled or dropped. Nobody else can use that room. If the future
    ///   is leaked (`mem::forget`), the room is lost for as long as the pool lives.
    ///
    /// # Concurrency and cost
    ///
    /// If there is room and nobody waits, it is ready at its first poll. It then takes no lock, allocates
    /// nothing, and takes about twice as long as `try_reserve`. It does not yield to the runtime either.
    ///
    /// Those that wait in a tree share one lock. A future that waits takes it when it is polled or dropped,
    /// and may block for it. No other operation of the pool waits for this lock. A thread that is suspended
    /// with it holds up those that wait, and nobody else. Each that waits allocates its place in the line.
    ///
    /// The thread that makes room reserves it for those that come first, and wakes them. So a call that
    /// settles takes longer while others wait, and allocates. One thread at a time does this work. It goes on
    /// for as long as other threads make more room meanwhile, and these do not wait for it. A reset, a close
    /// and a change of limits look at all that wait.
    ///
    /// If a waker panics, all others are woken first. The panic then goes on in the method that made room, unless
    /// its thread is panicking already. A future that wakes others when it is polled or dropped does not pass
    /// it on.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = BudgetPool::new(Limits::unlimited().cost(Usd::cents(5)));
    /// let estimate = Usage::tokens(1_000, 500).cost(Usd::cents(3));
    ///
    /// let first = pool.reserve(estimate).await.unwrap().start();
    /// // There is room for one at a time. The second waits until the first is settled.
    /// let (second, receipt) = tokio::join!(pool.reserve(estimate), async {
    ///     first.settle(Usage::tokens(1_000, 120).cost(Usd::cents(1)))
    /// });
    /// assert_eq!(second.unwrap().reserved().cost, Usd::cents(3));
    /// assert_eq!(receipt.spent.cost, Usd::cents(1));
    /// # }
    /// ```
    pub async fn reserve(&self, estimate: Usage) -> Result<Reservation<&BudgetPool>, Rejected> {
        let reserved = Waiting::new(self, self.asked(estimate)).await?;
        Ok(Reservation::new(self, reserved, estimate))
    }

    /// [`reserve`](Self::reserve) for a spawned task: the future and the reservation keep the pool alive.
    /// Both are `Send` and `'static`.
    ///
    /// As with `reserve`, the future takes its place in the line when it is first polled.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, Limits, Rejected, Usage};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = Arc::new(BudgetPool::new(Limits::unlimited().calls(10)));
    /// let usage = Usage::tokens(1_000, 500);
    /// let reserve = pool.reserve_owned(usage);
    /// let task = tokio::spawn(async move {
    ///     let call = reserve.await?.start();
    ///     Ok::<_, Rejected>(call.settle(usage))
    /// });
    /// assert_eq!(task.await.unwrap().unwrap().spent.calls, 1);
    /// # }
    /// ```
    pub fn reserve_owned(
        self: &Arc<Self>,
        estimate: Usage,
    ) -> impl Future<Output = Result<OwnedReservation, Rejected>> + Send + 'static {
        let waiting = Waiting::new(Arc::clone(self), self.asked(estimate));
        async move {
            let pool = Arc::clone(&waiting.pool);
            Ok(Reservation::new(pool, waiting.await?, estimate))
        }
    }

    /// [`try_reserve_up_to`](Self::try_reserve_up_to), but it waits until `fixed` and the least output fit.
    /// It then takes the most output that fits at that moment, before those that wait behind it have their
    /// turn.
    ///
    /// What [`reserve`](Self::reserve) says of fairness, cancel safety, deadlocks and cost holds for it too.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), for `fixed` and the least output.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = BudgetPool::new(Limits::unlimited().output_tokens(1_000));
    /// let first = pool.try_reserve(Usage::tokens(0, 950)).unwrap().start();
    ///
    /// // 50 tokens are left, and the second call needs 100. It waits until the first is settled.
    /// let prompt = Usage::tokens(200, 0);
    /// let (second, _) = tokio::join!(pool.reserve_up_to(prompt, 100..=4_096, Usd::ZERO), async {
    ///     first.settle(Usage::tokens(0, 400))
    /// });
    /// assert_eq!(second.unwrap().reserved().output_tokens, 600);
    /// # }
    /// ```
    pub async fn reserve_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> Result<Reservation<&BudgetPool>, Rejected> {
        let asked = self.asked_up_to(fixed, output, per_million);
        let reserved = Waiting::new(self, Wants::Room(asked)).await?;
        Ok(Reservation::new(self, reserved, fixed))
    }

    /// [`reserve_up_to`](Self::reserve_up_to) for a spawned task: the future and the reservation keep the
    /// pool alive. Both are `Send` and `'static`.
    ///
    /// # Errors
    ///
    /// As [`reserve_up_to`](Self::reserve_up_to).
    pub fn reserve_up_to_owned(
        self: &Arc<Self>,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: Usd,
    ) -> impl Future<Output = Result<OwnedReservation, Rejected>> + Send + 'static {
        let asked = self.asked_up_to(fixed, output, per_million);
        let waiting = Waiting::new(Arc::clone(self), Wants::Room(asked));
        async move {
            let pool = Arc::clone(&waiting.pool);
            Ok(Reservation::new(pool, waiting.await?, fixed))
        }
    }

    /// Waits until no call is in flight, in this pool or below it. A reservation that was not started counts
    /// as a call in flight.
    ///
    /// [`close`](Self::close) the pool first. Then no call begins while it waits, and none is in flight
    /// afterwards. In an open pool it may wait for ever: if new calls keep coming, a short moment without
    /// any may pass unnoticed, and those that wait for room come first. When it returns, the next call may
    /// have begun already.
    ///
    /// It waits for every call and reservation, also for one that is leaked, and for one that the waiting
    /// task holds itself. So give it a limit in time.
    ///
    /// # Cancel safety
    ///
    /// It is safe to drop the future: the pool stays as it is.
    ///
    /// # Concurrency and cost
    ///
    /// As [`reserve`](Self::reserve). If no call is in flight, it is ready at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usage, Usd};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = BudgetPool::unconstrained();
    /// let call = pool.try_reserve(Usage::ZERO).unwrap().start();
    /// pool.close();
    /// tokio::join!(pool.idle(), async { call.release() });
    /// assert_eq!(pool.snapshot().calls_in_flight, 0);
    /// # }
    /// ```
    pub async fn idle(&self) {
        // It is never in vain.
        let _ = Waiting::new(self, Wants::Idle).await;
    }

    fn asked(&self, estimate: Usage) -> Wants {
        Wants::Room(ReserveUpTo {
            fixed: self.request(estimate),
            least: 0,
            most: 0,
            per_million: Usd::ZERO,
        })
    }

    /// How it ends, if there is no need to wait.
    fn at_once(&self, wants: &Wants) -> Option<Ended> {
        match wants {
            // Those that wait already come first. If somebody begins to wait between these two steps, we came
            // before.
            Wants::Room(asked) if self.is_waited_for() => {
                let refusal = self.refusal(asked)?;
                (!refusal.is_busy()).then_some(Err(refusal))
            }
            Wants::Room(asked) => {
                let decided = match asked.alone() {
                    Some(reserve) => self.admit(reserve).map(|()| reserve.request.asked),
                    None => self.admit(*asked),
                };
                match decided {
                    Err(refusal) if refusal.is_busy() => None,
                    decided => Some(decided),
                }
            }
            Wants::Idle => {
                let is_idle = self.read(|now| now.reserved().calls == 0);
                is_idle.then_some(Ok(Tally::default()))
            }
        }
    }

    fn queue(&self) -> &Queue {
        self.fixed().queue.get_or_install(Queue::new)
    }
}

/// Waits in the pool's queue. Once polled, it has to stay until it has ended, or be dropped.
struct Waiting<P: Borrow<BudgetPool>> {
    pool: P,
    wants: Wants,
    /// In the queue.
    ticket: Option<Ticket>,
}

impl<P: Borrow<BudgetPool>> Waiting<P> {
    fn new(pool: P, wants: Wants) -> Self {
        Self {
            pool,
            wants,
            ticket: None,
        }
    }
}

impl<P: Borrow<BudgetPool> + Unpin> Future for Waiting<P> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        let pool = this.pool.borrow();
        let root = pool.root();
        let ticket = match this.ticket {
            Some(ticket) => ticket,
            None => {
                if let Some(ended) = pool.at_once(&this.wants) {
                    return Poll::Ready(ended.map_err(|refusal| pool.labelled(refusal)));
                }
                let waker = context.waker().clone();
                let queue = pool.queue();
                root.hold_nodes(pool.path());
                *this
                    .ticket
                    .insert(queue.join(root, pool.path(), this.wants, waker))
            }
        };
        match pool.queue().poll(root, ticket, context.waker()) {
            Some(ended) => {
                this.ticket = None;
                root.let_nodes_go(pool.path());
                Poll::Ready(ended.map_err(|refusal| pool.labelled(refusal)))
            }
            None => Poll::Pending,
        }
    }
}

impl<P: Borrow<BudgetPool>> Drop for Waiting<P> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let pool = self.pool.borrow();
        pool.root().let_nodes_go(pool.path());
        if let Some(Ok(release)) = pool.queue().leave(pool.root(), ticket) {
            // Nobody will use it.
            let settle = Settle {
                release,
                ..Settle::default()
            };
            // A waker that panics is none of its business, as in the queue. What it panicked with is not dropped.
            panic::catch_unwind(AssertUnwindSafe(|| pool.change_reserved(settle)))
                .unwrap_or_else(mem::forget);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;
    use crate::limits::Limits;

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_node_where_somebody_waited_is_used_again() {
        let team = BudgetPool::unconstrained();
        let usage = Usage::ZERO;
        let number = || {
            let run = team.child(Limits::unlimited().calls(1)).expect("a child");
            run.path().last()
        };
        let first = number();
        for asks_again in [false, true] {
            for has_turn in [false, true] {
                let run = team.child(Limits::unlimited().calls(1)).expect("a child");
                let reservation = run.try_reserve(usage).expect("there is room");
                let mut waiting = Box::pin(run.reserve(usage));
                let waker = Arc::new(Nothing).into();
                let mut context = Context::from_waker(&waker);
                assert!(waiting.as_mut().poll(&mut context).is_pending());
                let reservation = Some(reservation).filter(|_| !has_turn);
                if asks_again {
                    assert_eq!(waiting.as_mut().poll(&mut context).is_ready(), has_turn);
                }
                drop((waiting, reservation));
                drop(run);
                assert_eq!(number(), first);
            }
        }
    }
}
