//! What the pool counts is what the provider billed, to the nano-dollar, for calls that complete, time
//! out, are cut off, are aborted and are dropped in the middle of a stream. The calls are made as the
//! guide says (`src/guide/`), to the provider of the example `recipes`.

#![allow(unreachable_pub)] // As in the example.

#[path = "../examples/recipes/client.rs"]
mod client;
#[path = "../src/guide/one_call.rs"]
mod one_call;
#[path = "../examples/recipes/provider.rs"]
mod provider;
#[path = "../src/guide/reconcile.rs"]
mod reconcile;
#[path = "../src/guide/retries.rs"]
mod retries;
#[path = "../src/guide/save_tree.rs"]
mod save_tree;
#[path = "../src/guide/share.rs"]
mod share;
#[path = "../src/guide/shutdown.rs"]
mod shutdown;
#[path = "../src/guide/streams.rs"]
mod streams;
#[path = "support/mixed.rs"]
mod support;
#[path = "../src/guide/tree.rs"]
mod tree;
#[path = "../src/guide/wait.rs"]
mod wait;
#[path = "../src/guide/warn.rs"]
mod warn;
#[path = "../src/guide/window.rs"]
mod window;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{BudgetPool, Child, Limits, Price, Rates, TokenCounts, Usage, Usd};
use tokio::task::{yield_now, JoinSet};
use tokio::time::timeout;

use client::Client;
use one_call::Error;
use provider::{Bill, Goes, Provider, Request};
use reconcile::Reconciler;
use support::Mixed;

const PATIENT: Duration = Duration::from_secs(600);
const IMPATIENT: Duration = Duration::from_millis(1);

struct World {
    provider: Provider,
    client: Client,
    price: Price,
    pool: Arc<BudgetPool>,
}

impl World {
    async fn new(limits: Limits) -> World {
        let (provider, address) = Provider::start().await;
        World {
            provider,
            client: Client { provider: address },
            price: Price::per_million(Rates::uncached("3", "15")).expect("a price"),
            pool: Arc::new(BudgetPool::new(limits)),
        }
    }

    /// Nothing is reserved any more, and all that was counted was billed.
    fn agrees(&self) -> Bill {
        let bill = self.provider.bill();
        let snapshot = self.pool.snapshot();
        assert_eq!(snapshot.calls_in_flight, 0);
        assert_eq!(snapshot.reserved, Default::default());
        let spent = snapshot.spent;
        assert_eq!(spent.calls, bill.calls);
        assert_eq!(spent.input_tokens, bill.prompt_tokens);
        assert_eq!(spent.output_tokens, bill.completion_tokens);
        assert_eq!(spent.cost, Usd::from_nanos(bill.nano_dollars));
        assert_eq!((spent.forfeited_calls, spent.unpriced_calls), (0, 0));
        bill
    }
}

