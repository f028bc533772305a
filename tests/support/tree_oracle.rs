//! The sequential tree of pools: what every answer of a pool in a tree is compared with.
//!
//! Each node is a sequential pool, [`Oracle`], and knows nothing of the others. What an operation on a
//! node means for the nodes above it is written here, from the contract: all of them must admit a call,
//! all of them count it, and one of them is named. A node stays as long as somebody has a handle of it: a
//! pool, a reservation, a call or a child.

// Each program that includes this file uses the part that it needs, and may export it again.
#![allow(dead_code, unreachable_pub)]

use token_budget_pool::{
    Amount, BudgetExceeded, Crossed, Dimension, Excess, InvalidChild, Level, Limits, Reason,
    Receipt, Rejected, Spent, Totals, TreeSnapshot, Usage, Usd,
};

use super::oracle::{Answer, Counted, Oracle, OracleCall, OracleSnapshot, Refusal};

/// How many levels there are below the root.
pub const BELOW_ROOT: usize = 7;

/// The number of a node. The root is 0. No number is used twice.
pub type NodeId = usize;

/// The twin of `Level`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OracleLevel {
    pub depth: u8,
    pub label: String,
}

impl From<Level> for OracleLevel {
    fn from(level: Level) -> OracleLevel {
        OracleLevel {
            depth: level.depth(),
            label: level.label().to_owned(),
        }
    }
}

/// An answer, and the level that it is about, if it names one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeAnswer {
    pub answer: Answer,
    pub level: Option<OracleLevel>,
}

/// An answer that names no level.
impl<A: Into<Answer>> From<A> for TreeAnswer {
    fn from(answer: A) -> TreeAnswer {
        TreeAnswer {
            answer: answer.into(),
            level: None,
        }
    }
}

impl TreeAnswer {
    fn at(answer: impl Into<Answer>, level: impl Into<OracleLevel>) -> TreeAnswer {
        TreeAnswer {
            answer: answer.into(),
            level: Some(level.into()),
        }
    }

    pub fn refused(rejected: Rejected) -> TreeAnswer {
        TreeAnswer::at(rejected, rejected.level())
    }

    pub fn counted(receipt: Receipt) -> TreeAnswer {
        TreeAnswer::at(receipt, receipt.over_limit_at)
    }

    /// Of the real tree's result.
    pub fn real<T: Into<Answer>>(result: Result<T, Rejected>) -> TreeAnswer {
        result.map_or_else(TreeAnswer::refused, |done| done.into().into())
    }

    /// Of this tree's result.
    pub fn expected<T: Into<Answer>>(result: Result<T, TreeRefusal>) -> TreeAnswer {
        result.map_or_else(TreeAnswer::from, |done| done.into().into())
    }
}

/// A refusal, and the level that it names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeRefusal {
    pub refusal: Refusal,
    pub level: OracleLevel,
}

impl From<TreeRefusal> for TreeAnswer {
    fn from(refused: TreeRefusal) -> TreeAnswer {
        TreeAnswer::at(refused.refusal, refused.level)
    }
}

/// The twin of `Crossed`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OracleCrossed {
    pub level: OracleLevel,
    pub dimension: Dimension,
    pub per_mille: u32,
    pub limit: Amount,
    pub spent: Amount,
}

impl From<&Crossed> for OracleCrossed {
    fn from(crossed: &Crossed) -> OracleCrossed {
        OracleCrossed {
            level: crossed.level().into(),
            dimension: crossed.dimension(),
            per_mille: crossed.per_mille(),
            limit: crossed.limit(),
            spent: crossed.spent(),
        }
    }
}

/// The limit on a dimension, what is spent of it, and its unit.
type Limited = (Dimension, Option<u64>, u128, fn(u64) -> Amount);

/// All that can be limited.
fn limited(limits: Limits, spent: Spent) -> [Limited; 5] {
    let (input, output) = (spent.input_tokens.into(), spent.output_tokens.into());
    let cost = |nanos| Amount::Cost(Usd::from_nanos(nanos));
    let limit_on_cost = limits.cost.map(Usd::as_nanos);
    let cost_spent = spent.cost.as_nanos().into();
    [
        (
            Dimension::InputTokens,
            limits.input_tokens,
            input,
            Amount::Tokens,
        ),
        (
            Dimension::OutputTokens,
            limits.output_tokens,
            output,
            Amount::Tokens,
        ),
        (
            Dimension::TotalTokens,
            limits.total_tokens,
            input + output,
            Amount::Tokens,
        ),
        (Dimension::Cost, limit_on_cost, cost_spent, cost),
        (
            Dimension::Calls,
            limits.calls,
            spent.calls.into(),
            Amount::Calls,
        ),
    ]
}

