//! Streams that count themselves (feature `stream`).

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use futures_core::FusedStream;
use futures_lite::future::block_on;
use futures_lite::{stream, Stream, StreamExt};
use token_budget_pool::{BudgetPool, Call, Limits, Metered, Usage, Usd};

type Event = Result<Option<Usage>, &'static str>;

/// The running total.
fn so_far(output: u64) -> Usage {
    Usage::tokens(100, output).cost(Usd::from_nanos(1_000 * output))
}

fn of(events: &[Event]) -> impl Stream<Item = Event> + Unpin {
    stream::iter(events.to_vec())
}

fn pool() -> BudgetPool {
    BudgetPool::new(Limits::unlimited().output_tokens(1_000))
}

fn call(pool: &BudgetPool) -> Call<&BudgetPool> {
    pool.try_reserve(so_far(500))
        .expect("there is room")
        .start()
}

/// Nothing is reserved, and so much output was counted, and forfeited.
fn counted(pool: &BudgetPool, output: u64, forfeited: u64) {
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.calls_in_flight, 0);
    assert_eq!(snapshot.reserved, Default::default());
    let spent = snapshot.spent;
    assert_eq!((spent.calls, spent.output_tokens), (1, output));
    assert_eq!(
        (spent.input_tokens, spent.cost),
        (100, Usd::from_nanos(1_000 * output))
    );
    let guessed = (spent.forfeited_calls, spent.forfeited_cost);
    assert_eq!(
        guessed,
        ((forfeited > 0).into(), Usd::from_nanos(1_000 * forfeited))
    );
}

#[test]
fn each_report_counts_as_it_comes_and_the_last_one_settles() {
    let pool = pool();
    let events = [
        Ok(None),
        Ok(Some(so_far(70))),
        Ok(None),
        Ok(Some(so_far(90))),
    ];
    let mut metered = call(&pool).meter(of(&events), |usage| *usage);
    for (event, output) in events.iter().zip([0, 70, 70, 90]) {
        assert_eq!(block_on(metered.next()).as_ref(), Some(event));
        assert_eq!(pool.spent().output_tokens, output);
        assert_eq!(metered.receipt(), None);
    }
    assert_eq!(pool.snapshot().calls_in_flight, 1);
    assert_eq!(block_on(metered.next()), None);
    counted(&pool, 90, 0);
    let receipt = metered.receipt().expect("it has ended");
    assert_eq!(
        (receipt.counted.calls, receipt.spent.output_tokens),
        (1, 90)
    );
    assert_eq!(metered.usage(), Some(so_far(90)));
    assert!(metered.into_call().is_none());
}

#[test]
fn one_that_is_dropped_counts_what_is_still_reserved() {
    let pool = pool();
    for read in 1..=2 {
        let events = [Ok(Some(so_far(70))), Ok(None), Ok(Some(so_far(90)))];
        let mut metered = call(&pool).meter(of(&events), |usage| *usage);
        for _ in 0..read {
            assert!(block_on(metered.next()).is_some());
        }
        drop(metered);
        counted(&pool, 500, 430);
        pool.reset();
    }
    // Every event was read, but not the end of the stream.
    let mut metered = call(&pool).meter(of(&[Ok(Some(so_far(70)))]), |usage| *usage);
    assert!(block_on(metered.next()).is_some());
    drop(metered);
    counted(&pool, 500, 430);
}

#[test]
fn one_that_failed_counts_what_is_still_reserved_however_it_goes_on() {
    let pool = pool();
    let events = [Ok(Some(so_far(70))), Err("broken"), Ok(Some(so_far(90)))];
    let mut metered = call(&pool).meter(of(&events), |usage| *usage);
    while block_on(metered.next()).is_some() {}
    assert!(metered.receipt().expect("it has ended").is_guess());
    counted(&pool, 500, 410);
}

#[test]
fn one_without_a_report_is_forfeited() {
    for events in [&[][..], &[Ok(None), Ok(None)], &[Err("broken")]] {
        let pool = pool();
        let mut metered = call(&pool).meter(of(events), |usage| *usage);
        while block_on(metered.next()).is_some() {}
        assert!(metered.receipt().expect("it has ended").is_guess());
        counted(&pool, 500, 500);
    }
}

#[test]
fn what_goes_past_the_reservation_and_the_limit_is_counted() {
    let pool = pool();
    let mut metered = call(&pool).meter(of(&[Ok(Some(so_far(1_200)))]), |usage| *usage);
    while block_on(metered.next()).is_some() {}
    let receipt = metered.receipt().expect("it has ended");
    assert_eq!(receipt.over_limit.output_tokens, 200);
    counted(&pool, 1_200, 0);
}

#[test]
fn the_call_comes_back_without_its_stream() {
    let pool = pool();
    let mut metered = call(&pool).meter(of(&[Err("429")]), |usage| *usage);
    assert!(block_on(metered.next()).is_some_and(|event| event.is_err()));
    let _ = metered.into_call().expect("it goes on").release();
    assert_eq!(pool.snapshot().spent, Default::default());
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn a_usage_that_cannot_be_read_is_not_taken_for_an_older_one() {
    for last in [Some(Err("-1 tokens")), Some(Ok(so_far(90)))] {
        let pool = pool();
        let events = [Some(Ok(so_far(70))), None, last].map(Ok::<_, ()>);
        let mut metered = call(&pool).meter(stream::iter(events), |usage| *usage);
        while block_on(metered.next()).is_some() {}
        match last {
            Some(Err(_)) => counted(&pool, 500, 430),
            _ => counted(&pool, 90, 0),
        }
    }
    let pool = pool();
    let events = [Err("no JSON"), Ok(Some(so_far(90)))].map(Ok::<_, ()>);
    let mut metered = call(&pool).meter(stream::iter(events), |usage| *usage);
    while block_on(metered.next()).is_some() {}
    counted(&pool, 500, 410);
}

/// Also if somebody catches it, and goes on.
#[test]
fn a_panic_in_what_looks_at_the_events_counts_what_is_reserved() {
    let pool = pool();
    let events = [Ok(Some(so_far(70))), Ok(None), Ok(None)];
    let mut looks = 0;
    let mut metered = call(&pool).meter(of(&events), |usage| {
        looks += 1;
        assert_ne!(looks, 2, "a bug");
        *usage
    });
    assert!(block_on(metered.next()).is_some());
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(metered.next()))).is_err());
    while block_on(metered.next()).is_some() {}
    counted(&pool, 500, 430);
}

#[test]
fn it_is_not_read_again_after_its_end() {
    let pool = pool();
    let mut reads = 0;
    let events = stream::poll_fn(|_| {
        reads += 1;
        std::task::Poll::Ready(None::<Event>)
    });
    let mut metered = call(&pool).meter(events, |usage| *usage);
    assert!(!metered.is_terminated());
    assert_eq!(metered.size_hint(), (0, None));
    assert_eq!(block_on(metered.next()), None);
    assert_eq!(block_on(metered.next()), None);
    assert!(metered.is_terminated());
    assert_eq!(metered.size_hint(), (0, Some(0)));
    drop(metered);
    assert_eq!(reads, 1);
}

#[test]
fn it_can_be_moved_to_a_task() {
    fn is_task<T: Send + Unpin + 'static>(_: &T) {}

    let pool = Arc::new(pool());
    let call = pool
        .try_reserve_owned(so_far(500))
        .expect("there is room")
        .start();
    let metered: Metered<_, _, _> = call.meter(of(&[]), |usage: &Option<Usage>| *usage);
    is_task(&metered);
}
