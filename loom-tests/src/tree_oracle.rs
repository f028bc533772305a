//! A plain tree of budgets, with input tokens alone: what pools below pools are compared with.

use std::collections::BTreeMap;

use crate::explain::Sequential;
use crate::tree_scenario::{Answer, Op, SeenNode};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    /// `None` is the root.
    parent: Option<u64>,
    limit: Option<u64>,
    spent: u64,
    reserved: u64,
    closed: bool,
    /// How many threads have it. It is there until the last one drops it.
    handles: usize,
}

/// The nodes by name, and what each thread has reserved: at which node, and how much.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlainTree {
    nodes: BTreeMap<u64, Node>,
    held: Vec<Option<(u64, u64)>>,
}

impl PlainTree {
    pub(crate) fn new(limit: Option<u64>, threads: usize) -> Self {
        let mut tree = Self {
            nodes: BTreeMap::new(),
            held: vec![None; threads],
        };
        tree.make(0, None, limit);
        tree
    }

    fn make(&mut self, name: u64, parent: Option<u64>, limit: Option<u64>) {
        let node = Node {
            parent,
            limit,
            spent: 0,
            reserved: 0,
            closed: false,
            handles: 1,
        };
        assert!(self.nodes.insert(name, node).is_none(), "a name of its own");
    }

    /// From now on so many threads have each node.
    pub(crate) fn share(&mut self, threads: impl Fn(u64) -> usize) {
        for (&name, node) in &mut self.nodes {
            node.handles = threads(name);
        }
    }

    fn node(&mut self, name: u64) -> &mut Node {
        self.nodes.get_mut(&name).expect("a node that is there")
    }

    /// It and all above it.
    fn path(&self, name: u64) -> Vec<u64> {
        let parent = |name: &u64| self.nodes[name].parent;
        std::iter::successors(Some(name), parent).collect()
    }

    fn admits(&self, name: u64, tokens: u64) -> bool {
        self.path(name).into_iter().all(|name| {
            let node = &self.nodes[&name];
            let asked = node.spent + node.reserved + tokens;
            // A request for nothing is refused by no limit.
            let fits = |limit: u64| tokens == 0 || asked <= limit;
            !node.closed && node.limit.map_or(true, fits)
        })
    }

    fn on_path(&mut self, name: u64, change: impl Fn(&mut Node)) {
        for name in self.path(name) {
            change(self.node(name));
        }
    }

    fn spend(&mut self, name: u64, tokens: u64) -> Answer {
        self.on_path(name, |node| node.spent += tokens);
        Answer::Spent(self.node(name).spent)
    }

    /// All nodes that are in use, by name.
    fn seen(&self) -> Vec<SeenNode> {
        let seen = self.nodes.iter().map(|(&name, node)| SeenNode {
            name,
            parent: node.parent,
            spent: node.spent,
            reserved: node.reserved,
            closed: node.closed,
        });
        seen.collect()
    }
}

impl Sequential for PlainTree {
    type Op = Op;
    type Answer = Answer;
    type Last = Vec<SeenNode>;

    fn apply(&mut self, thread: usize, op: &Op) -> Answer {
        match *op {
            Op::TryCharge(name, tokens) => {
                if !self.admits(name, tokens) {
                    return Answer::Refused;
                }
                return self.spend(name, tokens);
            }
            Op::Charge(name, tokens) => return self.spend(name, tokens),
            Op::Check(name, tokens) => {
                if !self.admits(name, tokens) {
                    return Answer::Refused;
                }
            }
            Op::Reserve(name, tokens) => {
                if !self.admits(name, tokens) {
                    return Answer::Refused;
                }
                self.on_path(name, |node| node.reserved += tokens);
                self.held[thread] = Some((name, tokens));
            }
            Op::Settle(_) | Op::Release => {
                let Some((name, reserved)) = self.held[thread].take() else {
                    return Answer::Skipped;
                };
                self.on_path(name, |node| node.reserved -= reserved);
                if let Op::Settle(tokens) = *op {
                    return self.spend(name, tokens);
                }
            }
            Op::SetLimit(name, limit) => {
                let old = std::mem::replace(&mut self.node(name).limit, limit);
                return Answer::Limit(old);
            }
            Op::Reset(name) => self.node(name).spent = 0,
            Op::Close(name) => {
                let was_closed = std::mem::replace(&mut self.node(name).closed, true);
                return Answer::WasOpen(!was_closed);
            }
            Op::Make(name, parent, limit) => self.make(name, Some(parent), limit),
            Op::Drop(name) => {
                self.node(name).handles -= 1;
                if self.node(name).handles == 0 {
                    self.nodes.remove(&name);
                }
            }
            Op::Look => return Answer::Tree(self.seen()),
        }
        Answer::Done
    }

    fn last(&self) -> Vec<SeenNode> {
        self.seen()
    }
}
