//! Random programs on random trees, step by step beside the sequential tree.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use token_budget_pool::{Limits, Usd};

use crate::strategies::{edgy, small, usage};
use crate::tree_program::{follows_the_oracle, Op};

fn limits(amount: BoxedStrategy<u64>) -> BoxedStrategy<Limits> {
    // Each level limits few dimensions. Otherwise the first limits would refuse everything, and no other
    // level would be named.
    let limit = proptest::option::weighted(
        0.3,
        (amount, 0..=30_u64, 0..=30_u64)
            .prop_map(|(one, another, third)| one.saturating_add(another).saturating_add(third)),
    );
    proptest::array::uniform5(limit)
        .prop_map(|[input, output, total, cost, calls]| {
            let mut limits = Limits::unlimited();
            limits.input_tokens = input;
            limits.output_tokens = output;
            limits.total_tokens = total;
            limits.cost = cost.map(Usd::from_nanos);
            limits.calls = calls;
            limits
        })
        .boxed()
}

/// In thousandths of each limit, ascending. Half of the trees have none.
fn thresholds() -> impl Strategy<Value = Vec<u32>> {
    let one = prop_oneof![1..=1_000_u32, Just(500), Just(1_000)];
    let some = prop::collection::btree_set(one, 1..5).prop_map(|all| all.into_iter().collect());
    prop_oneof![1 => Just(vec![]), 1 => some]
}

/// A pool in hand: mostly one of the newest.
fn which() -> BoxedStrategy<usize> {
    prop_oneof![5 => 0..3_usize, 4 => any::<usize>()].boxed()
}

fn label() -> BoxedStrategy<String> {
    prop_oneof![
        Just(String::new()),
        "[a-z ]{1,8}",
        "\\PC{0,40}",
        "[a-z]{0,3}\\PC{0,9}[\\x00-\\x1f\\x7f]?",
    ]
    .boxed()
}

fn op(amount: fn() -> BoxedStrategy<u64>) -> impl Strategy<Value = Op> {
    let usage = || usage(amount());
    let limits = || limits(amount());
    let call = || any::<usize>();
    let price = prop_oneof![
        Just(0),
        0..=3_000_000_u64,
        amount().prop_map(|amount| amount.saturating_mul(1_000_000)),
        Just(u64::MAX),
    ];
    let on_pools = prop_oneof![
        8 => (which(), limits()).prop_map(|(which, limits)| Op::Child(which, limits)),
        1 => (which(), label(), limits())
            .prop_map(|(which, label, limits)| Op::Labelled(which, label, limits)),
        1 => (which(), which(), any::<bool>())
            .prop_map(|(which, from, spent)| Op::Restore(which, from, spent)),
        1 => which().prop_map(Op::Keep),
        5 => any::<usize>().prop_map(Op::LetGo),
        4 => (which(), amount(), amount(), amount()).prop_map(|(which, input, output, nanos)| {
            Op::Record(which, input, output, nanos as f64 / 1e9)
        }),
        1 => which().prop_map(|which| Op::Record(which, 1, 1, f64::NAN)),
        6 => (which(), usage()).prop_map(|(which, usage)| Op::TryCharge(which, usage)),
        3 => (which(), usage()).prop_map(|(which, usage)| Op::Charge(which, usage)),
        3 => (which(), usage()).prop_map(|(which, usage)| Op::Check(which, usage)),
        10 => (which(), usage()).prop_map(|(which, usage)| Op::Reserve(which, usage)),
        4 => (which(), usage(), (amount(), amount()), price).prop_map(
            |(which, fixed, range, price)| {
                Op::ReserveUpTo(which, fixed, range, Usd::from_nanos(price))
            }
        ),
        2 => (which(), limits()).prop_map(|(which, limits)| Op::SetLimits(which, limits)),
        2 => (which(), amount()).prop_map(|(which, by)| Op::RaiseLimits(which, by)),
        1 => which().prop_map(Op::Reset),
        2 => which().prop_map(Op::Take),
    ];
    let on_calls = prop_oneof![
        3 => call().prop_map(Op::Start),
        4 => (call(), usage()).prop_map(|(call, more)| Op::Extend(call, more)),
        2 => (call(), usage()).prop_map(|(call, most)| Op::ShrinkTo(call, most)),
        5 => (call(), usage()).prop_map(|(call, total)| Op::Report(call, total)),
        4 => (call(), usage()).prop_map(|(call, actual)| Op::Settle(call, actual)),
        2 => (call(), usage()).prop_map(|(call, actual)| Op::SettleAtLeast(call, actual)),
        2 => call().prop_map(Op::Forfeit),
        2 => call().prop_map(Op::Release),
        3 => call().prop_map(Op::Drop),
    ];
    prop_oneof![2 => on_pools, 1 => on_calls]
}

