//! Programs on a tree, drawn at random, in amounts of which about eight reach a limit.

use rand::seq::SliceRandom;
use rand::Rng;
use shuttle::rand::rngs::ThreadRng;
use shuttle::rand::thread_rng;
use token_budget_pool::tree_scenario::Op;

/// How often it comes, and how one is drawn.
pub(crate) type Kind = (u32, fn(&mut Draft) -> Op);

/// The nodes that are there before: the root, and those that all threads have.
pub(crate) const SHARED: [u64; 5] = [0, 1, 2, 3, 4];

/// Eight operations of these kinds, for the thread with this number.
pub(crate) fn eight(thread: u64, kinds: &[Kind]) -> Vec<Op> {
    let mut draft = Draft {
        rng: thread_rng(),
        next_name: 10 * (thread + 1),
        nodes: SHARED.to_vec(),
        parents: vec![None, None, None, Some(SHARED[1]), Some(SHARED[2])],
        held: None,
    };
    let mut next = || {
        let (_, draw) = kinds
            .choose_weighted(&mut draft.rng, |&(weight, _)| weight)
            .expect("kinds that come at all");
        draw(&mut draft)
    };
    (0..8).map(|_| next()).collect()
}

pub(crate) const SPENDING: &[Kind] = &[
    (6, Draft::try_charge),
    (2, Draft::charge),
    (2, Draft::check),
    (4, Draft::reserve),
    (3, Draft::settle),
    (1, Draft::release),
    (1, Draft::make),
    (1, Draft::look),
];

pub(crate) const CHILDREN: &[Kind] = &[
    (4, Draft::try_charge),
    (2, Draft::reserve),
    (2, Draft::settle),
    (2, Draft::make),
    (5, Draft::make_below_the_root),
    (6, Draft::drop),
    (2, Draft::look),
];

/// All there are.
pub(crate) const ALL: &[Kind] = &[
    (6, Draft::try_charge),
    (2, Draft::charge),
    (2, Draft::check),
    (4, Draft::reserve),
    (3, Draft::settle),
    (1, Draft::release),
    (6, Draft::set_limit),
    (2, Draft::reset),
    (1, Draft::close),
    (4, Draft::make),
    (4, Draft::drop),
    (3, Draft::look),
];

/// A program while it is drawn.
pub(crate) struct Draft {
    rng: ThreadRng,
    /// Of the next node that the thread makes.
    next_name: u64,
    /// The nodes that the thread has, and the parent of each. The thread does not drop those without one.
    nodes: Vec<u64>,
    parents: Vec<Option<u64>>,
    /// Where it has asked for a reservation that it has not ended.
    held: Option<u64>,
}

impl Draft {
    fn amount(&mut self) -> u64 {
        self.rng.gen_range(0..10)
    }

    fn limit(&mut self) -> Option<u64> {
        self.rng.gen_bool(0.7).then(|| self.rng.gen_range(0..60))
    }

    /// One of the nodes that the thread has.
    fn node(&mut self) -> u64 {
        *self.nodes.choose(&mut self.rng).expect("the root")
    }

    fn try_charge(&mut self) -> Op {
        Op::TryCharge(self.node(), self.amount())
    }

    fn charge(&mut self) -> Op {
        Op::Charge(self.node(), self.amount())
    }

    fn check(&mut self) -> Op {
        Op::Check(self.node(), self.amount())
    }

    /// A thread has one reservation at a time.
    fn reserve(&mut self) -> Op {
        if self.held.is_some() {
            return self.settle();
        }
        let node = self.node();
        self.held = Some(node);
        Op::Reserve(node, self.amount())
    }

    fn settle(&mut self) -> Op {
        match self.held.take() {
            Some(_) => Op::Settle(self.amount()),
            None => self.reserve(),
        }
    }

    fn release(&mut self) -> Op {
        match self.held.take() {
            Some(_) => Op::Release,
            None => self.reserve(),
        }
    }

    fn set_limit(&mut self) -> Op {
        // Of few nodes, so that lines of terms are used again.
        Op::SetLimit(self.rng.gen_range(0..3), self.limit())
    }

    fn reset(&mut self) -> Op {
        Op::Reset(self.node())
    }

    /// Seldom the root.
    fn close(&mut self) -> Op {
        let (one, other) = (self.node(), self.node());
        Op::Close(one.max(other))
    }

    fn make(&mut self) -> Op {
        let parent = self.node();
        self.make_below(parent)
    }

    /// So that threads want the same free nodes, which are those of a depth.
    fn make_below_the_root(&mut self) -> Op {
        self.make_below(SHARED[0])
    }

    fn make_below(&mut self, parent: u64) -> Op {
        let name = self.next_name;
        self.next_name += 1;
        self.nodes.push(name);
        self.parents.push(Some(parent));
        Op::Make(name, parent, self.limit())
    }

    /// One of the nodes below which the thread has nothing. All threads may drop one that they share. Its
    /// last one gives it back.
    fn drop(&mut self) -> Op {
        let can_be_dropped = |&index: &usize| {
            let node = self.nodes[index];
            self.parents[index].is_some()
                && !self.parents.contains(&Some(node))
                && self.held != Some(node)
        };
        let candidates: Vec<_> = (0..self.nodes.len()).filter(can_be_dropped).collect();
        match candidates.choose(&mut self.rng) {
            Some(&index) => {
                self.parents.swap_remove(index);
                Op::Drop(self.nodes.swap_remove(index))
            }
            None => self.make(),
        }
    }

    fn look(&mut self) -> Op {
        Op::Look
    }
}
