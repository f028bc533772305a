//! Programs of operations on a tree of pools, run beside the sequential tree.
//!
//! proptest writes the programs in `tests/trees/properties.rs`. After every step the answer, the level
//! that it names, and the state of every node must be the oracle's.

// A program that includes this file may export it again.
#![allow(unreachable_pub)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::sync::{Arc, Mutex};

use token_budget_pool::{
    Amounts, BudgetPool, Child, Excess, InvalidChild, Limits, OwnedCall, OwnedReservation, Receipt,
    Rejected, Restore, Threshold, Usage, Usd,
};

use super::oracle::{Answer, OracleSnapshot};
use super::tree_oracle::{
    NodeId, OracleCrossed, OracleLevel, OracleTreeSnapshot, TreeAnswer, TreeCall, TreeOracle,
    TreeRefusal,
};

/// One operation. The first number chooses among the pools in hand, the newest first, or among the calls
/// in hand. What only a call can do starts a reservation.
#[derive(Clone, Debug)]
pub enum Op {
    Child(usize, Limits),
    /// A child with a label of its own, which may be invalid.
    Labelled(usize, String, Limits),
    /// One more handle of the same pool.
    Keep(usize),
    /// Lets one handle of a pool go. The root's last handle stays.
    LetGo(usize),
    Record(usize, u64, u64, f64),
    TryCharge(usize, Usage),
    Charge(usize, Usage),
    Check(usize, Usage),
    Reserve(usize, Usage),
    ReserveUpTo(usize, Usage, (u64, u64), Usd),
    SetLimits(usize, Limits),
    RaiseLimits(usize, u64),
    Reset(usize),
    Take(usize),
    Close(usize),
    /// A child restored from a snapshot of another pool, and whether what was reserved counts as spent.
    Restore(usize, usize, bool),
    Start(usize),
    Extend(usize, Usage),
    ShrinkTo(usize, Usage),
    Report(usize, Usage),
    Settle(usize, Usage),
    SettleAtLeast(usize, Usage),
    Forfeit(usize),
    Release(usize),
    Drop(usize),
    /// The last call in hand is leaked.
    Leak,
}

/// Where the tree and the sequential tree differ.
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
        "{what}: {real:?}, where the sequential tree has {expected:?}"
    )))
}

/// What a program has in hand for a call.
enum Real {
    Reservation(OwnedReservation),
    Call(OwnedCall),
}

impl Real {
    fn started(self) -> OwnedCall {
        match self {
            Real::Reservation(reservation) => reservation.start(),
            Real::Call(call) => call,
        }
    }

    fn reserved(&self) -> Amounts {
        match self {
            Real::Reservation(reservation) => reservation.reserved(),
            Real::Call(call) => call.reserved(),
        }
    }

    fn reported(&self) -> Amounts {
        match self {
            Real::Reservation(_) => Amounts::default(),
            Real::Call(call) => call.reported(),
        }
    }
}

