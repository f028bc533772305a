//! Those that wait: nobody is forgotten, nobody is admitted twice, and who gives up leaves nothing behind.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use token_budget_pool::exhaust::loom;
use token_budget_pool::wait_scenario::{both, idle, input, pool, reserve, Reserving};
use token_budget_pool::{BudgetPool, Limits};

const PREEMPTIONS: usize = if cfg!(feature = "ghost") { 1 } else { 2 };

/// Explores it. There are at least that many executions, under the plain and under the ghost shim.
#[track_caller]
fn check(plain: u64, ghost: u64, scenario: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let started = std::time::Instant::now();
    loom(Some(PREEMPTIONS)).check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        scenario();
    });
    let executions = executions.load(Ordering::Relaxed);
    let test = std::thread::current();
    let name = test.name().unwrap_or("?").to_owned();
    println!(
        "SUMMARY {name} {executions} {} ms",
        started.elapsed().as_millis()
    );
    let least = if cfg!(feature = "ghost") {
        ghost
    } else {
        plain
    };
    assert!(
        executions >= least,
        "TOO LITTLE EXPLORED: {name}: {executions}"
    );
}

fn reserved(pool: &BudgetPool) -> u64 {
    pool.snapshot().reserved.input_tokens
}

/// That it has this much now, and nobody else has anything.
#[track_caller]
fn has_all(pool: &BudgetPool, waiting: Reserving, tokens: u64) {
    let reservation = waiting.end().expect("FORGOTTEN").unwrap();
    assert_eq!(reserved(pool), tokens);
    drop(reservation);
    assert_eq!(reserved(pool), 0);
}

/// Room is made while somebody begins to wait for it.
#[test]
fn a_drop_and_one_that_begins_to_wait() {
    check(2_000, 6_500, || {
        let pool = pool(9);
        let full = pool.try_reserve_owned(input(9)).unwrap();
        let waiting = reserve(&pool, 5);
        let (waiting, ()) = both(|| waiting.poll(), || drop(full));
        has_all(&pool, waiting, 5);
    });
}

/// The same by a call that spends a part.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_settle_and_one_that_begins_to_wait() {
    check(2_000, 6_500, || {
        let pool = pool(9);
        let call = pool.try_reserve_owned(input(9)).unwrap().start();
        let waiting = reserve(&pool, 5);
        let (waiting, _) = both(|| waiting.poll(), || call.settle(input(4)));
        has_all(&pool, waiting, 5);
    });
}

/// A call that takes the last room while somebody begins to wait for it.
#[test]
fn what_is_spent_makes_it_vain() {
    check(1_700, 5_500, || {
        let pool = pool(9);
        let _held = pool.try_reserve_owned(input(5)).unwrap();
        let waiting = reserve(&pool, 6);
        let spender = pool.clone();
        let (waiting, _) = both(
            || waiting.poll(),
            move || spender.try_charge(input(4)).unwrap(),
        );
        assert!(waiting.end().expect("FORGOTTEN").is_err());
    });
}

#[test]
fn a_close_and_one_that_begins_to_wait() {
    check(2_800, 9_500, || {
        let pool = pool(9);
        let _held = pool.try_reserve_owned(input(9)).unwrap();
        let waiting = reserve(&pool, 5);
        let closer = pool.clone();
        let (waiting, _) = both(|| waiting.poll(), move || closer.close());
        assert!(waiting.end().expect("FORGOTTEN").unwrap_err().is_closed());
    });
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_raised_limit_and_one_that_begins_to_wait() {
    check(5_000, 7_000, || {
        let pool = pool(9);
        let held = pool.try_reserve_owned(input(9)).unwrap();
        let waiting = reserve(&pool, 5);
        let raiser = pool.clone();
        let (waiting, _) = both(
            || waiting.poll(),
            move || raiser.set_limits(Limits::unlimited().input_tokens(14)),
        );
        drop(held);
        has_all(&pool, waiting, 5);
    });
}

/// One is polled, and so has the lock, while room is made for it.
#[test]
fn a_drop_and_one_that_is_polled_again() {
    check(25, 11, || {
        let pool = pool(9);
        let full = pool.try_reserve_owned(input(9)).unwrap();
        let waiting = reserve(&pool, 5).poll();
        let (waiting, ()) = both(|| waiting.poll(), || drop(full));
        has_all(&pool, waiting, 5);
    });
}

/// One gives up while room is made. What was reserved for it goes to the next.
#[test]
fn a_drop_and_one_that_gives_up() {
    check(180, 450, || {
        let pool = pool(9);
        let full = pool.try_reserve_owned(input(9)).unwrap();
        let first = reserve(&pool, 6).poll();
        let second = reserve(&pool, 7).poll();
        both(|| drop(first), || drop(full));
        has_all(&pool, second, 7);
    });
}

/// One gives up while another begins to wait behind it, and nobody else comes.
#[test]
fn one_gives_up_and_another_begins_to_wait() {
    check(70, 110, || {
        let pool = pool(9);
        let held = pool.try_reserve_owned(input(4)).unwrap();
        let first = reserve(&pool, 6).poll();
        let second = reserve(&pool, 5);
        let (second, ()) = both(|| second.poll(), || drop(first));
        drop(held);
        has_all(&pool, second, 5);
    });
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn two_begin_to_wait() {
    check(3_500, 5_000, || {
        let pool = pool(9);
        let full = pool.try_reserve_owned(input(9)).unwrap();
        let first = reserve(&pool, 5);
        let second = reserve(&pool, 6);
        let (first, second) = both(|| first.poll(), || second.poll());
        drop(full);
        // One of them has its turn now, the other once that one is gone.
        let (now, later) = if first.is_woken() {
            (first, second)
        } else {
            (second, first)
        };
        assert!(!later.is_woken());
        drop(now.end().expect("FORGOTTEN").unwrap());
        drop(later.end().expect("FORGOTTEN").unwrap());
        assert_eq!(reserved(&pool), 0);
    });
}

#[test]
fn the_last_call_ends_and_one_begins_to_wait_for_it() {
    check(320, 320, || {
        let pool = pool(9);
        let call = pool.try_reserve_owned(input(9)).unwrap().start();
        let waiting = idle(&pool);
        let (waiting, _) = both(|| waiting.poll(), || call.settle(input(4)));
        waiting.end().expect("FORGOTTEN");
    });
}
