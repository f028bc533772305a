//! A task that is aborted before its call starts gives back what it reserved. One that is aborted
//! in flight counts for it, as forfeited.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use token_budget_pool::{BudgetPool, Limits};

use crate::books::{Books, End, Sum};
use crate::call::{call, AbortedAt};
use crate::plan::{seed, usage, Fate, Plan, FATES};
use crate::run::{check_the_books, only_a_fake_panic, run, with_tokio, Load};

#[test]
fn every_await_of_a_call_can_be_its_last() {
    // Each fate aborted at its first await, its second, and so on to its end: one at a time,
    // so that what must become of each is known exactly.
    let (mut before_start, mut in_flight) = (0, 0);
    with_tokio(async {
        for fate in FATES {
            let plan = Plan {
                fate,
                estimate: usage(100, 200),
                actual: usage(90, 270),
                reports: 3,
                latency: 2,
                aborted_at: None,
            };
            for turns in 0..40 {
                let pool = Arc::new(BudgetPool::unconstrained());
                let books = Arc::new(Books::default());
                let reservation = pool.try_reserve_owned(plan.estimate).unwrap();
                let task = call(plan, reservation, Arc::clone(&books));
                let ended = tokio::spawn(AbortedAt::new(Some(turns), task)).await;
                println!("{fate:?} at {turns}");
                check_the_books(&pool, &books);
                let spent = Sum::from(pool.spent());
                match ended {
                    Ok(None) if books.started.load(Ordering::Relaxed) == 0 => {
                        before_start += 1;
                        assert_eq!(spent, Sum::default());
                    }
                    Ok(None) => {
                        in_flight += 1;
                        assert_eq!((spent.calls, spent.forfeited_calls), (1, 1));
                    }
                    Ok(Some(_)) => break,
                    Err(error) => {
                        only_a_fake_panic(error);
                        break;
                    }
                }
            }
        }
    });
    println!("aborted before the start: {before_start}, in flight: {in_flight}");
    assert!(before_start >= 3 * FATES.len() && in_flight > 20);
}

#[test]
fn as_many_calls_are_forfeited_as_were_aborted_in_flight() {
    let outcome = with_tokio(run(Load {
        seed: seed(),
        tasks: 5_000,
        fates: &[Fate::Replies, Fate::Streams, Fate::TurnedAway],
        overrun: 50,
        limits: Limits::unlimited(),
        watch: |pool, books| {
            // The pool first: a call is in the books as started before it is dropped.
            let spent = pool.spent();
            assert!(spent.forfeited_calls <= books.started.load(Ordering::Relaxed));
        },
    }));
    check_the_books(&outcome.pool, &outcome.books);
    let books = &outcome.books;
    let (given_back, forfeited) = (books.dropped_before_start(), books.dropped_in_flight());
    println!("aborted before the start: {given_back}, in flight: {forfeited}");
    assert!(given_back > 20 && forfeited > 20);
    let released = books.ends.lock().unwrap()[&End::Released];
    let spent = outcome.pool.snapshot().spent;
    assert_eq!(spent.forfeited_calls, forfeited);
    let started = books.started.load(Ordering::Relaxed);
    assert_eq!(spent.calls, started - released);
}
