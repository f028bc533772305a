//! In a tree each level has its own limits, and the thresholds of the root: the report names the level.

use std::sync::{Arc, Mutex};

use crate::amounts::*;
use token_budget_pool::{BudgetPool, Child, Limits, Restore, Threshold, Usage};

fn input(tokens: u64) -> Usage {
    usage(tokens, 0, 0)
}

fn limit(tokens: u64) -> Limits {
    Limits::unlimited().input_tokens(tokens)
}

/// A root with this limit, with a threshold at half of each limit and one at all of it, and what its hook was
/// told: the depth, the label, per mille, and what was spent.
type Told = Arc<Mutex<Vec<(u8, String, u32, String)>>>;

fn root(limits: Limits) -> (Told, Arc<BudgetPool>) {
    let told = Told::default();
    let to = told.clone();
    let root = BudgetPool::builder()
        .limits(limits)
        .warn_at(Threshold::percent(100).unwrap())
        .warn_at(Threshold::percent(50).unwrap())
        .on_crossed(move |crossed| {
            let level = crossed.level();
            to.lock().unwrap().push((
                level.depth(),
                level.label().to_owned(),
                crossed.per_mille(),
                crossed.spent().to_string(),
            ));
        })
        .build();
    (told, Arc::new(root))
}

fn take(told: &Told) -> Vec<(u8, String, u32, String)> {
    std::mem::take(&mut *told.lock().unwrap())
}

fn of(depth: u8, label: &str, per_mille: u32, spent: u64) -> (u8, String, u32, String) {
    (depth, label.to_owned(), per_mille, spent.to_string())
}

#[test]
fn the_report_names_the_level_the_root_first() {
    let (told, root) = root(limit(10));
    let run = root.child(Child::new(limit(100)).label("run")).unwrap();
    let agent = run.child(Child::new(limit(6)).label("agent")).unwrap();

    let receipt = agent.charge(input(5));
    assert_eq!(take(&told), [of(0, "", 500, 5), of(2, "agent", 500, 5)]);
    // As high as the agent's, and nearer to the root.
    let crossed = receipt.crossed.unwrap();
    assert_eq!(crossed.level().depth(), 0);
    assert_eq!(
        crossed.to_string(),
        "50% of budget limit `input_tokens` of the root crossed: limit=10, spent=5"
    );

    let receipt = agent.charge(input(1));
    assert_eq!(take(&told), [of(2, "agent", 1_000, 6)]);
    assert_eq!(
        receipt.to_string(),
        "counted $0 in 1 call; spent $0 in 2 calls; \
         crossed 100% of `input_tokens` of \"agent\" (level 2)"
    );

    // The highest is on the root. Its own level is crossed too.
    let other = run.child(Child::new(limit(8)).label("other")).unwrap();
    let receipt = other.charge(input(4));
    assert_eq!(take(&told), [of(0, "", 1_000, 10), of(2, "other", 500, 4)]);
    assert_eq!(receipt.crossed.unwrap().level().depth(), 0);

    // A pool names itself only where there is one below that was asked.
    let receipt = run.charge(input(40));
    assert_eq!(take(&told), [of(1, "run", 500, 50)]);
    assert_eq!(receipt.crossed.unwrap().level(), run.level());
}

#[test]
fn everything_that_spends_below_can_cross_above() {
    let (told, root) = root(limit(10));
    let run = root.child(Limits::unlimited()).unwrap();
    let start = || run.try_reserve(input(5)).unwrap().start();
    let steps: [(&str, &dyn Fn()); 6] = [
        ("record", &|| {
            let _ = run.record(5, 0, 0.0).unwrap();
        }),
        ("try_charge", &|| {
            let _ = run.try_charge(input(5)).unwrap();
        }),
        ("charge", &|| {
            let _ = run.charge(input(5));
        }),
        ("settle", &|| {
            let _ = start().settle(input(5));
        }),
        ("report", &|| {
            let _ = start().report(input(5));
        }),
        ("drop", &|| {
            let _ = start();
        }),
    ];
    for (name, step) in steps {
        step();
        assert_eq!(take(&told), [of(0, "", 500, 5)], "{name}");
        root.reset();
    }
}

#[test]
fn what_one_level_refuses_crosses_on_none() {
    let (told, root) = root(limit(10));
    let run = root.child(limit(4)).unwrap();
    assert!(run.try_charge(input(6)).is_err());
    assert!(run.record(6, 0, 0.0).is_err());
    // Also where the thread looks first.
    assert!(run.try_charge(input(6)).is_err());
    assert_eq!(take(&told), []);
    let sibling = root.child(Limits::unlimited()).unwrap();
    sibling.try_charge(input(6)).unwrap();
    assert_eq!(take(&told), [of(0, "", 500, 6)]);
}

#[test]
fn a_reset_arms_its_own_level_alone() {
    let (told, root) = root(limit(10));
    let run = root.child(Child::new(limit(2)).label("run")).unwrap();
    let _ = run.charge(input(5));
    let both = [
        of(0, "", 500, 5),
        of(1, "run", 500, 5),
        of(1, "run", 1_000, 5),
    ];
    assert_eq!(take(&told), both);
    run.reset();
    let _ = run.charge(input(1));
    assert_eq!(take(&told), [of(1, "run", 500, 1)]);
    root.reset();
    let _ = run.charge(input(5));
    assert_eq!(take(&told), [of(0, "", 500, 5), of(1, "run", 1_000, 6)]);
}

#[test]
fn a_child_that_is_restored_reports_nothing_again() {
    let (told, root) = root(Limits::unlimited());
    let run = root.child(Child::new(limit(10)).label("run")).unwrap();
    let _ = run.charge(input(5));
    let saved = run.tree_snapshot();
    drop(run);
    take(&told);
    let run = root
        .child(Child::restored(&saved, Restore::ReservedAsSpent))
        .unwrap();
    let _ = run.charge(input(4));
    assert_eq!(take(&told), []);
    let _ = run.charge(input(1));
    assert_eq!(take(&told), [of(1, "run", 1_000, 10)]);
}

#[test]
fn the_deepest_level_reports_too() {
    let (told, root) = root(Limits::unlimited());
    let mut pool = root.clone();
    for depth in 1..=7 {
        let limits = if depth == 7 { limit(2) } else { limit(100) };
        pool = pool.child_owned(limits).unwrap();
    }
    let _ = pool.charge(input(1));
    assert_eq!(take(&told), [of(7, "", 500, 1)]);
}
