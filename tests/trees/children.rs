//! What a child spends counts at every level, and every level can refuse it.

use std::sync::Arc;

use token_budget_pool::{
    BudgetPool, Child, Dimension, InvalidChild, Level, Limits, Reason, Rejected, Restore, Usd,
};

use crate::amounts::*;

fn calls(calls: u64) -> Limits {
    Limits::unlimited().calls(calls)
}

#[test]
fn a_charge_counts_at_every_level_above_and_at_no_other() {
    let root = BudgetPool::unconstrained();
    let a = root.child(Limits::unlimited()).unwrap();
    let b = root.child(Limits::unlimited()).unwrap();
    let aa = a.child(Limits::unlimited()).unwrap();
    aa.try_charge(usage(1, 2, 3)).unwrap();
    b.try_charge(usage(10, 20, 30)).unwrap();
    a.try_charge(usage(100, 200, 300)).unwrap();
    root.try_charge(usage(1000, 2000, 3000)).unwrap();
    assert_eq!(aa.spent().input_tokens, 1);
    assert_eq!(a.spent().input_tokens, 101);
    assert_eq!(b.spent().input_tokens, 10);
    assert_eq!(root.spent().input_tokens, 1111);
    assert_eq!((root.spent().calls, a.spent().calls), (4, 2));
    aa.record(1, 1, 0.5).unwrap();
    assert_eq!(root.totals().calls, 5);
    println!("{}", root.tree_snapshot());
}

#[test]
fn a_refusal_names_the_level_with_the_worst_reason() {
    let root = BudgetPool::new(calls(3));
    let run = root.child(Child::new(calls(2)).label("run")).unwrap();
    let agent = run.child(Child::new(calls(9)).label("agent")).unwrap();
    let first = agent.try_reserve(usage(1, 1, 1)).unwrap();
    let _second = agent.try_reserve(usage(1, 1, 1)).unwrap();
    let busy = agent.try_charge(usage(1, 1, 1)).unwrap_err();
    assert_eq!((busy.level().label(), busy.level().depth()), ("run", 1));
    assert!(busy.is_busy());
    let _ = root.charge(usage(1, 1, 1));
    let _ = root.charge(usage(1, 1, 1));
    let _ = root.charge(usage(1, 1, 1));
    let exhausted = agent.check(usage(1, 1, 1)).unwrap_err();
    assert_eq!(exhausted.level(), Level::ROOT);
    let Rejected::Exceeded(exceeded) = exhausted else {
        panic!("{exhausted}")
    };
    assert_eq!(exceeded.reason(), Reason::Exhausted);
    assert_eq!(exceeded.dimension(), Dimension::Calls);
    let receipt = first.start().settle(usage(1, 1, 1));
    assert_eq!(receipt.over_limit_at, Level::ROOT);
    assert_eq!(receipt.over_limit.calls, 1);
    run.close();
    let closed = agent.try_charge(usage(1, 1, 1)).unwrap_err();
    assert!(closed.is_closed() && agent.is_closed() && !root.is_closed());
    assert_eq!(closed.level().label(), "run");
}

#[test]
fn a_child_that_is_dropped_leaves_what_it_spent_above() {
    let root = Arc::new(BudgetPool::unconstrained());
    for _ in 0..1000 {
        let run = root.child_owned(calls(5)).unwrap();
        let agent = run.child_owned(calls(2)).unwrap();
        drop(run);
        agent.try_charge(usage(1, 1, 1)).unwrap();
        let call = agent.try_reserve_owned(usage(5, 5, 5)).unwrap().start();
        drop(agent);
        assert_eq!(root.tree_snapshot().iter().count(), 3);
        drop(call);
        assert_eq!(root.tree_snapshot().iter().count(), 1);
    }
    assert_eq!(root.spent().calls, 2000);
    assert_eq!(root.spent().input_tokens, 6000);
    assert_eq!(root.snapshot().calls_in_flight, 0);
}

#[test]
fn there_are_eight_levels() {
    let mut pool = Arc::new(BudgetPool::unconstrained());
    for depth in 0..7 {
        assert_eq!(pool.level().depth(), depth);
        pool = pool.child_owned(Limits::unlimited()).unwrap();
    }
    pool.try_charge(usage(1, 2, 3)).unwrap();
    assert_eq!(
        pool.child(Limits::unlimited()).unwrap_err(),
        InvalidChild::TooDeep
    );
}

#[test]
fn what_is_about_one_pool_is_about_the_child_alone() {
    let root = BudgetPool::new(calls(10));
    let minute = root.child(calls(2)).unwrap();
    let run = minute.child(Limits::unlimited()).unwrap();
    for _ in 0..2 {
        run.try_charge(usage(1, 1, 1)).unwrap();
    }
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    assert_eq!(minute.take().calls, 2);
    run.try_charge(usage(1, 1, 1)).unwrap();
    assert_eq!(
        (root.spent().calls, minute.spent().calls, run.spent().calls),
        (3, 1, 3)
    );
    minute.set_limits(calls(1));
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    let saved = root.tree_snapshot();
    println!("{saved}");
    let again = BudgetPool::builder()
        .restore(&saved.snapshot, Restore::WithoutReserved)
        .build();
    let minute = again
        .child(Child::restored(
            &saved.children[0],
            Restore::WithoutReserved,
        ))
        .unwrap();
    let _run = minute
        .child(Child::restored(
            &saved.children[0].children[0],
            Restore::WithoutReserved,
        ))
        .unwrap();
    assert_eq!(again.tree_snapshot(), saved);
}

#[test]
fn an_amount_of_output_fits_at_every_level() {
    let root = BudgetPool::new(Limits::unlimited().output_tokens(500));
    let run = root.child(Limits::unlimited().output_tokens(300)).unwrap();
    let agent = run
        .child(Limits::unlimited().cost(Usd::from_nanos(2_000)))
        .unwrap();
    let per_million = Usd::from_nanos(10_000_000);
    let got = agent.try_reserve_up_to(usage(1, 0, 0), 1..=1000, per_million);
    assert_eq!(got.unwrap().reserved().output_tokens, 200);
    let got = run.try_reserve_up_to(usage(1, 0, 0), 1..=1000, per_million);
    assert_eq!(got.unwrap().reserved().output_tokens, 300);
}

#[test]
fn many_threads_on_many_leaves() {
    let root = BudgetPool::new(calls(30_000));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let run = root.child(calls(90)).unwrap();
                    let agent = run.child(Limits::unlimited()).unwrap();
                    for _ in 0..100 {
                        let _ = agent.try_charge(usage(1, 2, 3));
                    }
                    assert!(run.spent().calls <= 90 && agent.spent() == run.spent());
                }
            });
        }
    });
    assert_eq!(root.spent().calls, 30_000);
    assert_eq!(root.spent().input_tokens, 30_000);
}
