//! Operations on the pools of a tree, children that come and go, and snapshots of all pools at once. One
//! order of the whole tree explains them all.

use token_budget_pool::{BudgetPool, Child, ChildPool, Limits, Reservation, Usage, Usd};

use crate::gate::together;
use crate::mixed::Mixed;
use crate::operation::usage;
use crate::oracle::Answer;
use crate::overlap::until_enough_overlap;
use crate::recorder::{Event, Recorder, Stamps};
use crate::search::{Search, Sequential};
use crate::tree_oracle::{NodeId, OracleTreeSnapshot, TreeAnswer, TreeCall, TreeOracle};

const THREADS: [usize; 2] = [2, 4];

/// The pools that stay: the root, a team below it, two runs of the team, and a run below the root.
const PARENTS: [Option<NodeId>; 5] = [None, Some(0), Some(1), Some(1), Some(0)];
const STAY: usize = PARENTS.len();

/// A thread has at most one reservation in hand, and one child of its own, which has the number `STAY` plus
/// the thread's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TreeOp {
    TryCharge(NodeId, Usage),
    Charge(NodeId, Usage),
    Check(NodeId, Usage),
    Reserve(NodeId, Usage),
    Extend(Usage),
    Settle(Usage),
    Drop,
    Take(NodeId),
    SetLimits(NodeId, Limits),
    Snapshot(NodeId),
    TreeSnapshot(NodeId),
    /// Makes a child with this number.
    Make(NodeId, NodeId, Limits),
    /// Drops it.
    Unmake(NodeId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TreeOrOne {
    One(TreeAnswer),
    Tree(OracleTreeSnapshot),
}

impl<A: Into<TreeAnswer>> From<A> for TreeOrOne {
    fn from(answer: A) -> TreeOrOne {
        TreeOrOne::One(answer.into())
    }
}

type TreeEvent = Event<TreeOp, TreeOrOne>;

fn label(number: NodeId) -> String {
    format!("pool {number}")
}

impl Sequential for TreeOracle {
    type Op = TreeOp;
    type Answer = TreeOrOne;
    type InHand = TreeCall;

    fn answer(&mut self, in_hand: &mut Option<TreeCall>, op: &TreeOp) -> Option<TreeOrOne> {
        Some(match *op {
            TreeOp::TryCharge(node, usage) => {
                TreeAnswer::expected(self.try_charge(node, usage)).into()
            }
            TreeOp::Charge(node, usage) => TreeAnswer::from(self.charge(node, usage)).into(),
            TreeOp::Check(node, usage) => TreeAnswer::expected(self.check(node, usage)).into(),
            TreeOp::Reserve(node, estimate) => {
                let reserved = self.try_reserve(node, estimate);
                *in_hand = reserved.as_ref().ok().copied();
                TreeAnswer::expected(reserved.map(|call| Answer::from(&call.call))).into()
            }
            TreeOp::Extend(more) => {
                TreeAnswer::expected(self.extend(in_hand.as_mut()?, more)).into()
            }
            TreeOp::Settle(actual) => {
                let mut call = in_hand.take()?;
                self.start(&mut call);
                TreeAnswer::from(self.settle(call, actual)).into()
            }
            TreeOp::Drop => {
                self.drop_call(in_hand.take()?);
                Answer::Done.into()
            }
            TreeOp::Take(node) => Answer::from(self.take(node)).into(),
            TreeOp::SetLimits(node, limits) => Answer::from(self.set_limits(node, limits)).into(),
            TreeOp::Snapshot(node) => Answer::from(self.snapshot(node)).into(),
            TreeOp::TreeSnapshot(node) => TreeOrOne::Tree(self.tree_snapshot(node)),
            TreeOp::Make(number, parent, limits) => {
                let made = self.child_with_number(number, parent, &label(number), limits);
                made.expect("a valid child");
                Answer::Done.into()
            }
            TreeOp::Unmake(number) => {
                self.let_go(number);
                Answer::Done.into()
            }
        })
    }

    fn only_looked(op: &TreeOp, answer: &TreeOrOne) -> bool {
        let looks = matches!(
            op,
            TreeOp::Check(..) | TreeOp::Snapshot(_) | TreeOp::TreeSnapshot(_)
        );
        looks || matches!(answer, TreeOrOne::One(one) if matches!(one.answer, Answer::Refused(_)))
    }
}

/// A thread that uses the pools of a tree and records what it does.
struct Caller<'a> {
    pools: [&'a BudgetPool; STAY],
    child: Option<ChildPool<'a>>,
    in_hand: Option<Reservation<&'a BudgetPool>>,
    recorder: Recorder<'a, TreeOp, TreeOrOne>,
}

impl Caller<'_> {
    fn run(&mut self, op: TreeOp) {
        let pools = self.pools;
        let child = &self.child;
        let pool = |node: NodeId| match pools.get(node) {
            Some(pool) => pool,
            None => child.as_deref().expect("its child"),
        };
        let recorder = &mut self.recorder;
        match op {
            TreeOp::TryCharge(node, usage) => {
                let answer = |result: &Result<_, _>| TreeAnswer::real(*result).into();
                let _ = recorder.record(op, || pool(node).try_charge(usage), answer);
            }
            TreeOp::Charge(node, usage) => {
                let answer = |receipt: &_| TreeAnswer::counted(*receipt).into();
                let _ = recorder.record(op, || pool(node).charge(usage), answer);
            }
            TreeOp::Check(node, usage) => {
                let answer = |result: &Result<(), _>| TreeAnswer::real(*result).into();
                let _ = recorder.record(op, || pool(node).check(usage), answer);
            }
            TreeOp::Reserve(node, estimate) => {
                let answer = |result: &Result<Reservation<_>, _>| {
                    let reserved = result.as_ref().map(Answer::from);
                    TreeAnswer::real(reserved.map_err(|refused| *refused)).into()
                };
                let reserve = || pools[node].try_reserve(estimate);
                self.in_hand = recorder.record(op, reserve, answer).ok();
            }
            TreeOp::Extend(more) => {
                let reservation = self.in_hand.as_mut().expect("it reserved before");
                let answer = |result: &Result<(), _>| TreeAnswer::real(*result).into();
                let _ = recorder.record(op, || reservation.extend(more), answer);
            }
            TreeOp::Settle(actual) => {
                let call = self.in_hand.take().expect("it reserved before").start();
                let answer = |receipt: &_| TreeAnswer::counted(*receipt).into();
                let _ = recorder.record(op, || call.settle(actual), answer);
            }
            TreeOp::Drop => {
                let reservation = self.in_hand.take();
                recorder.record(op, || drop(reservation), |()| Answer::Done.into());
            }
            TreeOp::Take(node) => {
                let answer = |spent: &_| Answer::Spent(*spent).into();
                let _ = recorder.record(op, || pool(node).take(), answer);
            }
            TreeOp::SetLimits(node, limits) => {
                let answer = |old: &_| Answer::Limits(*old).into();
                recorder.record(op, || pool(node).set_limits(limits), answer);
            }
            TreeOp::Snapshot(node) => {
                let answer = |snapshot: &_| Answer::from(*snapshot).into();
                recorder.record(op, || pool(node).snapshot(), answer);
            }
            TreeOp::TreeSnapshot(node) => {
                let answer = |tree: &_| TreeOrOne::Tree(OracleTreeSnapshot::from(tree));
                recorder.record(op, || pool(node).tree_snapshot(), answer);
            }
            TreeOp::Make(number, parent, limits) => {
                let made = Child::new(limits).label(&label(number));
                let make = || pools[parent].child(made).expect("a valid child");
                self.child = Some(recorder.record(op, make, |_| Answer::Done.into()));
            }
            TreeOp::Unmake(_) => {
                let child = self.child.take();
                recorder.record(op, || drop(child), |()| Answer::Done.into());
            }
        }
    }

    /// The next operation of thread `number`.
    fn next(&self, mixed: &mut Mixed, number: usize) -> TreeOp {
        let own = STAY + number;
        let limits = |mixed: &mut Mixed| match mixed.below(3) {
            0 => Limits::unlimited().input_tokens(mixed.below(40)),
            1 => Limits::unlimited().cost(Usd::from_nanos(mixed.below(40))),
            _ => Limits::unlimited().calls(mixed.below(15)),
        };
        let stays = mixed.below(STAY as u64) as usize;
        // In a child of its own as often as in one of the others.
        let any = match self.child {
            Some(_) if mixed.below(3) == 0 => own,
            _ => stays,
        };
        let amount = |mixed: &mut Mixed| mixed.below(6);
        let usage = usage(amount(mixed), amount(mixed), amount(mixed));
        match (mixed.below(24), &self.in_hand, &self.child) {
            (0..=2, ..) => TreeOp::TreeSnapshot(match mixed.below(2) {
                0 => 0,
                _ => any,
            }),
            (3, ..) => TreeOp::Snapshot(any),
            (4, ..) => TreeOp::SetLimits(any, limits(mixed)),
            (5 | 6, ..) => TreeOp::Take(any),
            (7, ..) => TreeOp::Check(any, usage),
            (8, ..) => TreeOp::Charge(any, usage),
            (9..=11, _, None) => TreeOp::Make(own, stays, limits(mixed)),
            (9, _, Some(_)) => TreeOp::Unmake(own),
            (12..=14, None, _) => TreeOp::Reserve(stays, usage),
            (12, Some(_), _) => TreeOp::Drop,
            (13, Some(_), _) => TreeOp::Extend(usage),
            (14..=16, Some(_), _) => TreeOp::Settle(usage),
            _ => TreeOp::TryCharge(any, usage),
        }
    }
}

