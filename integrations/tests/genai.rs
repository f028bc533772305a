//! genai, with OpenAI's adapter and with Anthropic's.

use std::net::SocketAddr;

use ::genai::adapter::AdapterKind;
use ::genai::chat::{ChatMessage, ChatRequest};
use ::genai::resolver::{AuthData, Endpoint};
use ::genai::{Client, ModelIden, ServiceTarget};
use futures::future::BoxFuture;
use futures::FutureExt;
use token_budget_pool_integrations::budget::Budget;
use token_budget_pool_integrations::genai::{chat, options, stream};
use token_budget_pool_integrations::provider::{Bill, Goes, Request};
use token_budget_pool_integrations::{estimate, show, Complete, World, NOWHERE, OF_A_KIND};

fn client() -> Client {
    let options = options(1_000);
    let client = Client::builder().with_chat_options(options).build();
    client.expect("a client")
}

fn target(adapter: AdapterKind, provider: SocketAddr) -> ServiceTarget {
    ServiceTarget {
        endpoint: Endpoint::from_owned(format!("http://{provider}/v1/")),
        auth: AuthData::from_single("key"),
        model: ModelIden::new(adapter, "fake"),
    }
}

fn to_send(request: &Request) -> ChatRequest {
    ChatRequest::new(vec![ChatMessage::user(request.prompt())])
}

fn in_one_piece(
    provider: SocketAddr,
) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let (client, target) = (client(), target(AdapterKind::OpenAI, provider));
    move |budget, request, _| {
        let (client, target) = (client.clone(), target.clone());
        let call = async move {
            let (estimate, to_send) = (estimate(&budget, &request), to_send(&request));
            let answer = chat(&budget, estimate, &client, target, to_send, &request.id).await?;
            Ok(answer.first_text() == Some("..."))
        };
        call.boxed()
    }
}

fn in_parts(
    adapter: AdapterKind,
    provider: SocketAddr,
) -> impl Fn(Budget, Request, usize) -> BoxFuture<'static, Complete> {
    let (client, target) = (client(), target(adapter, provider));
    move |budget, request, enough| {
        let (client, target) = (client.clone(), target.clone());
        let call = async move {
            let (estimate, to_send) = (estimate(&budget, &request), to_send(&request));
            let (id, show) = (&request.id, show(enough));
            stream(&budget, estimate, &client, target, to_send, id, show).await
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

/// Also where the provider counts cached tokens outside of the prompt: genai makes the counts alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills_for_streams() {
    for adapter in [AdapterKind::OpenAI, AdapterKind::Anthropic] {
        let world = World::new().await;
        world.storm(true, in_parts(adapter, world.address)).await;
        let bill = world.agrees().await;
        assert!(bill.calls >= 4 * OF_A_KIND + OF_A_KIND / 2, "{bill:?}");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_counts() {
    let world = World::new().await;
    world.nowhere(in_one_piece(NOWHERE)).await;
    let world = World::new().await;
    world.nowhere(in_parts(AdapterKind::OpenAI, NOWHERE)).await;
}

/// It does not try again by itself, and its errors have the status, in whatever words it comes.
#[tokio::test]
async fn what_was_turned_away_comes_once_and_is_released_at_once() {
    let world = World::new().await;
    let provider = world.provider.clone();
    let chat = in_one_piece(world.address);
    let stream = in_parts(AdapterKind::OpenAI, world.address);
    let all = [
        Goes::TooManyRequests,
        Goes::TooManyForTheGateway,
        Goes::Overloaded,
    ];
    for goes in all {
        let request = |of| Request::new(&format!("{of}-{goes:?}"), goes);
        let ended = chat(world.budget.clone(), request("chat"), 1).await;
        assert!(ended.is_err());
        let ended = stream(world.budget.clone(), request("stream"), usize::MAX).await;
        assert!(ended.is_err());
    }
    assert_eq!(world.agrees().await, Bill::default());
    for of in ["chat", "stream"] {
        for goes in all {
            let id = format!("{of}-{goes:?}");
            assert_eq!((provider.came(&id), provider.asked(&id)), (1, 0), "{id}");
        }
    }
}
