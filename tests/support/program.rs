//! Programs of operations on a pool, and what it is to follow the sequential pool through one.
//!
//! Who writes the programs is their own business: proptest in `tests/properties.rs`, a fuzzer
//! in `fuzz/src/operations.rs`. After every step the answer, the snapshot, the totals, the
//! caps and every reservation have to be the oracle's. What can be said without an oracle
//! is checked without one: refusals explain themselves, and what is reserved is the sum of
//! what the reservations and calls say.

// Whoever includes this file may export it again.
#![allow(unreachable_pub)]

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::sync::Arc;

use super::oracle::{self, Answer, Oracle, OracleCall, OracleSnapshot};
use token_budget_pool::{
    Amounts, BudgetPool, Call, Caps, Limits, OwnedCall, OwnedReservation, Reason, Receipt,
    Rejected, Reservation, Snapshot, Spent, Usage, Usd,
};
/// One operation, and what it is given.
#[derive(Clone, Debug)]
pub enum Op {
    Record(u64, u64, f64),
    TryCharge(Usage),
    Charge(Usage),
    Check(Usage),
    Reserve(Usage),
    ReserveOwned(Usage),
    ReserveUpTo(Usage, (u64, u64), Usd),
    ReserveUpToOwned(Usage, (u64, u64), Usd),
    // The first number chooses among the reservations and calls alive. What only a call can do
    // starts a reservation.
    Start(usize),
    Extend(usize, Usage),
    ShrinkTo(usize, Usage),
    Report(usize, Usage),
    Settle(usize, Usage),
    SettleAtLeast(usize, Usage),
    Forfeit(usize),
    Release(usize),
    Drop(usize),
    SetLimits(Limits),
    RaiseLimits(u64),
    Reset,
    Take,
    Close,
}

/// How a pool begins.
#[derive(Clone, Debug)]
pub enum Start {
    Caps(Caps),
    Limits {
        limits: Limits,
        assumed: Option<Usd>,
        /// Whether the thread has a pair of slots of its own from the first step on.
        lanes: bool,
    },
}

/// Costs in dollars at which something is special.
pub const ODD_DOLLARS: [f64; 13] = [
    -0.0,
    5e-324,
    0.49e-9,
    0.5e-9,
    1.5e-9,
    0.1,
    -1e-9,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    18_446_744_073.709_553,
    1e11,
    f64::MAX,
];

/// The same of caps on cost.
pub const ODD_COST_CAPS: [f64; 4] = [-0.0, 1e-30, 1e30, f64::INFINITY];

/// Where a pool and the sequential pool part, and on what.
#[derive(Debug)]
pub struct Disagreement(String);

impl Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Disagreement {}

fn agree<T: PartialEq + Debug>(
    what: impl Display,
    real: T,
    expected: T,
) -> Result<(), Disagreement> {
    if real == expected {
        return Ok(());
    }
    Err(Disagreement(format!(
        "{what}: {real:?}, where the sequential pool has {expected:?}"
    )))
}

fn must(what: impl Display, is_so: bool) -> Result<(), Disagreement> {
    if is_so {
        return Ok(());
    }
    Err(Disagreement(format!("not so: {what}")))
}

/// What a program has in hand for a call.
enum Real<'a> {
    Borrowed(Reservation<&'a BudgetPool>),
    Owned(OwnedReservation),
    BorrowedCall(Call<&'a BudgetPool>),
    OwnedCall(OwnedCall),
}

/// The same for each of them.
macro_rules! each {
    ($real:expr, $it:ident => $do:expr) => {
        match $real {
            Real::Borrowed($it) => $do,
            Real::Owned($it) => $do,
            Real::BorrowedCall($it) => $do,
            Real::OwnedCall($it) => $do,
        }
    };
}

/// The same for a call of either kind.
macro_rules! either {
    ($real:expr, $call:ident => $do:expr) => {
        match $real {
            Real::BorrowedCall($call) => $do,
            Real::OwnedCall($call) => $do,
            Real::Borrowed(_) | Real::Owned(_) => unreachable!("it was started"),
        }
    };
}

impl Real<'_> {
    /// The call that it becomes, or is.
    fn started(self) -> Self {
        match self {
            Real::Borrowed(reservation) => Real::BorrowedCall(reservation.start()),
            Real::Owned(reservation) => Real::OwnedCall(reservation.start()),
            call => call,
        }
    }

    fn reserved(&self) -> Amounts {
        each!(self, it => it.reserved())
    }

    fn reported(&self) -> Amounts {
        match self {
            Real::Borrowed(_) | Real::Owned(_) => Amounts::default(),
            Real::BorrowedCall(call) => call.reported(),
            Real::OwnedCall(call) => call.reported(),
        }
    }
}

type Alive<'a> = Vec<(Real<'a>, OracleCall)>;

