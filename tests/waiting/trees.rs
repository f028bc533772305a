//! In a tree, those that wait stand at the level that is in the way.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use token_budget_pool::{BudgetPool, Child, Limits, OwnedReservation, Reason, Rejected};

use crate::by_hand::{output, waits_for, ByHand, Woken};
use crate::wakers::{on_clone, Does};

fn limit(tokens: u64) -> Limits {
    Limits::unlimited().output_tokens(tokens)
}

#[test]
fn at_the_root() {
    let team = BudgetPool::new(limit(100));
    let (a, b) = (
        team.child(limit(90)).unwrap(),
        team.child(limit(90)).unwrap(),
    );
    let reservation = a.try_reserve(output(80)).unwrap();
    let waiting = waits_for(&b, 50);
    drop(reservation);
    let reservation = waiting.ended().unwrap();
    assert_eq!(team.snapshot().reserved.output_tokens, 50);
    assert_eq!(b.snapshot().reserved.output_tokens, 50);
    drop(reservation);
}

#[test]
fn at_the_pool_itself_holds_up_nobody_elsewhere() {
    let team = BudgetPool::new(limit(100));
    let (a, b) = (
        team.child(limit(20)).unwrap(),
        team.child(limit(90)).unwrap(),
    );
    let reservation = a.try_reserve(output(20)).unwrap();
    let waiting = waits_for(&a, 10);
    assert!(ByHand::new(b.reserve(output(80))).poll().unwrap().is_ok());
    assert!(ByHand::new(team.reserve(output(80)))
        .poll()
        .unwrap()
        .is_ok());
    drop(reservation);
    assert!(waiting.ended().is_ok());
}

#[test]
fn at_one_level_after_the_other() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    let of_team = team.try_reserve(output(70)).unwrap();
    let of_run = run.try_reserve(output(20)).unwrap();
    // Both are in the way.
    let waiting = waits_for(&run, 40);
    drop(of_team);
    assert!(!waiting.is_woken());
    drop(of_run);
    assert!(waiting.ended().is_ok());
}

#[test]
fn at_one_level_after_the_other_the_other_way_round() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    let of_team = team.try_reserve(output(70)).unwrap();
    let of_run = run.try_reserve(output(20)).unwrap();
    let waiting = waits_for(&run, 40);
    drop(of_run);
    assert!(!waiting.is_woken());
    drop(of_team);
    assert!(waiting.ended().is_ok());
}

#[test]
fn an_older_one_at_the_root_comes_first() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    let of_run = run.try_reserve(output(30)).unwrap();
    let waits_at_run = waits_for(&run, 40);
    let of_team = team.try_reserve(output(50)).unwrap();
    let waits_at_team = waits_for(&team, 60);
    // Now the older one could have room, but for the team. It came first, and is first there too.
    drop(of_run);
    assert!(!waits_at_team.is_woken());
    let at_run = waits_at_run.ended().unwrap();
    drop(of_team);
    let at_team = waits_at_team.ended().unwrap();
    drop((at_run, at_team));
}

#[test]
fn a_younger_one_below_does_not_pass_an_older_one_above() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    let of_run = run.try_reserve(output(50)).unwrap();
    let elsewhere = team.try_reserve(output(30)).unwrap();
    // The older one has both of them in its way.
    let older = waits_for(&team, 80);
    let younger = waits_for(&run, 10);
    drop(of_run);
    assert!(!older.is_woken() && !younger.is_woken());
    drop(elsewhere);
    let older = older.ended().unwrap();
    assert!(younger.ended().is_ok());
    drop(older);
}

#[test]
fn one_that_moves_up_is_not_passed_by_younger_ones_elsewhere() {
    let team = BudgetPool::new(limit(300));
    let large = team.child(limit(100)).unwrap();
    let small = team.child(limit(20)).unwrap();
    let of_large = large.try_reserve(output(60)).unwrap();
    let of_small = small.try_reserve(output(15)).unwrap();
    // Each has its own level in its way.
    let older = waits_for(&large, 95);
    let younger = waits_for(&small, 10);
    let of_team = team.try_reserve(output(220)).unwrap();
    // Now the older one has the team in its way. There would be room for the younger one.
    drop(of_large);
    drop(of_small);
    assert!(!older.is_woken() && !younger.is_woken());
    drop(of_team);
    let older = older.ended().unwrap();
    assert!(younger.ended().is_ok());
    drop(older);
}

