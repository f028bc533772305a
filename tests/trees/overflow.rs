//! Where counts end at one level of a tree: no room there, for all below.

use token_budget_pool::{BudgetPool, Child, Dimension, Level, Limits, Reason, Restore};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

#[test]
fn an_admission_that_would_overflow_at_an_ancestor_is_refused_there() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    root.try_charge(usage(MOST - 5, 0, 0)).unwrap();
    run.try_charge(usage(3, 0, 0)).unwrap();
    let refused = run.try_charge(usage(3, 0, 0)).unwrap_err();
    assert_eq!(refused.level(), Level::ROOT);
    assert_eq!(
        exceeded(refused),
        (
            Dimension::InputTokens,
            Reason::Exhausted,
            [MOST, MOST - 2, 0, 3]
        )
    );
    assert_eq!(run.spent(), spent(3, 0, 0, 1));
    run.try_charge(usage(2, 0, 0)).unwrap();
    assert_eq!(root.spent().input_tokens, MOST);
}

#[test]
fn reservations_do_not_overflow_at_an_ancestor() {
    let root = BudgetPool::unconstrained();
    let [a, b] = [(); 2].map(|()| root.child(UNLIMITED).unwrap());
    let held = a.try_reserve(usage(0, 0, MOST)).unwrap();
    let refused = b.try_reserve(usage(0, 0, 1)).unwrap_err();
    assert_eq!((refused.level(), refused.is_busy()), (Level::ROOT, true));
    drop(held);
    drop(b.try_reserve(usage(0, 0, 1)).unwrap());
    // Both sides of the tokens fit a count by themselves.
    let held = a.try_reserve(usage(MOST, 0, 0)).unwrap();
    let refused = b.try_reserve(usage(0, 1, 0)).unwrap_err();
    assert_eq!(refused.dimension(), Some(Dimension::TotalTokens));
    assert_eq!(refused.level(), Level::ROOT);
    drop(held);
}

#[test]
fn what_has_happened_already_stops_at_an_ancestors_end_and_says_so() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    let _ = root.charge(usage(0, MOST - 1, 0));
    let receipt = run.charge(usage(0, 1, 0));
    assert!(!receipt.saturated);
    let receipt = run.charge(usage(0, 7, 0));
    // Full above, and not here.
    assert!(receipt.saturated);
    assert_eq!(receipt.spent, spent(0, 8, 0, 2));
    assert_eq!(root.spent().output_tokens, MOST);
    let call = run.try_reserve(usage(0, 0, 1)).unwrap().start();
    assert!(call.settle(usage(0, 1, 1)).saturated);
    assert!(!root.charge(usage(0, 0, 1)).saturated);
    root.reset();
    assert!(!run.charge(usage(0, 1, 0)).saturated);
    assert_eq!(
        (root.spent().output_tokens, run.spent().output_tokens),
        (1, 10)
    );
}

#[test]
fn the_sum_of_both_tokens_may_be_full_at_one_level() {
    let root = BudgetPool::unconstrained();
    let run = root.child(UNLIMITED).unwrap();
    let _ = root.charge(usage(MOST, 0, 0));
    let receipt = run.charge(usage(0, 1, 0));
    assert!(receipt.saturated);
    let refused = run.check(usage(0, 1, 0)).unwrap_err();
    assert_eq!(refused.level(), Level::ROOT);
    assert_eq!(refused.dimension(), Some(Dimension::TotalTokens));
}

#[test]
fn the_number_of_calls_goes_on_where_its_lower_bits_end_at_one_level() {
    // A tree whose levels come to the end of the lower 19 bits at different times.
    let mut saved = BudgetPool::unconstrained().tree_snapshot();
    let calls = [(1 << 19) - 3, (1 << 19) - 2, (1 << 20) - 1];
    saved.snapshot.spent.calls = calls[0];
    let root = BudgetPool::builder()
        .restore(&saved.snapshot, Restore::WithoutReserved)
        .build();
    let restored = |calls| {
        let mut saved = saved.clone();
        saved.snapshot.spent.calls = calls;
        Child::restored(&saved, Restore::WithoutReserved)
    };
    let run = root.child(restored(calls[1])).unwrap();
    let agent = run.child(restored(calls[2])).unwrap();
    for more in 1..=6 {
        agent.try_charge(usage(1, 1, 1)).unwrap();
        let now = [&root, &*run, &*agent].map(|pool| pool.spent().calls);
        assert_eq!(now, calls.map(|calls| calls + more));
    }
    // A limit that is there still holds.
    run.set_limits(UNLIMITED.calls(calls[1] + 7));
    agent.try_charge(usage(1, 1, 1)).unwrap();
    assert_eq!(agent.check(usage(1, 1, 1)).unwrap_err().level().depth(), 1);
}
