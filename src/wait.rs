//! Waiting for room, and for the end of all calls.

use std::borrow::Borrow;
use std::future::Future;
use std::ops::RangeInclusive;
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
    /// [`try_reserve`](Self::try_reserve), and where that would be refused only because of what is reserved
    /// for others ([`Rejected::is_busy`]), it waits. It is woken by whatever makes room: a call that
    /// settles below what was reserved for it, a reservation that is dropped, a reset, a raised limit.
    ///
    /// Those that wait come first, first served. A large one that waits holds up smaller ones behind it, so
    /// that it is not passed for ever. [`try_reserve`](Self::try_reserve), [`record`](Self::record) and the
    /// like do not wait, so they may pass those that do.
    ///
    /// In a [tree](Self::child) it waits for the level that is in the way. It holds up others only there, and
    /// below.
    ///
    /// It needs no runtime: no timer, no task of its own. For a limit in time, use the timeout of yours.
    ///
    /// # Errors
    ///
    /// [`Rejected`], as of [`try_reserve`](Self::try_reserve), if it is of no use to wait: the pool is closed,
    /// or the estimate is larger than a limit, or what is spent leaves too little room. The last one may change
    /// with a reset, but no call in flight will. If it becomes so while it waits, it returns the error then.
    /// (In a tree: where the level that it waits for says so, then. Where another level says so, at the
    /// latest when its turn comes.)
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is reserved, and the next in the line has its turn. It has lost its
    /// place.
    ///
    /// # Concurrency and cost
    ///
    /// While nobody waits it costs what `try_reserve` costs, and allocates nothing. Those that wait are behind
    /// a lock of their own, which no other operation of the pool ever waits for. A thread that is suspended
    /// with this lock holds up those that wait, and nobody else. The thread that makes room reserves it for
    /// those that come first, and wakes them.
    ///
    /// What is reserved for a future that is woken stays reserved until it is polled or dropped. One that is
    /// leaked (`mem::forget`) keeps its place in the line.
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
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = Arc::new(BudgetPool::new(Limits::unlimited().calls(10)));
    /// let usage = Usage::tokens(1_000, 500);
    /// let reserve = pool.reserve_owned(usage);
    /// let task = tokio::spawn(async move { Ok::<_, token_budget_pool::Rejected>(reserve.await?.start().settle(usage)) });
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

    /// [`try_reserve_up_to`](Self::try_reserve_up_to), which waits until the least output fits. It may then
    /// get more.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), for `fixed` and the least output.
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

    /// [`reserve_up_to`](Self::reserve_up_to) for a spawned task: the future and the reservation keep the pool
    /// alive.
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

    /// Waits until no call is in flight, in this pool or below it. Reservations that were not started count
    /// as calls in flight.
    ///
    /// That was so at one moment. For a drain, [`close`](Self::close) the pool first: then it stays so.
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
                *this
                    .ticket
                    .insert(queue.join(root, pool.path(), this.wants, waker))
            }
        };
        match pool.queue().poll(root, ticket, context.waker()) {
            Some(ended) => {
                this.ticket = None;
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
        if let Some(Ok(release)) = pool.queue().leave(pool.root(), ticket) {
            // Nobody will use it.
            let settle = Settle {
                release,
                ..Settle::default()
            };
            pool.change_reserved(settle);
        }
    }
}
