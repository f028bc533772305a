//! Registers below a register: updates of several states by one compare-and-swap.
//!
//! A **tree** is a register, its **root**, with **nodes** below it. Each node has a state of its own, of
//! the same words. One update changes the states on the **path** from the root to a node, or the state of
//! one node. The root's head is the only point of commitment: a CAS of that head commits all of it.
//!
//! ```text
//! root   head | its lanes                 (as in a register without nodes)
//! list   for each slot of the root: which slots are current, one entry for each depth
//! node   head | slot, slot | terms, terms (and as many for each further lane)
//! entry  = node | lane number | which of its two slots
//! ```
//!
//! # The algorithm
//!
//! A claim of lane `n` of the root covers what every node has for lane `n`. So an update takes one claim,
//! whatever its depth. It stores the new states of its path into slots of that lane that are not
//! current, and into the root's slot. The root's slot has a **list** with it, which names the new
//! slots. Then the update swings the root's head.
//!
//! The list has one entry for each depth, so it forgets. An update that replaces another node's entry
//! first **raises** that node's head: it notes the place there, with the version of the root's head from
//! which the update starts. So there is one rule for where a node's current slot is, as of a root's head
//! `h`:
//!
//! > *The entry for its depth in the list of `h`, if it names the node. Otherwise the node's head.*
//!
//! A node's head whose version is later than `h` shows that `h` is no longer the root's head.
//!
//! Readers load the root's head, then the list, the heads of the nodes, and the states. If then the
//! root's head has not moved, all of it was one state of the tree. They write nothing.
//!
//! # Why it is right
//!
//! As for one register (see [`super`]), with three things to add:
//!
//! - *The rule finds the current slot.* A node becomes current at a place by a commit whose list has the
//!   place. Each later commit either carries the entry, or replaces it by another entry of the node, or
//!   raises the node's head before it drops the entry. A raise never lowers the version. It writes also
//!   where the place is the same. Otherwise a thread that raises from an older head could move the
//!   node's head back. What is raised from a head that is not the root's any more has a version that is
//!   not later than the one that is there.
//! - *A current slot of a node is never written.* A holder of lane `n` writes the slot for lane `n` that
//!   the rule does not name. If it read the list or the node's head while the root's head moved, the
//!   rule may name anything. So it validates before it chooses. There is one exception. If `h` names a
//!   slot of the holder's own lane, no other thread can have written the list that it read. That is the
//!   everyday path.
//! - *Terms* have no such exception. A node's slot may refer to any lane's line, so an update that
//!   stores new terms validates first.
//!
//! # Giving back
//!
//! A node that is given back stays where it is, with its head. It is used again only at the same depth.
//! Otherwise an old entry for it, at another depth, could be carried into its new life.
//!
//! # Cost
//!
//! A level costs its loads and its stores, and no locked instruction, as long as updates follow the same
//! path. An update that replaces another node's entry takes one more CAS for each of them. A further
//! lane's slots of a node are allocated when an update from that lane first comes to the node.

use std::ops::Range;

use super::head::{Entry, Head, Place};
use super::lane::Lane;
use super::node::{nth, Node, Tree, LABEL_WORDS};
use super::{
    last_word, Answer, Attempt, Claim, Ended, Operation, Register, State, FIRST_LINE, HAS_LIST,
    HINTS, MARKS_FROM, REFUSED,
};
use crate::sync::{fence, hint, looks, Ordering};

/// How many levels a tree can have below its root.
pub(crate) const BELOW_ROOT: usize = 7;

/// The nodes on the way from the root to a node, which is the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    nodes: [u32; BELOW_ROOT],
    length: u8,
}

impl Path {
    /// The way to the root itself.
    pub(crate) const ROOT: Self = Self {
        nodes: [0; BELOW_ROOT],
        length: 0,
    };

    #[inline(always)]
    pub(crate) const fn is_root(&self) -> bool {
        self.length == 0
    }

    /// The way to `node`, a child of this one's last. `None` if that is too deep.
    fn to(&self, node: u32) -> Option<Self> {
        let mut path = *self;
        *path.nodes.get_mut(self.length())? = node;
        path.length += 1;
        Some(path)
    }

