//! The guide's own recipe for calls with a time limit, with reqwest and no library for the provider.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::FutureExt;
use token_budget_pool_integrations::budget::Budget;
use token_budget_pool_integrations::client::Client;
use token_budget_pool_integrations::provider::Request;
use token_budget_pool_integrations::reconcile::call_within;
use token_budget_pool_integrations::{Complete, World, NOWHERE, OF_A_KIND};

fn with(provider: SocketAddr) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let client = Client { provider };
    move |budget, request, _| {
        let call = async move {
            let limit = Duration::from_secs(600);
            let (pool, price) = (&budget.pool, &budget.price);
            let answer = call_within(limit, pool, price, &client, &request, &budget.reconciler);
            let answer = answer.await.map_err(|error| format!("{error:?}"))?;
            Ok(answer.is_some())
        };
        call.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills() {
    let world = World::new().await;
    world.storm(false, with(world.address)).await;
    let bill = world.agrees().await;
    assert!(bill.calls >= 3 * OF_A_KIND + OF_A_KIND / 2, "{bill:?}");
}

#[tokio::test]
async fn without_a_connection_nothing_counts() {
    World::new().await.nowhere(with(NOWHERE)).await;
}
