//! Where the nodes of a tree are stored.

use super::head::{ClaimWord, Entry, Head, Place};
use super::known;
use super::lane::{Further, Lane};
use super::once_box::OnceBox;
use super::tree::BELOW_ROOT;
use crate::sync::{fence, AtomicLink, AtomicNodeHead, Ordering};

/// How many words a label has.
pub(crate) const LABEL_WORDS: usize = 4;

/// A node of a tree. It has two slots and two lines of terms for each lane of the register. The thread
/// that holds a lane of the register may write to what the node has for that lane.
#[repr(align(64))]
pub(super) struct Node<const A: usize, const T: usize> {
    /// What it has for lane 0. (Its claim and its head are not used.)
    lane: Lane<A, T>,
    further: Further<Lane<A, T>>,
    /// Where the current slot is, as of the version in it, if the list does not say.
    head: AtomicNodeHead,
    /// While it is free: the position of the node that is free after this one, or 0. While it is in use: how
    /// many of its children are, and how many wait at it or below.
    next_free_or_children: AtomicLink,
    /// The number of the parent, plus 1. 0: the root.
    parent: AtomicLink,
    label: [AtomicLink; LABEL_WORDS],
}

impl<const A: usize, const T: usize> Node<A, T> {
    fn new() -> Self {
        Self {
            lane: Lane::empty(ClaimWord::HELD),
            further: Further::none(),
            head: AtomicNodeHead::new(Head::FIRST.word()),
            next_free_or_children: AtomicLink::new(0),
            parent: AtomicLink::new(0),
            label: std::array::from_fn(|_| AtomicLink::new(0)),
        }
    }

    /// What it has for lane `number`, if this thread knows it already.
    #[inline(always)]
    pub(super) fn lane(&self, number: usize) -> Option<&Lane<A, T>> {
        if number == 0 {
            return Some(&self.lane);
        }
        known(self.further.get(number))
    }

    /// What it has for lane `number`. Allocates it the first time.
    #[inline(always)]
    pub(super) fn lane_to_write(&self, number: usize) -> &Lane<A, T> {
        if number == 0 {
            return &self.lane;
        }
        self.further
            .get_or_append(number, || Lane::empty(ClaimWord::HELD))
    }

    /// The place of the current slot as of `head`, if no list has it. `None` if `head` is no longer the
    /// register's.
    #[inline(always)]
    pub(super) fn place(&self, head: Head) -> Option<Place> {
        // Relaxed: what was raised before `head` was committed is visible, since `head` was acquired.
        // What is raised later has a later version, or the place that the list of `head` has.
        let raised = Head::from_word(self.head.load(Ordering::Relaxed));
        if raised.version() > head.version() {
            // Acquire fence: pairs with the Release in `raise`. The next load of the head sees the one
            // that was raised from, or a later one, and not ours again.
            fence(Ordering::Acquire);
            return None;
        }
        Some(raised.place())
    }

    /// Notes that the current slot as of `head` is at `place`. `head` was validated.
    pub(super) fn raise(&self, head: Head, place: Place) {
        let raised = head.at(place);
        // Relaxed: the exchange decides.
        let mut now = Head::from_word(self.head.load(Ordering::Relaxed));
        // Also if the place is the same: otherwise a thread that raises from an older head could move it
        // back.
        while now.version() < head.version() {
            match self.head.compare_exchange(
                now.word(),
                raised.word(),
                // Release: pairs with the Acquire fence in `place`.
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => now = Head::from_word(other),
            }
        }
    }

