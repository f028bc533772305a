//! Random sequences over every method, step by step beside the sequential pool.
//!
//! A pool is more than its single operations: what a reservation of an earlier step
//! holds, a reset in between, limits that were lowered below what is spent. So
//! proptest writes sequences of operations with several reservations alive, in small
//! amounts around small limits and in amounts around `u64::MAX`, and after every step
//! everything that can be seen of the pool has to be the oracle's (`support/program.rs`).

#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/program.rs"]
mod program;
#[path = "support/strategies.rs"]
mod strategies;

use oracle::{Answer, Refusal};
use program::{explains_itself, follows_the_oracle, Op, Start, ODD_COST_CAPS, ODD_DOLLARS};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use strategies::{edgy, small, usage};
use token_budget_pool::{Amounts, BudgetPool, Caps, Limits, Reason, Rejected, Usage, Usd};

fn dollars(nanos: BoxedStrategy<u64>) -> BoxedStrategy<f64> {
    prop_oneof![
        20 => nanos.prop_map(|nanos| nanos as f64 / 1e9),
        2 => any::<f64>(),
        1 => prop::sample::select(&ODD_DOLLARS),
    ]
    .boxed()
}

fn limits(amount: BoxedStrategy<u64>) -> BoxedStrategy<Limits> {
    // A sum of several amounts: room for some calls, not for all.
    let limit = proptest::option::of(
        (amount.clone(), 0..=20_u64, 0..=20_u64)
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

fn start(amount: BoxedStrategy<u64>) -> impl Strategy<Value = Start> {
    let assumed = proptest::option::of(amount.clone());
    let cost_cap = proptest::option::of(prop_oneof![
        20 => amount.clone().prop_map(|nanos| nanos as f64 / 1e9),
        1 => prop::sample::select(&ODD_COST_CAPS),
    ]);
    prop_oneof![
        1 => (limits(amount.clone()), cost_cap).prop_map(|(limits, max_cost_usd)| {
            Start::Caps(Caps {
                max_input_tokens: limits.input_tokens,
                max_output_tokens: limits.output_tokens,
                max_total_tokens: limits.total_tokens,
                max_cost_usd,
            })
        }),
        3 => (limits(amount), assumed, any::<bool>()).prop_map(|(limits, assumed, lanes)| {
            Start::Limits {
                limits,
                assumed: assumed.map(Usd::from_nanos),
                lanes,
            }
        }),
    ]
}

fn op(amount: fn() -> BoxedStrategy<u64>) -> impl Strategy<Value = Op> {
    let usage = || usage(amount());
    let which = || any::<usize>();
    let price = prop_oneof![
        Just(0),
        0..=3_000_000_u64,
        amount().prop_map(|amount| amount.saturating_mul(1_000_000)),
        Just(u64::MAX),
    ];
    prop_oneof![
        6 => (amount(), amount(), dollars(amount())).prop_map(|(i, o, c)| Op::Record(i, o, c)),
        4 => usage().prop_map(Op::TryCharge),
        2 => usage().prop_map(Op::Charge),
        2 => usage().prop_map(Op::Check),
        8 => usage().prop_map(Op::Reserve),
        4 => usage().prop_map(Op::ReserveOwned),
        4 => (usage(), (amount(), amount()), price, any::<bool>()).prop_map(
            |(fixed, range, price, owned)| {
                let price = Usd::from_nanos(price);
                if owned {
                    Op::ReserveUpToOwned(fixed, range, price)
                } else {
                    Op::ReserveUpTo(fixed, range, price)
                }
            }
        ),
        3 => which().prop_map(Op::Start),
        2 => (which(), usage()).prop_map(|(which, most)| Op::ShrinkTo(which, most)),
        5 => (which(), usage()).prop_map(|(hold, more)| Op::Extend(hold, more)),
        6 => (which(), usage()).prop_map(|(hold, total)| Op::Report(hold, total)),
        4 => (which(), usage()).prop_map(|(hold, actual)| Op::Settle(hold, actual)),
        2 => (which(), usage()).prop_map(|(hold, actual)| Op::SettleAtLeast(hold, actual)),
        2 => which().prop_map(Op::Forfeit),
        2 => which().prop_map(Op::Release),
        3 => which().prop_map(Op::Drop),
        2 => limits(amount()).prop_map(Op::SetLimits),
        2 => amount().prop_map(Op::RaiseLimits),
        1 => Just(Op::Reset),
        1 => Just(Op::Take),
    ]
}

/// A sequence, which may close the pool on its way.
fn ops(amount: fn() -> BoxedStrategy<u64>) -> impl Strategy<Value = Vec<Op>> {
    let open = prop::collection::vec(op(amount), 1..60);
    let closed = prop::collection::vec(op(amount), 0..8);
    (open, proptest::option::weighted(0.25, closed)).prop_map(|(mut ops, closed)| {
        if let Some(closed) = closed {
            ops.push(Op::Close);
            ops.extend(closed);
        }
        ops
    })
}

/// What one call reported, in order, and how it ended.
#[derive(Clone, Debug)]
struct Call {
    estimate: u64,
    parts: Vec<u64>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Settle(u64),
    SettleAtLeast(u64),
    Forfeit,
    Release,
    Drop,
}

fn call() -> impl Strategy<Value = Call> {
    let end = prop_oneof![
        (0..1_000_u64).prop_map(End::Settle),
        (0..1_000_u64).prop_map(End::SettleAtLeast),
        Just(End::Forfeit),
        Just(End::Release),
        Just(End::Drop),
    ];
    (0..1_000_u64, prop::collection::vec(0..1_000_u64, 0..5), end).prop_map(
        |(estimate, parts, end)| Call {
            estimate,
            parts,
            end,
        },
    )
}

/// A different multiple in each dimension, so that none can stand for another.
fn in_proportion(amount: u64) -> Usage {
    Usage::tokens(amount, amount * 3).cost(Usd::from_nanos(amount * 7))
}

/// Keeps no record of failures beside the sources: what failed is printed, shrunk.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(700))]

    #[test]
    fn every_answer_is_the_sequential_pools(
        start in start(small()),
        ops in ops(small),
    ) {
        follows_the_oracle(&start, &ops)?;
    }

    #[test]
    fn every_answer_is_the_sequential_pools_where_counts_end(
        start in start(edgy()),
        ops in ops(edgy),
    ) {
        follows_the_oracle(&start, &ops)?;
    }

    /// Added up here, by the documented rule: a call comes to what was reported last, but never to
    /// less than what was reported before.
    #[test]
    fn parts_add_up_to_the_whole_however_they_interleave(
        calls in prop::collection::vec(call(), 1..8),
        turns in prop::collection::vec(any::<usize>(), 0..60),
    ) {
        let pool = BudgetPool::unconstrained();
        let mut live: Vec<_> = calls
            .iter()
            .map(|call| {
                let reservation = pool.try_reserve(in_proportion(call.estimate)).unwrap();
                (reservation.start(), call, 0)
            })
            .collect();
        let (mut amount, mut ended) = (0, 0);
        let (mut receipts, mut dropped) = (Vec::new(), 0);
        let mut turns = turns.into_iter();
        while !live.is_empty() {
            let turn = turns.next().unwrap_or(0) % live.len();
            let (real, call, reported) = &mut live[turn];
            if let Some(&part) = call.parts.get(*reported) {
                receipts.push(real.report(in_proportion(part)));
                *reported += 1;
                continue;
            }
            let (real, call, _) = live.swap_remove(turn);
            let most_reported = call.parts.iter().copied().max().unwrap_or(0);
            let reserved = call.estimate.max(most_reported);
            match call.end {
                End::Settle(actual) => {
                    receipts.push(real.settle(in_proportion(actual)));
                    amount += actual.max(most_reported);
                }
                End::SettleAtLeast(actual) => {
                    receipts.push(real.settle_at_least(in_proportion(actual)));
                    amount += actual.max(reserved);
                }
                End::Forfeit => {
                    receipts.push(real.forfeit());
                    amount += reserved;
                }
                End::Release => {
                    receipts.push(real.release());
                    if call.parts.is_empty() {
                        continue;
                    }
                    amount += most_reported;
                }
                End::Drop => {
                    drop(real);
                    dropped += reserved - most_reported;
                    amount += reserved;
                }
            }
            ended += 1;
        }
        let snapshot = pool.snapshot();
        prop_assert_eq!(snapshot.reserved, Amounts::default());
        prop_assert_eq!(snapshot.spent.calls, ended);
        let expected = in_proportion(amount);
        let spent = snapshot.spent;
        let spent = Usage::tokens(spent.input_tokens, spent.output_tokens).cost(spent.cost);
        prop_assert_eq!(spent, expected);
        // What the receipts say was counted, and what was dropped without one, is all of it.
        let counted = Usd::checked_sum(receipts.iter().map(|receipt| receipt.counted.cost));
        let dropped = Usd::from_nanos(dropped * 7);
        prop_assert_eq!(counted.and_then(|sum| sum.checked_add(dropped)), spent.cost);
    }
}

#[test]
fn the_check_of_refusals_can_fail() {
    // What `explains_itself` is worth: a made-up refusal that does not.
    let pool = BudgetPool::new(Limits::unlimited().calls(1));
    let _ = pool.charge(Usage::ZERO);
    let Err(Rejected::Exceeded(real)) = pool.check(Usage::ZERO) else {
        panic!("a full pool has no room");
    };
    let Answer::Refused(real) = Answer::from(Rejected::Exceeded(real)) else {
        panic!("a refusal is one");
    };
    assert!(explains_itself(&Answer::Refused(real)).is_ok());
    let mut wrong = real;
    if let Refusal::Exceeded { limit, .. } = &mut wrong {
        *limit = 2;
    }
    assert!(explains_itself(&Answer::Refused(wrong)).is_err());
    let mut wrong = real;
    if let Refusal::Exceeded { reason, .. } = &mut wrong {
        *reason = Reason::Busy;
    }
    assert!(explains_itself(&Answer::Refused(wrong)).is_err());
}
