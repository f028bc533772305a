//! The tower layer (feature `tower`).

use std::future::{pending, Future};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{
    BudgetError, BudgetLayer, BudgetPool, Limits, OwnedCall, OwnedReservation, Rejected, Usage,
    Usd, WaitingBudgetLayer,
};
use tower::retry::{Policy, RetryLayer};
use tower::{service_fn, BoxError, Service, ServiceBuilder, ServiceExt};

const CENT: Usd = Usd::from_nanos(10_000_000);

/// How many calls may be in flight or done.
fn pool(calls: u64) -> Arc<BudgetPool> {
    Arc::new(BudgetPool::new(Limits::unlimited().calls(calls)))
}

/// Every request may cost this many cents, and none is like another: 0 fails before it is billed, 1 in the
/// middle, the others cost half.
fn estimate(cents: &u64) -> Usage {
    Usage::tokens(0, *cents).cost(CENT.saturating_mul(*cents))
}

fn end(call: OwnedCall, answer: Result<u64, &'static str>) -> Result<u64, &'static str> {
    let _ = match answer {
        Ok(cents) => call.settle(estimate(&cents)),
        Err("429") => call.release(),
        Err(_) => call.forfeit(),
    };
    answer
}

fn from(pool: &Arc<BudgetPool>) -> impl Fn(&u64) -> Result<OwnedReservation, Rejected> + Clone {
    let pool = pool.clone();
    move |cents| pool.try_reserve_owned(estimate(cents))
}

type End = fn(OwnedCall, Result<u64, &'static str>) -> Result<u64, &'static str>;

fn layer(
    pool: &Arc<BudgetPool>,
) -> BudgetLayer<impl Fn(&u64) -> Result<OwnedReservation, Rejected> + Clone, End> {
    BudgetLayer::new(from(pool), end as End)
}

fn waiting(pool: &Arc<BudgetPool>) -> WaitingBudgetLayer<impl Fn(&u64) -> Waits + Clone, End> {
    let pool = pool.clone();
    let reserve = move |cents: &u64| -> Waits { Box::pin(pool.reserve_owned(estimate(cents))) };
    WaitingBudgetLayer::new(reserve, end as End)
}

type Waits = Pin<Box<dyn Future<Output = Result<OwnedReservation, Rejected>> + Send>>;

async fn provider(cents: u64) -> Result<u64, &'static str> {
    match cents {
        0 => Err("429"),
        1 => Err("broken"),
        _ => Ok(cents / 2),
    }
}

#[tokio::test]
async fn each_request_is_a_call_that_ends_with_its_answer() {
    let pool = pool(10);
    let layer = layer(&pool);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    for (cents, answer, counted) in [
        (8, Ok(4), (1, 4)),
        (1, Err("broken"), (2, 5)),
        (0, Err("429"), (2, 5)),
    ] {
        let answered = service
            .ready()
            .await
            .expect("it is always ready")
            .call(cents)
            .await;
        assert_eq!(answered, answer.map_err(BudgetError::Inner));
        let spent = pool.spent();
        assert_eq!(
            (spent.calls, spent.cost),
            (counted.0, CENT.saturating_mul(counted.1))
        );
    }
    assert_eq!(pool.spent().forfeited_calls, 1);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[tokio::test]
async fn one_that_does_not_fit_does_not_reach_the_provider() {
    let pool = pool(1);
    let reached = Arc::new(AtomicUsize::new(0));
    let counted = reached.clone();
    let inner = service_fn(move |cents| {
        counted.fetch_add(1, Ordering::Relaxed);
        provider(cents)
    });
    let layer = layer(&pool);
    let mut service = ServiceBuilder::new().layer(layer).service(inner);
    assert_eq!(service.ready().await.unwrap().call(8).await, Ok(4));
    let refused = service.ready().await.unwrap().call(8).await.unwrap_err();
    assert!(
        matches!(refused, BudgetError::Rejected(Rejected::Exceeded(_))),
        "{refused}"
    );
    assert_eq!(reached.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_reserved_is_reserved_when_it_is_called() {
    let pool = pool(1);
    let layer = layer(&pool);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    let answer = service.ready().await.unwrap().call(8);
    assert_eq!(pool.snapshot().calls_in_flight, 1);
    assert!(service.ready().await.unwrap().call(8).await.is_err());
    assert_eq!(answer.await, Ok(4));
}

#[tokio::test]
async fn an_answer_that_is_dropped_counts_what_is_reserved() {
    let pool = pool(10);
    let layer = layer(&pool);
    let never = service_fn(|_| pending::<Result<u64, &str>>());
    let mut service = ServiceBuilder::new()
        .timeout(Duration::from_millis(1))
        .map_err(BoxError::from)
        .layer(layer)
        .service(never);
    let late = service.ready().await.unwrap().call(8).await.unwrap_err();
    assert!(late.is::<tower::timeout::error::Elapsed>(), "{late}");
    let spent = pool.spent();
    assert_eq!(
        (spent.forfeited_calls, spent.forfeited_cost),
        (1, CENT.saturating_mul(8))
    );
}

/// A panic of the inner service, in its future or before it has one.
#[tokio::test]
async fn a_panic_counts_what_is_reserved() {
    let pool = pool(10);
    let layer = layer(&pool);
    let in_future = service_fn(|_: u64| async { panic!("a bug") });
    let before = service_fn(|_: u64| -> std::future::Ready<Result<u64, &str>> { panic!("a bug") });
    let mut in_future = ServiceBuilder::new()
        .layer(layer.clone())
        .service(in_future);
    let mut before = ServiceBuilder::new().layer(layer).service(before);
    let call = async move { in_future.ready().await.unwrap().call(8).await };
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    let call = async move { before.ready().await.unwrap().call(8).await };
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    assert_eq!(pool.spent().forfeited_calls, 2);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[derive(Clone)]
struct Twice(usize);

impl<E> Policy<u64, u64, E> for Twice {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut u64, answer: &mut Result<u64, E>) -> Option<Self::Future> {
        self.0 -= 1;
        (answer.is_err() && self.0 > 0).then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

#[tokio::test]
async fn below_a_retry_each_attempt_is_a_call_and_above_it_all_of_them_are_one() {
    let (attempts, operations) = (pool(10), pool(10));
    let mut service = ServiceBuilder::new()
        .layer(BudgetLayer::new(
            from(&operations),
            |call: OwnedCall, answer: Result<u64, BudgetError<&str>>| {
                let _ = call.forfeit();
                answer
            },
        ))
        .layer(RetryLayer::new(Twice(2)))
        .layer(layer(&attempts))
        .service(service_fn(provider));
    let answer = service.ready().await.unwrap().call(1).await;
    assert_eq!(
        answer,
        Err(BudgetError::Inner(BudgetError::Inner("broken")))
    );
    assert_eq!(attempts.spent().calls, 2);
    assert_eq!(operations.spent().calls, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_waiting_layer_answers_all_that_have_room_in_turn() {
    const CALLS: u64 = 100;
    let pool = Arc::new(BudgetPool::new(
        Limits::unlimited().output_tokens(4 * CALLS + 4),
    ));
    let layer = waiting(&pool);
    let slow = service_fn(|cents: u64| async move {
        tokio::task::yield_now().await;
        provider(cents).await
    });
    let service = ServiceBuilder::new()
        .layer(layer)
        .concurrency_limit(1)
        .service(slow);
    let calls: Vec<_> = (0..CALLS)
        .map(|_| tokio::spawn(service.clone().oneshot(8)))
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), Ok(4));
    }
    assert_eq!(pool.spent().output_tokens, 4 * CALLS);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

/// One has the room and needs the permit, another one has come after it: if that one took the permit while it waits
/// for room, both would wait for ever.
#[tokio::test]
async fn the_waiting_layer_takes_nothing_of_the_inner_service_while_it_waits_for_room() {
    let pool = Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(10)));
    let permits = ServiceBuilder::new()
        .concurrency_limit(1)
        .service(service_fn(provider));
    let layer = waiting(&pool);
    let mut waiting = ServiceBuilder::new().layer(layer).service(permits.clone());
    let first = pool.try_reserve(estimate(&8)).expect("there is room");
    let second = tokio::spawn(async move { waiting.ready().await.unwrap().call(8).await });
    tokio::task::yield_now().await;
    assert_eq!(permits.oneshot(8).await, Ok(4));
    let _ = first.start().settle(estimate(&2));
    assert_eq!(second.await.expect("no panic"), Ok(4));
}

#[tokio::test]
async fn the_waiting_layer_does_not_wait_where_that_cannot_help() {
    let pool = Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(10)));
    let layer = waiting(&pool);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    let refused = service.ready().await.unwrap().call(11).await;
    assert!(matches!(refused, Err(BudgetError::Rejected(_))));
    pool.close();
    let refused = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert_eq!(refused.to_string(), "budget pool is closed");
}

#[tokio::test]
async fn one_that_gives_up_waiting_keeps_nothing() {
    let pool = Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(10)));
    let all = pool.try_reserve(estimate(&10)).expect("there is room");
    let layer = waiting(&pool);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    let waits = service.ready().await.unwrap().call(8);
    let late = tokio::time::timeout(Duration::from_millis(1), waits).await;
    assert!(late.is_err());
    drop(all);
    assert_eq!(pool.snapshot().spent.calls, 0);
    assert_eq!(service.ready().await.unwrap().call(8).await, Ok(4));
}