    /// The way to the level at `depth` on this one. The root is at 0.
    pub(crate) fn up_to(&self, depth: usize) -> Self {
        let mut path = Self::ROOT;
        for (to, &from) in path.nodes.iter_mut().zip(self.nodes().iter().take(depth)) {
            *to = from;
            path.length += 1;
        }
        path
    }

    #[inline(always)]
    pub(crate) fn length(&self) -> usize {
        usize::from(self.length)
    }

    /// The number of the node that it leads to. `None` is the root.
    pub(crate) fn last(&self) -> Option<u32> {
        self.nodes().last().copied()
    }

    #[inline(always)]
    fn nodes(&self) -> &[u32] {
        &self.nodes[..self.length()]
    }

    /// The levels that an operation is about: all, or the last one.
    #[inline(always)]
    fn levels(&self, whole: bool) -> Wanted {
        let length = self.length();
        Wanted {
            root: whole || length == 0,
            nodes: if whole { 0 } else { length.saturating_sub(1) }..length,
        }
    }
}

/// Some levels of a path.
struct Wanted {
    root: bool,
    /// By depth, from 0 for a child of the root.
    nodes: Range<usize>,
}

/// The state of a node or of the root, for a look at all of them.
pub(crate) struct NodeState<R> {
    /// `None` is the root.
    pub(crate) number: Option<u32>,
    /// The number of its parent, if that is not the root.
    pub(crate) parent: Option<u32>,
    pub(crate) label: [u64; LABEL_WORDS],
    pub(crate) state: R,
}

/// Where the current slots of the nodes on a path are.
struct Found {
    list: [Entry; BELOW_ROOT],
    /// Of the nodes that were looked for, by depth.
    places: [Place; BELOW_ROOT],
}

impl<const A: usize, const T: usize, F> Register<A, T, F> {
    /// Takes a node for a child of the one at the end of `path`, and says what it is called. It is in
    /// use once an update with the returned path has given it a state. `None` if there are as many as
    /// there can be. The path is not too long: see [`BELOW_ROOT`].
    pub(crate) fn take_node(&self, path: &Path, label: [u64; LABEL_WORDS]) -> Option<Path> {
        let tree = self.tree.get_or_install(Tree::new);
        let number = tree.take(path.length())?;
        tree.node(number)?.describe(path.last(), label);
        if let Some(parent) = path.last() {
            tree.node(parent)?.count_child();
        }
        path.to(number)
    }

    /// Gives back the node at the end of `path`. An update has noted in its state that it is not in use. If a
    /// child of it was leaked, or one that waits, the node is not used again: that would become another's.
    pub(crate) fn give_back_node(&self, path: &Path) {
        let Some(tree) = self.tree.get() else { return };
        let nodes = path.nodes();
        let Some((&number, above)) = nodes.split_last() else {
            return;
        };
        let node = tree.node(number);
        if node.is_some_and(|node| !node.has_child()) {
            tree.give_back(number, above.len());
        }
        if let Some(parent) = above.last().and_then(|&parent| tree.node(parent)) {
            parent.discount_child();
        }
    }

    /// Notes that somebody waits at the end of `path`, who may be leaked. Until it says that it does no longer,
    /// no node on the way is used again: it would wait in the place of another.
    pub(crate) fn hold_nodes(&self, path: &Path) {
        self.nodes_of(path).for_each(Node::count_child);
    }

    pub(crate) fn let_nodes_go(&self, path: &Path) {
        self.nodes_of(path).for_each(Node::discount_child);
    }