fn build(start: &Start) -> (Arc<BudgetPool>, Oracle) {
    match *start {
        Start::Caps(caps) => (
            Arc::new(BudgetPool::with_caps(caps)),
            Oracle::with_caps(caps),
        ),
        Start::Limits {
            limits,
            assumed,
            lanes,
        } => {
            let mut builder = BudgetPool::builder().limits(limits);
            if let Some(assumed) = assumed {
                builder = builder.assumed_cost(assumed);
            }
            if lanes {
                builder = builder.threads(64);
            }
            (Arc::new(builder.build()), Oracle::new(limits, assumed))
        }
    }
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
    let by = Usd::from_nanos(by);
    limits.cost = limits.cost.map(|cost| cost.saturating_add(by));
}

/// Takes one step on both sides, and says what each of them answered.
fn step<'a>(
    op: &Op,
    pool: &'a Arc<BudgetPool>,
    oracle: &mut Oracle,
    alive: &mut Alive<'a>,
) -> (Answer, Answer) {
    fn reserved<'a>(
        real: Result<Real<'a>, Rejected>,
        twin: Result<OracleCall, oracle::Refusal>,
        alive: &mut Alive<'a>,
    ) -> (Answer, Answer) {
        let held = |real: &Real<'_>| Answer::Reserved(real.reserved());
        let answers = (
            real.as_ref().map_or_else(|&no| no.into(), held),
            twin.as_ref().map_or_else(|&no| no.into(), Answer::from),
        );
        if let (Ok(real), Ok(twin)) = (real, twin) {
            alive.push((real, twin));
        }
        answers
    }
    let chosen = |which: usize, alive: &Alive<'_>| which.checked_rem(alive.len());
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
            pool.try_reserve(usage).map(Real::Borrowed),
            oracle.try_reserve(usage),
            alive,
        ),
        Op::ReserveOwned(usage) => {
            let others = Arc::strong_count(pool);
            let real = pool.try_reserve_owned(usage).map(Real::Owned);
            let mine = usize::from(real.is_ok());
            assert_eq!(Arc::strong_count(pool), others + mine);
            reserved(real, oracle.try_reserve(usage), alive)
        }
        Op::ReserveUpTo(fixed, (least, most), price) => reserved(
            pool.try_reserve_up_to(fixed, least..=most, price)
                .map(Real::Borrowed),
            oracle.try_reserve_up_to(fixed, (least, most), price),
            alive,
        ),
        Op::ReserveUpToOwned(fixed, (least, most), price) => reserved(
            pool.try_reserve_up_to_owned(fixed, least..=most, price)
                .map(Real::Owned),
            oracle.try_reserve_up_to(fixed, (least, most), price),
            alive,
        ),
        Op::Start(which) => {
            if let Some(index) = chosen(which, alive) {
                start(index, oracle, alive);
            }
            nothing
        }
        Op::Extend(which, more) => match chosen(which, alive) {
            Some(index) => {
                let (real, twin) = &mut alive[index];
                (
                    each!(real, it => it.extend(more)).into(),
                    oracle.extend(twin, more).into(),
                )
            }
            None => nothing,
        },
        Op::ShrinkTo(which, most) => {
            if let Some(index) = chosen(which, alive) {
                let (real, twin) = &mut alive[index];
                each!(real, it => it.shrink_to(most));
                oracle.shrink_to(twin, most);
            }
            nothing
        }
        Op::Report(which, total) => match chosen(which, alive) {
            Some(index) => {
                start(index, oracle, alive);
                let (real, twin) = &mut alive[index];
                (
                    either!(real, call => call.report(total)).into(),
                    oracle.report(twin, total).into(),
                )
            }
            None => nothing,
        },
        Op::Settle(which, _)
        | Op::SettleAtLeast(which, _)
        | Op::Forfeit(which)
        | Op::Release(which) => match chosen(which, alive) {
            Some(index) => {
                start(index, oracle, alive);
                let (real, twin) = alive.swap_remove(index);
                end(op, real, oracle, twin)
            }
            None => nothing,
        },
        Op::Drop(which) => {
            if let Some(index) = chosen(which, alive) {
                let (real, twin) = alive.swap_remove(index);
                drop(real);
                oracle.drop(twin);
            }
            nothing
        }
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
        Op::Close => (pool.close().into(), oracle.close().into()),
    }
}

fn start(index: usize, oracle: &mut Oracle, alive: &mut Alive<'_>) {
    let (real, mut twin) = alive.swap_remove(index);
    oracle.start(&mut twin);
    alive.push((real.started(), twin));
    let last = alive.len() - 1;
    alive.swap(index, last);
}

