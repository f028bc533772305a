use std::time::Duration;

use token_budget_pool::{BudgetPool, Price, TokenCounts};
use tokio::time::timeout;

use super::client::Client;
use super::one_call::{send, Error};
use super::provider::Request;

/// One call, as soon as there is room for it. Waits for at most `patience`.
pub async fn call_when_there_is_room(
    patience: Duration,
    pool: &BudgetPool,
    price: &Price,
    client: &Client,
    request: &Request,
) -> Result<TokenCounts, Error> {
    let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
    let reservation = match timeout(patience, pool.reserve(estimate)).await {
        Ok(decided) => decided?,
        // Too long. The refusal says what is in the way.
        Err(_) => pool.try_reserve(estimate)?,
    };
    send(reservation, price, client, request).await
}