    fn nodes_of<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Node<A, T>> + 'a {
        let tree = self.tree.get().into_iter();
        tree.flat_map(|tree| path.nodes().iter().filter_map(|&number| tree.node(number)))
    }

    /// The label of the node at `depth` on `path`. `None` for the root.
    pub(crate) fn label(&self, path: &Path, depth: usize) -> Option<[u64; LABEL_WORDS]> {
        let number = *path.nodes().get(depth.checked_sub(1)?)?;
        Some(self.tree.get()?.node(number)?.description().1)
    }

    /// Runs `operation` on the node at the end of `path`, in one atomic step.
    #[inline(always)]
    pub(crate) fn update_at<O>(&self, path: &Path, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        if hint() & !HINTS == self.address() {
            return self.update_at_by_hint(path, operation);
        }
        match self.try_claim(0, &self.lane) {
            Some(claim) => self.update_in_tree(claim, path, operation),
            None => self.update_in_turn(path, operation),
        }
    }

    /// Runs `operation` from lane 0, which `claim` is of. The everyday path in a tree.
    #[inline(always)]
    pub(super) fn update_in_tree<O>(
        &self,
        mut claim: Claim<'_, A, T>,
        path: &Path,
        operation: O,
    ) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        match self.attempt_in_tree(path, &operation, claim.head, 0, &self.lane) {
            Attempt::Committed(next, done) => {
                claim.head = next;
                Answer::Done(done)
            }
            Attempt::Lost | Attempt::NotPlain => {
                claim.head = self.head();
                self.update_at_again(claim, path, operation)
            }
        }
    }

    #[inline(never)]
    fn update_at_by_hint<O>(&self, path: &Path, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        if hint() & HINTS == REFUSED {
            if let Some(refusal) = self.look_first_at(path, &operation) {
                return Answer::Refused(refusal);
            }
        }
        self.update_after_hint(path, operation)
    }

    #[cold]
    #[inline(never)]
    fn update_at_again<O>(
        &self,
        claim: Claim<'_, A, T>,
        path: &Path,
        operation: O,
    ) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        self.update_claimed(claim, path, &operation)
    }

    /// Why `operation` would be refused now at the end of `path`, if it would be.
    pub(crate) fn refusal_at<O>(&self, path: &Path, operation: &O) -> Option<O::Refusal>
    where
        O: Operation<A, T>,
    {
        self.look_until_seen(|head| self.decide_at(head, path, operation))
    }

    /// Decides as a reader, and returns the refusal, if there is one. Writes nothing.
    fn look_first_at<O>(&self, path: &Path, operation: &O) -> Option<O::Refusal>
    where
        O: Operation<A, T>,
    {
        let mut looks = 0..looks();
        looks.find_map(|_| self.decide_at(self.head(), path, operation))?
    }

    /// What `operation` would be refused with as of `head`. `None` if the head has moved.
    fn decide_at<O>(&self, head: Head, path: &Path, operation: &O) -> Option<Option<O::Refusal>>
    where
        O: Operation<A, T>,
    {
        let levels = self.levels_at(head, path, O::ON_WHOLE_PATH)?;
        let refusal = levels.decide(operation).1;
        self.validate(head).then_some(refusal)
    }

    /// Returns `f` of one state that the node at the end of `path` had. With `whole`, it returns that of all
    /// levels from the root to the node at one moment, put together by `both`. `f` and `both` must be
    /// total: see [`State`].
    pub(crate) fn read_below<R>(
        &self,
        path: &Path,
        whole: bool,
        f: impl Fn(&State<'_, A, T>) -> R,
        both: impl Fn(R, R) -> R,
    ) -> R {
        self.look_until_seen(|head| {
            let levels = self.levels_at(head, path, whole)?;
            let seen = levels.states().map(&f).reduce(&both);
            self.validate(head).then_some(seen)?
        })
    }

    /// The states of all levels of `path` as of `head`, or of the last one. `None` if the head has moved.
    fn levels_at(&self, head: Head, path: &Path, whole: bool) -> Option<Levels<'_, A, T>> {
        let root = self.state(head)?;
        let wanted = path.levels(whole);
        let found = self.find(head, &root, path, &wanted)?;
        self.levels(path, &root, &found, &wanted)
    }

    /// Returns `f` of the root and of every node for which `in_use` holds, all at one moment. Both must be
    /// total: see [`State`].
    pub(crate) fn read_tree<R>(
        &self,
        in_use: impl Fn(&State<'_, A, T>) -> bool,
        f: impl Fn(&State<'_, A, T>) -> R,
    ) -> Vec<NodeState<R>> {
        loop {
            // Allocated here, and not while a lane is held.
            let count = self.tree.get().map_or(0, Tree::count);
            let mut nodes = Vec::with_capacity(count as usize + 1);
            for _ in 0..looks() {
                if let Some(()) = self.read_nodes(self.head(), count, &mut nodes, &in_use, &f) {
                    return nodes;
                }
            }
            let mut claim = self.claim();
            // The head that came with the claim may be old, and there is only one look.
            claim.head = self.head();
            let seen = self.read_nodes(claim.head, count, &mut nodes, &in_use, &f);
            drop(claim);
            if seen.is_some() {
                return nodes;
            }
        }
    }

    /// One attempt at it. `None` if the head has moved, or if there are more nodes than `count`.
    fn read_nodes<R>(
        &self,
        head: Head,
        count: u32,
        nodes: &mut Vec<NodeState<R>>,
        in_use: impl Fn(&State<'_, A, T>) -> bool,
        f: impl Fn(&State<'_, A, T>) -> R,
    ) -> Option<()> {
        nodes.clear();
        let root = self.state(head)?;
        nodes.push(NodeState {
            number: None,
            parent: None,
            label: [0; LABEL_WORDS],
            state: f(&root),
        });
        if let Some(tree) = self.tree.get().filter(|_| root.has_list) {
            let list = tree.list(head.place())?.load();
            for number in (0..count).map(nth) {
                // A number may be given out before its node is there.
                let Some(node) = tree.node(number) else {
                    continue;
                };
                let entry = list.iter().find(|entry| entry.names(number));
                let place = match entry {
                    Some(entry) => entry.place(),
                    None => node.place(head)?,
                };
                let state = node_state(node, place, 0)?;
                if in_use(&state) {
                    let (parent, label) = node.description();
                    nodes.push(NodeState {
                        number: Some(number),
                        parent,
                        label,
                        state: f(&state),
                    });
                }
            }
        }
        self.validate(head).then_some(())?;
        // A node that is in use as of `head` had its number before, and may have been made after the others were
        // counted.
        if self.tree.get().map_or(0, Tree::count) != count {
            return None;
        }
        Some(())
    }

    /// Finds the current slots of the `wanted` nodes on `path`, as of `head`, which names
    /// `root`. `None` if the head has moved.
    #[inline(always)]
    fn find(
        &self,
        head: Head,
        root: &State<'_, A, T>,
        path: &Path,
        wanted: &Wanted,
    ) -> Option<Found> {
        let tree = self.tree.get()?;
        let mut found = Found {
            list: [Entry::NONE; BELOW_ROOT],
            places: [FIRST_LINE; BELOW_ROOT],
        };
        if root.has_list {
            found.list = tree.list(head.place())?.load();
        }
        for depth in wanted.nodes.clone() {
            let (number, entry) = (path.nodes[depth], found.list[depth]);
            found.places[depth] = if entry.names(number) {
                entry.place()
            } else {
                tree.node(number)?.place(head)?
            };
        }
        Some(found)
    }

    /// The states of the `wanted` levels.
    fn levels<'a>(
        &'a self,
        path: &Path,
        root: &State<'a, A, T>,
        found: &Found,
        wanted: &Wanted,
    ) -> Option<Levels<'a, A, T>> {
        let tree = self.tree.get()?;
        let mut levels = Levels {
            states: [None; BELOW_ROOT + 1],
        };
        if wanted.root {
            levels.states[0] = Some(*root);
        }
        for depth in wanted.nodes.clone() {
            let node = tree.node(path.nodes[depth])?;
            levels.states[depth + 1] = Some(node_state(node, found.places[depth], depth + 1)?);
        }
        Some(levels)
    }

    /// One attempt in a tree, from `head`, in `lane`, which has this `number` and which the caller holds.
    /// Returns `NotPlain` unless the operation is plainly accepted on all levels and leaves their terms as
    /// they are.
    #[inline(always)]
    pub(super) fn attempt_in_tree<O>(
        &self,
        path: &Path,
        operation: &O,
        head: Head,
        number: usize,
        lane: &Lane<A, T>,
    ) -> Attempt<O::Done>
    where
        O: Operation<A, T>,
    {
        let attempt = self.try_in_tree(path, operation, head, number, lane);
        attempt.unwrap_or(Attempt::Lost)
    }

    /// The same. `None` if the head has moved.
    #[inline(always)]
    fn try_in_tree<O>(
        &self,
        path: &Path,
        operation: &O,
        head: Head,
        number: usize,
        lane: &Lane<A, T>,
    ) -> Option<Attempt<O::Done>>
    where
        O: Operation<A, T>,
    {
        let tree = self.tree.get()?;
        let root = self.state(head)?;
        if !root.has_list {
            return Some(Attempt::NotPlain);
        }
        let list = tree.list(head.place())?;
        let wanted = path.levels(O::ON_WHOLE_PATH);
        // If the head names a slot of this lane, no other thread can have written the list. Otherwise what
        // it says must be known to be true before a slot is chosen by it.
        let own_list = head.place().lane() == number;
        let free_at = Place::new(number, usize::from(head.place() == Place::new(number, 0)));
        let free = lane.slot(free_at.which());
        let new_list = tree.list_to_write(free_at);
        // Release fence: pairs with the Acquire fences in `validate` and `known`, as the one in `commit`.
        fence(Ordering::Release);
        for depth in 0..BELOW_ROOT {
            new_list.set(depth, list.get(depth));
        }
        let mut done = None;
        if wanted.root {
            if !operation.is_plain(&root) {
                return Some(Attempt::NotPlain);
            }
            let change = operation.change(&root);
            if change.terms.is_some() {
                return Some(Attempt::NotPlain);
            }
            free.store(change.amounts, listed(change.marks, root.terms_at));
            done = Some(change.done);
        } else {
            free.store(root.amounts, listed(root.marks, root.terms_at));
        }
        for depth in wanted.nodes {
            let node_number = path.nodes[depth];
            let node = tree.node(node_number)?;
            let entry = list.get(depth);
            let names_it = entry.names(node_number);
            let place = if names_it {
                entry.place()
            } else {
                node.place(head)?
            };
            if !own_list && !self.validate(head) {
                return None;
            }
            let now = node_state(node, place, depth + 1)?;
            if !operation.is_plain(&now) {
                return Some(Attempt::NotPlain);
            }
            let change = operation.change(&now);
            if change.terms.is_some() {
                return Some(Attempt::NotPlain);
            }
            let (own, own_place) = own_slot(node, place, number);
            own.slot(own_place.which())
                .store(change.amounts, last_word(change.marks, now.terms_at));
            if !names_it {
                self.displace(tree, entry, head)?;
            }
            new_list.set(depth, Entry::new(node_number, own_place));
            done = Some(match done {
                None => change.done,
                Some(above) => O::both(above, change.done),
            });
        }
        let next = self.swing(head, free_at)?;
        done.map(|done| Attempt::Committed(next, done))
    }

    /// One full attempt in a tree, which may refuse, or store new terms.
    #[inline(never)]
    pub(super) fn attempt_in_tree_slowly<O>(
        &self,
        path: &Path,
        operation: &O,
        head: Head,
        lane: &Lane<A, T>,
        free_at: Place,
    ) -> Ended<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        let tree = self.tree.get()?;
        let root = self.state(head)?;
        let wanted = path.levels(O::ON_WHOLE_PATH);
        let found = self.find(head, &root, path, &wanted)?;
        let levels = self.levels(path, &root, &found, &wanted)?;
        let (operation, refusal) = levels.decide(operation);
        // Also before a line of terms is chosen: see `store_terms`.
        if !self.validate(head) {
            return None;
        }
        if let Some(refusal) = refusal {
            return Some((head, Answer::Refused(refusal)));
        }
        // Release fence: as in `try_in_tree`, which may not have come that far.
        fence(Ordering::Release);
        let new_list = tree.list_to_write(free_at);
        let mut done = None;
        let (mut amounts, mut last) = (root.amounts, listed(root.marks, root.terms_at));
        if let Some(root) = &levels.states[0] {
            let change = operation.change(root);
            let terms_at = match change.terms {
                Some(new) => lane.store_terms(free_at.lane(), root.terms_at, new),
                None => root.terms_at,
            };
            (amounts, last) = (change.amounts, listed(change.marks, terms_at));
            done = Some(change.done);
        }
        lane.slot(free_at.which()).store(amounts, last);
        for (depth, entry) in found.list.into_iter().enumerate() {
            if !wanted.nodes.contains(&depth) {
                new_list.set(depth, entry);
                continue;
            }
            let number = path.nodes[depth];
            let (node, now) = (tree.node(number)?, levels.states[depth + 1].as_ref()?);
            let change = operation.change(now);
            let (own, place) = own_slot(node, found.places[depth], free_at.lane());
            let terms_at = match change.terms {
                Some(new) => own.store_terms(free_at.lane(), now.terms_at, new),
                None => now.terms_at,
            };
            own.slot(place.which())
                .store(change.amounts, last_word(change.marks, terms_at));
            if !entry.names(number) {
                self.displace(tree, entry, head)?;
            }
            new_list.set(depth, Entry::new(number, place));
            done = Some(match done {
                None => change.done,
                Some(above) => O::both(above, change.done),
            });
        }
        let next = self.swing(head, free_at)?;
        done.map(|done| (next, Answer::Done(done)))
    }

    /// Raises the head of the node that `entry` names, if any, before the list forgets it. The list that
    /// it is from belongs to `head`: that was validated, or the list is of the caller's own lane.
    #[inline(always)]
    fn displace(&self, tree: &Tree<A, T>, entry: Entry, head: Head) -> Option<()> {
        if let Some(number) = entry.node() {
            tree.node(number)?.raise(head, entry.place());
        }
        Some(())
    }
}

