use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use token_budget_pool::{BudgetPool, Price, TokenCounts};
use tokio::time::sleep;

use super::client::{self, Client};
use super::one_call::{one_call, Error};
use super::provider::Request;

/// A call that is tried again while that can help. Each attempt has a reservation of its own, since
/// each may be billed. At a real provider `wait` is half a second or more, and the `retry-after` of its
/// answer comes first.
pub async fn call_with_retries(
    mut wait: Duration,
    pool: &BudgetPool,
    price: &Price,
    client: &Client,
    first: &Request,
    others: &[Request],
) -> Result<TokenCounts, Error> {
    let mut result = one_call(pool, price, client, first).await;
    for request in others {
        match &result {
            Err(error) if can_help(error) => sleep(wait.mul_f64(jitter())).await,
            _ => break,
        }
        wait *= 2;
        result = one_call(pool, price, client, request).await;
    }
    result
}

/// From 1 to 2, so that callers who failed together do not come back together.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    1.0 + random as f64 / u64::MAX as f64
}

fn can_help(error: &Error) -> bool {
    match error {
        // Room that is reserved for others may come back. Room that is spent does not.
        Error::Budget(rejected) => rejected.is_busy(),
        Error::Provider(client::Error::Status(status)) => {
            status.as_u16() == 429 || status.is_server_error()
        }
        Error::Provider(client::Error::Connect | client::Error::Broken) => true,
    }
}
