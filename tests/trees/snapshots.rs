//! A snapshot of a tree: the pool that was asked and all below it, to be saved and restored.

use token_budget_pool::{BudgetPool, Child, ChildPool, Limits, Restore, TreeSnapshot};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

fn labelled(label: &str, limits: Limits) -> Child {
    Child::new(limits).label(label)
}

fn child<'a>(tree: &'a TreeSnapshot, label: &str) -> &'a TreeSnapshot {
    let mut children = tree.children.iter();
    let child = children.find(|child| child.label.as_str() == label);
    child.unwrap_or_else(|| panic!("no {label} in {tree:?}"))
}

#[test]
fn a_snapshot_has_the_pool_and_all_below_it_and_no_other() {
    let root = BudgetPool::new(UNLIMITED.calls(9));
    let a = root.child(labelled("a", UNLIMITED)).unwrap();
    let aa = a.child(labelled("aa", UNLIMITED.calls(5))).unwrap();
    let ab = a.child(labelled("ab", UNLIMITED)).unwrap();
    let b = root.child(labelled("b", UNLIMITED)).unwrap();
    aa.try_charge(usage(1, 1, 1)).unwrap();
    let _held = ab.try_reserve(usage(2, 2, 2)).unwrap();
    b.try_charge(usage(4, 4, 4)).unwrap();

    let tree = root.tree_snapshot();
    assert!(tree.label.is_empty());
    assert_eq!(tree.snapshot, root.snapshot());
    assert_eq!((tree.children.len(), tree.iter().count()), (2, 5));
    let below = child(&tree, "a");
    assert_eq!(below, &a.tree_snapshot());
    assert_eq!(below.snapshot, a.snapshot());
    assert_eq!(child(below, "aa").snapshot, aa.snapshot());
    assert_eq!(child(below, "ab").snapshot, ab.snapshot());
    assert_eq!(child(&tree, "b"), &b.tree_snapshot());
    assert_eq!(b.tree_snapshot().children, []);
    let closed = aa.close();
    assert!(closed && child(&a.tree_snapshot(), "aa").snapshot.closed);
}

#[test]
fn a_child_that_was_closed_is_closed_again() {
    let root = BudgetPool::unconstrained();
    let a = root.child(labelled("a", UNLIMITED)).unwrap();
    let b = root.child(labelled("b", UNLIMITED.calls(5))).unwrap();
    a.close();
    let saved = root.tree_snapshot();
    for (pool, closed) in [(&a, true), (&b, false)] {
        let saved = child(&saved, pool.level().label());
        let again = BudgetPool::unconstrained();
        let again = again
            .child(Child::restored(saved, Restore::WithoutReserved))
            .unwrap();
        assert_eq!(again.is_closed(), closed);
        assert_eq!(again.tree_snapshot(), pool.tree_snapshot());
    }
}

#[test]
fn a_pool_without_children_has_a_snapshot_of_itself_alone() {
    let pool = BudgetPool::new(UNLIMITED.calls(1));
    let _ = pool.charge(usage(1, 2, 3));
    let tree = pool.tree_snapshot();
    assert_eq!(tree.snapshot, pool.snapshot());
    assert_eq!(tree.children, []);
}

#[test]
fn iter_visits_each_pool_before_its_children() {
    let root = BudgetPool::unconstrained();
    let a = root.child(labelled("1", UNLIMITED)).unwrap();
    let _aa = a.child(labelled("1.1", UNLIMITED)).unwrap();
    let _ab = a.child(labelled("1.2", UNLIMITED)).unwrap();
    let b = root.child(labelled("2", UNLIMITED)).unwrap();
    let _ba = b.child(labelled("2.1", UNLIMITED)).unwrap();
    let tree = root.tree_snapshot();
    let order: Vec<_> = tree.iter().map(|pool| pool.label.as_str()).collect();
    assert_eq!(order.len(), 6);
    assert_eq!(order[0], "");
    let place = |label| order.iter().position(|&other| other == label).unwrap();
    for child in ["1.1", "1.2", "2.1"] {
        let parent = place(&child[..1]);
        let between = order[parent + 1..=place(child)].iter();
        assert!(
            between.clone().all(|label| label.starts_with(&child[..1])),
            "{order:?}"
        );
    }
}

