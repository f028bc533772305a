//! A child that cannot be made is an error that says why. Nothing panics, and nothing is changed.

use std::sync::Arc;

use token_budget_pool::{BudgetPool, Child, InvalidChild, Label, Limits};

use crate::amounts::*;

const UNLIMITED: Limits = Limits::unlimited();

/// Fails unless no child of this label can be made, with the tree unchanged. Returns the message.
#[track_caller]
fn refused_label(label: &str) -> String {
    let root = Arc::new(BudgetPool::unconstrained());
    let run = root
        .child_owned(Child::new(UNLIMITED).label("run"))
        .unwrap();
    run.try_charge(usage(1, 2, 3)).unwrap();
    let before = root.tree_snapshot();
    let invalid = Label::new(label).unwrap_err();
    assert_eq!(invalid, InvalidChild::Label(label.into()));
    assert_eq!(Label::try_from(label), Err(invalid.clone()));
    for pool in [&root, &run] {
        let child = || Child::new(UNLIMITED).label(label);
        assert_eq!(pool.child(child()).unwrap_err(), invalid);
        assert_eq!(pool.child_owned(child()).unwrap_err(), invalid);
    }
    assert_eq!(root.tree_snapshot(), before);
    // A valid label mends it.
    let mended = root.child(Child::new(UNLIMITED).label(label).label("x"));
    assert_eq!(mended.unwrap().level().label(), "x");
    invalid.to_string()
}

#[test]
fn a_label_that_is_too_long_is_an_error_that_says_so() {
    let label = "x".repeat(33);
    assert_eq!(
        refused_label(&label),
        format!("invalid label \"{label}\": it has 33 bytes, and 32 are the most")
    );
    refused_label(&"x".repeat(100_000));
    // Bytes, not characters.
    refused_label(&"é".repeat(17));
    assert_eq!(
        Label::new(&"é".repeat(16)).unwrap().as_str(),
        "é".repeat(16)
    );
}

#[test]
fn a_label_with_a_control_character_is_an_error_that_says_so() {
    for control in ['\0', '\n', '\r', '\t', '\x1b', '\x7f', '\u{85}', '\u{9f}'] {
        for label in [
            format!("{control}"),
            format!("run{control}7"),
            format!("run{control}"),
        ] {
            assert_eq!(
                refused_label(&label),
                format!("invalid label {label:?}: it has a control character")
            );
        }
    }
}

#[test]
fn every_other_label_comes_back_to_the_byte() {
    let root = BudgetPool::unconstrained();
    let longest = "0123456789abcdef0123456789abcdef";
    for label in [
        "",
        " ",
        "run 7",
        longest,
        "日本語",
        "👩‍🚀 crew",
        "a\u{2028}b",
        "\"{}\\",
    ] {
        let run = root.child(Child::new(UNLIMITED).label(label)).unwrap();
        assert_eq!(run.level().label(), label);
        assert_eq!(root.tree_snapshot().children[0].label.as_str(), label);
        assert_eq!(Label::new(label).unwrap().to_string(), label);
        assert_eq!(Label::new(label).unwrap().is_empty(), label.is_empty());
        assert_eq!(
            format!("{:?}", Label::new(label).unwrap()),
            format!("{label:?}")
        );
    }
}

#[test]
fn labels_need_not_be_unique() {
    let root = BudgetPool::unconstrained();
    let [a, b] = [(); 2].map(|()| root.child(Child::new(UNLIMITED).label("run")).unwrap());
    a.try_charge(usage(1, 1, 1)).unwrap();
    assert_eq!((a.spent().calls, b.spent().calls), (1, 0));
    assert_eq!(root.tree_snapshot().children.len(), 2);
}

#[test]
fn there_are_eight_levels_and_a_ninth_is_an_error() {
    let root = Arc::new(BudgetPool::unconstrained());
    let mut pools = vec![Arc::clone(&root)];
    for depth in 1..8 {
        let parent = &pools[depth - 1];
        let label = format!("level {depth}");
        pools.push(
            parent
                .child_owned(Child::new(UNLIMITED).label(&label))
                .unwrap(),
        );
    }
    let deepest = &pools[7];
    assert_eq!(
        (deepest.level().depth(), deepest.level().label()),
        (7, "level 7")
    );
    let before = root.tree_snapshot();
    for _ in 0..3 {
        let refused = deepest.child(UNLIMITED).unwrap_err();
        assert_eq!(refused, InvalidChild::TooDeep);
        assert_eq!(deepest.child_owned(UNLIMITED).unwrap_err(), refused);
        assert_eq!(
            refused.to_string(),
            "invalid child: its parent is on level 7, the deepest that there is"
        );
    }
    assert_eq!(root.tree_snapshot(), before);
    deepest.try_charge(usage(1, 2, 3)).unwrap();
    for pool in &pools {
        assert_eq!(pool.spent(), spent(1, 2, 3, 1));
    }
    for (depth, pool) in pools.iter().enumerate() {
        pool.set_limits(UNLIMITED.calls(1));
        let refused = deepest.check(usage(1, 1, 1)).unwrap_err();
        assert_eq!(usize::from(refused.level().depth()), depth);
        pool.set_limits(UNLIMITED);
    }
}
