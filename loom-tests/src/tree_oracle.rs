//! A plain tree of budgets, with input tokens alone: what pools below pools are compared with.

use crate::tree_scenario::{Answer, Op, Seen};

#[derive(Debug, Clone)]
struct Node {
    /// `None` is the root.
    parent: Option<usize>,
    limit: Option<u64>,
    spent: u64,
    reserved: u64,
    closed: bool,
    /// Dropped nodes stay where they are, so that numbers last.
    dropped: bool,
}

/// The root is node 0. The others have their numbers in the order in which they are made.
#[derive(Debug, Clone)]
pub(crate) struct PlainTree(Vec<(u64, Node)>);

impl PlainTree {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        let mut tree = Self(vec![]);
        tree.make(0, None, limit);
        tree
    }

    /// Nodes have names, since two threads make some in either order.
    pub(crate) fn make(&mut self, name: u64, parent: Option<u64>, limit: Option<u64>) {
        let node = Node {
            parent: parent.map(|parent| self.index(parent)),
            limit,
            spent: 0,
            reserved: 0,
            closed: false,
            dropped: false,
        };
        self.0.push((name, node));
    }

    fn index(&self, name: u64) -> usize {
        let index = self.0.iter().position(|(other, _)| *other == name);
        index.expect("a node that was made")
    }

    /// It and all above it.
    fn path(&self, name: u64) -> Vec<usize> {
        let parent = |&index: &usize| self.0[index].1.parent;
        std::iter::successors(Some(self.index(name)), parent).collect()
    }

    fn admits(&self, name: u64, tokens: u64) -> bool {
        self.path(name).into_iter().all(|index| {
            let node = &self.0[index].1;
            let asked = node.spent + node.reserved + tokens;
            !node.closed && node.limit.map_or(true, |limit| asked <= limit)
        })
    }

    fn on_path(&mut self, name: u64, change: impl Fn(&mut Node)) {
        for index in self.path(name) {
            change(&mut self.0[index].1);
        }
    }

    /// What it answers to `op` by a thread that holds `held` tokens at some node.
    pub(crate) fn apply(&mut self, op: Op, held: &mut Option<(u64, u64)>) -> Answer {
        match op {
            Op::TryCharge(name, tokens) => {
                if !self.admits(name, tokens) {
                    return Answer::Refused;
                }
                self.on_path(name, |node| node.spent += tokens);
            }
            Op::Charge(name, tokens) => self.on_path(name, |node| node.spent += tokens),
            Op::Reserve(name, tokens) => {
                if !self.admits(name, tokens) {
                    return Answer::Refused;
                }
                self.on_path(name, |node| node.reserved += tokens);
                *held = Some((name, tokens));
            }
            Op::Settle(tokens) => {
                let Some((name, reserved)) = held.take() else {
                    return Answer::Skipped;
                };
                self.on_path(name, |node| {
                    node.reserved -= reserved;
                    node.spent += tokens;
                });
            }
            Op::Reset(name) => {
                let index = self.index(name);
                self.0[index].1.spent = 0;
            }
            Op::Close(name) => {
                let index = self.index(name);
                self.0[index].1.closed = true;
            }
            Op::Make(name, parent, limit) => self.make(name, Some(parent), limit),
            Op::Drop(name) => {
                let index = self.index(name);
                self.0[index].1.dropped = true;
            }
            Op::Look => return Answer::Tree(self.seen()),
        }
        Answer::Done
    }

    /// All nodes that are in use, by name.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let alive = self.0.iter().filter(|(_, node)| !node.dropped);
        let mut seen: Vec<_> = alive
            .map(|(name, node)| Seen {
                name: *name,
                parent: node.parent.map(|parent| self.0[parent].0),
                spent: node.spent,
                reserved: node.reserved,
                closed: node.closed,
            })
            .collect();
        seen.sort_by_key(|seen| seen.name);
        seen
    }
}
