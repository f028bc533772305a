//! What is about one pool is about the child alone: its limits, its periods, its reads.

use token_budget_pool::{BudgetPool, Limits};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

#[test]
fn limits_are_set_at_one_node_and_bind_all_below() {
    let root = BudgetPool::new(UNLIMITED.calls(10));
    let minute = root.child(UNLIMITED.calls(2)).unwrap();
    let run = minute.child(UNLIMITED).unwrap();
    assert_eq!(minute.set_limits(UNLIMITED.calls(1)), UNLIMITED.calls(2));
    assert_eq!(root.limits(), UNLIMITED.calls(10));
    assert_eq!(run.limits(), UNLIMITED);
    run.try_charge(usage(1, 1, 1)).unwrap();
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    let raised = minute.update_limits(|limits| limits.calls = limits.calls.map(|calls| calls + 1));
    assert_eq!(raised, UNLIMITED.calls(2));
    run.try_charge(usage(1, 1, 1)).unwrap();
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
}

#[test]
fn a_new_period_begins_at_one_node() {
    let root = BudgetPool::new(UNLIMITED.calls(4));
    let minute = root.child(UNLIMITED.calls(2)).unwrap();
    let run = minute.child(UNLIMITED).unwrap();
    let held = run.try_reserve(usage(1, 1, 1)).unwrap();
    run.try_charge(usage(1, 2, 3)).unwrap();
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    assert_eq!(minute.take(), spent(1, 2, 3, 1));
    // What is reserved stays so.
    assert_eq!(minute.snapshot().calls_in_flight, 1);
    run.try_charge(usage(1, 2, 3)).unwrap();
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    minute.reset();
    let _ = held.start().settle(usage(5, 5, 5));
    let spent = [&root, &*minute, &*run].map(|pool| pool.spent());
    let calls = spent.map(|spent| spent.calls);
    assert_eq!(calls, [3, 1, 3]);
    assert_eq!(spent.map(|spent| spent.input_tokens), [7, 5, 7]);
}

#[test]
fn an_operator_reads_each_node_by_itself() {
    let root = BudgetPool::new(UNLIMITED.input_tokens(100));
    let run = root.child(UNLIMITED.input_tokens(30)).unwrap();
    run.try_charge(usage(10, 0, 0)).unwrap();
    let _ = root.charge(usage(85, 0, 0));
    // The room of the child's own limit, and not the root's that is less.
    assert_eq!(run.snapshot().remaining().input_tokens, Some(20));
    assert_eq!(run.remaining().input_tokens, Some(5));
    assert_eq!(root.remaining().input_tokens, Some(5));
    assert_eq!((run.level().depth(), root.level().depth()), (1, 0));
    assert!(format!("{run:?}").contains("input_tokens: 10"), "{run:?}");
}