#[test]
fn a_close_above_ends_the_waiting_below() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(Child::new(limit(50)).label("run 7")).unwrap();
    let _reservation = run.try_reserve(output(50)).unwrap();
    let waiting = waits_for(&run, 10);
    team.close();
    let refused = waiting.ended().unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(refused.level().depth(), 0);
}

#[test]
fn a_close_below_ends_the_waiting_at_the_root() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(Child::new(limit(50)).label("run 7")).unwrap();
    let reservation = team.try_reserve(output(100)).unwrap();
    let waiting = waits_for(&run, 10);
    run.close();
    let refused = waiting.ended().unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(refused.level().label(), "run 7");
    drop(reservation);
}

#[test]
fn a_reset_of_the_level_that_is_in_the_way() {
    let team = BudgetPool::new(limit(100));
    let minute = team.child(limit(50)).unwrap();
    minute.try_charge(output(20)).unwrap();
    let _reservation = minute.try_reserve(output(20)).unwrap();
    let waiting = waits_for(&minute, 30);
    minute.reset();
    assert!(waiting.ended().is_ok());
}

#[test]
fn what_becomes_vain_at_the_root_says_so() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(90)).unwrap();
    let _reservation = team.try_reserve(output(70)).unwrap();
    let waiting = waits_for(&run, 80);
    let _ = team.charge(output(30));
    let Rejected::Exceeded(refused) = waiting.ended().unwrap_err() else {
        panic!("another refusal");
    };
    assert_eq!(
        (refused.reason(), refused.level().depth()),
        (Reason::Exhausted, 0)
    );
}

#[test]
fn a_node_that_is_used_again_is_not_waited_for() {
    let team = BudgetPool::new(limit(100));
    for _ in 0..3 {
        let run = team.child(limit(50)).unwrap();
        let reservation = run.try_reserve(output(50)).unwrap();
        let waiting = waits_for(&run, 10);
        drop(waiting);
        let waiting = waits_for(&run, 20);
        drop(reservation);
        drop(waiting.ended().unwrap());
        assert!(ByHand::new(run.reserve(output(50))).poll().unwrap().is_ok());
    }
}

#[test]
fn many_levels_share_a_note() {
    // More levels than a note has bits.
    let team = BudgetPool::new(limit(10_000));
    let runs: Vec<_> = (0..200).map(|_| team.child(limit(50)).unwrap()).collect();
    let held: Vec<_> = runs
        .iter()
        .map(|run| run.try_reserve(output(50)).unwrap())
        .collect();
    let waiting: Vec<_> = runs.iter().map(|run| waits_for(run, 10)).collect();
    for (index, reservation) in held.into_iter().enumerate() {
        drop(reservation);
        for (other, waiting) in waiting.iter().enumerate() {
            assert_eq!(waiting.is_woken(), other <= index, "{index} {other}");
        }
    }
}

#[test]
fn a_younger_one_at_the_root_does_not_pass_an_older_one_below() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    let of_run = run.try_reserve(output(30)).unwrap();
    let older = waits_for(&run, 40);
    let of_team = team.try_reserve(output(70)).unwrap();
    let at_team = waits_for(&team, 60);
    // It stands at the team, behind the one before. When its turn comes there, there is room for it.
    let younger = waits_for(&run, 10);
    drop(of_team);
    drop(at_team.ended());
    assert!(!older.is_woken());
    assert!(!younger.is_woken(), "it has passed one that came earlier");
    drop(of_run);
    let older = older.ended().unwrap();
    assert!(younger.ended().is_ok());
    drop(older);
}