/// And the call may go with it.
#[tokio::test]
async fn the_answer_may_become_another_one() {
    let pool = pool(10);
    let with_call = |call: OwnedCall, answer: Result<u64, &'static str>| Ok((call, answer?));
    let layer = BudgetLayer::new(from(&pool), with_call);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    let (call, cents) = service
        .ready()
        .await
        .unwrap()
        .call(8)
        .await
        .expect("an answer");
    assert_eq!(pool.snapshot().calls_in_flight, 1);
    let receipt = call.settle(estimate(&cents));
    assert_eq!(receipt.counted.cost, CENT.saturating_mul(4));
    // Here the call goes with the error: it is dropped.
    assert!(service.ready().await.unwrap().call(1).await.is_err());
    assert_eq!(pool.spent().forfeited_calls, 1);
}

#[tokio::test]
async fn each_request_may_have_a_pool_of_its_own() {
    let tenants = [pool(1), pool(1)];
    let pools = tenants.clone();
    let reserve = move |cents: &u64| pools[(cents % 2) as usize].try_reserve_owned(estimate(cents));
    let layer = BudgetLayer::new(reserve, end);
    let mut service = ServiceBuilder::new()
        .layer(layer)
        .service(service_fn(provider));
    for (cents, fits) in [(8, true), (9, true), (8, false)] {
        let answer = service.ready().await.unwrap().call(cents).await;
        assert_eq!(answer.is_ok(), fits, "{answer:?}");
    }
    assert_eq!(tenants.map(|pool| pool.spent().calls), [1, 1]);
}

/// For the layers that want a boxed error.
#[tokio::test]
async fn the_error_can_be_boxed_whatever_the_inner_one_is() {
    let pool = pool(10);
    let layer = BudgetLayer::new(
        from(&pool),
        |call: OwnedCall, answer: Result<u64, BoxError>| {
            drop(call);
            answer
        },
    );
    let fails = service_fn(|_: u64| async { Err::<u64, BoxError>("broken".into()) });
    let mut service = ServiceBuilder::new().layer(layer).service(fails);
    let error: BoxError = service
        .ready()
        .await
        .unwrap()
        .call(8)
        .await
        .unwrap_err()
        .into();
    assert_eq!(error.to_string(), "broken");
}
