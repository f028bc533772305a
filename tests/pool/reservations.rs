//! What is reserved is counted against every limit until it is given back, is given back exactly once,
//! and is moved by its own call alone.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::thread;

use crate::amounts::*;
use token_budget_pool::{Amounts, BudgetPool, Excess, Limits, Spent, Usage};

#[test]
fn counting_leaves_what_other_calls_reserve_as_it_was() {
    let pool = BudgetPool::unconstrained();
    let reservation = pool.try_reserve(usage(10, 20, 30)).unwrap();
    let other = pool.try_reserve(usage(1, 2, 3)).unwrap().start();
    let steps: [fn(&BudgetPool); 8] = [
        |pool| {
            pool.record(1, 1, 1e-9).unwrap();
        },
        |pool| {
            pool.try_charge(Usage::tokens(1, 1)).unwrap();
        },
        |pool| {
            let _ = pool.charge(usage(1, 1, 1));
        },
        |pool| {
            let _ = pool.take();
        },
        |pool| drop(pool.try_reserve(usage(1, 1, 1)).unwrap().start()),
        |pool| {
            let call = pool.try_reserve(usage(1, 1, 1)).unwrap().start();
            let _ = call.release();
        },
        |pool| pool.reset(),
        |pool| assert!(pool.close()),
    ];
    for (index, step) in steps.into_iter().enumerate() {
        step(&pool);
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.reserved, amounts(11, 22, 33), "after step {index}");
        assert_eq!(snapshot.calls_in_flight, 2, "after step {index}");
    }
    let _ = other.forfeit();
    assert_eq!(pool.snapshot().reserved, reservation.reserved());
}

#[test]
fn an_extension_does_not_count_as_another_call() {
    let pool = BudgetPool::new(Limits::unlimited().calls(1));
    let mut reservation = pool.try_reserve(usage(1, 1, 1)).unwrap();
    reservation.extend(usage(1, 2, 3)).unwrap();
    assert_eq!(reservation.reserved(), amounts(2, 3, 4));
    assert_eq!(pool.snapshot().reserved, amounts(2, 3, 4));
    assert_eq!(pool.snapshot().calls_in_flight, 1);
    drop(reservation);
    assert_eq!(pool.snapshot().calls_in_flight, 0);
}

#[test]
fn starting_a_call_changes_nothing_in_the_pool() {
    let pool = BudgetPool::new(Limits::unlimited().calls(1));
    let mut reservation = pool.try_reserve(usage(1, 2, 3)).unwrap();
    reservation.extend(usage(1, 1, 1)).unwrap();
    let before = pool.snapshot();
    let call = reservation.start();
    assert_eq!(pool.snapshot(), before);
    assert_eq!(call.reserved(), amounts(2, 3, 4));
    assert_eq!(call.reported(), Amounts::default());
    let _ = call.release();
}

#[test]
fn a_panic_ends_what_was_reserved_and_breaks_nothing() {
    let pool = BudgetPool::new(Limits::unlimited().calls(3));
    let estimate = usage(1, 2, 3);
    let before_start = catch_unwind(AssertUnwindSafe(|| {
        let _reservation = pool.try_reserve(estimate).unwrap();
        panic!("before the call was started");
    }));
    assert!(before_start.is_err());
    assert_eq!(pool.spent(), Spent::default());
    let after_start = catch_unwind(AssertUnwindSafe(|| {
        let _call = pool.try_reserve(estimate).unwrap().start();
        panic!("after the call was started");
    }));
    assert!(after_start.is_err());
    assert_eq!(pool.spent(), forfeited(1, 3, spent(1, 2, 3, 1)));
    let changing = catch_unwind(AssertUnwindSafe(|| {
        pool.update_limits(|_| panic!("in the middle of a change"));
    }));
    assert!(changing.is_err());
    let thread = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _ = pool.charge(estimate);
            panic!("with the pool at hand");
        });
        thread.join()
    });
    assert!(thread.is_err());
    assert_eq!(pool.snapshot().calls_in_flight, 0);
    assert_eq!(pool.limits().calls, Some(3));
    assert_eq!(pool.record(0, 0, 0.0).unwrap().calls, 3);
}

#[test]
fn shrink_to_gives_back_what_is_beyond_and_never_goes_below_what_is_asked() {
    // The smaller of the two, in each dimension.
    for (most, left) in [
        (usage(4, 20, 30), amounts(4, 20, 30)),
        (usage(10, 7, 30), amounts(10, 7, 30)),
        (usage(10, 20, 9), amounts(10, 20, 9)),
        (usage(4, 7, 9), amounts(4, 7, 9)),
        (usage(0, 0, 0), amounts(0, 0, 0)),
        // What is not reserved is not reserved by it.
        (usage(10, 20, 30), amounts(10, 20, 30)),
        (usage(MOST, MOST, MOST), amounts(10, 20, 30)),
        (usage(4, 21, MOST), amounts(4, 20, 30)),
        // An unknown cost leaves the cost as it is.
        (Usage::tokens(4, 7), amounts(4, 7, 30)),
    ] {
        let pool = BudgetPool::new(Limits::unlimited().calls(1));
        let mut reservation = pool.try_reserve(usage(10, 20, 30)).unwrap();
        reservation.shrink_to(most);
        assert_eq!(reservation.reserved(), left, "{most:?}");
        assert_eq!(pool.snapshot().reserved, left, "{most:?}");
        // The call itself stays in flight, and nothing is spent.
        assert_eq!(pool.snapshot().calls_in_flight, 1);
        assert_eq!(pool.spent(), Spent::default());
        drop(reservation);
        assert_nothing_is_reserved(&pool);

        let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
        call.shrink_to(most);
        assert_eq!(call.reserved(), left, "{most:?}");
        assert_eq!(pool.snapshot().reserved, left, "{most:?}");
        let receipt = call.forfeit();
        let (input, output, cost) = (left.input_tokens, left.output_tokens, left.cost);
        let cost = cost.as_nanos();
        assert_eq!(
            receipt.spent,
            forfeited(1, cost, spent(input, output, cost, 1))
        );
        assert_nothing_is_reserved(&pool);
    }
}

