//! Pools below pools.

use std::sync::{Arc, Mutex};

use token_budget_pool::exhaust::{loom, orders, ExploredTree};
use token_budget_pool::tree_scenario::{Op, TreeScenario};

const PREEMPTIONS: usize = if cfg!(feature = "ghost") { 1 } else { 2 };

/// Explores it in all orders of its threads, of which each has at least so many executions: under the
/// plain shim, and under the ghost shim.
#[track_caller]
fn check<const N: usize>(scenario: TreeScenario, plain: [u64; N], ghost: [u64; N]) {
    let least = if cfg!(feature = "ghost") {
        ghost
    } else {
        plain
    };
    let scenario = Arc::new(scenario);
    let mut all = vec![];
    let started = std::time::Instant::now();
    for order in orders(scenario.threads()) {
        let explored = Arc::new(Mutex::new(ExploredTree::default()));
        let (scenario, seen) = (scenario.clone(), explored.clone());
        loom(Some(PREEMPTIONS)).check(move || scenario.run(&order, &seen));
        all.push(explored.lock().unwrap().executions);
    }
    let test = std::thread::current();
    let name = test.name().unwrap_or("?").to_owned();
    println!(
        "SUMMARY {name} {all:?} {} ms",
        started.elapsed().as_millis()
    );
    assert_eq!(all.len(), least.len(), "a least number for each order");
    for (executions, least) in all.iter().zip(least) {
        assert!(*executions >= least, "TOO LITTLE EXPLORED: {name}: {all:?}");
    }
}

/// The root admits both or one of them. What a sibling was refused by its own limit is never in the
/// other's way.
#[test]
fn siblings_under_one_limit() {
    let tree = TreeScenario::new(Some(9))
        .before([Op::Make(1, 0, None), Op::Make(2, 0, Some(3))])
        .thread([Op::TryCharge(1, 9)])
        .thread([Op::TryCharge(2, 4)]);
    check(tree, [85, 24], [146, 273]);
}

#[test]
fn siblings_compete() {
    let tree = TreeScenario::new(Some(9))
        .before([Op::Make(1, 0, None), Op::Make(2, 0, Some(7))])
        .thread([Op::TryCharge(1, 5)])
        .thread([Op::TryCharge(2, 6)]);
    check(tree, [90, 90], [293, 296]);
}

#[test]
fn a_child_reserves_beside_a_charge_of_the_root() {
    let tree = TreeScenario::new(Some(9))
        .before([Op::Make(1, 0, Some(7))])
        .thread([Op::Reserve(1, 5)])
        .thread([Op::TryCharge(0, 6)]);
    check(tree, [90, 90], [53, 326]);
}

/// What was reserved and is not used has room again.
#[test]
fn a_child_settles_beside_a_charge_of_the_root() {
    let tree = TreeScenario::new(Some(9))
        .before([Op::Make(1, 0, Some(7)), Op::Reserve(1, 5)])
        .thread([Op::Settle(3)])
        .thread([Op::TryCharge(0, 6)]);
    check(tree, [85, 24], [137, 230]);
}

#[test]
fn a_child_comes_beside_a_sibling() {
    let tree = TreeScenario::new(None)
        .before([Op::Make(1, 0, None)])
        .thread([Op::Make(2, 0, Some(5))])
        .thread([Op::Charge(1, 4)]);
    check(tree, [90, 108], [173, 178]);
}

#[test]
fn a_child_goes_beside_a_sibling() {
    let tree = TreeScenario::new(None)
        .before([
            Op::Make(1, 0, None),
            Op::Make(2, 0, Some(5)),
            Op::Charge(2, 2),
        ])
        .thread([Op::Drop(2)])
        .thread([Op::Charge(1, 4)]);
    check(tree, [90, 108], [189, 175]);
}

#[test]
fn a_child_comes_beside_a_snapshot() {
    let tree = TreeScenario::new(None)
        .before([Op::Make(1, 0, None), Op::Charge(1, 3)])
        .thread([Op::Make(2, 1, Some(5))])
        .thread([Op::Look]);
    check(tree, [2052, 416], [347, 1317]);
}

#[test]
fn a_child_goes_beside_a_snapshot() {
    let tree = TreeScenario::new(None)
        .before([Op::Make(1, 0, None), Op::Make(2, 1, None), Op::Charge(2, 3)])
        .thread([Op::Drop(2)])
        .thread([Op::Look]);
    check(tree, [7, 1], [60, 37]);
}

#[test]
fn the_root_is_closed_beside_a_child_that_reserves() {
    let tree = TreeScenario::new(Some(9))
        .before([Op::Make(1, 0, None)])
        .thread([Op::Close(0)])
        .thread([Op::Reserve(1, 5)]);
    check(tree, [90, 90], [221, 53]);
}

#[test]
fn a_window_is_reset_beside_a_charge_through_it() {
    let tree = TreeScenario::new(Some(20))
        .before([
            Op::Make(1, 0, Some(6)),
            Op::Make(2, 1, None),
            Op::Charge(2, 4),
        ])
        .thread([Op::Reset(1)])
        .thread([Op::TryCharge(2, 5)]);
    check(tree, [85, 24], [153, 203]);
}
