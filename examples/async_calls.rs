//! Two hundred concurrent calls to a provider that is slow and fails, some of them aborted,
//! against a budget of five dollars.
//!
//! ```sh
//! cargo run --release --example async_calls
//! ```

use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{
    Amounts, BudgetPool, Limits, Price, Rates, Rejected, TokenCounts, Usage, Usd,
};
use tokio::time::{sleep, timeout};

const BUDGET: Usd = Usd::dollars(5);
const PROMPT_TOKENS: u64 = 2_000;
const MAX_OUTPUT_TOKENS: u64 = 1_000;

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

/// A stand-in for a provider. The number of the call decides how it goes.
async fn post(call: u64, price: &Price) -> Result<Usage, Error> {
    sleep(Duration::from_millis(call * 7 % 40)).await;
    let reply = TokenCounts::inclusive(PROMPT_TOKENS, 0, 100 + call * 37 % 900)
        .map_err(|_| Error::Provider)?;
    match call % 10 {
        0 => Err(Error::Provider),
        1 => panic!("a bug in a client library"),
        2 => Err(Error::TooManyRequests),
        _ => Ok(price.usage(reply)),
    }
}

async fn call(pool: Arc<BudgetPool>, number: u64, price: Price) -> Result<(), Error> {
    let worst_case = price.worst_case(PROMPT_TOKENS, MAX_OUTPUT_TOKENS);
    let reservation = pool.try_reserve_owned(worst_case)?;
    // Prepare the request. An abort here gives back all that is reserved.
    sleep(Duration::from_millis(number * 3 % 10)).await;
    let call = reservation.start();
    // From here on the provider may bill the call. After an abort, a panic or an error, all that is
    // reserved counts, as forfeited.
    let actual = match post(number, &price).await {
        Err(Error::TooManyRequests) => {
            let _ = call.release(); // turned away and not billed
            return Err(Error::TooManyRequests);
        }
        posted => posted?,
    };
    let receipt = call.settle(actual);
    if receipt.over_limit.any() {
        eprintln!("{receipt}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The provider's panics are part of the show: one line each is enough.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));

    let pool = Arc::new(BudgetPool::new(Limits::unlimited().cost(BUDGET)));
    let price = Price::per_million(Rates::uncached("3", "75"))?;

    let calls: Vec<_> = (0..200)
        .map(|number| {
            tokio::spawn(timeout(
                Duration::from_millis(40),
                call(pool.clone(), number, price),
            ))
        })
        .collect();

    let (mut settled, mut busy, mut exhausted) = (0, 0, 0);
    let (mut released, mut failed, mut timed_out, mut panicked) = (0, 0, 0, 0);
    for call in calls {
        match call.await {
            Ok(Ok(Ok(()))) => settled += 1,
            Ok(Ok(Err(Error::Budget(rejected)))) if rejected.is_busy() => busy += 1,
            Ok(Ok(Err(Error::Budget(_)))) => exhausted += 1,
            Ok(Ok(Err(Error::TooManyRequests))) => released += 1,
            Ok(Ok(Err(Error::Provider))) => failed += 1,
            Ok(Err(_)) => timed_out += 1,
            Err(_) => panicked += 1,
        }
    }

    let end = pool.snapshot();
    println!("settled {settled}, released after too many requests {released}");
    println!("failed {failed}, timed out {timed_out}, panicked {panicked}");
    println!("refused: busy {busy} (worth another try), exhausted {exhausted}");
    println!(
        "spent ${} of ${BUDGET} in {} calls, ${} of it forfeited in {}; reserved ${}, in flight {}",
        end.spent.cost,
        end.spent.calls,
        end.spent.forfeited_cost,
        end.spent.forfeited_calls,
        end.reserved.cost,
        end.calls_in_flight,
    );
    assert_eq!((end.reserved, end.calls_in_flight), (Amounts::default(), 0));
    Ok(())
}