#[test]
fn the_room_that_a_shrink_gives_back_is_there_for_others_to_the_last_token() {
    let limits = Limits::unlimited()
        .input_tokens(100)
        .output_tokens(100)
        .total_tokens(150);
    let pool = BudgetPool::new(limits.cost(nanos(100)));
    let mut reservation = pool.try_reserve(usage(60, 90, 100)).unwrap();
    let others = [
        usage(40, 0, 0),
        usage(0, 60, 0),
        usage(10, 50, 0),
        usage(0, 0, 70),
    ];
    for other in others {
        assert!(pool.check(other).unwrap_err().is_busy(), "{other:?}");
    }
    reservation.shrink_to(usage(50, 40, 30));
    for other in others {
        assert!(pool.check(other).is_ok(), "{other:?}");
    }
    for more in [
        usage(51, 0, 0),
        usage(0, 61, 0),
        usage(11, 50, 0),
        usage(0, 0, 71),
    ] {
        assert!(pool.check(more).unwrap_err().is_busy(), "{more:?}");
    }
    // It is there for this call as well.
    reservation.extend(usage(50, 0, 70)).unwrap();
    assert_eq!(reservation.reserved(), amounts(100, 40, 100));
}

#[test]
fn what_a_shrink_gave_back_is_never_given_back_twice() {
    type Step = fn(&mut token_budget_pool::Call<&BudgetPool>);
    let steps: [Step; 3] = [
        |_| {},
        |call| {
            let _ = call.report(usage(1, 2, 3));
        },
        |call| call.extend(usage(6, 7, 8)).unwrap(),
    ];
    for step in steps {
        let pool = BudgetPool::unconstrained();
        // What would be missing if anything was given back twice.
        let other = pool.try_reserve(usage(1_000, 1_000, 1_000)).unwrap();
        let before = pool.snapshot();
        for end in 0..5 {
            let mut reservation = pool.try_reserve(usage(10, 20, 30)).unwrap();
            reservation.shrink_to(usage(9, 18, 27));
            if end == 0 {
                drop(reservation);
                assert_eq!(pool.snapshot(), before);
                continue;
            }
            let mut call = reservation.start();
            for most in [usage(5, 6, 7), usage(5, 6, 7), usage(4, 9, 7)] {
                step(&mut call);
                call.shrink_to(most);
                let reserved = call.reserved();
                assert!(reserved.input_tokens <= 5 && reserved.output_tokens <= 9);
                let with_other = amounts(
                    1_000 + reserved.input_tokens,
                    1_000 + reserved.output_tokens,
                    1_000 + reserved.cost.as_nanos(),
                );
                assert_eq!(pool.snapshot().reserved, with_other);
            }
            let _ = match end {
                1 => call.settle(usage(2, 2, 2)),
                2 => call.settle_at_least(usage(2, 2, 2)),
                3 => call.forfeit(),
                _ => call.release(),
            };
            assert_eq!(pool.snapshot().reserved, other.reserved());
            assert_eq!(pool.snapshot().calls_in_flight, 1);
        }
        drop(other);
        assert_nothing_is_reserved(&pool);
    }
}

#[test]
fn a_shrink_of_a_call_takes_nothing_back_that_was_reported() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    let _ = call.report(usage(4, 8, 12));
    // It bounds what is still reserved, beside what was reported.
    call.shrink_to(usage(1, 5, 9));
    assert_eq!(call.reserved(), amounts(1, 5, 9));
    assert_eq!(call.reported(), amounts(4, 8, 12));
    assert_eq!(pool.spent(), spent(4, 8, 12, 0));
    let receipt = call.settle(usage(6, 13, 20));
    // Beyond what was left of the reservation.
    assert_eq!(receipt.overrun, excess(1, 0, 1, 0, 0));
    assert_eq!(receipt.over_reported, Excess::default());
    assert_eq!(receipt.spent, spent(6, 13, 20, 1));
    assert_nothing_is_reserved(&pool);
}

#[test]
fn a_shrink_works_in_a_closed_pool_and_past_a_limit() {
    let pool = BudgetPool::unconstrained();
    let mut call = pool.try_reserve(usage(10, 20, 30)).unwrap().start();
    pool.set_limits(Limits::unlimited().output_tokens(1).calls(0));
    pool.close();
    call.shrink_to(usage(10, 2, 3));
    assert_eq!(pool.snapshot().reserved, amounts(10, 2, 3));
    drop(call);
    assert_eq!(pool.spent(), forfeited(1, 3, spent(10, 2, 3, 1)));
}
