use std::borrow::Borrow;

use token_budget_pool::{BudgetPool, Price, Rejected, Reservation, TokenCounts};

use super::client::{self, Client};
use super::provider::Request;

/// One call, from the estimate to the receipt.
pub async fn one_call(
    pool: &BudgetPool,
    price: &Price,
    client: &Client,
    request: &Request,
) -> Result<TokenCounts, Error> {
    let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
    let reservation = pool.try_reserve(estimate)?;
    // ... an error, a panic or an abort up to here gives the reservation back ...
    send(reservation, price, client, request).await
}

/// Sends the request for which this is reserved.
pub async fn send(
    reservation: Reservation<impl Borrow<BudgetPool>>,
    price: &Price,
    client: &Client,
    request: &Request,
) -> Result<TokenCounts, Error> {
    let call = reservation.start();
    // ... and from here on it counts what is reserved.
    let (result, receipt) = match client.send(request).await {
        Ok(tokens) => (Ok(tokens), call.settle(price.usage(tokens))),
        Err(error) if is_unbilled(&error) => (Err(error), call.release()),
        Err(error) => (Err(error), call.forfeit()),
    };
    if receipt.over_limit.any() || receipt.is_guess() {
        eprintln!("{}: {receipt}", request.id);
    }
    Ok(result?)
}

/// Whether a failed request costs nothing.
pub fn is_unbilled(error: &client::Error) -> bool {
    match error {
        // Nothing was sent.
        client::Error::Connect => true,
        client::Error::Status(status) => match status.as_u16() {
            // Turned away before any work was done.
            401 | 403 | 404 | 405 | 413 | 415 | 429 | 529 => true,
            // Not so at Azure OpenAI, which bills what a content filter stops.
            400 | 422 => true,
            // From the provider itself. A gateway's own 500 or 503 says nothing of the provider.
            500 | 503 => true,
            // 408, 502, 504, 524 and the like: the provider may have done all of its work.
            _ => false,
        },
        // The provider may have done all of its work.
        client::Error::Broken => false,
    }
}

#[derive(Debug)]
pub enum Error {
    /// The pool has no room.
    Budget(Rejected),
    /// The provider failed, or the way to it.
    Provider(client::Error),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Error {
        Error::Budget(rejected)
    }
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Error {
        Error::Provider(error)
    }
}
