//! A gateway made of tower layers: it retries, waits for room in the budget for each attempt, counts the
//! streams of its answers as they are read, and shows its numbers to Prometheus.
//!
//! ```sh
//! cargo run --release --example gateway --features stream,tower,metrics
//! ```

use std::future::{ready, Ready};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{stream, StreamExt};
use token_budget_pool::{
    BudgetError, BudgetPool, Limits, OwnedCall, Price, Rates, Snapshot, TokenCounts, Usage, Usd,
    WaitingBudgetLayer,
};
use tower::retry::{Policy, RetryLayer};
use tower::{Service, ServiceBuilder, ServiceExt};

#[derive(Clone)]
struct Request {
    number: u64,
    prompt_tokens: u64,
    max_tokens: u64,
}

struct Chunk {
    usage: Option<TokenCounts>,
}

type Chunks = stream::Iter<std::array::IntoIter<Result<Chunk, Failure>, 2>>;

/// With the call that it is a part of, for the one who reads the chunks.
struct Answer {
    chunks: Chunks,
    call: OwnedCall,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    TooManyRequests,
    Broken,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Failure::TooManyRequests => "the provider is busy",
            Failure::Broken => "the connection broke",
        })
    }
}

/// A stand-in for a provider. It turns every seventh request away, and bills the others, in nano-dollars.
#[derive(Clone)]
struct Provider {
    price: Price,
    requests: Arc<AtomicU64>,
    billed: Arc<AtomicU64>,
}

impl Provider {
    async fn answer(self, request: Request) -> Result<Chunks, Failure> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % 7 == 0 {
            return Err(Failure::TooManyRequests);
        }
        let output = request.max_tokens / 2 + request.number % 50;
        let counts = TokenCounts::inclusive(request.prompt_tokens, 0, output);
        let counts = counts.map_err(|_| Failure::Broken)?;
        let cost = self.price.usage(counts).cost.expect("it has a price");
        self.billed.fetch_add(cost.as_nanos(), Ordering::Relaxed);
        let last = Chunk {
            usage: Some(counts),
        };
        let chunks = stream::iter([Ok(Chunk { usage: None }), Ok(last)]);
        Ok(chunks)
    }
}

/// Again if the provider was busy, up to so many times. (A real one would wait in between.)
#[derive(Clone)]
struct Again(u32);

impl Policy<Request, Answer, BudgetError<Failure>> for Again {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request,
        answer: &mut Result<Answer, BudgetError<Failure>>,
    ) -> Option<Ready<()>> {
        let is_busy = matches!(answer, Err(BudgetError::Inner(Failure::TooManyRequests)));
        self.0 = self.0.checked_sub(1)?;
        is_busy.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let price = Price::per_million(Rates::uncached("3", "15"))?;
    let provider = Provider {
        price,
        requests: Arc::default(),
        billed: Arc::default(),
    };
    let billed = provider.billed.clone();
    let limits = Limits::unlimited().cost(Usd::cents(80));
    let pool = Arc::new(BudgetPool::new(limits));
    let exporter = metrics_exporter_prometheus::PrometheusBuilder::new();
    let metrics = exporter.install_recorder()?;
    Snapshot::describe_gauges();

    // The budget is below the retries, so that each attempt is a call of its own.
    let of_gateway = pool.clone();
    let budget = WaitingBudgetLayer::new(
        move |request: &Request| {
            of_gateway.reserve_owned(price.worst_case(request.prompt_tokens, request.max_tokens))
        },
        |call: OwnedCall, answer: Result<Chunks, Failure>| match answer {
            Ok(chunks) => Ok(Answer { chunks, call }),
            Err(failure) => {
                let _ = match failure {
                    Failure::TooManyRequests => call.release(),
                    Failure::Broken => call.forfeit(),
                };
                Err(failure)
            }
        },
    );
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(30))
        .map_err(tower::BoxError::from)
        .layer(RetryLayer::new(Again(5)))
        .layer(budget)
        .service_fn(move |request| provider.clone().answer(request));

    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let mut service = service.clone();
        calls.spawn(async move {
            let request = Request {
                number,
                prompt_tokens: 1_000,
                max_tokens: 200,
            };
            let Answer { chunks, call } = service.ready().await?.call(request).await?;
            let usage = |chunk: &Chunk| -> Option<Usage> { Some(price.usage(chunk.usage?)) };
            let mut chunks = call.meter(chunks, usage);
            while let Some(chunk) = chunks.next().await {
                chunk.map_err(|failure| format!("{failure:?}"))?;
            }
            Ok::<_, tower::BoxError>(chunks.receipt())
        });
    }
    let mut refused = 0;
    while let Some(call) = calls.join_next().await {
        match call? {
            Ok(receipt) => assert!(receipt.is_some_and(|receipt| !receipt.is_guess())),
            Err(error) => {
                refused += 1;
                if refused == 1 {
                    println!("refused: {error}");
                }
            }
        }
    }

    pool.snapshot().set_gauges("gateway");
    let gauges = metrics.render();
    let mut shown: Vec<_> = gauges
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("tokens"))
        .collect();
    shown.sort_unstable();
    println!("{}", shown.join("\n"));
    let billed = Usd::from_nanos(billed.load(Ordering::Relaxed));
    println!("refused {refused}; the provider billed ${billed}");
    assert_eq!(pool.spent().cost, billed);
    Ok(())
}
