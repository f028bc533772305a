//! Random sequences over every method, step by step beside the sequential pool.
//!
//! A pool is more than its single operations: what a reservation of an earlier step
//! holds, a reset in between, limits that were lowered below what is spent. So
//! proptest writes sequences of operations with several reservations alive, in small
//! amounts around small limits and in amounts around `u64::MAX`, and after every step
//! the answer, the snapshot, the totals, the caps and every reservation have to be
//! the oracle's. What can be said without an oracle is checked without one: refusals
//! explain themselves, and what is reserved is the sum of what the reservations say.

#[path = "support/oracle.rs"]
mod oracle;

use std::sync::Arc;

use oracle::{Answer, Oracle, OracleHold, OracleSnapshot};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use token_budget_pool::{
    BudgetPool, Caps, Exceeded, Limits, MicroUsd, OwnedReservation, Reason, Rejected, Reservation,
    Snapshot, Spent, Usage,
};

#[derive(Clone, Debug)]
enum Op {
    Record(u64, u64, f64),
    TryCharge(Usage),
    Charge(Usage),
    Check(Usage),
    Reserve(Usage),
    ReserveOwned(Usage),
    ReserveUpTo(Usage, (u64, u64), MicroUsd),
    ReserveUpToOwned(Usage, (u64, u64), MicroUsd),
    // The first number chooses among the reservations alive.
    Sent(usize),
    Extend(usize, Usage),
    SettleSoFar(usize, Usage),
    Settle(usize, Usage),
    SettleAtLeast(usize, Usage),
    Forfeit(usize),
    Refund(usize),
    Drop(usize),
    SetLimits(Limits),
    RaiseLimits(u64),
    Reset,
    Take,
    Close,
}

/// How a pool begins.
#[derive(Clone, Debug)]
enum Start {
    Caps(Caps),
    Limits {
        limits: Limits,
        assumed: Option<MicroUsd>,
        /// Whether the thread has a pair of slots of its own from the first step on.
        own_pair: bool,
    },
}

/// Small amounts, so that sums of a few end just below a limit, on it or just above.
fn small() -> BoxedStrategy<u64> {
    prop_oneof![2 => Just(0), 8 => 0..=12_u64].boxed()
}

/// Mostly small ones, and those where counting ends.
fn edgy() -> BoxedStrategy<u64> {
    prop_oneof![
        8 => 0..=12_u64,
        1 => (0..=3_u64).prop_map(|less| u64::MAX - less),
        1 => (0..=3_u64).prop_map(|more| (1 << 63) - 2 + more),
        1 => any::<u64>(),
    ]
    .boxed()
}

fn usage(amount: BoxedStrategy<u64>) -> BoxedStrategy<Usage> {
    let cost = proptest::option::weighted(0.85, amount.clone());
    (amount.clone(), amount, cost)
        .prop_map(|(input, output, cost)| {
            let mut usage = Usage::tokens(input, output);
            usage.cost = cost.map(MicroUsd::from_nanos);
            usage
        })
        .boxed()
}

fn dollars(nanos: BoxedStrategy<u64>) -> BoxedStrategy<f64> {
    prop_oneof![
        20 => nanos.prop_map(|nanos| nanos as f64 / 1e9),
        2 => any::<f64>(),
        1 => prop::sample::select(vec![
            -0.0, 5e-324, 0.49e-9, 0.5e-9, 1.5e-9, 0.1, -1e-9, f64::NAN, f64::INFINITY,
            f64::NEG_INFINITY, 18_446_744_073.709_553, 1e11, f64::MAX,
        ]),
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
            let mut limits = Limits::none();
            limits.input_tokens = input;
            limits.output_tokens = output;
            limits.total_tokens = total;
            limits.cost = cost.map(MicroUsd::from_nanos);
            limits.calls = calls;
            limits
        })
        .boxed()
}

