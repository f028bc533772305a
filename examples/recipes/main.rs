//! The recipes of the crate's guide (`src/guide/`), against a provider that fails in every way it
//! can. At the end, what the pool counted is what the provider billed, to the nano-dollar.
//!
//! ```sh
//! cargo run --release --example recipes
//! ```

// The guide shows these functions, as a user would write them.
#![allow(unreachable_pub)]

mod client;
#[path = "../../src/guide/one_call.rs"]
mod one_call;
mod provider;
#[path = "../../src/guide/reconcile.rs"]
mod reconcile;
#[path = "../../src/guide/retries.rs"]
mod retries;
#[path = "../../src/guide/save_tree.rs"]
mod save_tree;
#[path = "../../src/guide/share.rs"]
mod share;
#[path = "../../src/guide/shutdown.rs"]
mod shutdown;
#[path = "../../src/guide/streams.rs"]
mod streams;
#[path = "../../src/guide/tree.rs"]
mod tree;
#[path = "../../src/guide/wait.rs"]
mod wait;
#[path = "../../src/guide/warn.rs"]
mod warn;
#[path = "../../src/guide/window.rs"]
mod window;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{BudgetPool, Limits, Price, Rates, Usd};

use client::Client;
use provider::{Goes, Provider, Request};
use reconcile::Reconciler;

fn request(id: &str, goes: Goes) -> Request {
    Request {
        id: id.into(),
        prompt_tokens: 2_000,
        max_tokens: 1_000,
        goes,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (provider, address) = Provider::start().await;
    let client = Client { provider: address };
    let price = Price::per_million(Rates::uncached("3", "15"))?;
    let builder = BudgetPool::builder().limits(Limits::unlimited().cost(Usd::dollars(1)));
    let (builder, warnings) = warn::warned(builder)?;
    let pool = Arc::new(builder.build());
    tokio::spawn(warn::tell(warnings, |crossed| {
        println!("warning: {crossed}")
    }));
    let (reconciler, reconciling) = Reconciler::start(price, client);

    let done = one_call::one_call(&pool, &price, &client, &request("one", Goes::Well(700))).await;
    println!("one call: {done:?}");

    let first = request("attempt-1", Goes::TooManyRequests);
    let others = [
        request("attempt-2", Goes::Overloaded),
        request("attempt-3", Goes::Well(300)),
    ];
    let wait = Duration::from_millis(2);
    let done = retries::call_with_retries(wait, &pool, &price, &client, &first, &others).await;
    println!("after two retries: {done:?}");

    for (id, goes) in [("slow", Goes::Slowly(900)), ("cut", Goes::Cut(800))] {
        let (limit, request) = (Duration::from_millis(50), request(id, goes));
        let done =
            reconcile::call_within(limit, &pool, &price, &client, &request, &reconciler).await;
        println!("{id}: {done:?}");
    }

    let enough = |counts: token_budget_pool::TokenCounts| match counts.output() {
        0..=200 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let streamed = request("stream", Goes::Well(1_000));
    let done = streams::stream(&pool, &price, &client, &streamed, &reconciler, enough).await;
    println!("a stream, dropped after 300 tokens: {done:?}");

    let agents = ["first-agent", "second-agent"];
    let agents = agents.map(|id| request(id, Goes::Well(100)));
    let done = tree::run(&pool, "run", price, client, agents.into()).await;
    println!("answers for two sub-agents of a run: {done:?}");

    // There is room for one of them at a time.
    let narrow = pool.child_owned(Limits::unlimited().output_tokens(1_500))?;
    let both = ["waits", "waits-too"].map(|id| request(id, Goes::Well(100)));
    let patience = Duration::from_secs(5);
    let call = |request| wait::call_when_there_is_room(patience, &narrow, &price, &client, request);
    let done = tokio::join!(call(&both[0]), call(&both[1]));
    println!("two that wait for each other: {done:?}");

    // A call takes 2,100 tokens, and the window has room for 3,000 in each period.
    let window = window::Window::new(&pool, Duration::from_millis(50), 3_000)?;
    let run = window.pool.child_owned(Limits::unlimited())?;
    for id in ["in-window", "in-next-window"] {
        let request = request(id, Goes::Well(100));
        let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
        let reservation = window.reserve(&run, estimate).await?;
        let call = reservation.start();
        let receipt = call.settle(price.usage(client.send(&request).await?));
        println!("{id}: {receipt}");
    }

    // Its calls count in the pool when it ends: one call, of what all of them cost.
    let share = share::Share::of(&pool, Usd::cents(10))?;
    let request = request("in-share", Goes::Well(100));
    let done = one_call::one_call(&share.pool, &price, &client, &request).await;
    println!("a call in a share of 10 cents: {done:?}");
    println!("the share ends: ${} counted", share.end().counted.cost);

    let saved = pool.tree_snapshot();
    println!("saved:\n{saved}");
    let restored = save_tree::restore(&saved)?;
    let of_window = restored.find("window").map(|pool| pool.spent());
    assert_eq!(of_window, Some(window.pool.spent()));

    drop(reconciler);
    reconciling.await?;
    let end = shutdown::drain(&pool, Duration::from_secs(5)).await;
    let bill = provider.bill();
    println!(
        "counted ${} in {} calls, billed ${} in {} calls",
        end.spent.cost,
        end.spent.calls,
        Usd::from_nanos(bill.nano_dollars),
        bill.calls,
    );
    assert_eq!(end.spent.cost, Usd::from_nanos(bill.nano_dollars));
    assert_eq!((end.spent.calls, end.calls_in_flight), (bill.calls, 0));
    Ok(())
}