    /// Notes that a child of it comes, or goes, or one that waits at it or below.
    // Relaxed: a child borrows its parent or owns a reference to it, and so does one that waits, so what it
    // notes happens before its parent is given back.
    pub(super) fn count_child(&self) {
        self.next_free_or_children.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn discount_child(&self) {
        self.next_free_or_children.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a child of it is in use, or one waits. When it is given back, that is one that was leaked.
    pub(super) fn has_child(&self) -> bool {
        self.next_free_or_children.load(Ordering::Relaxed) > 0
    }

    /// Says whose child it is, and its label. The caller has taken this node from the free ones.
    pub(super) fn describe(&self, parent: Option<u32>, label: [u64; LABEL_WORDS]) {
        // Release fence: pairs with the Acquire fence in `validate`. A reader that loads a word stored
        // below finds that the head has moved since the node was in use before.
        fence(Ordering::Release);
        // Relaxed: published by the commit that brings the node into use.
        self.next_free_or_children.store(0, Ordering::Relaxed);
        let parent = parent.map_or(0, |node| u64::from(node) + 1);
        self.parent.store(parent, Ordering::Relaxed);
        for (word, value) in self.label.iter().zip(label) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn description(&self) -> (Option<u32>, [u64; LABEL_WORDS]) {
        // Relaxed: as the words of a slot.
        let parent = self.parent.load(Ordering::Relaxed);
        let label = std::array::from_fn(|index| self.label[index].load(Ordering::Relaxed));
        (parent.checked_sub(1).map(|node| node as u32), label)
    }
}

/// The current slots of the nodes that were updated last: one entry for each depth.
#[repr(align(64))]
pub(super) struct List([AtomicLink; BELOW_ROOT]);

impl List {
    fn empty() -> Self {
        Self(std::array::from_fn(|_| AtomicLink::new(Entry::NONE.word())))
    }

    #[inline(always)]
    pub(super) fn load(&self) -> [Entry; BELOW_ROOT] {
        // Relaxed, here and below: as the words of a slot.
        std::array::from_fn(|depth| self.get(depth))
    }

    #[inline(always)]
    pub(super) fn get(&self, depth: usize) -> Entry {
        Entry::from_word(self.0[depth].load(Ordering::Relaxed))
    }

    /// The caller holds the lane, and has made a Release fence since it loaded the head.
    #[inline(always)]
    pub(super) fn set(&self, depth: usize, entry: Entry) {
        self.0[depth].store(entry.word(), Ordering::Relaxed);
    }
}

/// A list for each slot of a lane.
type Lists = [List; 2];

/// All nodes below a register, and the lists that belong to the register's slots.
///
/// Nodes have numbers. A node that is given back stays where it is, and is used again at the same depth.
pub(super) struct Tree<const A: usize, const T: usize> {
    /// Those of lane 0.
    lists: Lists,
    further_lists: Further<Lists>,
    /// `2^n` nodes each, for `n` from 0.
    nodes: [OnceBox<Box<[Node<A, T>]>>; CHUNKS],
    /// How many numbers were given out.
    numbers: AtomicLink,
    /// Of each depth, the nodes that were given back, as a stack: a count of its changes, and the
    /// position of the top node.
    ///
    /// ```text
    /// 63     27 26        0
    /// | changes | position |     position 0: none
    /// ```
    free: [AtomicLink; BELOW_ROOT],
}

const CHUNKS: usize = 27;

/// The most nodes that a tree can have.
const MOST_NODES: u64 = (1 << CHUNKS) - 1;

impl<const A: usize, const T: usize> Tree<A, T> {
    pub(super) fn new() -> Self {
        Self {
            lists: [List::empty(), List::empty()],
            further_lists: Further::none(),
            nodes: std::array::from_fn(|_| OnceBox::empty()),
            numbers: AtomicLink::new(0),
            free: std::array::from_fn(|_| AtomicLink::new(0)),
        }
    }

    /// The list of the register's slot at `place`, if this thread knows it already.
    #[inline(always)]
    pub(super) fn list(&self, place: Place) -> Option<&List> {
        let lists = match place.lane() {
            0 => &self.lists,
            number => known(self.further_lists.get(number))?,
        };
        Some(&lists[place.which()])
    }

    /// The same, for the holder of the lane. Allocates it the first time.
    #[inline(always)]
    pub(super) fn list_to_write(&self, place: Place) -> &List {
        let lists = match place.lane() {
            0 => &self.lists,
            number => {
                let new = || [List::empty(), List::empty()];
                self.further_lists.get_or_append(number, new)
            }
        };
        &lists[place.which()]
    }

    /// Node `number`, if this thread knows it already.
    #[inline(always)]
    pub(super) fn node(&self, number: u32) -> Option<&Node<A, T>> {
        let (chunk, index) = chunk_and_index(number);
        let nodes = self.nodes.get(chunk).and_then(OnceBox::get);
        known(nodes.and_then(|nodes| nodes.get(index)))
    }

    /// How many nodes there are, the free ones included. Their numbers are those of the [`nth`].
    pub(super) fn count(&self) -> u32 {
        // Relaxed: a node is in use only once a head says so, and its number was given out before.
        self.numbers.load(Ordering::Relaxed).min(MOST_NODES) as u32
    }

    /// Takes a free node to be used at `depth`, and returns its number. Makes one if there is none. `None`
    /// if there can be no more.
    pub(super) fn take(&self, depth: usize) -> Option<u32> {
        let free = &self.free[depth];
        // Acquire, here and below: pairs with the Release in `give_back`. Whose child the node was, and
        // that it is no longer in use, happened before; and which node is free after it is visible.
        let mut top = free.load(Ordering::Acquire);
        while let Some(n) = (top & POSITION).checked_sub(1) {
            let number = nth(n as u32);
            // It is there: its number was given out, and then given back.
            let Some(node) = self.node(number) else { break };
            // Relaxed: if another thread took the node since, this may be a number of children. Then the
            // exchange fails, as the count of changes has moved.
            let next = node.next_free_or_children.load(Ordering::Relaxed);
            let new = changed(top, next);
            match free.compare_exchange(top, new, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(number),
                Err(now) => top = now,
            }
        }
        // Relaxed: only numbers.
        let count = self.numbers.fetch_add(1, Ordering::Relaxed);
        if count >= MOST_NODES {
            return None;
        }
        let number = nth(count as u32);
        let (chunk, _) = chunk_and_index(number);
        if self.nodes[chunk].get().is_none() {
            let nodes = (0..1_usize << chunk).map(|_| Node::new());
            let _ = self.nodes[chunk].install(nodes.collect());
        }
        Some(number)
    }

    /// Gives back a node that was taken for `depth`.
    pub(super) fn give_back(&self, number: u32, depth: usize) {
        let Some(node) = self.node(number) else {
            return;
        };
        let free = &self.free[depth];
        // Relaxed: the exchange decides.
        let mut top = free.load(Ordering::Relaxed);
        loop {
            node.next_free_or_children
                .store(top & POSITION, Ordering::Relaxed);
            let new = changed(top, position(number));
            // Release: pairs with the Acquire in `take`.
            match free.compare_exchange(top, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}

/// The bits of a stack that are the position of its top.
const POSITION: u64 = MOST_NODES;

/// A stack after a change: its new top, and one change more. The count wraps after 2^37 changes, and a
/// thread that is suspended in `take` must miss exactly that many.
fn changed(stack: u64, top: u64) -> u64 {
    stack.wrapping_add(POSITION + 1) & !POSITION | top
}

/// The number of the `n`th node, from 0: its chunk, and its index there.
///
/// ```text
/// 31    27 26     0
/// | chunk |  index |
/// ```
pub(super) fn nth(n: u32) -> u32 {
    let position = n + 1;
    let chunk = position.ilog2();
    chunk << INDEX_BITS | (position - (1 << chunk))
}

/// The position of a node: `n + 1`, if this is the number of the `n`th node.
fn position(number: u32) -> u64 {
    let (chunk, index) = chunk_and_index(number);
    (1 << chunk) + index as u64
}

const INDEX_BITS: u32 = CHUNKS as u32;

#[inline(always)]
fn chunk_and_index(number: u32) -> (usize, usize) {
    let index = number & ((1 << INDEX_BITS) - 1);
    ((number >> INDEX_BITS) as usize, index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_a_place_of_its_own() {
        let places = (0..100).map(|n| chunk_and_index(nth(n)));
        let mut expected =
            (0..7).flat_map(|chunk| (0..1 << chunk).map(move |index| (chunk, index)));
        assert!(places.eq(expected.by_ref().take(100)));
        let last = nth(MOST_NODES as u32 - 1);
        assert_eq!(chunk_and_index(last), (CHUNKS - 1, (1 << (CHUNKS - 1)) - 1));
        for n in [0, 1, 2, 77, 1_000_000, MOST_NODES as u32 - 1] {
            assert_eq!(position(nth(n)), u64::from(n) + 1);
        }
    }
}
