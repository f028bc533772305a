//! async-openai: answers in one piece, and in parts.

use std::net::SocketAddr;

use ::async_openai::config::OpenAIConfig;
use ::async_openai::types::chat::{
    ChatCompletionRequestUserMessage, CreateChatCompletionRequest, CreateChatCompletionRequestArgs,
};
use ::async_openai::Client;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use token_budget_pool::Usd;
use token_budget_pool_integrations::async_openai::{chat, without_retries};
use token_budget_pool_integrations::async_openai_stream::{metered, stream};
use token_budget_pool_integrations::budget::Budget;
use token_budget_pool_integrations::provider::{Bill, Goes, Request};
use token_budget_pool_integrations::{estimate, Complete, World, NOWHERE, OF_A_KIND};

fn config(provider: SocketAddr) -> OpenAIConfig {
    OpenAIConfig::new()
        .with_api_base(format!("http://{provider}/v1"))
        .with_api_key("key")
}

fn to_send(request: &Request) -> CreateChatCompletionRequest {
    let prompt = ChatCompletionRequestUserMessage::from(request.prompt());
    CreateChatCompletionRequestArgs::default()
        .model("fake")
        .messages([prompt.into()])
        .max_completion_tokens(request.max_tokens as u32)
        .build()
        .expect("a request")
}

fn in_one_piece(
    provider: SocketAddr,
) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let client = without_retries(config(provider));
    move |budget, request, _| {
        let client = client.clone();
        let call = async move {
            let (estimate, to_send) = (estimate(&budget, &request), to_send(&request));
            let answer = chat(&budget, estimate, &client, to_send, &request.id).await?;
            let text = answer.choices[0].message.content.as_deref();
            Ok(text == Some("..."))
        };
        call.boxed()
    }
}

fn in_parts(
    provider: SocketAddr,
) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let client = without_retries(config(provider));
    move |budget, request, enough| {
        let client = client.clone();
        let call = async move {
            let (estimate, to_send) = (estimate(&budget, &request), to_send(&request));
            let mut chunks = stream(&budget, estimate, &client, to_send, &request.id).await?;
            for _ in 1..enough {
                let Some(chunk) = chunks.next().await else {
                    break;
                };
                if chunk?.usage.is_some() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        call.boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills() {
    let world = World::new().await;
    world.storm(false, in_one_piece(world.address)).await;
    let bill = world.agrees().await;
    assert!(bill.calls >= 3 * OF_A_KIND + OF_A_KIND / 2, "{bill:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills_for_streams() {
    let world = World::new().await;
    world.storm(true, in_parts(world.address)).await;
    let bill = world.agrees().await;
    assert!(bill.calls >= 4 * OF_A_KIND + OF_A_KIND / 2, "{bill:?}");
}

#[tokio::test]
async fn without_a_connection_nothing_counts() {
    World::new().await.nowhere(in_one_piece(NOWHERE)).await;
    World::new().await.nowhere(in_parts(NOWHERE)).await;
}

/// So the guide says to give it a service. Of four requests, the pool would see one.
#[tokio::test]
async fn by_itself_it_sends_what_was_turned_away_four_times() {
    let world = World::new().await;
    let (config, provider) = (config(world.address), world.provider.clone());
    let mut ids = vec![];
    for (client, times) in [
        (Client::with_config(config.clone()), 4),
        (without_retries(config), 1),
    ] {
        for goes in [Goes::TooManyRequests, Goes::Overloaded] {
            let request = Request::new(&format!("{goes:?}-{times}"), goes);
            let (estimate, id) = (estimate(&world.budget, &request), &request.id);
            let answer = chat(&world.budget, estimate, &client, to_send(&request), id);
            assert!(answer.await.is_err());
            assert_eq!(provider.came(id), times, "{id}");
            ids.push(request.id);
        }
    }
    assert_eq!(world.agrees().await, Bill::default());
    for id in ids {
        assert_eq!(provider.asked(&id), 0, "{id}");
    }
}

/// The price of its error type: a 429 without JSON is an error without a status. The reconciler finds out.
#[tokio::test]
async fn a_gateways_own_429_has_to_be_looked_into() {
    let world = World::new().await;
    let request = Request::new("gateway", Goes::TooManyForTheGateway);
    let call = in_one_piece(world.address);
    assert!(call(world.budget.clone(), request, 1).await.is_err());
    let provider = world.provider.clone();
    assert_eq!(world.agrees().await, Bill::default());
    assert_eq!(
        (provider.came("gateway"), provider.asked("gateway")),
        (1, 1)
    );
}

/// Without a reconciler: exact where the end was seen, and otherwise what was reserved.
#[tokio::test]
async fn what_a_metered_stream_does_not_see_is_forfeited() {
    let world = World::new().await;
    let Budget { pool, price, .. } = &world.budget;
    let client = without_retries(config(world.address));
    for (id, goes, read, is_seen) in [
        ("well", Goes::Well(730), usize::MAX, true),
        ("busy", Goes::TooManyRequests, 0, true),
        ("dropped", Goes::Well(1_000), 3, false),
        ("cut", Goes::Cut(730), usize::MAX, false),
        ("ends-early", Goes::WithoutUsage(730), usize::MAX, false),
    ] {
        let request = Request::new(id, goes);
        let estimate = estimate(&world.budget, &request);
        let (spent, bill) = (pool.spent(), world.provider.bill());
        match metered(pool, *price, estimate, &client, to_send(&request)).await {
            Ok(chunks) => {
                // It borrows nothing.
                let reading = tokio::spawn(chunks.take(read).collect::<Vec<_>>());
                reading.await.expect("no panic");
            }
            Err(error) => assert_eq!(id, "busy", "{error}"),
        }
        let counted = pool.spent().cost.as_nanos() - spent.cost.as_nanos();
        if is_seen {
            let billed = world.provider.bill().nano_dollars - bill.nano_dollars;
            assert_eq!(counted, billed, "{id}");
        } else {
            assert_eq!(Some(Usd::from_nanos(counted)), estimate.cost, "{id}");
        }
    }
    let (spent, bill) = (pool.spent(), world.provider.bill());
    assert_eq!((spent.calls, spent.forfeited_calls), (bill.calls, 3));
    assert!(spent.cost >= Usd::from_nanos(bill.nano_dollars));
}
