//! Waiting until no call is in flight.

use token_budget_pool::{BudgetPool, Limits};

use crate::by_hand::{output, waits_for, ByHand};

#[test]
fn at_once_where_none_is() {
    let pool = BudgetPool::unconstrained();
    assert!(ByHand::new(pool.idle()).poll().is_some());
}

#[test]
fn when_the_last_call_ends() {
    let pool = BudgetPool::unconstrained();
    let reservation = pool.try_reserve(output(1)).unwrap();
    let call = pool.try_reserve(output(2)).unwrap().start();
    let all = [0; 3].map(|_| ByHand::new(pool.idle()).waits());
    drop(reservation);
    assert!(all.iter().all(|idle| !idle.is_woken()));
    let _ = call.settle(output(2));
    all.into_iter().for_each(|idle| idle.ended());
}

#[test]
fn a_drain() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(100));
    let call = pool.try_reserve(output(80)).unwrap().start();
    let waiting = waits_for(&pool, 50);
    pool.close();
    let idle = ByHand::new(pool.idle()).waits();
    assert!(waiting.ended().unwrap_err().is_closed());
    let _ = call.settle(output(80));
    idle.ended();
}

#[test]
fn one_that_waits_for_it_holds_nobody_up() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(100));
    let reservation = pool.try_reserve(output(50)).unwrap();
    let idle = ByHand::new(pool.idle()).waits();
    let other = ByHand::new(pool.reserve(output(50))).poll().unwrap();
    drop(reservation);
    assert!(!idle.is_woken());
    drop(other);
    idle.ended();
}

#[test]
fn one_that_waits_for_room_is_served_before() {
    let pool = BudgetPool::new(Limits::unlimited().output_tokens(100));
    let reservation = pool.try_reserve(output(80)).unwrap();
    let idle = ByHand::new(pool.idle()).waits();
    let waiting = waits_for(&pool, 50);
    drop(reservation);
    assert!(!idle.is_woken());
    drop(waiting.ended());
    idle.ended();
}

#[test]
fn of_a_child_is_about_the_child_and_what_is_below() {
    let team = BudgetPool::unconstrained();
    let run = team.child(Limits::unlimited()).unwrap();
    let agent = run.child(Limits::unlimited()).unwrap();
    let elsewhere = team.try_reserve(output(1)).unwrap();
    let reservation = agent.try_reserve(output(1)).unwrap();
    let (of_run, of_team) = (ByHand::new(run.idle()), ByHand::new(team.idle()));
    let (of_run, of_team) = (of_run.waits(), of_team.waits());
    drop(reservation);
    of_run.ended();
    assert!(!of_team.is_woken());
    drop(elsewhere);
    of_team.ended();
}