fn raise(limits: &mut Limits, by: u64) {
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

/// The two trees, and what a program has in hand of both.
struct Run {
    oracle: TreeOracle,
    /// The first one is a handle of the root, which stays.
    pools: Vec<(Arc<BudgetPool>, NodeId)>,
    calls: Vec<(Real, TreeCall)>,
    /// Whether a call was leaked. Its pool then stays for good.
    leaked: bool,
    /// In thousandths of each limit, ascending.
    thresholds: Vec<u32>,
    /// What the hook was told in a step.
    told: Arc<Mutex<Vec<OracleCrossed>>>,
    /// What the receipt of a step said, if there was one.
    in_receipt: Option<Option<OracleCrossed>>,
}

/// A step's answers: the real one, and the sequential tree's.
type Answers = (TreeAnswer, TreeAnswer);

fn nothing() -> Answers {
    (Answer::Done.into(), Answer::Done.into())
}

/// A label of one of several lengths and alphabets. Siblings seldom have the same.
fn label(number: usize) -> String {
    match number % 4 {
        0 => format!("{number}"),
        1 => format!("run {number}"),
        2 => format!("{number:032}"),
        _ => format!("Läufer {number}"),
    }
}

impl Run {
    fn new(limits: Limits, assumed: Option<Usd>, threads: usize, thresholds: &[u32]) -> Run {
        let told = Arc::<Mutex<Vec<OracleCrossed>>>::default();
        let to = told.clone();
        let mut builder = BudgetPool::builder()
            .limits(limits)
            .threads(threads)
            .on_crossed(move |crossed| to.lock().unwrap().push(crossed.into()));
        for &per_mille in thresholds {
            builder = builder.warn_at(Threshold::per_mille(per_mille).expect("a share"));
        }
        if let Some(assumed) = assumed {
            builder = builder.assumed_cost(assumed);
        }
        Run {
            oracle: TreeOracle::new(limits, assumed),
            pools: vec![(Arc::new(builder.build()), 0)],
            calls: vec![],
            leaked: false,
            thresholds: thresholds.into(),
            told,
            in_receipt: None,
        }
    }

    /// The answer of a receipt, which is also one about thresholds.
    fn counted(&mut self, receipt: Receipt) -> TreeAnswer {
        self.in_receipt = Some(receipt.crossed.as_ref().map(OracleCrossed::from));
        TreeAnswer::counted(receipt)
    }

    /// Takes a step that may spend, and compares what it crosses. Returns how much that was too.
    fn crossing<T>(
        &mut self,
        step: impl FnOnce(&mut Run) -> Result<T, Disagreement>,
    ) -> Result<(T, usize), Disagreement> {
        let before = self.oracle.clone();
        // A node that only a call keeps is gone when the call has ended, and may have crossed something.
        let kept = self.oracle.keep_all();
        let done = step(self)?;
        let expected = self.oracle.crossed_since(&before, &self.thresholds);
        kept.into_iter().for_each(|id| self.oracle.let_go(id));
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        agree("crossed", &told, &expected)?;
        if let Some(in_receipt) = self.in_receipt.take() {
            // The first of the highest ones.
            let highest = expected
                .iter()
                .rev()
                .max_by_key(|crossed| crossed.per_mille);
            agree("crossed in the receipt", in_receipt.as_ref(), highest)?;
        }
        Ok((done, told.len()))
    }

    fn pool(&self, which: usize) -> (Arc<BudgetPool>, NodeId) {
        let newest = self.pools.len() - 1;
        let (pool, id) = &self.pools[newest - which % self.pools.len()];
        (Arc::clone(pool), *id)
    }

    fn chosen(&self, which: usize) -> Option<usize> {
        which.checked_rem(self.calls.len())
    }

    fn take_call(&mut self, which: usize) -> Option<(OwnedCall, TreeCall)> {
        let (real, mut twin) = self.calls.swap_remove(self.chosen(which)?);
        self.oracle.start(&mut twin);
        Some((real.started(), twin))
    }

    fn born(
        &mut self,
        real: Result<Arc<BudgetPool>, InvalidChild>,
        twin: Result<NodeId, InvalidChild>,
    ) -> Result<(), Disagreement> {
        agree("child", real.as_ref().err(), twin.as_ref().err())?;
        if let (Ok(real), Ok(twin)) = (real, twin) {
            self.pools.push((real, twin));
        }
        Ok(())
    }

    fn reserved(
        &mut self,
        real: Result<OwnedReservation, Rejected>,
        twin: Result<TreeCall, TreeRefusal>,
    ) -> Answers {
        match (real, twin) {
            (Ok(real), Ok(twin)) => {
                let answers = (
                    Answer::Reserved(real.reserved()).into(),
                    Answer::from(&twin.call).into(),
                );
                self.calls.push((Real::Reservation(real), twin));
                answers
            }
            (real, twin) => (
                TreeAnswer::real(real.map(|real| Answer::from(&real))),
                TreeAnswer::expected(twin.map(|twin| Answer::from(&twin.call))),
            ),
        }
    }

    /// Takes one step on both sides.
    fn step(&mut self, op: &Op) -> Result<Answers, Disagreement> {
        Ok(match *op {
            Op::Child(which, limits) => {
                let (pool, id) = self.pool(which);
                let label = label(self.pools.len() + 1000 * self.oracle.depth(id));
                let child = Child::new(limits).label(&label);
                let twin = self.oracle.child(id, &label, limits);
                self.born(pool.child_owned(child), twin)?;
                nothing()
            }
            Op::Labelled(which, ref label, limits) => {
                let (pool, id) = self.pool(which);
                let child = Child::new(limits).label(label);
                let twin = self.oracle.child(id, label, limits);
                self.born(pool.child_owned(child), twin)?;
                nothing()
            }
            Op::Restore(which, from, reserved_as_spent) => {
                let ((pool, id), (from, from_id)) = (self.pool(which), self.pool(from));
                let restore = match reserved_as_spent {
                    true => Restore::ReservedAsSpent,
                    false => Restore::WithoutReserved,
                };
                let child = Child::restored(&from.tree_snapshot(), restore);
                let saved = self.oracle.tree_snapshot(from_id);
                let twin = self.oracle.child_restored(id, &saved, reserved_as_spent);
                self.born(pool.child_owned(child), twin)?;
                nothing()
            }
            Op::Keep(which) => {
                let (pool, id) = self.pool(which);
                self.oracle.keep(id);
                self.pools.push((pool, id));
                nothing()
            }
            Op::LetGo(which) => {
                if let Some(index) = which.checked_rem(self.pools.len() - 1) {
                    let (pool, id) = self.pools.swap_remove(index + 1);
                    drop(pool);
                    self.oracle.let_go(id);
                }
                nothing()
            }
            Op::Record(which, input, output, cost) => {
                let (pool, id) = self.pool(which);
                let expected = self.oracle.record(id, input, output, cost);
                (
                    Answer::from(pool.record(input, output, cost)).into(),
                    Answer::from(expected).into(),
                )
            }
            Op::TryCharge(which, usage) => {
                let (pool, id) = self.pool(which);
                (
                    TreeAnswer::real(pool.try_charge(usage)),
                    TreeAnswer::expected(self.oracle.try_charge(id, usage)),
                )
            }
            Op::Charge(which, usage) => {
                let (pool, id) = self.pool(which);
                (
                    self.counted(pool.charge(usage)),
                    self.oracle.charge(id, usage).into(),
                )
            }
            Op::Check(which, usage) => {
                let (pool, id) = self.pool(which);
                (
                    TreeAnswer::real(pool.check(usage)),
                    TreeAnswer::expected(self.oracle.check(id, usage)),
                )
            }
            Op::Reserve(which, usage) => {
                let (pool, id) = self.pool(which);
                let twin = self.oracle.try_reserve(id, usage);
                self.reserved(pool.try_reserve_owned(usage), twin)
            }
            Op::ReserveUpTo(which, fixed, (least, most), price) => {
                let (pool, id) = self.pool(which);
                let real = pool.try_reserve_up_to_owned(fixed, least..=most, price);
                let twin = self
                    .oracle
                    .try_reserve_up_to(id, fixed, (least, most), price);
                self.reserved(real, twin)
            }
            Op::SetLimits(which, limits) => {
                let (pool, id) = self.pool(which);
                (
                    pool.set_limits(limits).into(),
                    self.oracle.set_limits(id, limits).into(),
                )
            }
            Op::RaiseLimits(which, by) => {
                let (pool, id) = self.pool(which);
                (
                    pool.update_limits(|limits| raise(limits, by)).into(),
                    self.oracle
                        .update_limits(id, |limits| raise(limits, by))
                        .into(),
                )
            }
            Op::Reset(which) => {
                let (pool, id) = self.pool(which);
                pool.reset();
                self.oracle.reset(id);
                nothing()
            }
            Op::Take(which) => {
                let (pool, id) = self.pool(which);
                (pool.take().into(), self.oracle.take(id).into())
            }
            Op::Close(which) => {
                let (pool, id) = self.pool(which);
                (pool.close().into(), self.oracle.close(id).into())
            }
            _ => return self.step_of_call(op),
        })
    }

    /// A step of a call in hand. Without one, nothing happens.
    fn step_of_call(&mut self, op: &Op) -> Result<Answers, Disagreement> {
        Ok(match *op {
            Op::Start(which) => {
                if let Some((call, twin)) = self.take_call(which) {
                    self.calls.push((Real::Call(call), twin));
                }
                nothing()
            }
            Op::Extend(which, more) => match self.chosen(which) {
                Some(index) => {
                    let (real, twin) = &mut self.calls[index];
                    let result = match real {
                        Real::Reservation(reservation) => reservation.extend(more),
                        Real::Call(call) => call.extend(more),
                    };
                    (
                        TreeAnswer::real(result),
                        TreeAnswer::expected(self.oracle.extend(twin, more)),
                    )
                }
                None => nothing(),
            },
            Op::ShrinkTo(which, most) => {
                if let Some(index) = self.chosen(which) {
                    let (real, twin) = &mut self.calls[index];
                    match real {
                        Real::Reservation(reservation) => reservation.shrink_to(most),
                        Real::Call(call) => call.shrink_to(most),
                    }
                    self.oracle.shrink_to(twin, most);
                }
                nothing()
            }
            Op::Report(which, total) => match self.take_call(which) {
                Some((mut call, mut twin)) => {
                    let answers = (
                        self.counted(call.report(total)),
                        self.oracle.report(&mut twin, total).into(),
                    );
                    self.calls.push((Real::Call(call), twin));
                    answers
                }
                None => nothing(),
            },
            Op::Settle(which, actual) => match self.take_call(which) {
                Some((call, twin)) => (
                    self.counted(call.settle(actual)),
                    self.oracle.settle(twin, actual).into(),
                ),
                None => nothing(),
            },
            Op::SettleAtLeast(which, actual) => match self.take_call(which) {
                Some((call, twin)) => (
                    self.counted(call.settle_at_least(actual)),
                    self.oracle.settle_at_least(twin, actual).into(),
                ),
                None => nothing(),
            },
            Op::Forfeit(which) => match self.take_call(which) {
                Some((call, twin)) => (
                    self.counted(call.forfeit()),
                    self.oracle.forfeit(twin).into(),
                ),
                None => nothing(),
            },
            Op::Release(which) => match self.take_call(which) {
                Some((call, twin)) => (
                    self.counted(call.release()),
                    self.oracle.release(twin).into(),
                ),
                None => nothing(),
            },
            Op::Drop(which) => {
                if let Some(index) = self.chosen(which) {
                    let (real, twin) = self.calls.swap_remove(index);
                    drop(real);
                    self.oracle.drop_call(twin);
                }
                nothing()
            }
            Op::Leak => {
                if let Some((real, twin)) = self.calls.pop() {
                    std::mem::forget(real);
                    self.oracle.leak(twin);
                    self.leaked = true;
                }
                nothing()
            }
            _ => unreachable!("{op:?} is not of a call"),
        })
    }

    /// All that can be seen of the tree after a step: all nodes at one moment, and one pool in hand more
    /// closely.
    fn same_state(&self, which: usize) -> Result<(), Disagreement> {
        let tree = |pool: &BudgetPool| OracleTreeSnapshot::from(&pool.tree_snapshot());
        let (root, _) = &self.pools[0];
        agree("tree", tree(root), self.oracle.tree_snapshot(0))?;

        let (pool, id) = self.pool(which);
        let expected = self.oracle.snapshot(id);
        agree("subtree", tree(&pool), self.oracle.tree_snapshot(id))?;
        agree("snapshot", OracleSnapshot::from(pool.snapshot()), expected)?;
        agree("spent", pool.spent(), expected.spent)?;
        agree("limits", pool.limits(), expected.limits)?;
        agree("remaining", pool.remaining(), self.oracle.remaining(id))?;
        agree("closed", pool.is_closed(), self.oracle.is_closed(id))?;
        let level = OracleLevel::from(pool.level());
        agree("level", level, self.oracle.level(id))?;
        let own = self.oracle.pool(id);
        agree::<Answer>("totals", pool.totals().into(), own.totals().into())?;
        agree::<Answer>("caps", pool.caps().into(), own.caps().into())?;

        for (real, twin) in &self.calls {
            let (reserved, reported) = (twin.call.reserved_amounts(), twin.call.reported_amounts());
            agree("reserved", real.reserved(), reserved)?;
            agree("reported", real.reported(), reported)?;
        }
        Ok(())
    }
}

/// What programs came to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The depth of the deepest pool in hand.
    pub deepest: usize,
    /// How many refusals named a level, by its depth.
    pub refused_at: BTreeMap<u8, usize>,
    /// How many refusals named a level above the pool that was asked.
    pub refused_above: usize,
    /// How many receipts named a level whose limit is passed, by its depth.
    pub over_limit_at: BTreeMap<u8, usize>,
    /// How many thresholds were crossed.
    pub crossed: usize,
}

