//! Owned children, in threads of their own.

use std::sync::Arc;
use std::thread;

use token_budget_pool::{BudgetPool, Child, Limits, OwnedReservation};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

#[test]
fn children_go_to_threads_and_children_of_theirs_come_back() {
    let root = Arc::new(BudgetPool::new(UNLIMITED.calls(1_000)));
    let threads: Vec<_> = (0..4_u64)
        .map(|number| {
            let label = format!("run {number}");
            let run = root
                .child_owned(Child::new(UNLIMITED.calls(90)).label(&label))
                .unwrap();
            thread::spawn(move || {
                let agent = run.child_owned(UNLIMITED).unwrap();
                for _ in 0..100 {
                    let _ = agent.try_charge(usage(1 + number, 2, 3));
                }
                // Only the agent goes back.
                agent
            })
        })
        .collect();
    drop(root);
    for (number, thread) in (0_u64..).zip(threads) {
        let agent = thread.join().unwrap();
        assert_eq!(agent.spent(), spent(90 * (1 + number), 180, 270, 90));
        let refused = agent.check(usage(1, 1, 1)).unwrap_err();
        assert_eq!(refused.level().label(), format!("run {number}"));
        assert_eq!(refused.level().depth(), 1);
    }
}

#[test]
fn a_call_of_an_owned_child_ends_in_another_thread_after_all_handles_are_gone() {
    let root = Arc::new(BudgetPool::unconstrained());
    let run = root.child_owned(UNLIMITED).unwrap();
    let agent = run.child_owned(UNLIMITED).unwrap();
    let reservation: OwnedReservation = agent.try_reserve_owned(usage(9, 9, 9)).unwrap();
    drop((run, agent));
    let end = thread::spawn(move || reservation.start().settle(usage(1, 2, 3)));
    let receipt = end.join().unwrap();
    assert_eq!(receipt.over_limit_at.depth(), 2);
    assert_eq!(root.spent(), spent(1, 2, 3, 1));
    assert_eq!(root.tree_snapshot().children, []);
}

#[test]
fn the_last_handle_of_a_tree_may_be_dropped_by_any_thread() {
    for _ in 0..200 {
        let root = Arc::new(BudgetPool::unconstrained());
        let weak = Arc::downgrade(&root);
        let run = root.child_owned(UNLIMITED).unwrap();
        let agents = [(); 2].map(|()| run.child_owned(UNLIMITED).unwrap());
        thread::scope(|scope| {
            for agent in agents {
                scope.spawn(move || {
                    agent.try_charge(usage(1, 1, 1)).unwrap();
                    drop(agent);
                });
            }
            scope.spawn(move || drop(root));
            scope.spawn(move || drop(run));
        });
        assert!(weak.upgrade().is_none());
    }
}