fn request(id: String, goes: Goes) -> Request {
    Request {
        id,
        prompt_tokens: 2_000,
        max_tokens: 1_000,
        goes,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_counts_what_the_provider_bills() {
    const OF_A_KIND: u64 = 40;
    let world = World::new(Limits::unlimited()).await;
    let (client, price) = (world.client, world.price);
    let (reconciler, reconciling) = Reconciler::start(price, client);
    let mut random = Mixed(1);
    let mut completed = JoinSet::new();
    let mut interrupted = JoinSet::new();
    let mut aborted = JoinSet::new();
    for call in 0..OF_A_KIND {
        let output = random.below(1_000);
        let request = |kind: &str, goes| request(format!("{kind}-{call}"), goes);

        let (pool, request_) = (world.pool.clone(), request("one", Goes::Well(output)));
        completed.spawn(async move {
            let done = one_call::one_call(&pool, &price, &client, &request_).await;
            assert_eq!(done.expect("an answer").output(), output);
        });

        let pool = world.pool.clone();
        let first = request("first", Goes::TooManyRequests);
        let others = [
            request("second", Goes::Overloaded),
            request("third", Goes::Well(output)),
        ];
        completed.spawn(async move {
            let done =
                retries::call_with_retries(IMPATIENT, &pool, &price, &client, &first, &others)
                    .await;
            assert_eq!(done.expect("an answer").output(), output);
        });

        for (kind, goes, limit) in [
            ("slow", Goes::Slowly(output), IMPATIENT),
            ("cut", Goes::Cut(output), PATIENT),
        ] {
            let (pool, reconciler) = (world.pool.clone(), reconciler.clone());
            let request = request(kind, goes);
            interrupted.spawn(async move {
                let done =
                    reconcile::call_within(limit, &pool, &price, &client, &request, &reconciler)
                        .await;
                assert!(
                    matches!(done, Ok(None) | Err(Error::Provider(_))),
                    "{done:?}"
                );
            });
        }

        for (kind, goes, enough) in [
            ("streamed", Goes::Well(output), u64::MAX),
            ("dropped", Goes::Well(output), output / 2),
            ("ended-early", Goes::EndsEarly(output), u64::MAX),
        ] {
            let (pool, reconciler) = (world.pool.clone(), reconciler.clone());
            let request = request(kind, goes);
            let show = move |counts: TokenCounts| {
                if counts.output() < enough {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            };
            completed.spawn(async move {
                let done =
                    streams::stream(&pool, &price, &client, &request, &reconciler, show).await;
                let complete = done.expect("a stream");
                match request.goes {
                    Goes::EndsEarly(_) => assert!(!complete),
                    // The parts come in hundreds, so a short stream ends before there was enough.
                    _ => assert!(complete || enough < u64::MAX),
                }
            });
        }

        let (pool, reconciler) = (world.pool.clone(), reconciler.clone());
        let request = request("aborted", Goes::Slowly(output));
        let task = aborted.spawn(async move {
            let _ = reconcile::call_within(PATIENT, &pool, &price, &client, &request, &reconciler)
                .await;
        });
        // Somewhere between the reservation and the answer, and for some before.
        for _ in 0..random.below(60) {
            yield_now().await;
        }
        task.abort();
    }
    while let Some(task) = completed.join_next().await {
        task.expect("no panic");
    }
    while let Some(task) = interrupted.join_next().await {
        task.expect("no panic");
    }
    while aborted.join_next().await.is_some() {}
    drop(reconciler);
    reconciling.await.expect("no panic");

    let bill = world.agrees();
    // Each kind of end that is always billed, and some of those that may be.
    assert!(bill.calls >= 6 * OF_A_KIND, "{bill:?}");
}

#[tokio::test]
async fn an_outage_spends_nothing() {
    let world = World::new(Limits::unlimited().cost(Usd::dollars(1))).await;
    for call in 0..200 {
        let request = request(format!("{call}"), Goes::Overloaded);
        let done = one_call::one_call(&world.pool, &world.price, &world.client, &request).await;
        assert!(matches!(done, Err(Error::Provider(_))), "{done:?}");
    }
    assert_eq!(world.agrees(), Bill::default());
}

#[tokio::test]
async fn without_a_provider_nothing_is_billed() {
    // A port that nobody listens on: 1 is reserved.
    let client = Client {
        provider: SocketAddr::from(([127, 0, 0, 1], 1)),
    };
    let world = World::new(Limits::unlimited()).await;
    let request = request("nowhere".into(), Goes::Well(1));
    let done = one_call::one_call(&world.pool, &world.price, &client, &request).await;
    assert!(
        matches!(done, Err(Error::Provider(client::Error::Connect))),
        "{done:?}"
    );
    assert_eq!(world.agrees(), Bill::default());
}

/// What a user does who has no reconciler: the pool counts no less than the bill, and says how much of it
/// is a guess.
#[tokio::test]
async fn without_a_reconciler_the_difference_is_in_a_number() {
    let world = World::new(Limits::unlimited()).await;
    for call in 0..20 {
        let request = request(format!("{call}"), Goes::Cut(300));
        let done = one_call::one_call(&world.pool, &world.price, &world.client, &request).await;
        assert!(
            matches!(done, Err(Error::Provider(client::Error::Broken))),
            "{done:?}"
        );
    }
    let (spent, bill) = (world.pool.spent(), world.provider.bill());
    assert_eq!((spent.calls, spent.forfeited_calls), (bill.calls, 20));
    assert_eq!(spent.forfeited_cost, spent.cost);
    // 1,000 tokens of output were reserved for each, and 300 were billed.
    let too_much = Usd::from_nanos(20 * 700 * 15_000);
    assert_eq!(
        spent.cost,
        Usd::from_nanos(bill.nano_dollars).saturating_add(too_much)
    );
}

#[tokio::test]
async fn what_sub_agents_are_billed_is_in_the_team() {
    let world = World::new(Limits::unlimited()).await;
    let goes = [
        Goes::Well(300),
        Goes::Overloaded,
        Goes::Well(500),
        Goes::Well(1),
    ];
    let requests = |first: usize| {
        let requests = goes.into_iter().enumerate();
        let requests = requests.map(|(call, goes)| request(format!("{}", first + call), goes));
        requests.collect()
    };
    let run = |first| {
        tree::run(
            &world.pool,
            "run",
            world.price,
            world.client,
            requests(first),
        )
    };
    // One after the other, so that the second run has a node that the first has used.
    assert_eq!(run(0).await, Ok(3));
    assert_eq!(run(4).await, Ok(3));
    assert_eq!(world.agrees().calls, 6);
    assert!(world.pool.tree_snapshot().children.is_empty());
}

#[tokio::test]
async fn a_window_has_room_again_after_its_period() {
    let team = Arc::new(BudgetPool::new(Limits::unlimited()));
    let window = window::Window::new(&team, IMPATIENT, 1_000).expect("a child");
    let run = window
        .pool
        .child_owned(Limits::unlimited().calls(3))
        .expect("a child");
    // The window has room for one of them at a time.
    let usage = Usage::tokens(700, 100).cost(Usd::cents(1));
    for _ in 0..3 {
        let reservation = window.reserve(&run, usage);
        // A minute, so that a timer that does nothing fails the test and does not hang it.
        let reservation = timeout(Duration::from_secs(60), reservation).await;
        let reservation = reservation.expect("a tick").expect("room");
        let _ = reservation.start().settle(usage);
    }
    assert_eq!((run.spent(), run.spent().calls), (team.spent(), 3));
    // It waits neither for the run's limit nor for what never fits.
    let of_run = window.reserve(&run, Usage::ZERO).await;
    assert_eq!(of_run.err().map(|of| of.level()), Some(run.level()));
    let too_large = Usage::tokens(1_001, 0).cost(Usd::ZERO);
    let of_window = window.reserve(&run, too_large).await;
    assert_eq!(
        of_window.err().map(|of| of.level()),
        Some(window.pool.level())
    );
}

#[tokio::test]
async fn those_that_wait_for_room_make_their_calls_one_after_the_other() {
    // Room for one of them at a time.
    let world = World::new(Limits::unlimited().output_tokens(1_500)).await;
    let (pool, price, client) = (&world.pool, &world.price, &world.client);
    let request = |call: u32, goes| request(format!("waits-{call}"), goes);
    let requests = [
        request(1, Goes::Well(100)),
        request(2, Goes::TooManyRequests),
        request(3, Goes::Well(200)),
    ];
    let call = |index: usize, patience| {
        wait::call_when_there_is_room(patience, pool, price, client, &requests[index])
    };
    let done = tokio::join!(call(0, PATIENT), call(1, PATIENT), call(2, PATIENT));
    assert!(done.0.is_ok() && done.1.is_err() && done.2.is_ok());
    assert_eq!(world.agrees().calls, 2);
    // After too long a wait, the error says which limit is in the way.
    let in_flight = pool.try_reserve(Usage::tokens(0, 800)).expect("room");
    let Err(Error::Budget(refused)) = call(0, IMPATIENT).await else {
        panic!("no refusal");
    };
    assert!(refused.is_busy());
    drop(in_flight);
    assert_eq!(world.agrees().calls, 2);
}

/// Of calls at the same time, those that get there first report it, whoever ends them.
#[tokio::test]
async fn warnings_come_out_of_the_channel_once_each() {
    let limits = Limits::unlimited().calls(40);
    let (builder, warnings) = warn::warned(BudgetPool::builder().limits(limits)).expect("shares");
    let pool = Arc::new(builder.build());
    let run = pool
        .child_owned(Child::new(Limits::unlimited().calls(20)).label("run"))
        .expect("a child");
    let mut calls = JoinSet::new();
    for call in 0..40 {
        let pool = if call % 2 == 0 { &pool } else { &run };
        let reservation = pool.try_reserve_owned(Usage::ZERO).expect("room");
        calls.spawn(async move {
            let call = reservation.start();
            yield_now().await;
            drop(call);
        });
    }
    while calls.join_next().await.is_some() {}
    drop((pool, run));
    let mut told = vec![];
    warn::tell(warnings, |crossed| {
        let level = crossed.level();
        told.push((level.label().to_owned(), crossed.per_mille()));
    })
    .await;
    told.sort();
    let of = |label: &str, per_mille| (label.to_owned(), per_mille);
    assert_eq!(
        told,
        [of("", 500), of("", 900), of("run", 500), of("run", 900)]
    );
}

#[tokio::test]
async fn a_share_is_nobody_elses_and_its_rest_goes_back() {
    let team = Arc::new(BudgetPool::new(Limits::unlimited().cost(Usd::cents(10))));
    let share = share::Share::of(&team, Usd::cents(6)).expect("room");
    let usage = |cents| Usage::tokens(10, 5).cost(Usd::cents(cents));
    assert!(team.try_charge(usage(5)).is_err());
    share.pool.try_charge(usage(1)).expect("room");
    let pool = Arc::clone(&share.pool);
    let in_flight = pool.try_reserve(usage(2)).expect("room").start();
    assert_eq!(share.end().counted.cost, Usd::cents(3));
    let _ = in_flight.settle(usage(2));
    assert!(pool.is_closed());
    assert_eq!(team.spent().cost, Usd::cents(3));
    assert_eq!(
        (team.spent().input_tokens, team.spent().output_tokens),
        (20, 10)
    );
    assert!(team.try_charge(usage(7)).is_ok());
}

#[tokio::test]
async fn a_tree_goes_on_counting_where_it_was_saved() {
    let team = Arc::new(BudgetPool::new(Limits::unlimited().cost(Usd::cents(10))));
    let child = |of: &Arc<BudgetPool>, label: &str| {
        let child = Child::new(Limits::unlimited().calls(3)).label(label);
        of.child_owned(child).expect("a child")
    };
    let run = child(&team, "run");
    let agents = [child(&run, "first"), child(&run, "second")];
    let usage = Usage::tokens(10, 5).cost(Usd::cents(1));
    let call = agents[0].try_reserve(usage).expect("room").start();
    agents[1].try_charge(usage).expect("room");
    let saved = team.tree_snapshot();
    let _ = call.forfeit(); // As a restart counts it.

    let restored = save_tree::restore(&saved).expect("a tree");
    for old in [&run, &agents[0], &agents[1]] {
        let new = restored.find(old.level().label()).expect("it was saved");
        assert_eq!((new.level(), new.snapshot()), (old.level(), old.snapshot()));
    }
    assert_eq!(restored.pool.snapshot(), team.snapshot());
    let agent = restored.find("second").expect("it was saved");
    agent.try_charge(usage).expect("room");
    assert!(agent.try_charge(usage).is_err()); // of the run: three calls
    assert_eq!(restored.pool.spent().calls, 3);
}

#[tokio::test]
async fn a_drain_waits_for_calls_in_flight_and_admits_no_more() {
    let world = World::new(Limits::unlimited()).await;
    let mut calls = JoinSet::new();
    for call in 0..10 {
        let (pool, price, client) = (world.pool.clone(), world.price, world.client);
        let request = request(format!("{call}"), Goes::Well(100));
        calls.spawn(async move { one_call::one_call(&pool, &price, &client, &request).await });
    }
    while world.pool.spent().calls < 3 {
        yield_now().await;
    }
    let end = shutdown::drain(&world.pool, PATIENT).await;
    assert_eq!((end.calls_in_flight, end.closed), (0, true));
    assert_eq!(world.agrees().calls, end.spent.calls);
    assert!(world.pool.try_reserve(Usage::ZERO).is_err());
}

/// The guide shows its recipes as text: the example has to compile and run each of them.
#[test]
fn every_recipe_of_the_guide_is_shown_and_run() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("a file");
    let guide = read("src/guide/mod.rs");
    for user in [read("examples/recipes/main.rs"), read("tests/bill.rs")] {
        let mut recipes = 0;
        for file in root.join("src/guide").read_dir().expect("a folder") {
            let name = file.expect("a file").file_name();
            let name = name.to_str().expect("a name in ASCII");
            // `integrations/` has a test like this for the clients.
            if name != "mod.rs" && name != "clients" {
                assert!(user.contains(&format!("src/guide/{name}\"]")), "{name}");
                assert!(
                    guide.contains(&format!("include_str!(\"{name}\")")),
                    "{name}"
                );
                recipes += 1;
            }
        }
        let clients = guide.matches("include_str!(\"clients/").count();
        assert_eq!(recipes + clients, guide.matches("include_str!").count());
    }
}
