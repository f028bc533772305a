//! Anthropic's messages without a library for them: reqwest and eventsource-stream.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use futures::FutureExt;
use serde_json::json;
use token_budget_pool_integrations::anthropic_sse::stream;
use token_budget_pool_integrations::budget::Budget;
use token_budget_pool_integrations::provider::Request;
use token_budget_pool_integrations::{estimate, show, Complete, World, NOWHERE, OF_A_KIND};

fn in_parts(
    provider: SocketAddr,
) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let http = reqwest::Client::new();
    move |budget, request, enough| {
        let url = format!("http://{provider}/v1/messages");
        let body = json!({
            "model": "fake",
            "max_tokens": request.max_tokens,
            "messages": [{"role": "user", "content": request.prompt()}],
            "stream": true,
        });
        let to_send = http.post(url).header("x-api-key", "key").json(&body);
        let call = async move {
            let estimate = estimate(&budget, &request);
            stream(&budget, estimate, to_send, &request.id, show(enough)).await
        };
        call.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills() {
    let world = World::new().await;
    world.storm(true, in_parts(world.address)).await;
    let provider = world.provider.clone();
    let bill = world.agrees().await;
    assert!(bill.calls >= 4 * OF_A_KIND + OF_A_KIND / 2, "{bill:?}");
    // The status says enough, in whatever words it comes.
    assert_eq!(
        (provider.came("gateway-0"), provider.asked("gateway-0")),
        (1, 0)
    );
}

#[tokio::test]
async fn without_a_connection_nothing_counts() {
    World::new().await.nowhere(in_parts(NOWHERE)).await;
}
