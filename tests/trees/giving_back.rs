//! A child that is dropped gives its place back. What it spent stays above, and a new child begins
//! with nothing.

use std::sync::Arc;

use token_budget_pool::{BudgetPool, Child, Limits, TreeSnapshot};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

fn labels(tree: &TreeSnapshot) -> Vec<String> {
    let mut labels: Vec<_> = tree.iter().map(|pool| pool.label.to_string()).collect();
    labels.sort();
    labels
}

#[test]
fn what_a_dropped_child_spent_stays_above() {
    let root = BudgetPool::unconstrained();
    {
        let run = root.child(UNLIMITED).unwrap();
        run.try_charge(usage(1, 2, 3)).unwrap();
        assert_eq!(root.tree_snapshot().children.len(), 1);
    }
    assert_eq!(root.spent(), spent(1, 2, 3, 1));
    assert_eq!(root.tree_snapshot().children, []);
}

#[test]
fn a_new_child_begins_with_nothing_of_the_one_before() {
    let root = BudgetPool::unconstrained();
    let old = root
        .child(Child::new(UNLIMITED.calls(1).cost(nanos(50))).label("old"))
        .unwrap();
    let _ = old.charge(usage(100, 200, 300));
    drop(old.try_reserve(usage(0, 0, 0)));
    old.close();
    drop(old);
    for label in ["new", ""] {
        let new = root.child(Child::new(UNLIMITED).label(label)).unwrap();
        assert_eq!(new.level().label(), label);
        assert_eq!(new.snapshot(), BudgetPool::unconstrained().snapshot());
        assert!(!new.is_closed());
        new.try_charge(usage(1, 1, 1)).unwrap();
        drop(new.try_reserve(usage(1, 1, 1)).unwrap());
    }
    assert_eq!(root.spent(), spent(102, 202, 302, 3));
}

#[test]
fn a_place_is_used_again_at_its_depth_while_others_live_on() {
    let root = Arc::new(BudgetPool::unconstrained());
    let owned = |pool: &Arc<BudgetPool>, label: &str| {
        pool.child_owned(Child::new(UNLIMITED).label(label))
            .unwrap()
    };
    let a = owned(&root, "a");
    let aa = owned(&a, "aa");
    let b = owned(&root, "b");
    let bb = owned(&b, "bb");
    aa.try_charge(usage(1, 0, 0)).unwrap();
    bb.try_charge(usage(10, 0, 0)).unwrap();
    drop((a, aa));
    // Where `aa` was, below another parent.
    let bbb = owned(&b, "bbb");
    bbb.try_charge(usage(100, 0, 0)).unwrap();
    assert_eq!(labels(&root.tree_snapshot()), ["", "b", "bb", "bbb"]);
    let input = [&root, &b, &bb, &bbb].map(|pool| pool.spent().input_tokens);
    assert_eq!(input, [111, 110, 10, 100]);
}

#[test]
fn a_handle_keeps_its_ancestors_alive() {
    let root = Arc::new(BudgetPool::unconstrained());
    let weak = Arc::downgrade(&root);
    let run = root
        .child_owned(Child::new(UNLIMITED).label("run"))
        .unwrap();
    let agent = run
        .child_owned(Child::new(UNLIMITED).label("agent"))
        .unwrap();
    drop((root, run));
    agent.try_charge(usage(1, 1, 1)).unwrap();
    let root = weak.upgrade().expect("its grandchild keeps it");
    assert_eq!(labels(&root.tree_snapshot()), ["", "agent", "run"]);
    assert_eq!(root.spent().calls, 1);
    let call = agent.try_reserve_owned(usage(5, 5, 5)).unwrap().start();
    drop((root, agent));
    // Now only the call keeps them.
    let root = weak.upgrade().expect("the call keeps it");
    assert_eq!(root.tree_snapshot().iter().count(), 3);
    drop(call);
    assert_eq!(root.spent(), forfeited(1, 5, spent(6, 6, 6, 2)));
    assert_eq!(root.tree_snapshot().children, []);
    drop(root);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_call_that_was_leaked_keeps_its_amount_above_for_good() {
    // On purpose with a pool that is never freed: a leaked call keeps what it points to.
    let root: &'static BudgetPool = Box::leak(Box::new(BudgetPool::new(UNLIMITED.calls(3))));
    let run = root.child(UNLIMITED.calls(2)).unwrap();
    std::mem::forget(run.try_reserve(usage(1, 2, 3)).unwrap());
    std::mem::forget(run.try_reserve(usage(1, 2, 3)).unwrap().start());
    assert!(run.check(usage(1, 1, 1)).unwrap_err().is_busy());
    drop(run);
    // The child is gone, and with it the end that the calls could have had.
    assert_eq!(root.tree_snapshot().children, []);
    let snapshot = root.snapshot();
    assert_eq!(snapshot.reserved, amounts(2, 4, 6));
    assert_eq!(snapshot.calls_in_flight, 2);
    // The next child in its place has none of it.
    let next = root.child(UNLIMITED.calls(2)).unwrap();
    assert_nothing_is_reserved(&next);
    next.try_charge(usage(1, 1, 1)).unwrap();
    let refused = next.check(usage(1, 1, 1)).unwrap_err();
    assert_eq!((refused.level().depth(), refused.is_busy()), (0, true));
}

#[test]
fn a_child_that_was_leaked_stays_in_the_tree() {
    let root: &'static BudgetPool = Box::leak(Box::new(BudgetPool::unconstrained()));
    let run = root.child(Child::new(UNLIMITED).label("leaked")).unwrap();
    run.try_charge(usage(1, 1, 1)).unwrap();
    std::mem::forget(run);
    let next = root.child(Child::new(UNLIMITED).label("next")).unwrap();
    next.try_charge(usage(2, 2, 2)).unwrap();
    assert_eq!(labels(&root.tree_snapshot()), ["", "leaked", "next"]);
    assert_eq!(root.spent().input_tokens, 3);
}

#[test]
fn thousands_of_children_leave_exact_sums() {
    let root = Arc::new(BudgetPool::unconstrained());
    for _ in 0..1_000 {
        let run = root.child_owned(UNLIMITED.calls(5)).unwrap();
        let agent = run.child_owned(UNLIMITED.calls(2)).unwrap();
        drop(run);
        agent.try_charge(usage(1, 1, 1)).unwrap();
        let call = agent.try_reserve_owned(usage(5, 5, 5)).unwrap().start();
        drop(agent);
        assert_eq!(root.tree_snapshot().iter().count(), 3);
        drop(call);
        assert_eq!(root.tree_snapshot().iter().count(), 1);
    }
    assert_eq!(
        root.spent(),
        forfeited(1_000, 5_000, spent(6_000, 6_000, 6_000, 2_000))
    );
    assert_nothing_is_reserved(&root);
}

#[test]
fn a_child_that_is_leaked_never_becomes_the_child_of_another() {
    let team = BudgetPool::unconstrained();
    let run = team
        .child(Child::new(Limits::unlimited()).label("run 1"))
        .unwrap();
    let agent = run
        .child(Child::new(Limits::unlimited()).label("leaked"))
        .unwrap();
    agent.try_charge(usage(1, 1, 1)).unwrap();
    std::mem::forget(agent);
    drop(run);
    let run = team
        .child(Child::new(Limits::unlimited()).label("run 2"))
        .unwrap();
    assert_eq!(run.tree_snapshot().children, []);
    let all = team.tree_snapshot();
    let labels: Vec<_> = all.iter().map(|pool| pool.label.as_str()).collect();
    assert_eq!(labels, ["", "run 2"]);
    assert_eq!(team.spent().calls, 1);
}
