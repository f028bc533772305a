//! What the registry has: the crate that this one replaces, and what people use instead.

use std::num::NonZeroU32;

use budget_context::{Budget as ContextBudget, Resource};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use llm_budget::budget::AtomicBudget;
use tokio::sync::Semaphore;

use super::{Budget, Call, Limits, Readable, Reserving, Room};

/// token-budget-pool 0.1.0, as it is.
pub(crate) struct Published(published::BudgetPool);

impl Budget for Published {
    const NAME: &'static str = "published 0.1.0";
    const LACKS: &'static str = "blocks; counts dollars in an f64, which drifts";

    fn new(room: Room) -> Self {
        let limits = Limits::of(room);
        Self(published::BudgetPool::with_caps(published::Caps {
            max_input_tokens: Some(limits.input),
            max_output_tokens: Some(limits.output),
            max_total_tokens: Some(limits.total),
            max_cost_usd: Some(limits.dollars()),
        }))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.record(call.input, call.output, call.dollars) {
            Ok(totals) => totals.calls,
            Err(exceeded) => exceeded.cap.len() as u64,
        }
    }

    fn calls(&self) -> Option<u64> {
        Some(self.0.totals().calls)
    }
}

impl Readable for Published {
    #[inline]
    fn totals(&self) -> u64 {
        self.0.totals().calls
    }
}

/// Its bare counter: what its envelopes and agents add on top locks.
pub(crate) struct LlmBudget(AtomicBudget);

impl Budget for LlmBudget {
    const NAME: &'static str = "llm-budget 0.2";
    const LACKS: &'static str = "one dimension (dollars): counts no tokens and no calls";

    fn new(room: Room) -> Self {
        let limit = match room {
            Room::Plenty => Limits::of(room).dollars(),
            Room::TooLittle => 1e-9,
        };
        Self(AtomicBudget::new(limit).expect("a positive limit"))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.charge(call.dollars) {
            Ok(total) | Err(total) => total.to_bits(),
        }
    }
}

thread_local! {
    // A set for each thread: clones of one set would have all threads count references
    // in one place.
    static RESOURCES: [Resource; 4] = ["in", "out", "total", "nanos"]
        .map(|name| Resource::new(name).expect("a name"));
}

/// The four dimensions of a call as resources: reserved together, then committed.
pub(crate) struct BudgetContext(ContextBudget);

impl BudgetContext {
    fn amounts(call: &Call) -> [u64; 4] {
        [
            call.input,
            call.output,
            call.input + call.output,
            call.nanos,
        ]
    }

    #[inline]
    fn reserve_and_commit(&self, estimate: &Call, actual: &Call) -> u64 {
        RESOURCES.with(|resources| {
            let reserved = resources.iter().zip(Self::amounts(estimate));
            match self.0.reserve_many(reserved) {
                Ok(set) => {
                    let used = resources.iter().zip(Self::amounts(actual));
                    set.commit(used).is_ok().into()
                }
                Err(_) => 2,
            }
        })
    }
}

impl Budget for BudgetContext {
    const NAME: &'static str = "budget-context 0.2";
    const LACKS: &'static str =
        "blocks; allocates in every call; returns no totals; reserve_many + commit";

    fn new(room: Room) -> Self {
        let limits = Limits::of(room);
        let limits = [limits.input, limits.output, limits.total, limits.nanos];
        RESOURCES.with(|resources| {
            let budget = resources
                .iter()
                .zip(limits)
                .fold(ContextBudget::builder(), |builder, (resource, limit)| {
                    builder.limit(resource.clone(), limit)
                });
            Self(budget.build().expect("limits"))
        })
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        self.reserve_and_commit(call, call)
    }
}

impl Reserving for BudgetContext {
    const NAME: &'static str = "budget-context 0.2, reserve_many + commit";

    fn new(room: Room) -> Self {
        Budget::new(room)
    }

    #[inline]
    fn reserve_and_settle(&self, estimate: &Call, actual: &Call) -> u64 {
        self.reserve_and_commit(estimate, actual)
    }
}

/// One cell per call, by the clock that it is fastest with.
pub(crate) struct Governor(DefaultDirectRateLimiter);

impl Budget for Governor {
    const NAME: &'static str = "governor 0.10";
    const LACKS: &'static str = "limits calls per second: no tokens, no cost, no sum to spend";

    fn new(room: Room) -> Self {
        let fastest = NonZeroU32::new(1_000_000_000).expect("not zero");
        let quota = match room {
            Room::Plenty => Quota::per_second(fastest),
            Room::TooLittle => Quota::per_hour(NonZeroU32::MIN),
        };
        let limiter = RateLimiter::direct(quota);
        // An hour's one call is used up here.
        let _ = limiter.check();
        Self(limiter)
    }

    #[inline]
    fn record(&self, _: &Call) -> u64 {
        self.0.check().is_ok().into()
    }
}

fn semaphore(room: Room) -> Semaphore {
    Semaphore::new(match room {
        Room::Plenty => Semaphore::MAX_PERMITS,
        Room::TooLittle => 0,
    })
}

fn tokens(call: &Call) -> u32 {
    u32::try_from(call.input + call.output).unwrap_or(u32::MAX)
}

/// One permit per token, kept for good: a budget of tokens.
pub(crate) struct SemaphoreForget(Semaphore);

impl Budget for SemaphoreForget {
    const NAME: &'static str = "tokio Semaphore, forget";
    const LACKS: &'static str = "one dimension (tokens in u32), no cost, no totals";

    fn new(room: Room) -> Self {
        Self(semaphore(room))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.try_acquire_many(tokens(call)) {
            Ok(permit) => {
                permit.forget();
                1
            }
            Err(_) => 0,
        }
    }
}

impl Reserving for SemaphoreForget {
    const NAME: &'static str = "tokio Semaphore, split + forget";

    fn new(room: Room) -> Self {
        Budget::new(room)
    }

    /// What was used is kept for good, the rest is dropped.
    #[inline]
    fn reserve_and_settle(&self, estimate: &Call, actual: &Call) -> u64 {
        match self.0.try_acquire_many(tokens(estimate)) {
            Ok(mut permits) => match permits.split(tokens(actual) as usize) {
                Some(used) => {
                    used.forget();
                    1
                }
                None => 2,
            },
            Err(_) => 0,
        }
    }
}

/// One permit per token, given back at once.
pub(crate) struct SemaphoreDrop(Semaphore);

impl Budget for SemaphoreDrop {
    const NAME: &'static str = "tokio Semaphore, drop";
    const LACKS: &'static str =
        "limits tokens in flight: nothing is ever spent; one dimension; drop locks";

    fn new(room: Room) -> Self {
        Self(semaphore(room))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        match self.0.try_acquire_many(tokens(call)) {
            Ok(permit) => permit.num_permits() as u64,
            Err(_) => 0,
        }
    }
}