fn are_in_order(
    threads: usize,
    windows: &[usize],
    stamps: &Stamps,
) -> (Vec<Vec<TreeEvent>>, usize) {
    let limits = Limits::unlimited().input_tokens(60);
    let root = BudgetPool::new(limits);
    let below = |pool: &'static str| Child::new(Limits::unlimited()).label(pool);
    let team = root.child(below("team")).unwrap();
    let runs = [
        team.child(below("run 2")).unwrap(),
        team.child(below("run 3")).unwrap(),
        root.child(below("run 4")).unwrap(),
    ];
    let pools = [&root, &*team, &*runs[0], &*runs[1], &*runs[2]];
    let mut oracle = TreeOracle::new(limits, None);
    for (number, name) in ["team", "run 2", "run 3", "run 4"].into_iter().enumerate() {
        let parent = PARENTS[number + 1].expect("a child");
        oracle.child(parent, name, Limits::unlimited()).unwrap();
    }

    let history = together(threads, |number, gate| {
        let mut caller = Caller {
            pools,
            child: None,
            in_hand: None,
            recorder: Recorder::new(stamps, windows.iter().sum()),
        };
        let mut mixed = Mixed(number as u64 + 1);
        for &events in windows {
            gate.pass();
            for _ in 0..events {
                let op = caller.next(&mut mixed, number);
                caller.run(op);
            }
        }
        gate.pass();
        caller.recorder.finish()
    });
    let mut search = Search::of(oracle, threads);
    let (mut begin, mut places) = (0, 0);
    for events in windows {
        let end = begin + events;
        let window: Vec<&[TreeEvent]> = history.iter().map(|events| &events[begin..end]).collect();
        let searched = search.window(&window);
        places += searched.unwrap_or_else(|no_order| panic!("{threads} threads: {no_order}"));
        begin = end;
    }
    (history, places)
}