fn start(amount: BoxedStrategy<u64>) -> impl Strategy<Value = Start> {
    let assumed = proptest::option::of(amount.clone());
    let cost_cap = proptest::option::of(prop_oneof![
        20 => amount.clone().prop_map(|nanos| nanos as f64 / 1e9),
        1 => prop::sample::select(vec![-0.0, 1e-30, 1e30, f64::INFINITY]),
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
        3 => (limits(amount), assumed, any::<bool>()).prop_map(|(limits, assumed, own_pair)| {
            Start::Limits {
                limits,
                assumed: assumed.map(MicroUsd::from_nanos),
                own_pair,
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
                let price = MicroUsd::from_nanos(price);
                if owned {
                    Op::ReserveUpToOwned(fixed, range, price)
                } else {
                    Op::ReserveUpTo(fixed, range, price)
                }
            }
        ),
        3 => which().prop_map(Op::Sent),
        5 => (which(), usage()).prop_map(|(hold, more)| Op::Extend(hold, more)),
        6 => (which(), usage()).prop_map(|(hold, total)| Op::SettleSoFar(hold, total)),
        4 => (which(), usage()).prop_map(|(hold, actual)| Op::Settle(hold, actual)),
        2 => (which(), usage()).prop_map(|(hold, actual)| Op::SettleAtLeast(hold, actual)),
        2 => which().prop_map(Op::Forfeit),
        2 => which().prop_map(Op::Refund),
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

/// A reservation of either kind.
enum Real<'a> {
    Borrowed(Reservation<'a>),
    Owned(OwnedReservation),
}

/// The same for either kind.
macro_rules! either {
    ($real:expr, $hold:ident => $do:expr) => {
        match $real {
            Real::Borrowed($hold) => $do,
            Real::Owned($hold) => $do,
        }
    };
}

type Holds<'a> = Vec<(Real<'a>, OracleHold)>;

fn build(start: &Start) -> (Arc<BudgetPool>, Oracle) {
    match *start {
        Start::Caps(caps) => (
            Arc::new(BudgetPool::with_caps(caps)),
            Oracle::with_caps(caps),
        ),
        Start::Limits {
            limits,
            assumed,
            own_pair,
        } => {
            let mut builder = BudgetPool::builder().limits(limits);
            if let Some(assumed) = assumed {
                builder = builder.assumed_cost(assumed);
            }
            if own_pair {
                take_a_thread_number();
                builder = builder.threads(64);
            }
            (Arc::new(builder.build()), Oracle::new(limits, assumed))
        }
    }
}

/// A thread has a number once it used a pool that is busy.
fn take_a_thread_number() {
    thread_local! {
        static TAKEN: () = {
            let busy = BudgetPool::unconstrained();
            for _ in 0..2_000 {
                busy.charge(Usage::default());
            }
        };
    }
    TAKEN.with(|()| ());
}

fn raised(limits: &mut Limits, by: u64) {
    for limit in [
        &mut limits.input_tokens,
        &mut limits.output_tokens,
        &mut limits.total_tokens,
        &mut limits.calls,
    ] {
        *limit = limit.map(|limit| limit.saturating_add(by));
    }
    let by = MicroUsd::from_nanos(by);
    limits.cost = limits.cost.map(|cost| cost.saturating_add(by));
}

/// Takes one step on both sides, and says what each of them answered.
fn step<'a>(
    op: &Op,
    pool: &'a Arc<BudgetPool>,
    oracle: &mut Oracle,
    holds: &mut Holds<'a>,
) -> (Answer, Answer) {
    fn reserved<'a>(
        real: Result<Real<'a>, Rejected>,
        twin: Result<OracleHold, oracle::Refusal>,
        holds: &mut Holds<'a>,
    ) -> (Answer, Answer) {
        let held = |real: &Real<'_>| either!(real, hold => Answer::from(hold));
        let answers = (
            real.as_ref().map_or_else(|&no| no.into(), held),
            twin.as_ref().map_or_else(|&no| no.into(), Answer::from),
        );
        if let (Ok(real), Ok(twin)) = (real, twin) {
            holds.push((real, twin));
        }
        answers
    }
    let chosen = |which: usize, holds: &Holds<'_>| which.checked_rem(holds.len());
    let nothing = (Answer::Done, Answer::Done);

    match *op {
        Op::Record(input, output, cost) => (
            pool.record(input, output, cost).into(),
            oracle.record(input, output, cost).into(),
        ),
        Op::TryCharge(usage) => (
            pool.try_charge(usage).into(),
            oracle.try_charge(usage).into(),
        ),
        Op::Charge(usage) => (pool.charge(usage).into(), oracle.charge(usage).into()),
        Op::Check(usage) => (pool.check(usage).into(), oracle.check(usage).into()),
        Op::Reserve(usage) => reserved(
            pool.reserve(usage).map(Real::Borrowed),
            oracle.reserve(usage),
            holds,
        ),
        Op::ReserveOwned(usage) => {
            let others = Arc::strong_count(pool);
            let real = pool.reserve_owned(usage).map(Real::Owned);
            let mine = usize::from(real.is_ok());
            assert_eq!(Arc::strong_count(pool), others + mine);
            reserved(real, oracle.reserve(usage), holds)
        }
        Op::ReserveUpTo(fixed, (least, most), price) => reserved(
            pool.reserve_up_to(fixed, least..=most, price)
                .map(Real::Borrowed),
            oracle.reserve_up_to(fixed, (least, most), price),
            holds,
        ),
        Op::ReserveUpToOwned(fixed, (least, most), price) => reserved(
            pool.reserve_up_to_owned(fixed, least..=most, price)
                .map(Real::Owned),
            oracle.reserve_up_to(fixed, (least, most), price),
            holds,
        ),
        Op::Sent(which) => {
            if let Some(index) = chosen(which, holds) {
                let (real, twin) = &mut holds[index];
                either!(real, hold => hold.sent());
                oracle.sent(twin);
            }
            nothing
        }
        Op::Extend(which, more) => match chosen(which, holds) {
            Some(index) => {
                let (real, twin) = &mut holds[index];
                (
                    either!(real, hold => hold.extend(more)).into(),
                    oracle.extend(twin, more).into(),
                )
            }
            None => nothing,
        },
        Op::SettleSoFar(which, total) => match chosen(which, holds) {
            Some(index) => {
                let (real, twin) = &mut holds[index];
                (
                    either!(real, hold => hold.settle_so_far(total)).into(),
                    oracle.settle_so_far(twin, total).into(),
                )
            }
            None => nothing,
        },
        Op::Settle(which, _)
        | Op::SettleAtLeast(which, _)
        | Op::Forfeit(which)
        | Op::Refund(which)
        | Op::Drop(which) => match chosen(which, holds) {
            Some(index) => {
                let (real, twin) = holds.swap_remove(index);
                end(op, real, oracle, twin)
            }
            None => nothing,
        },
        Op::SetLimits(limits) => (
            pool.set_limits(limits).into(),
            oracle.set_limits(limits).into(),
        ),
        Op::RaiseLimits(by) => (
            pool.update_limits(|limits| raised(limits, by)).into(),
            oracle.update_limits(|limits| raised(limits, by)).into(),
        ),
        Op::Reset => {
            pool.reset();
            oracle.reset();
            nothing
        }
        Op::Take => (pool.take().into(), oracle.take().into()),
        Op::Close => {
            pool.close();
            oracle.close();
            nothing
        }
    }
}

fn end(op: &Op, real: Real<'_>, oracle: &mut Oracle, twin: OracleHold) -> (Answer, Answer) {
    match *op {
        Op::Settle(_, actual) => (
            either!(real, hold => hold.settle(actual)).into(),
            oracle.settle(twin, actual).into(),
        ),
        Op::SettleAtLeast(_, actual) => (
            either!(real, hold => hold.settle_at_least(actual)).into(),
            oracle.settle_at_least(twin, actual).into(),
        ),
        Op::Forfeit(_) => (
            either!(real, hold => hold.forfeit()).into(),
            oracle.forfeit(twin).into(),
        ),
        Op::Refund(_) => {
            either!(real, hold => hold.refund());
            oracle.refund(twin);
            (Answer::Done, Answer::Done)
        }
        _ => {
            either!(real, hold => drop(hold));
            oracle.drop(twin);
            (Answer::Done, Answer::Done)
        }
    }
}

/// What can be said of a refusal without knowing what the right one is.
fn explains_itself(refusal: &Answer) -> Result<(), TestCaseError> {
    let Answer::Refused(oracle::Refusal::Exceeded {
        limit,
        spent,
        reserved,
        requested,
        reason,
        ..
    }) = *refusal
    else {
        return Ok(());
    };
    let limit = u128::from(limit);
    prop_assert!(requested > 0);
    prop_assert!(spent + reserved + requested > limit);
    prop_assert_eq!(reason == Reason::NeverFits, requested > limit);
    prop_assert_eq!(
        reason == Reason::Exhausted,
        requested <= limit && spent + requested > limit
    );
    Ok(())
}

/// Whether nothing of it became less.
fn grew(before: Spent, now: Spent) -> bool {
    before.input_tokens <= now.input_tokens
        && before.output_tokens <= now.output_tokens
        && before.cost <= now.cost
        && before.calls <= now.calls
        && before.unpriced_calls <= now.unpriced_calls
}

/// All that can be seen of the pool after a step.
fn same_state(
    pool: &BudgetPool,
    oracle: &Oracle,
    holds: &Holds<'_>,
) -> Result<Snapshot, TestCaseError> {
    let snapshot = pool.snapshot();
    prop_assert_eq!(OracleSnapshot::from(snapshot), oracle.snapshot());
    prop_assert_eq!(snapshot.remaining(), oracle.snapshot().remaining());
    prop_assert_eq!(Answer::from(pool.totals()), Answer::from(oracle.totals()));
    prop_assert_eq!(Answer::from(pool.caps()), Answer::from(oracle.caps()));
    prop_assert_eq!(pool.limits(), oracle.limits());

    let mut sum = (0_u128, 0_u128, 0_u128);
    for (real, twin) in holds {
        let (held, told) = either!(real, hold => (hold.held(), hold.told()));
        prop_assert_eq!(held, twin.held_usage());
        prop_assert_eq!(told, twin.told_usage());
        sum.0 += u128::from(held.input_tokens);
        sum.1 += u128::from(held.output_tokens);
        sum.2 += u128::from(held.cost.expect("a hold's cost is known").as_nanos());
    }
    let reserved = snapshot.reserved;
    let cost = reserved.cost.expect("a pool's cost is known").as_nanos();
    prop_assert_eq!(sum.0, u128::from(reserved.input_tokens));
    prop_assert_eq!(sum.1, u128::from(reserved.output_tokens));
    prop_assert_eq!(sum.2, u128::from(cost));
    prop_assert_eq!(snapshot.calls_in_flight, holds.len() as u64);
    Ok(snapshot)
}

fn follows_the_oracle(start: &Start, ops: &[Op]) -> Result<(), TestCaseError> {
    let (pool, mut oracle) = build(start);
    let mut holds = Holds::new();
    let mut before = same_state(&pool, &oracle, &holds)?;
    for (index, op) in ops.iter().enumerate() {
        let (real, expected) = step(op, &pool, &mut oracle, &mut holds);
        prop_assert_eq!(&real, &expected, "at step {}: {:?}", index, op);
        explains_itself(&real)?;
        let now = same_state(&pool, &oracle, &holds)?;
        if matches!(real, Answer::Refused(_) | Answer::BudgetExceeded { .. }) {
            prop_assert_eq!(before, now, "refused, and changed: {:?}", op);
        }
        if !matches!(op, Op::Reset | Op::Take) {
            prop_assert!(grew(before.spent, now.spent), "spent fell: {:?}", op);
        }
        before = now;
    }
    while let Some((real, twin)) = holds.pop() {
        drop(real);
        oracle.drop(twin);
        same_state(&pool, &oracle, &holds)?;
    }
    prop_assert_eq!(pool.snapshot().reserved, Usage::default());
    Ok(())
}

/// What one call told, in order, and how it ended.
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
    Refund,
    Drop,
}