/// Ends a call in the way that `op` says.
fn end(op: &Op, real: Real<'_>, oracle: &mut Oracle, twin: OracleCall) -> (Answer, Answer) {
    let receipt: Receipt;
    let expected = match *op {
        Op::Settle(_, actual) => {
            receipt = either!(real, call => call.settle(actual));
            oracle.settle(twin, actual)
        }
        Op::SettleAtLeast(_, actual) => {
            receipt = either!(real, call => call.settle_at_least(actual));
            oracle.settle_at_least(twin, actual)
        }
        Op::Forfeit(_) => {
            receipt = either!(real, call => call.forfeit());
            oracle.forfeit(twin)
        }
        Op::Release(_) => {
            receipt = either!(real, call => call.release());
            oracle.release(twin)
        }
        _ => unreachable!("{op:?} ends no call"),
    };
    (receipt.into(), expected.into())
}

/// What can be said of a refusal without knowing what the right one is.
pub fn explains_itself(refusal: &Answer) -> Result<(), Disagreement> {
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
    if [spent, reserved, requested].contains(&u64::MAX) {
        // It may stand for more.
        return Ok(());
    }
    let [limit, spent, reserved, requested] = [limit, spent, reserved, requested].map(u128::from);
    let expected = if requested > limit {
        Reason::NeverFits
    } else if spent + requested > limit {
        Reason::Exhausted
    } else {
        Reason::Busy
    };
    let refuses = requested > 0 && spent + reserved + requested > limit;
    must(
        format_args!("explained: {refusal:?}"),
        refuses && reason == expected,
    )
}

/// Whether nothing of it became less.
fn grew(before: Spent, now: Spent) -> bool {
    before.input_tokens <= now.input_tokens
        && before.output_tokens <= now.output_tokens
        && before.cost <= now.cost
        && before.calls <= now.calls
        && before.unpriced_calls <= now.unpriced_calls
        && before.forfeited_calls <= now.forfeited_calls
        && before.forfeited_cost <= now.forfeited_cost
}

/// All that can be seen of the pool after a step.
fn same_state(
    pool: &BudgetPool,
    oracle: &Oracle,
    alive: &Alive<'_>,
) -> Result<Snapshot, Disagreement> {
    let snapshot = pool.snapshot();
    let expected = oracle.snapshot();
    agree("snapshot", OracleSnapshot::from(snapshot), expected)?;
    agree("remaining", snapshot.remaining(), expected.remaining())?;
    agree::<Answer>("totals", pool.totals().into(), oracle.totals().into())?;
    agree::<Answer>("caps", pool.caps().into(), oracle.caps().into())?;
    agree("limits", pool.limits(), oracle.limits())?;

    agree("spent", pool.spent(), oracle.spent())?;
    agree("pool's remaining", pool.remaining(), expected.remaining())?;
    agree("is closed", pool.is_closed(), expected.closed)?;

    let words = |amounts: Amounts| {
        let cost = amounts.cost.as_nanos();
        [amounts.input_tokens, amounts.output_tokens, cost].map(u128::from)
    };
    let mut sum = [0; 3];
    for (real, twin) in alive {
        agree("reserved", real.reserved(), twin.reserved_amounts())?;
        agree("reported", real.reported(), twin.reported_amounts())?;
        for (sum, amount) in sum.iter_mut().zip(words(real.reserved())) {
            *sum += amount;
        }
    }
    agree("sum of all reserved", words(snapshot.reserved), sum)?;
    agree(
        "calls in flight",
        snapshot.calls_in_flight,
        alive.len() as u64,
    )?;
    Ok(snapshot)
}

/// Runs a program on a pool and on the sequential pool.
pub fn follows_the_oracle(start: &Start, ops: &[Op]) -> Result<(), Disagreement> {
    let (pool, mut oracle) = build(start);
    let mut alive = Alive::new();
    let mut before = same_state(&pool, &oracle, &alive)?;
    for (index, op) in ops.iter().enumerate() {
        let (real, expected) = step(op, &pool, &mut oracle, &mut alive);
        agree(format_args!("step {index}, {op:?}"), &real, &expected)?;
        explains_itself(&real)?;
        let now = same_state(&pool, &oracle, &alive)
            .map_err(|error| Disagreement(format!("after step {index}, {op:?}: {error}")))?;
        if matches!(real, Answer::Refused(_) | Answer::BudgetExceeded { .. }) {
            must(
                format_args!("step {index}, {op:?}, was refused and changed nothing"),
                before == now,
            )?;
        }
        if !matches!(op, Op::Reset | Op::Take) {
            must(
                format_args!("step {index}, {op:?}, took nothing off what was spent"),
                grew(before.spent, now.spent),
            )?;
        }
        before = now;
    }
    while let Some((real, twin)) = alive.pop() {
        drop(real);
        oracle.drop(twin);
        same_state(&pool, &oracle, &alive)?;
    }
    Ok(())
}