/// Makes the children of `saved` below `pool`, and runs `then`.
fn restored(pool: &BudgetPool, saved: &[TreeSnapshot], restore: Restore, then: &mut dyn FnMut()) {
    let children: Vec<ChildPool<'_>> = saved
        .iter()
        .map(|saved| pool.child(Child::restored(saved, restore)).unwrap())
        .collect();
    fn below(
        pools: &[ChildPool<'_>],
        saved: &[TreeSnapshot],
        restore: Restore,
        then: &mut dyn FnMut(),
    ) {
        match (pools.split_first(), saved.split_first()) {
            (Some((pool, pools)), Some((saved, rest))) => {
                restored(pool, &saved.children, restore, &mut || {
                    below(pools, rest, restore, then);
                });
            }
            _ => then(),
        }
    }
    below(&children, saved, restore, then);
}

/// With every list of children in the order of the labels.
fn sorted(tree: &TreeSnapshot) -> TreeSnapshot {
    let mut tree = tree.clone();
    tree.children = tree.children.iter().map(sorted).collect();
    tree.children.sort_by_key(|child| child.label);
    tree
}

#[test]
fn a_saved_tree_is_restored_and_goes_on_counting() {
    let saved = {
        let root = BudgetPool::new(UNLIMITED.calls(9).cost(nanos(1_000)));
        let a = root.child(labelled("a", UNLIMITED.calls(4))).unwrap();
        let aa = a.child(labelled("aa", UNLIMITED)).unwrap();
        let b = root
            .child(labelled("b", UNLIMITED.input_tokens(90)))
            .unwrap();
        aa.try_charge(usage(1, 2, 3)).unwrap();
        b.try_charge(usage(10, 20, 30)).unwrap();
        drop(b.try_reserve(usage(1, 1, 100)).unwrap().start());
        let _ = a.take();
        root.tree_snapshot()
    };
    let root = BudgetPool::builder()
        .limits(saved.snapshot.limits)
        .restore(&saved.snapshot, Restore::WithoutReserved)
        .build();
    let mut times = 0;
    restored(
        &root,
        &saved.children,
        Restore::WithoutReserved,
        &mut || {
            times += 1;
            assert_eq!(sorted(&root.tree_snapshot()), sorted(&saved));
        },
    );
    assert_eq!(times, 1);
    // Where the restored children were dropped, the root still counts them.
    assert_eq!(root.spent(), saved.snapshot.spent);
}

#[test]
fn what_was_reserved_is_counted_or_dropped_at_each_level_alike() {
    let saved = {
        let root = BudgetPool::unconstrained();
        let run = root.child(labelled("run", UNLIMITED.calls(7))).unwrap();
        run.try_charge(usage(1, 2, 3)).unwrap();
        let _call = run.try_reserve(usage(10, 20, 30)).unwrap().start();
        root.tree_snapshot()
    };
    for (restore, expected) in [
        (Restore::WithoutReserved, spent(1, 2, 3, 1)),
        (
            Restore::ReservedAsSpent,
            forfeited(1, 30, spent(11, 22, 33, 2)),
        ),
    ] {
        let root = BudgetPool::builder()
            .restore(&saved.snapshot, restore)
            .build();
        let run = root
            .child(Child::restored(&saved.children[0], restore))
            .unwrap();
        for pool in [&root, &*run] {
            assert_eq!(pool.spent(), expected);
            assert_nothing_is_reserved(pool);
        }
        assert_eq!(run.level().label(), "run");
        assert_eq!(run.limits(), UNLIMITED.calls(7));
    }
}

#[test]
fn a_restored_child_changes_nothing_above_and_takes_other_limits() {
    let saved = {
        let root = BudgetPool::unconstrained();
        let run = root.child(labelled("run", UNLIMITED.calls(7))).unwrap();
        run.try_charge(usage(1, 2, 3)).unwrap();
        run.close();
        run.tree_snapshot()
    };
    assert_eq!(saved.label.as_str(), "run");
    let root = BudgetPool::unconstrained();
    let child = Child::restored(&saved, Restore::WithoutReserved);
    let run = root
        .child(child.limits(UNLIMITED.calls(2)).label("again").open())
        .unwrap();
    assert_eq!(root.spent(), spent(0, 0, 0, 0));
    assert_eq!(run.spent(), spent(1, 2, 3, 1));
    assert_eq!(run.level().label(), "again");
    run.try_charge(usage(1, 1, 1)).unwrap();
    assert!(run.try_charge(usage(1, 1, 1)).is_err());
    assert_eq!(root.spent(), spent(1, 1, 1, 1));
}