fn call() -> impl Strategy<Value = Call> {
    let end = prop_oneof![
        (0..1_000_u64).prop_map(End::Settle),
        (0..1_000_u64).prop_map(End::SettleAtLeast),
        Just(End::Forfeit),
        Just(End::Refund),
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
    Usage::tokens(amount, amount * 3).cost(MicroUsd::from_nanos(amount * 7))
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

    /// Tallied here, by the rule that users are told: a call comes to what it was
    /// told last, but never to less than it was told before.
    #[test]
    fn parts_add_up_to_the_whole_however_they_interleave(
        calls in prop::collection::vec(call(), 1..8),
        turns in prop::collection::vec(any::<usize>(), 0..60),
    ) {
        let pool = BudgetPool::unconstrained();
        let mut live: Vec<_> = calls
            .iter()
            .map(|call| (pool.reserve(in_proportion(call.estimate)).unwrap(), call, 0))
            .collect();
        let (mut amount, mut ended) = (0, 0);
        let mut turns = turns.into_iter();
        while !live.is_empty() {
            let turn = turns.next().unwrap_or(0) % live.len();
            let (hold, call, told) = &mut live[turn];
            if let Some(&part) = call.parts.get(*told) {
                hold.settle_so_far(in_proportion(part));
                *told += 1;
                continue;
            }
            let (hold, call, _) = live.swap_remove(turn);
            let most_told = call.parts.iter().copied().max().unwrap_or(0);
            let held = call.estimate.max(most_told);
            match call.end {
                End::Settle(actual) => {
                    hold.settle(in_proportion(actual));
                    amount += actual.max(most_told);
                }
                End::SettleAtLeast(actual) => {
                    hold.settle_at_least(in_proportion(actual));
                    amount += actual.max(held);
                }
                End::Forfeit => {
                    hold.forfeit();
                    amount += held;
                }
                End::Refund => {
                    hold.refund();
                    if call.parts.is_empty() {
                        continue;
                    }
                    amount += most_told;
                }
                End::Drop => {
                    drop(hold);
                    if call.parts.is_empty() {
                        continue;
                    }
                    amount += held;
                }
            }
            ended += 1;
        }
        let snapshot = pool.snapshot();
        prop_assert_eq!(snapshot.reserved, Usage::default());
        prop_assert_eq!(snapshot.spent.calls, ended);
        let expected = in_proportion(amount);
        let spent = snapshot.spent;
        let spent = Usage::tokens(spent.input_tokens, spent.output_tokens).cost(spent.cost);
        prop_assert_eq!(spent, expected);
    }
}

#[test]
fn the_check_of_refusals_can_fail() {
    // What `explains_itself` is worth: a made-up refusal that does not.
    let pool = BudgetPool::with_limits(Limits::none().calls(1));
    pool.charge(Usage::default());
    let Err(Rejected::Exceeded(real)) = pool.check(Usage::default()) else {
        panic!("a full pool has no room");
    };
    let refusal = |exceeded: Exceeded| Answer::from(Rejected::Exceeded(exceeded));
    assert!(explains_itself(&refusal(real)).is_ok());
    let mut wrong = real;
    wrong.limit = 2;
    assert!(explains_itself(&refusal(wrong)).is_err());
    let mut wrong = real;
    wrong.reason = Reason::Busy;
    assert!(explains_itself(&refusal(wrong)).is_err());
}