/// The states of some levels of a path: the root's, then those of the nodes.
struct Levels<'a, const A: usize, const T: usize> {
    states: [Option<State<'a, A, T>>; BELOW_ROOT + 1],
}

impl<const A: usize, const T: usize> Levels<'_, A, T> {
    fn states(&self) -> impl Iterator<Item = &State<'_, A, T>> {
        self.states.iter().flatten()
    }

    /// The operation as all levels leave it, and why it is refused, if it is.
    fn decide<O>(&self, operation: &O) -> (O, Option<O::Refusal>)
    where
        O: Operation<A, T>,
    {
        let mut operation = *operation;
        for now in self.states() {
            operation = operation.narrowed_by(now);
        }
        let refusals = self.states().filter_map(|now| operation.refusal(now));
        (operation, refusals.reduce(O::worse))
    }
}

/// The state of `node` whose slot is at `place`, `depth` levels below the root. `None` if the head has
/// moved.
#[inline(always)]
fn node_state<const A: usize, const T: usize>(
    node: &Node<A, T>,
    place: Place,
    depth: usize,
) -> Option<State<'_, A, T>> {
    let slot = node.lane(place.lane())?.slot(place.which());
    let amounts = std::array::from_fn(|index| slot.amounts[index].load(Ordering::Relaxed));
    let last = slot.last.load(Ordering::Relaxed);
    let terms_at = Place::in_word(last);
    Some(State {
        amounts,
        marks: last >> MARKS_FROM,
        terms: &node.lane(terms_at.lane())?.terms[terms_at.which()],
        terms_at,
        has_list: false,
        depth: depth as u8,
    })
}

/// The slot of `node` for lane `number` that is not at `current`: what `node` has for that lane, and the
/// slot's place.
#[inline(always)]
fn own_slot<const A: usize, const T: usize>(
    node: &Node<A, T>,
    current: Place,
    number: usize,
) -> (&Lane<A, T>, Place) {
    let which = usize::from(current == Place::new(number, 0));
    (node.lane_to_write(number), Place::new(number, which))
}

/// The last word of a root's slot that has a list.
#[inline(always)]
const fn listed(marks: u64, terms: Place) -> u64 {
    last_word(marks, terms) | HAS_LIST
}