impl Seen {
    pub fn add(&mut self, other: &Seen) {
        self.deepest = self.deepest.max(other.deepest);
        self.refused_above += other.refused_above;
        self.crossed += other.crossed;
        for (all, more) in [
            (&mut self.refused_at, &other.refused_at),
            (&mut self.over_limit_at, &other.over_limit_at),
        ] {
            for (&depth, times) in more {
                *all.entry(depth).or_default() += times;
            }
        }
    }

    fn note(&mut self, answer: &TreeAnswer, asked: Option<usize>) {
        let Some(level) = &answer.level else { return };
        match &answer.answer {
            Answer::Refused(_) => {
                *self.refused_at.entry(level.depth).or_default() += 1;
                let above = asked.is_some_and(|asked| usize::from(level.depth) < asked);
                self.refused_above += usize::from(above);
            }
            Answer::Counted(counted) if counted.over_limit != Excess::default() => {
                *self.over_limit_at.entry(level.depth).or_default() += 1;
            }
            _ => {}
        }
    }
}

impl Op {
    /// Which of the pools in hand it asks for room.
    fn asks(&self) -> Option<usize> {
        match *self {
            Op::TryCharge(which, _) | Op::Reserve(which, _) | Op::ReserveUpTo(which, ..) => {
                Some(which)
            }
            _ => None,
        }
    }
}

