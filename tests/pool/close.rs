//! A closed pool refuses every admission, for good, and still counts what is spent already.

use std::thread;

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Level, Limits, Rejected};

/// The refusal of a pool that is closed.
const CLOSED: Rejected = Rejected::Closed { level: Level::ROOT };

#[test]
fn a_closed_pool_refuses_every_admission_and_counts_what_is_spent() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(1, 2, 3)).unwrap().start();
    let mut streamed = pool.try_reserve(usage(1, 2, 3)).unwrap().start();
    let mut not_started = pool.try_reserve(usage(1, 2, 3)).unwrap();
    pool.close();
    pool.close();
    let nothing = usage(0, 0, 0);
    assert_eq!(pool.record(0, 0, 0.0), refused("closed", 0.0, 1.0));
    assert_eq!(pool.try_charge(nothing), Err(CLOSED));
    assert_eq!(pool.check(nothing), Err(CLOSED));
    assert_eq!(pool.try_reserve(nothing).unwrap_err(), CLOSED);
    let granted = pool.try_reserve_up_to(nothing, 0..=1, nanos(0));
    assert_eq!(granted.unwrap_err(), CLOSED);
    assert_eq!(call.extend(nothing), Err(CLOSED));
    assert_eq!(not_started.extend(nothing), Err(CLOSED));
    assert!(pool.check(nothing).unwrap_err().is_closed());
    assert_eq!(pool.check(nothing).unwrap_err().dimension(), None);

    assert_eq!(pool.charge(usage(10, 0, 0)).spent.input_tokens, 10);
    let _ = streamed.report(usage(1, 1, 1));
    assert_eq!(call.settle(usage(20, 0, 0)).spent.input_tokens, 31);
    drop(not_started);
    let _ = streamed.forfeit();
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.calls_in_flight, 0);
    assert_eq!(snapshot.spent.calls, 3);

    // For good, whatever else is done.
    pool.set_limits(Limits::unlimited());
    pool.update_limits(|limits| limits.calls = Some(9));
    pool.reset();
    assert_eq!(pool.take().calls, 0);
    assert!(pool.snapshot().closed);
    assert!(pool.is_closed());
    assert_eq!(pool.check(nothing), Err(CLOSED));
    assert_eq!(pool.limits().calls, Some(9));
}

#[test]
fn a_call_that_was_reserved_before_the_close_can_still_be_started() {
    let pool = BudgetPool::unconstrained();
    let reservation = pool.try_reserve(usage(1, 2, 3)).unwrap();
    pool.close();
    let receipt = reservation.start().settle(usage(1, 1, 1));
    assert_eq!(receipt.spent, spent(1, 1, 1, 1));
}

#[test]
fn close_returns_whether_the_pool_was_open() {
    let pool = BudgetPool::unconstrained();
    assert!(!pool.is_closed());
    assert!(pool.close());
    assert!(pool.is_closed());
    pool.reset();
    pool.set_limits(Limits::unlimited().calls(1));
    let before = pool.snapshot();
    for _ in 0..3 {
        assert!(!pool.close());
        assert_eq!(pool.snapshot(), before);
    }
}

#[test]
fn of_threads_that_close_a_pool_at_once_exactly_one_finds_it_open() {
    for _ in 0..200 {
        let pool = BudgetPool::unconstrained();
        let closed: usize = thread::scope(|scope| {
            let threads = [(); 3].map(|()| scope.spawn(|| pool.close()));
            threads
                .into_iter()
                .map(|thread| usize::from(thread.join().unwrap()))
                .sum()
        });
        assert_eq!(closed, 1);
    }
}
