//! The clients of the guide (`src/guide/clients/`), and all kinds of calls with them, to a provider that keeps
//! a bill. At the end, what the pool counted is what was billed, to the nano-dollar.

#[path = "../../src/guide/clients/anthropic_sse.rs"]
pub mod anthropic_sse;
#[path = "../../src/guide/clients/async_openai.rs"]
pub mod async_openai;
#[path = "../../src/guide/clients/async_openai_stream.rs"]
pub mod async_openai_stream;
#[path = "../../src/guide/clients/budget.rs"]
pub mod budget;
pub mod client;
#[path = "../../src/guide/clients/genai.rs"]
pub mod genai;
#[path = "../../tests/support/mixed.rs"]
mod mixed;
#[path = "../../src/guide/one_call.rs"]
pub mod one_call;
pub mod provider;
#[path = "../../src/guide/reconcile.rs"]
pub mod reconcile;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{BudgetPool, Limits, Price, Rates, Usage, Usd};
use tokio::task::{yield_now, JoinHandle, JoinSet};
use tokio::time::timeout;

use budget::Budget;
use client::Client;
use mixed::Mixed;
use provider::{Bill, Goes, Provider, Request};
use reconcile::Reconciler;

/// Of each kind of call, this many.
pub const OF_A_KIND: u64 = 20;

/// What a call comes to: whether the output is complete.
pub type Complete = Result<bool, Box<dyn std::error::Error + Send + Sync>>;

/// A port that nobody listens on: 1 is reserved.
pub const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// The most that a request can cost.
pub fn estimate(budget: &Budget, request: &Request) -> Usage {
    let Budget { price, .. } = budget;
    price.worst_case(request.prompt_tokens, request.max_tokens)
}

/// Has seen enough after so many parts.
pub fn show<T>(mut enough: usize) -> impl FnMut(T) -> ControlFlow<()> {
    move |_| {
        enough -= 1;
        match enough {
            0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// A budget and its provider.
pub struct World {
    pub provider: Provider,
    pub address: SocketAddr,
    pub budget: Budget,
    reconciling: JoinHandle<()>,
}

impl World {
    pub async fn new() -> World {
        let (provider, address) = Provider::start().await;
        let price = Price::per_million(Rates {
            cache_read: "0.30",
            cache_write: "3.75",
            cache_write_1h: Some("6"),
            ..Rates::uncached("3", "15")
        });
        let price = price.expect("a price");
        let client = Client { provider: address };
        let (reconciler, reconciling) = Reconciler::start(price, client);
        World {
            provider,
            address,
            budget: Budget {
                pool: Arc::new(BudgetPool::new(Limits::unlimited())),
                price,
                reconciler,
            },
            reconciling,
        }
    }

    /// Calls of all kinds at the same time: with answers, turned away, broken, without a usage, given up after a
    /// while, aborted, and if the output is `streamed`, dropped in the middle. `call` makes one of them, and has
    /// enough after so many parts of the output.
    pub async fn storm<F>(&self, streamed: bool, call: impl Fn(Budget, Request, usize) -> F)
    where
        F: Future<Output = Complete> + Send + 'static,
    {
        let mut random = Mixed(1);
        let mut calls = JoinSet::new();
        let mut aborted = JoinSet::new();
        for number in 0..OF_A_KIND {
            let output = 1 + random.below(1_000);
            let (cached_tokens, written_tokens) = (random.below(1_500), random.below(400));
            let make = |kind: &str, goes, enough| {
                let request = Request {
                    prompt_tokens: 2_000 + number,
                    cached_tokens,
                    written_tokens,
                    written_1h_tokens: written_tokens / 3,
                    ..Request::new(&format!("{kind}-{number}"), goes)
                };
                let id = request.id.clone();
                (id, call(self.budget.clone(), request, enough))
            };

            let (_, ended) = make("well", Goes::Well(output), usize::MAX);
            calls.spawn(async move { assert!(ended.await.expect("an answer")) });
            if streamed {
                let (_, ended) = make("dropped", Goes::Well(1_000), 3);
                calls.spawn(async move { assert!(!ended.await.expect("a stream")) });
            }

            // Each comes once: whatever became of it, nobody tried again.
            for (kind, goes) in [
                ("busy", Goes::TooManyRequests),
                ("gateway", Goes::TooManyForTheGateway),
                ("overloaded", Goes::Overloaded),
                ("cut", Goes::Cut(output)),
                ("no-usage", Goes::WithoutUsage(output)),
            ] {
                let provider = self.provider.clone();
                let (id, ended) = make(kind, goes, usize::MAX);
                calls.spawn(async move {
                    let ended = ended.await;
                    assert!(!matches!(ended, Ok(true)), "{id}");
                    assert_eq!(provider.came(&id), 1, "{id}: {ended:?}");
                });
            }

            let patience = Duration::from_millis(random.below(30));
            let (id, ended) = make("slow", Goes::Slowly(output), usize::MAX);
            calls.spawn(async move {
                let ended = timeout(patience, ended).await;
                assert!(ended.is_err(), "{id}: {ended:?}");
            });

            let (id, ended) = make("aborted", Goes::Slowly(output), usize::MAX);
            let task = aborted.spawn(async move {
                let ended = ended.await;
                panic!("{ended:?}");
            });
            // Every other one when the provider has begun, and the others somewhere before or after.
            while number % 2 == 0 && !self.provider.bills(&id) {
                yield_now().await;
            }
            for _ in 0..random.below(60) {
                yield_now().await;
            }
            task.abort();
        }
        while let Some(task) = calls.join_next().await {
            task.expect("as it should go");
        }
        while let Some(task) = aborted.join_next().await {
            assert!(task.expect_err("an abort").is_cancelled());
        }
    }

    /// A call to a port that nobody listens on: nothing was sent, so there is nothing to find out.
    pub async fn nowhere<F>(self, call: impl Fn(Budget, Request, usize) -> F)
    where
        F: Future<Output = Complete>,
    {
        let request = Request::new("nowhere", Goes::Well(1));
        let ended = call(self.budget.clone(), request, usize::MAX).await;
        assert!(ended.is_err(), "{ended:?}");
        let provider = self.provider.clone();
        assert_eq!(self.agrees().await, Bill::default());
        assert_eq!(provider.asked("nowhere"), 0);
    }

    /// When all calls have ended: nothing is reserved, nothing is a guess, and what was counted was billed.
    pub async fn agrees(self) -> Bill {
        drop(self.budget.reconciler);
        self.reconciling.await.expect("no panic");
        let bill = self.provider.bill();
        let snapshot = self.budget.pool.snapshot();
        assert_eq!(snapshot.calls_in_flight, 0);
        assert_eq!(snapshot.reserved, Default::default());
        let spent = snapshot.spent;
        assert_eq!(spent.calls, bill.calls);
        assert_eq!(spent.input_tokens, bill.input);
        assert_eq!(spent.output_tokens, bill.output);
        assert_eq!(spent.cost, Usd::from_nanos(bill.nano_dollars));
        assert_eq!((spent.forfeited_calls, spent.unpriced_calls), (0, 0));
        // What was turned away was released, without a question.
        for number in 0..OF_A_KIND {
            for kind in ["busy", "overloaded"] {
                assert_eq!(
                    self.provider.asked(&format!("{kind}-{number}")),
                    0,
                    "{kind}"
                );
            }
        }
        bill
    }
}