/// A tree, then a program on it. Now and then a pool of it is closed, or a call is leaked.
fn ops(amount: fn() -> BoxedStrategy<u64>) -> impl Strategy<Value = Vec<Op>> {
    let child = (which(), limits(amount())).prop_map(|(which, limits)| Op::Child(which, limits));
    // A chain, which is as deep as a tree can be or deeper.
    let chain = prop::collection::vec(limits(amount()), 0..10).prop_map(|limits| {
        limits
            .into_iter()
            .map(|limits| Op::Child(0, limits))
            .collect::<Vec<_>>()
    });
    let tree = prop_oneof![prop::collection::vec(child, 0..8), chain];
    let first = prop::collection::vec(op(amount), 1..50);
    let rest = prop::collection::vec(op(amount), 0..10);
    let between = prop_oneof![
        5 => Just(None),
        2 => which().prop_map(|which| Some(Op::Close(which))),
        1 => Just(Some(Op::Leak)),
    ];
    (tree, first, between, rest).prop_map(|(mut ops, first, between, rest)| {
        ops.extend(first);
        ops.extend(between);
        ops.extend(rest);
        ops
    })
}

/// Keeps no record of failures beside the sources: a failure is printed, shrunk.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn every_answer_is_the_sequential_trees(
        limits in limits(small()),
        assumed in proptest::option::of(small()),
        threads in 0..3_usize,
        thresholds in thresholds(),
        ops in ops(small),
    ) {
        follows_the_oracle(limits, assumed.map(Usd::from_nanos), threads, &thresholds, &ops)?;
    }

    #[test]
    fn every_answer_is_the_sequential_trees_where_counts_end(
        limits in limits(edgy()),
        assumed in proptest::option::of(edgy()),
        threads in 0..3_usize,
        thresholds in thresholds(),
        ops in ops(edgy),
    ) {
        follows_the_oracle(limits, assumed.map(Usd::from_nanos), threads, &thresholds, &ops)?;
    }
}

/// What the programs above come to. Otherwise they might be right about nothing.
#[test]
fn the_programs_reach_every_level_and_are_refused_at_each() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (limits, ops) = (limits(small()), ops(small));
    let mut seen = crate::tree_program::Seen::default();
    for _ in 0..100 {
        let limits = limits.new_tree(&mut runner).unwrap().current();
        let ops = ops.new_tree(&mut runner).unwrap().current();
        let run = follows_the_oracle(limits, None, 1, &[100, 500, 999], &ops).unwrap();
        seen.add(&run);
    }
    assert_eq!(seen.deepest, 7, "{seen:?}");
    let depths: Vec<_> = seen.refused_at.keys().copied().collect();
    assert_eq!(depths, (0..=7).collect::<Vec<_>>(), "{seen:?}");
    assert!(seen.over_limit_at.len() >= 4, "{seen:?}");
    assert!(seen.refused_above > 20, "{seen:?}");
    assert!(seen.crossed > 100, "{seen:?}");
}