/// The depth of the level that refused it.
fn refused_by(event: &TreeEvent) -> Option<u8> {
    match &event.answer {
        TreeOrOne::One(one) if matches!(one.answer, Answer::Refused(_)) => {
            one.level.as_ref().map(|level| level.depth)
        }
        _ => None,
    }
}

#[test]
fn operations_on_trees_are_linearizable_with_snapshots_of_several_pools() {
    for threads in THREADS {
        let windows = [vec![8; 400 / threads], vec![3_000 / threads; 2]].concat();
        until_enough_overlap(|| {
            let (history, places) = are_in_order(threads, &windows, &Stamps::native());
            let count = |is_one: fn(&TreeEvent) -> bool| {
                let events = history.iter().flatten();
                let count = events.filter(|&event| is_one(event)).count();
                assert!(count > 20, "only {count} of a kind");
                count
            };
            let description = format!(
                "{} on a tree of {threads} threads ({} refused by the root, {} below, {} snapshots of \
                 several pools, {} children), {places} places searched",
                count(|_| true),
                count(|event| refused_by(event) == Some(0)),
                count(|event| refused_by(event) > Some(0)),
                count(|event| matches!(event.op, TreeOp::TreeSnapshot(_))),
                count(|event| matches!(event.op, TreeOp::Make(..))),
            );
            (history, description)
        });
    }
}

/// A history by hand: the snapshot has the charge at the run, and not at the root.
#[test]
fn a_snapshot_of_two_moments_is_caught() {
    let mut tree = TreeOracle::new(Limits::unlimited(), None);
    let run = tree.child(0, "run", Limits::unlimited()).unwrap();
    let search = || Search::of(tree.clone(), 2);
    let mut after = tree.clone();
    let charge = TreeOp::TryCharge(run, usage(1, 2, 3));
    let charged = after.answer(&mut None, &charge).unwrap();
    let charge = Event {
        start: 0,
        end: 9,
        op: charge,
        answer: charged,
    };
    let look = |snapshot| Event {
        start: 1,
        end: 2,
        op: TreeOp::TreeSnapshot(0),
        answer: TreeOrOne::Tree(snapshot),
    };
    let (before, after) = (tree.tree_snapshot(0), after.tree_snapshot(0));
    let explained = |snapshot: &OracleTreeSnapshot| {
        let events = [vec![charge.clone()], vec![look(snapshot.clone())]];
        search().window(&[&events[0], &events[1]]).is_ok()
    };
    assert!(explained(&before) && explained(&after));
    let mixture = OracleTreeSnapshot {
        children: after.children.clone(),
        ..before.clone()
    };
    assert!(!explained(&mixture));
    let mixture = OracleTreeSnapshot {
        children: before.children,
        ..after
    };
    assert!(!explained(&mixture));
}

/// A level that is named wrongly is caught, too.
#[test]
fn a_refusal_that_names_another_level_is_caught() {
    let mut tree = TreeOracle::new(Limits::unlimited().calls(0), None);
    let run = tree.child(0, "run", Limits::unlimited()).unwrap();
    let op = TreeOp::TryCharge(run, usage(1, 2, 3));
    let right = tree.clone().answer(&mut None, &op).unwrap();
    let explained = |answer: &TreeOrOne| {
        let event = Event {
            start: 0,
            end: 1,
            op,
            answer: answer.clone(),
        };
        Search::of(tree.clone(), 1).window(&[&[event]]).is_ok()
    };
    assert!(explained(&right));
    let TreeOrOne::One(mut wrong) = right else {
        panic!("one answer");
    };
    wrong.level = Some(tree.level(run));
    assert!(!explained(&TreeOrOne::One(wrong)));
}
