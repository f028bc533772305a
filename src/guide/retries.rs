use std::time::Duration;

use token_budget_pool::{BudgetPool, Price, Tokens};
use tokio::time::sleep;

use super::client::{self, Client};
use super::one_call::{one_call, Error};
use super::provider::Request;

/// A call that is tried again while that can help. Each attempt has a reservation of its own, since
/// each may be billed.
pub async fn call_with_retries(
    pool: &BudgetPool,
    price: &Price,
    client: &Client,
    requests: &[Request],
) -> Result<Tokens, Error> {
    let mut wait = Duration::from_millis(2);
    let (last, others) = requests.split_last().expect("at least one attempt");
    for request in others {
        match one_call(pool, price, client, request).await {
            Err(error) if can_help(&error) => sleep(wait).await,
            result => return result,
        }
        wait *= 2;
    }
    one_call(pool, price, client, last).await
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