/// A receipt, and the level that its `over_limit` is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeCounted {
    pub counted: Counted,
    pub level: OracleLevel,
}

impl From<TreeCounted> for TreeAnswer {
    fn from(counted: TreeCounted) -> TreeAnswer {
        TreeAnswer::at(counted.counted, counted.level)
    }
}

/// A call that has reserved at a node, and so at all above it, and has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreeCall {
    pub node: NodeId,
    pub call: OracleCall,
}

/// The twin of `TreeSnapshot`, with the children in an order that does not depend on the tree's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OracleTreeSnapshot {
    pub label: String,
    pub snapshot: OracleSnapshot,
    pub children: Vec<OracleTreeSnapshot>,
}

impl OracleTreeSnapshot {
    fn new(label: &str, snapshot: OracleSnapshot, children: Vec<OracleTreeSnapshot>) -> Self {
        let mut children = children;
        children.sort_by(|a, b| {
            a.label.cmp(&b.label).then_with(|| {
                // Only for children that are called the same.
                format!("{a:?}").cmp(&format!("{b:?}"))
            })
        });
        OracleTreeSnapshot {
            label: label.to_owned(),
            snapshot,
            children,
        }
    }
}

impl From<&TreeSnapshot> for OracleTreeSnapshot {
    fn from(tree: &TreeSnapshot) -> OracleTreeSnapshot {
        let children = tree.children.iter().map(OracleTreeSnapshot::from).collect();
        OracleTreeSnapshot::new(tree.label.as_str(), tree.snapshot.into(), children)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    pool: Oracle,
    label: String,
    parent: Option<NodeId>,
    /// Of pools, reservations, calls and children.
    handles: usize,
}

/// A tree of pools.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreeOracle {
    assumed: Option<Usd>,
    /// By number. `None` is a node that is gone.
    nodes: Vec<Option<Node>>,
}

impl TreeOracle {
    /// A root without children.
    pub fn new(limits: Limits, assumed: Option<Usd>) -> TreeOracle {
        let root = Node {
            pool: Oracle::new(limits, assumed),
            label: String::new(),
            parent: None,
            handles: 1,
        };
        TreeOracle {
            assumed,
            nodes: vec![Some(root)],
        }
    }

    fn node(&self, id: NodeId) -> &Node {
        self.nodes[id].as_ref().expect("a node that is not gone")
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        self.nodes[id].as_mut().expect("a node that is not gone")
    }

    /// The pool of a node by itself.
    pub fn pool(&self, id: NodeId) -> &Oracle {
        &self.node(id).pool
    }

    /// The nodes from the root to this one.
    pub fn path(&self, id: NodeId) -> Vec<NodeId> {
        let mut path: Vec<_> =
            std::iter::successors(Some(id), |&id| self.node(id).parent).collect();
        path.reverse();
        path
    }

    pub fn depth(&self, id: NodeId) -> usize {
        self.path(id).len() - 1
    }

    pub fn level(&self, id: NodeId) -> OracleLevel {
        OracleLevel {
            depth: self.depth(id) as u8,
            label: self.node(id).label.clone(),
        }
    }

    /// What the step from `before` to here crossed, of thresholds at so many thousandths of each limit. They
    /// ascend. The levels nearest to the root come first.
    pub fn crossed_since(&self, before: &TreeOracle, thresholds: &[u32]) -> Vec<OracleCrossed> {
        let mut all = vec![];
        // A node that is new has crossed nothing yet.
        for (id, old) in before.nodes.iter().enumerate() {
            let (Some(old), Some(Some(new))) = (old, self.nodes.get(id)) else {
                continue;
            };
            let (limits, spent) = (new.pool.limits(), new.pool.spent());
            let old = limited(limits, old.pool.spent());
            for (old, (dimension, limit, spent, unit)) in
                old.into_iter().zip(limited(limits, spent))
            {
                let Some(limit) = limit else { continue };
                for &per_mille in thresholds {
                    let threshold = u128::from(limit) * u128::from(per_mille);
                    if old.2 * 1_000 < threshold && threshold <= spent * 1_000 {
                        all.push(OracleCrossed {
                            level: self.level(id),
                            dimension,
                            per_mille,
                            limit: unit(limit),
                            spent: unit(u64::try_from(spent).unwrap_or(u64::MAX)),
                        });
                    }
                }
            }
        }
        all.sort_by_key(|crossed| crossed.level.depth);
        all
    }