#[test]
fn a_node_that_is_used_again_below_another_pool_stays_waited_for() {
    type Waiting = Pin<Box<dyn Future<Output = Result<OwnedReservation, Rejected>> + Send>>;
    fn waits(pool: &Arc<BudgetPool>, tokens: u64, waker: &Waker) -> Waiting {
        let mut waiting: Waiting = Box::pin(pool.reserve_owned(output(tokens)));
        let polled = waiting.as_mut().poll(&mut Context::from_waker(waker));
        assert!(polled.is_pending());
        waiting
    }
    // Its node is before that of `old`.
    let team = Arc::new(BudgetPool::new(limit(100)));
    let new = team.child_owned(limit(90)).unwrap();
    let old = team.child_owned(limit(90)).unwrap();
    let run = old.child_owned(limit(50)).unwrap();
    let of_run = run.try_reserve_owned(output(50)).unwrap();
    let at_run = waits(&run, 10, &Does::waker(|| ()));
    let of_team = team.try_reserve_owned(output(50)).unwrap();
    let woken = Arc::new(Woken::default());
    let made = Arc::new(Mutex::new(None));
    let (kept, waker) = (Arc::clone(&made), Waker::from(Arc::clone(&woken)));
    // Runs in a waker, so while this thread serves: what is noted is seen to once it has returned.
    let waker_of_team = Does::waker(move || {
        drop((at_run, of_run, run));
        let run = new.child_owned(limit(50)).unwrap();
        let of_run = run.try_reserve_owned(output(50)).unwrap();
        let at_run = waits(&run, 10, &waker);
        *kept.lock().unwrap() = Some((of_run, at_run));
    });
    let at_team = waits(&team, 1, &waker_of_team);
    drop(of_team);
    let (of_run, at_run) = made.lock().unwrap().take().expect("it was woken");
    assert!(!woken.is_woken());
    drop(of_run);
    assert!(woken.is_woken(), "it is forgotten");
    drop((at_run, at_team));
    assert_eq!(team.snapshot().calls_in_flight, 0);
}

#[test]
fn one_that_is_leaked_does_not_wait_at_a_pool_that_comes_later() {
    let team = BudgetPool::new(limit(100));
    let run = team.child(limit(50)).unwrap();
    std::mem::forget(run.try_reserve(output(45)).unwrap());
    std::mem::forget(waits_for(&run, 10));
    drop(run);
    let run = team.child(limit(50)).unwrap();
    let reservation = run.try_reserve(output(45)).unwrap();
    let waiting = waits_for(&run, 20);
    drop(reservation);
    let waiting = waiting.ended().unwrap();
    assert_eq!(run.snapshot().reserved.output_tokens, 20);
    drop(waiting);
    assert_eq!(team.snapshot().reserved.output_tokens, 45);
}

#[test]
fn one_hears_of_a_close_of_its_own_pool_that_comes_while_it_joins_a_line_above() {
    let team = Arc::new(BudgetPool::new(limit(100)));
    let run = team.child_owned(limit(50)).unwrap();
    let _held = team.try_reserve(output(90)).unwrap();
    let _first = waits_for(&team, 20);
    let mut waiting = Box::pin(run.reserve(output(10)));
    // The waker is cloned between the first look and the joining.
    let closes = Arc::clone(&run);
    let waker = on_clone(move || assert!(closes.close()));
    let Poll::Ready(ended) = waiting.as_mut().poll(&mut Context::from_waker(&waker)) else {
        panic!("it waits at a pool that is closed");
    };
    assert!(ended.unwrap_err().is_closed());
}

#[test]
fn one_that_moves_behind_others_hears_that_it_waits_in_vain() {
    let team = BudgetPool::new(limit(200));
    let run = team.child(limit(50)).unwrap();
    let of_run = run.try_reserve(output(45)).unwrap();
    let older = waits_for(&run, 10);
    let of_team = team.try_reserve(output(155)).unwrap();
    let at_team = waits_for(&team, 60);
    // It stands at the team, so it does not hear what is spent at its own level.
    let younger = waits_for(&run, 30);
    let _ = run.charge(output(25));
    assert!(!younger.is_woken());
    // When its turn comes, an older one is first at its own level.
    drop(of_team);
    drop(at_team.ended());
    assert!(!older.is_woken());
    let Rejected::Exceeded(refused) = younger.ended().unwrap_err() else {
        panic!("another refusal");
    };
    assert_eq!(
        (refused.reason(), refused.level().depth()),
        (Reason::Exhausted, 1)
    );
    drop(of_run);
    assert!(older.ended().is_ok());
}
