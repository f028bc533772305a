//! A snapshot of a tree shows one moment: at each level, what is spent is what the children have spent
//! and what was charged to the pool itself. That holds while others write.

use std::sync::atomic::{AtomicU64, Ordering};

use token_budget_pool::{BudgetPool, Child, Limits, Snapshot, TreeSnapshot};

use crate::mixed::Mixed;
use crate::ratio::{in_ratio, is_in_ratio};
use crate::together::{all_well, together};

/// What is charged to a pool itself is charged to a child as well, in its name: one whose label says so.
/// So the sum over all children is what the pool has spent, to the last token.
const OWN: &str = "own";

/// Fails unless each pool with children has spent and reserved what they have together.
fn children_add_up(tree: &TreeSnapshot) {
    for pool in tree.iter().filter(|pool| !pool.children.is_empty()) {
        let sum = |count: fn(&Snapshot) -> u64| {
            let children = pool.children.iter();
            let sum: u64 = children.map(|child| count(&child.snapshot)).sum();
            assert_eq!(count(&pool.snapshot), sum, "at one moment:\n{tree}");
        };
        sum(|snapshot| snapshot.spent.input_tokens);
        sum(|snapshot| snapshot.spent.output_tokens);
        sum(|snapshot| snapshot.spent.cost.as_nanos());
        sum(|snapshot| snapshot.spent.calls);
        sum(|snapshot| snapshot.reserved.input_tokens);
        sum(|snapshot| snapshot.reserved.cost.as_nanos());
        sum(|snapshot| snapshot.calls_in_flight);
        assert!(is_in_ratio(pool.snapshot.spent));
    }
}

#[test]
fn at_each_moment_the_children_add_up_to_their_parent() {
    const STATES: u64 = 300;
    let unlimited = || Child::new(Limits::unlimited());
    let root = BudgetPool::unconstrained();
    let teams = [(); 2].map(|()| root.child(unlimited()).unwrap());
    let root_own = root.child(unlimited().label(OWN)).unwrap();
    let leaves: Vec<_> = teams
        .iter()
        .flat_map(|team| {
            [
                team.child(unlimited().label(OWN)).unwrap(),
                team.child(unlimited()).unwrap(),
                team.child(unlimited()).unwrap(),
            ]
        })
        .chain([root_own])
        .collect();

    let (readers, enough) = (2, AtomicU64::new(0));
    together(2 + readers, |number| {
        let mut mixed = Mixed(number + 1);
        if number < 2 {
            while all_well() && enough.load(Ordering::Relaxed) < readers {
                let pool = &leaves[mixed.below(leaves.len() as u64) as usize];
                let amount = 1 + mixed.below(100);
                match mixed.below(3) {
                    0 => drop(pool.try_charge(in_ratio(amount)).unwrap()),
                    1 => {
                        let call = pool.try_reserve(in_ratio(amount)).unwrap().start();
                        let _ = call.settle(in_ratio(amount + 1));
                    }
                    _ => {
                        let mut call = pool.try_reserve(in_ratio(amount)).unwrap().start();
                        let _ = call.report(in_ratio(amount / 2));
                        drop(call);
                    }
                }
            }
            return;
        }
        // One reader has the whole tree, and the other one a team.
        let pool: &BudgetPool = if number == 2 { &root } else { &teams[1] };
        let (mut before, mut states) = (pool.tree_snapshot(), 0);
        while all_well() && states < STATES {
            let now = pool.tree_snapshot();
            children_add_up(&now);
            assert!(before.snapshot.spent.calls <= now.snapshot.spent.calls);
            states += u64::from(now != before);
            before = now;
        }
        enough.fetch_add(1, Ordering::Relaxed);
    });
    children_add_up(&root.tree_snapshot());
}

/// The check is worth something only if it can fail.
#[test]
#[should_panic(expected = "at one moment")]
fn the_check_can_fail() {
    let root = BudgetPool::unconstrained();
    let run = root.child(Limits::unlimited()).unwrap();
    let mut tree = root.tree_snapshot();
    children_add_up(&tree);
    let _ = run.charge(in_ratio(1));
    tree.children[0] = run.tree_snapshot();
    children_add_up(&tree);
}