/// Runs a program on a tree and on the sequential tree.
pub fn follows_the_oracle(
    limits: Limits,
    assumed: Option<Usd>,
    threads: usize,
    thresholds: &[u32],
    ops: &[Op],
) -> Result<Seen, Disagreement> {
    let mut run = Run::new(limits, assumed, threads, thresholds);
    let mut seen = Seen::default();
    for (index, op) in ops.iter().enumerate() {
        let before = run.oracle.clone();
        let asked = op.asks().map(|which| run.oracle.depth(run.pool(which).1));
        let ((real, expected), crossed) = run
            .crossing(|run| run.step(op))
            .map_err(|error| Disagreement(format!("in step {index}, {op:?}: {error}")))?;
        seen.crossed += crossed;
        agree(format_args!("step {index}, {op:?}"), &real, &expected)?;
        if matches!(
            real.answer,
            Answer::Refused(_) | Answer::BudgetExceeded { .. }
        ) {
            // The two agree below. So this shows that the tree was not changed either.
            agree(format_args!("refused step {index}"), &run.oracle, &before)?;
        }
        run.same_state(index)
            .map_err(|error| Disagreement(format!("after step {index}, {op:?}: {error}")))?;
        let newest = run.pool(0).1;
        seen.deepest = seen.deepest.max(run.oracle.depth(newest));
        seen.note(&real, asked);
    }
    // All handles go, in an order of the program. What was spent stays above.
    while let Some((real, twin)) = run.calls.pop() {
        let end = |run: &mut Run| {
            drop(real);
            run.oracle.drop_call(twin);
            Ok(())
        };
        seen.crossed += run.crossing(end)?.1;
        run.same_state(0)?;
    }
    while run.pools.len() > 1 {
        let (pool, id) = run.pools.swap_remove(1);
        drop(pool);
        run.oracle.let_go(id);
        run.same_state(0)?;
    }
    if !run.leaked {
        let children = run.pools[0].0.tree_snapshot().children.len();
        agree("children in the end", children, 0)?;
    }
    Ok(seen)
}
