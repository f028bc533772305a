//! A receipt says which level is beyond its limits: the call's own, or else the nearest one above.

use token_budget_pool::{BudgetPool, Child, Level, Limits};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

#[test]
fn a_receipt_is_about_the_calls_own_pool_while_no_limit_is_passed() {
    let root = BudgetPool::unconstrained();
    let run = root
        .child(Child::new(UNLIMITED.calls(2)).label("run"))
        .unwrap();
    let _ = root.charge(usage(100, 100, 100));
    let receipt = run.charge(usage(1, 2, 3));
    assert_eq!(receipt.spent, spent(1, 2, 3, 1));
    assert_eq!(receipt.counted, spent(1, 2, 3, 1));
    assert_eq!(receipt.over_limit_at, run.level());
    assert!(!receipt.over_limit.any());
    assert_eq!(root.charge(usage(0, 0, 0)).over_limit_at, Level::ROOT);
}

#[test]
fn of_the_levels_that_are_passed_the_nearest_one_is_named_with_its_excess() {
    let root = BudgetPool::new(UNLIMITED.input_tokens(10));
    let run = root
        .child(Child::new(UNLIMITED.input_tokens(6)).label("run"))
        .unwrap();
    let agent = run.child(Child::new(UNLIMITED).label("agent")).unwrap();

    let receipt = agent.charge(usage(7, 0, 0));
    assert_eq!(receipt.over_limit_at, run.level());
    assert_eq!(receipt.over_limit, excess(1, 0, 0, 0, 0));
    assert_eq!(
        receipt.to_string(),
        "counted $0 in 1 call; spent $0 in 1 call; over limit of \"run\" (level 1): input_tokens=1"
    );

    // The run's excess is named also when the root is passed by more.
    let receipt = root.charge(usage(8, 0, 0));
    assert_eq!(receipt.over_limit_at, Level::ROOT);
    assert_eq!(receipt.over_limit, excess(5, 0, 0, 0, 0));
    let receipt = agent.charge(usage(1, 0, 0));
    assert_eq!(receipt.over_limit_at, run.level());
    assert_eq!(receipt.over_limit, excess(2, 0, 0, 0, 0));

    // A new period of the run: now only the root is passed.
    run.reset();
    let receipt = agent.charge(usage(1, 0, 0));
    assert_eq!(receipt.over_limit_at, Level::ROOT);
    assert_eq!(receipt.over_limit, excess(7, 0, 0, 0, 0));
    // What is spent is the agent's own.
    assert_eq!(receipt.spent, spent(9, 0, 0, 3));
}

#[test]
fn every_end_of_a_call_names_a_level() {
    let root = BudgetPool::unconstrained();
    let run = root.child(Child::new(UNLIMITED).label("run")).unwrap();
    let agent = run.child(Child::new(UNLIMITED).label("agent")).unwrap();
    let call = || agent.try_reserve(usage(1, 1, 1)).unwrap().start();
    let [mut a, b, c, d] = [call(), call(), call(), call()];
    run.set_limits(UNLIMITED.calls(0).output_tokens(0));
    let receipts = [
        a.report(usage(2, 2, 2)),
        a.settle(usage(3, 3, 3)),
        b.settle_at_least(usage(1, 1, 1)),
        c.forfeit(),
        d.release(),
    ];
    let over: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            assert_eq!(receipt.over_limit_at, run.level());
            (receipt.over_limit.output_tokens, receipt.over_limit.calls)
        })
        .collect();
    assert_eq!(over, [(2, 0), (3, 1), (4, 2), (5, 3), (5, 3)]);
}

#[test]
fn what_is_counted_by_receipts_at_the_leaves_is_what_the_root_has_spent() {
    let root = BudgetPool::unconstrained();
    let runs = [(); 3].map(|()| root.child(UNLIMITED).unwrap());
    let mut counted = 0;
    for (amount, run) in (1..).zip(&runs) {
        let agent = run.child(UNLIMITED).unwrap();
        counted += agent.charge(usage(amount, 0, 0)).counted.input_tokens;
        let call = agent.try_reserve(usage(9, 0, 0)).unwrap().start();
        counted += call.settle(usage(10 * amount, 0, 0)).counted.input_tokens;
    }
    assert_eq!(counted, 66);
    assert_eq!(root.spent().input_tokens, counted);
}
