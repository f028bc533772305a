//! Two hundred concurrent calls to a provider that is slow, fails and gets aborted,
//! against a budget of five dollars.
//!
//! ```sh
//! cargo run --release --example async_calls
//! ```

use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{BudgetPool, Limits, Price, Rejected, Usage};
use tokio::time::{sleep, timeout};

/// What a call may end in besides a reply.
#[derive(Debug)]
enum Error {
    Budget(Rejected),
    TooManyRequests,
    Provider,
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Error::Budget(rejected)
    }
}

/// A stand-in for a provider: which call it is decides how it goes.
async fn post(call: u64, price: &Price) -> Result<Usage, Error> {
    sleep(Duration::from_millis(call * 7 % 40)).await;
    match call % 10 {
        0 => Err(Error::Provider),
        1 => panic!("a bug in a client library"),
        2 => Err(Error::TooManyRequests),
        _ => Ok(price
            .usage(2_000, 100 + call * 37 % 900, 0, 0)
            .expect("small numbers")),
    }
}

async fn call(pool: Arc<BudgetPool>, call: u64, price: Price) -> Result<(), Error> {
    let worst = price.usage(2_000, 1_000, 0, 0).expect("small numbers");
    let mut hold = pool.reserve_owned(worst)?;
    sleep(Duration::from_millis(call * 3 % 10)).await; // to prepare the request: aborted here, all is refunded
    hold.sent();
    // Aborted here, what is held counts as spent; and so if it fails, but for this one way.
    let actual = match post(call, &price).await {
        Err(Error::TooManyRequests) => {
            hold.refund(); // turned away and not billed
            return Err(Error::TooManyRequests);
        }
        posted => posted?,
    };
    let receipt = hold.settle(actual);
    if receipt.over_cap.any() {
        eprintln!("{receipt}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The provider's panics are part of the show: one line each is enough.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));

    let limits = Limits::none().cost("5".parse()?);
    let pool = Arc::new(BudgetPool::with_limits(limits));
    let price = Price::per_million("3", "75", "0.3", "3.75")?;

    let calls: Vec<_> = (0..200)
        .map(|id| {
            tokio::spawn(timeout(
                Duration::from_millis(40),
                call(pool.clone(), id, price),
            ))
        })
        .collect();

    let (mut settled, mut busy, mut exhausted) = (0, 0, 0);
    let (mut refunded, mut failed, mut timed_out, mut panicked) = (0, 0, 0, 0);
    for call in calls {
        match call.await {
            Ok(Ok(Ok(()))) => settled += 1,
            Ok(Ok(Err(Error::Budget(rejected)))) if rejected.is_busy() => busy += 1,
            Ok(Ok(Err(Error::Budget(_)))) => exhausted += 1,
            Ok(Ok(Err(Error::TooManyRequests))) => refunded += 1,
            Ok(Ok(Err(Error::Provider))) => failed += 1,
            Ok(Err(_)) => timed_out += 1,
            Err(_) => panicked += 1,
        }
    }

    let end = pool.snapshot();
    println!("settled {settled}, too many requests {refunded}");
    println!("failed {failed}, timed out {timed_out}, panicked {panicked}");
    println!("turned away: busy {busy} (worth another try), exhausted {exhausted}");
    println!(
        "spent ${} of $5 in {} calls; reserved ${}, in flight {}",
        end.spent.cost,
        end.spent.calls,
        end.reserved.cost.unwrap_or_default(),
        end.calls_in_flight,
    );
    assert_eq!((end.reserved, end.calls_in_flight), (Usage::default(), 0));
    Ok(())
}