    /// The numbers of the nodes directly below.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(move |(child, node)| {
            let node = node.as_ref()?;
            (node.parent == Some(id)).then_some(child)
        })
    }

    /// A node below this one, with a handle of it.
    pub fn child(
        &mut self,
        parent: NodeId,
        label: &str,
        limits: Limits,
    ) -> Result<NodeId, InvalidChild> {
        let pool = Oracle::new(limits, self.assumed);
        self.adopt(parent, label, pool)
    }

    /// The same, with a number that the caller chooses. No node may have it now. So two orders of the same
    /// operations lead to the same tree.
    pub fn child_with_number(
        &mut self,
        number: NodeId,
        parent: NodeId,
        label: &str,
        limits: Limits,
    ) -> Result<(), InvalidChild> {
        self.child(parent, label, limits)?;
        let node = self.nodes.pop().expect("it was just made");
        if self.nodes.len() <= number {
            self.nodes.resize(number + 1, None);
        }
        assert!(self.nodes[number].is_none(), "{number} is taken");
        self.nodes[number] = node;
        Ok(())
    }

    /// A node below this one that goes on counting from `saved`.
    pub fn child_restored(
        &mut self,
        parent: NodeId,
        saved: &OracleTreeSnapshot,
        reserved_as_spent: bool,
    ) -> Result<NodeId, InvalidChild> {
        let state = &saved.snapshot;
        let mut pool = Oracle::restored(state.limits, self.assumed, state, reserved_as_spent);
        if state.closed {
            pool.close();
        }
        self.adopt(parent, &saved.label, pool)
    }

    fn adopt(&mut self, parent: NodeId, label: &str, pool: Oracle) -> Result<NodeId, InvalidChild> {
        if label.len() > 32 || label.chars().any(char::is_control) {
            return Err(InvalidChild::Label(label.to_owned()));
        }
        if self.depth(parent) == BELOW_ROOT {
            return Err(InvalidChild::TooDeep);
        }
        self.node_mut(parent).handles += 1;
        self.nodes.push(Some(Node {
            pool,
            label: label.to_owned(),
            parent: Some(parent),
            handles: 1,
        }));
        Ok(self.nodes.len() - 1)
    }

    /// One more handle of a node.
    pub fn keep(&mut self, id: NodeId) {
        self.node_mut(id).handles += 1;
    }

    /// One more handle of each node. Returns their numbers.
    pub fn keep_all(&mut self) -> Vec<NodeId> {
        let there = (0..self.nodes.len()).filter(|&id| self.nodes[id].is_some());
        let all: Vec<_> = there.collect();
        all.iter().for_each(|&id| self.keep(id));
        all
    }

    /// A handle of a node is dropped. With the last one the node goes, and its handle of its parent.
    /// What was counted above stays.
    pub fn let_go(&mut self, id: NodeId) {
        let node = self.node_mut(id);
        node.handles -= 1;
        if node.handles == 0 {
            let parent = node.parent;
            self.nodes[id] = None;
            if let Some(parent) = parent {
                self.let_go(parent);
            }
        }
    }

    /// Runs `operation` on each node of the path if none of them refuses it. `operation` must leave a pool
    /// that refuses as it was. Returns the answer of the node itself.
    fn admit<T>(
        &mut self,
        id: NodeId,
        operation: impl Fn(&mut Oracle) -> Result<T, Refusal>,
    ) -> Result<T, TreeRefusal> {
        let path = self.path(id);
        let mut worst: Option<TreeRefusal> = None;
        for &id in &path {
            // On a copy. Nothing is changed until all have admitted it.
            if let Err(refusal) = operation(&mut self.node(id).pool.clone()) {
                // Of those that are equally bad, the one nearest to the root is named.
                if worst
                    .as_ref()
                    .map_or(true, |worst| badness(&refusal) > badness(&worst.refusal))
                {
                    let level = self.level(id);
                    worst = Some(TreeRefusal { refusal, level });
                }
            }
        }
        if let Some(worst) = worst {
            return Err(worst);
        }
        let mut own = None;
        for id in path {
            own = operation(&mut self.node_mut(id).pool).ok();
        }
        Ok(own.expect("a path has a node, and each of them admits it"))
    }

    /// Runs `operation` on each node of the path.
    fn count(&mut self, id: NodeId, operation: impl Fn(&mut Oracle) -> Counted) -> TreeCounted {
        let mut counted = None;
        let mut over = None;
        let mut saturated = false;
        for id in self.path(id) {
            let own = operation(&mut self.node_mut(id).pool);
            saturated |= own.saturated;
            if own.over_limit != Excess::default() {
                over = Some((own.over_limit, self.level(id)));
            }
            counted = Some(own);
        }
        let counted = counted.expect("a path has a node");
        // Of the levels that are passed, the deepest. Else it is about the node itself.
        let (over_limit, level) = over.unwrap_or_else(|| (counted.over_limit, self.level(id)));
        TreeCounted {
            counted: Counted {
                over_limit,
                saturated,
                ..counted
            },
            level,
        }
    }

    /// Of several levels that refuse, version 0.1's answer is that of the one nearest to the root.
    pub fn record(
        &mut self,
        id: NodeId,
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: f64,
    ) -> Result<Totals, BudgetExceeded> {
        let path = self.path(id);
        for &id in &path {
            let mut pool = self.node(id).pool.clone();
            pool.record(input_tokens, output_tokens, cost_usd)?;
        }
        let record = |id| {
            let pool = &mut self.node_mut(id).pool;
            pool.record(input_tokens, output_tokens, cost_usd)
        };
        path.into_iter()
            .map(record)
            .last()
            .expect("a path has a node")
    }

    pub fn try_charge(&mut self, id: NodeId, usage: Usage) -> Result<Spent, TreeRefusal> {
        self.admit(id, |pool| pool.try_charge(usage))
    }

    pub fn charge(&mut self, id: NodeId, usage: Usage) -> TreeCounted {
        self.count(id, |pool| pool.charge(usage))
    }

    pub fn check(&self, id: NodeId, usage: Usage) -> Result<(), TreeRefusal> {
        // It changes nothing.
        self.clone().admit(id, |pool| pool.check(usage))
    }

    /// With a handle of the node.
    pub fn try_reserve(&mut self, id: NodeId, estimate: Usage) -> Result<TreeCall, TreeRefusal> {
        let call = self.admit(id, |pool| pool.try_reserve(estimate))?;
        self.keep(id);
        Ok(TreeCall { node: id, call })
    }

    /// As many output tokens as fit at the tightest level. With a handle of the node.
    pub fn try_reserve_up_to(
        &mut self,
        id: NodeId,
        fixed: Usage,
        (least, most): (u64, u64),
        per_million: Usd,
    ) -> Result<TreeCall, TreeRefusal> {
        let mut fits = u128::from(most.max(least));
        for id in self.path(id) {
            let pool = &mut self.node(id).pool.clone();
            if let Ok(call) = pool.try_reserve_up_to(fixed, (least, most), per_million) {
                fits = fits.min(call.reserved.output - u128::from(fixed.output_tokens));
            }
        }
        let fits = u64::try_from(fits).expect("it is no more than the most");
        let call = self.admit(id, |pool| {
            pool.try_reserve_up_to(fixed, (least, fits), per_million)
        })?;
        self.keep(id);
        Ok(TreeCall { node: id, call })
    }

    pub fn start(&self, call: &mut TreeCall) {
        self.node(call.node).pool.start(&mut call.call);
    }

    pub fn extend(&mut self, call: &mut TreeCall, more: Usage) -> Result<(), TreeRefusal> {
        let before = call.call;
        call.call = self.admit(call.node, |pool| {
            let mut after = before;
            pool.extend(&mut after, more).map(|()| after)
        })?;
        Ok(())
    }

    pub fn shrink_to(&mut self, call: &mut TreeCall, most: Usage) {
        let mut after = call.call;
        for id in self.path(call.node) {
            after = call.call;
            self.node_mut(id).pool.shrink_to(&mut after, most);
        }
        call.call = after;
    }

    pub fn report(&mut self, call: &mut TreeCall, total: Usage) -> TreeCounted {
        let before = call.call;
        let counted = self.count(call.node, |pool| pool.report(&mut before.clone(), total));
        // What is reported does not depend on the pool.
        self.node(call.node)
            .pool
            .clone()
            .report(&mut call.call, total);
        counted
    }

    /// Ends a call at all levels, and lets its handle of the node go.
    fn end(&mut self, call: TreeCall, end: impl Fn(&mut Oracle) -> Counted) -> TreeCounted {
        let counted = self.count(call.node, end);
        self.let_go(call.node);
        counted
    }

    pub fn settle(&mut self, call: TreeCall, actual: Usage) -> TreeCounted {
        self.end(call, |pool| pool.settle(call.call, actual))
    }

    pub fn settle_at_least(&mut self, call: TreeCall, actual: Usage) -> TreeCounted {
        self.end(call, |pool| pool.settle_at_least(call.call, actual))
    }

    pub fn forfeit(&mut self, call: TreeCall) -> TreeCounted {
        self.end(call, |pool| pool.forfeit(call.call))
    }

    pub fn release(&mut self, call: TreeCall) -> TreeCounted {
        self.end(call, |pool| pool.release(call.call))
    }

    /// The end of a reservation or a call that was dropped.
    pub fn drop_call(&mut self, call: TreeCall) {
        if call.call.started {
            self.forfeit(call);
        } else {
            self.release(call);
        }
    }

    /// The end of a call that was leaked: it stays reserved, and so does its handle of the node.
    pub fn leak(&mut self, _call: TreeCall) {}

    // What follows is about one node.

    pub fn set_limits(&mut self, id: NodeId, limits: Limits) -> Limits {
        self.node_mut(id).pool.set_limits(limits)
    }

    pub fn update_limits(&mut self, id: NodeId, change: impl FnOnce(&mut Limits)) -> Limits {
        self.node_mut(id).pool.update_limits(change)
    }

    pub fn reset(&mut self, id: NodeId) {
        self.node_mut(id).pool.reset();
    }

    pub fn take(&mut self, id: NodeId) -> Spent {
        self.node_mut(id).pool.take()
    }

    /// Whether it was open itself.
    pub fn close(&mut self, id: NodeId) -> bool {
        self.node_mut(id).pool.close()
    }

    /// Whether it or one above it is closed.
    pub fn is_closed(&self, id: NodeId) -> bool {
        let mut path = self.path(id).into_iter();
        path.any(|id| self.node(id).pool.snapshot().closed)
    }

    pub fn snapshot(&self, id: NodeId) -> OracleSnapshot {
        self.node(id).pool.snapshot()
    }

    /// In each dimension, the least room of it and all above it.
    pub fn remaining(&self, id: NodeId) -> Limits {
        let mut path = self.path(id).into_iter();
        let mut least = self
            .snapshot(path.next().expect("a path has an end"))
            .remaining();
        for above in path.map(|id| self.snapshot(id).remaining()) {
            fn lesser<N: Ord>(a: Option<N>, b: Option<N>) -> Option<N> {
                a.into_iter().chain(b).min()
            }
            least.input_tokens = lesser(least.input_tokens, above.input_tokens);
            least.output_tokens = lesser(least.output_tokens, above.output_tokens);
            least.total_tokens = lesser(least.total_tokens, above.total_tokens);
            least.cost = lesser(least.cost, above.cost);
            least.calls = lesser(least.calls, above.calls);
        }
        least
    }

    pub fn tree_snapshot(&self, id: NodeId) -> OracleTreeSnapshot {
        let node = self.node(id);
        let children = self.children(id).map(|child| self.tree_snapshot(child));
        OracleTreeSnapshot::new(&node.label, node.pool.snapshot(), children.collect())
    }
}

/// How bad a refusal is: to be closed is worst, then comes a cost that is unknown, then a limit.
fn badness(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Closed => 4,
        Refusal::Unpriced { .. } => 3,
        Refusal::Exceeded { reason, .. } => match reason {
            Reason::NeverFits => 2,
            Reason::Exhausted => 1,
            Reason::Busy => 0,
            other => panic!("a reason that the oracle does not know: {other:?}"),
        },
    }
}
