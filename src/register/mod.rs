//! A register of several words, updated by one compare-and-swap.
//!
//! It knows nothing about budgets. All memory orderings of the crate are in this directory: those of
//! the algorithm in this file, those of a tree in `tree.rs` and `node.rs`, those of the lazily allocated box in
//! `once_box.rs`, and those of notes between threads in `notes.rs`.
//!
//! # The algorithm
//!
//! The words of a state are stored in a **slot**. One atomic, the **head**, names the current slot
//! and counts the updates. A **lane** is two slots and a **claim**. The thread that holds the claim
//! may write the slot of its lane that is not current. Lane 0 is part of the register itself.
//! Further lanes are appended when they are needed, and stay until the register is dropped.
//!
//! ```text
//! head  = version | lane number | which of its two slots
//! lane  = claim | slot, slot | terms, terms
//! slot  = amounts | marks, place of the terms
//! claim = 0 while the lane is held, otherwise a head that its last holder left
//! ```
//!
//! An update:
//!
//! 1. Claim lane 0: swap 0 into its claim. The swap returns a head to start from, or 0 if the lane
//!    is held (see below).
//! 2. Decide from the state that the head names.
//!    - Refused: load the head again. If it has not moved, the words were one state, and the
//!      refusal stands. If it has moved, start over with the new head.
//!    - Accepted: store the new words into the slot of the lane that the head does not name. Then
//!      compare-and-swap (CAS) the head to the next version and that slot. If the CAS fails, start
//!      over with the new head.
//! 3. Release the lane: store the head that the update ended with into its claim.
//!
//! A reader loads the head, then the words, then the head again. If the head has not moved, the
//! words were one state.
//!
//! # When the lane is held
//!
//! Callers take turns, as with a short spinlock: a caller that finds lane 0 held pauses and tries
//! again. After some pauses it yields to other threads a few times, since the holder may be waiting
//! for a core. But no caller depends on another. If the head has stood still for a while
//! ([`patience`](crate::sync::patience)), the holder is probably not running, and the caller takes
//! a **detour**: it claims any free lane, or appends one, and updates from there. The head then
//! names a slot of that lane. Waiting callers try to claim the lane that the head names, so they
//! all continue in the new lane. When the first holder runs again, its CAS fails. It starts over,
//! and its commit brings the head back to lane 0.
//!
//! # Terms
//!
//! The words that rarely change are the **terms**. They are not copied from slot to slot: they have
//! a line of their own, and a slot stores the **place** of that line. An update that changes the
//! terms writes a line of its lane that the current state does not refer to. Everyday updates
//! expect the terms at a fixed address, the first line of lane 0. An update from lane 0 that finds
//! them elsewhere moves them there.
//!
//! # Hints
//!
//! Each thread remembers one register: the last one where an update of this thread left the
//! everyday path, and why. The thread's next update of that register looks before it claims:
//!
//! - It was *refused*. A refusal should not write anything shared. So the next update decides as a
//!   reader first, and claims a lane only if it would be accepted.
//! - Lane 0 was *held* and others had taken a detour. The next update does not write to lane 0's
//!   claim unless the claim looks free.
//!
//! A hint needs no ordering. A wrong hint costs one look in vain.
//!
//! # Why it is right
//!
//! - *A current slot is never written.* Only the holder of a lane makes one of its slots current. So
//!   the slot that a head does not name stays private from that head until the holder's own CAS, if
//!   no slot of the lane became current in between. None did. Either the holder loaded the head
//!   under its claim, or the head came with the claim. In the second case the previous holder
//!   loaded it under its own claim, set it with its CAS, or passed it on in turn.
//! - *A reader that finds the head unmoved has read one state.* A version does not come back: there
//!   are 2^51, enough for 260 days at 10^8 updates per second. A thread that writes a slot again
//!   has seen a later head first. It is a seqlock whose counter is never odd.
//! - *An accepted update needs no validation.* Its CAS succeeds only if the head has not moved. A
//!   thread that writes the old slot again acquires a head that follows this CAS, and Release keeps
//!   our loads before the CAS. So the words were one state. And two CASes cannot both follow the
//!   same head.
//! - *Lock-free.* A CAS fails only because another one succeeded. While a lane is left, no caller
//!   waits for a holder longer than the patience after the head last moved. A call that never ends
//!   takes one lane out of use. The register is not wait-free, and not fair.
//!
//! `docs/correctness.md` has the whole argument, ordering by ordering.
//!
//! # Cost
//!
//! An update takes two locked instructions (the swap and the CAS), like a mutex. All addresses on
//! the everyday path are at constant offsets in the register. The swap fetches the first cache line
//! for writing at once. With six amounts an update writes two cache lines. Readers write nothing
//! shared, unless updates interfere many times in a row. A refusal writes nothing shared if the
//! thread's last update was also refused by this register.
//!
//! # Sources
//!
//! Herlihy, *A methodology for implementing highly concurrent data objects* (1993), section 4
//! (small objects: copy, then swing a pointer). Anderson and Moir, *Universal constructions for
//! multi-object operations* (1995), and Fatourou and Kallimanis, *A highly-efficient wait-free
//! universal construction* (2011): copies owned by threads, named with a sequence number. Boehm,
//! *Can seqlocks get along with programming language memory models?* (2012): the reader's fence.

mod backoff;
mod head;
mod lane;
mod node;
mod notes;
mod once_box;
mod tree;

use crate::sync::{fence, hint, looks, patience, set_hint, yield_now, Ordering};

use backoff::{pause, Backoff};
use head::{ClaimWord, Head, Place, LANES};
use lane::{Further, Lane, Slot, TermsLine};
use node::Tree;

pub(crate) use node::LABEL_WORDS;
pub(crate) use notes::Notes;
pub(crate) use once_box::OnceBox;
pub(crate) use tree::{NodeState, Path, BELOW_ROOT};

// A thread's hint is the address of a register, with one of these bits in its low bits.
const HINTS: usize = REFUSED | DETOUR;
const REFUSED: usize = 1;
const DETOUR: usize = 2;

/// The first line of terms of lane 0, where the everyday path expects them.
const FIRST_LINE: Place = Place::new(0, 0);

/// Pauses after a lost CAS.
const LOST_PAUSES: u32 = 4;

/// A state to decide from.
///
/// Until the head is found unmoved, the words may be **of two different states**, and a term that is
/// loaded twice may have two values. What is computed from them must be total: no panic, no
/// assertion, no unchecked index, and only wrapping or checked arithmetic.
#[derive(Clone, Copy)]
pub(crate) struct State<'a, const A: usize, const T: usize> {
    pub(crate) amounts: [u64; A],
    /// [`MARK_BITS`] more bits of the state.
    pub(crate) marks: u64,
    /// Terms are loaded one by one, since most operations need only a few of them.
    terms: &'a TermsLine<T>,
    /// The place of the terms.
    terms_at: Place,
    /// Whether this is the root's state, and a list of nodes belongs to it.
    has_list: bool,
    /// How far below the root it is.
    depth: u8,
}

impl<const A: usize, const T: usize> State<'_, A, T> {
    #[inline(always)]
    pub(crate) fn term(&self, index: usize) -> u64 {
        // Relaxed: see `words`.
        self.terms.0[index].load(Ordering::Relaxed)
    }

    /// How far below the root of its tree it is. The root is at 0.
    #[inline(always)]
    pub(crate) fn depth(&self) -> u8 {
        self.depth
    }
}

/// How many bits the marks of a state have.
pub(crate) const MARK_BITS: u32 = u64::BITS - MARKS_FROM;

// The last word of a slot:
//
// 63      14     13      12           0
// |  marks  | has a list | place of the terms |
const MARKS_FROM: u32 = Place::BITS + 1;
const HAS_LIST: u64 = 1 << Place::BITS;

/// What an operation changes.
pub(crate) struct Change<const A: usize, const T: usize, D> {
    /// All amounts, including those that stay the same.
    pub(crate) amounts: [u64; A],
    pub(crate) marks: u64,
    /// New terms, if they change.
    pub(crate) terms: Option<[u64; T]>,
    /// The answer, once the change has taken effect.
    pub(crate) done: D,
}

impl<const A: usize, const T: usize, D> Change<A, T, D> {
    /// The same change, with another answer.
    pub(crate) fn map<E>(self, answer: impl FnOnce(D) -> E) -> Change<A, T, E> {
        Change {
            amounts: self.amounts,
            marks: self.marks,
            terms: self.terms,
            done: answer(self.done),
        }
    }
}

/// A function from the current state to the next one.
///
/// Every method may run several times, on words that are not one state (see [`State`]), and while a
/// lane is held. So it must not run foreign code: no closure of a user, no `Drop` of a user's type,
/// no allocator.
pub(crate) trait Operation<const A: usize, const T: usize>: Copy {
    /// The answer of a change that took effect.
    type Done;
    /// The answer of an operation that is refused. `Infallible` if it never is.
    type Refusal;

    /// Whether an operation on a node is one on all nodes above it too.
    const ON_WHOLE_PATH: bool = false;

    /// Whether the operation is plainly not refused. This check is inlined into the caller's code. It
    /// may return `false` where the exact answer would take long.
    fn is_plain(&self, now: &State<'_, A, T>) -> bool;

    /// Why the operation is refused, if it is.
    fn refusal(&self, now: &State<'_, A, T>) -> Option<Self::Refusal>;

    /// What the state becomes, if the operation is not refused.
    fn change(&self, now: &State<'_, A, T>) -> Change<A, T, Self::Done>;

    /// What is left to ask of the other levels, if this is one level's state.
    fn narrowed_by(self, _now: &State<'_, A, T>) -> Self {
        self
    }

    /// Of two levels that refuse, the answer to give. `above` is nearer to the root.
    fn worse(above: Self::Refusal, _below: Self::Refusal) -> Self::Refusal {
        above
    }

    /// The answer for two levels that changed. `above` is nearer to the root.
    fn both(_above: Self::Done, below: Self::Done) -> Self::Done {
        below
    }
}

/// The register: `A` amounts, `T` terms, and a value of type `F` that never changes.
pub(crate) struct Register<const A: usize, const T: usize, F> {
    /// Lane 0.
    lane: Lane<A, T>,
    further: Further<Lane<A, T>>,
    /// The nodes below, once there is one.
    tree: OnceBox<Tree<A, T>>,
    fixed: F,
}

impl<const A: usize, const T: usize, F> Register<A, T, F> {
    pub(crate) fn new(amounts: [u64; A], marks: u64, terms: [u64; T], fixed: F) -> Self {
        Self {
            lane: Lane::new(
                ClaimWord::free(Head::FIRST),
                amounts,
                last_word(marks, FIRST_LINE),
                terms,
            ),
            further: Further::none(),
            tree: OnceBox::empty(),
            fixed,
        }
    }

    pub(crate) fn fixed(&self) -> &F {
        &self.fixed
    }

    /// Appends lanes until there are `lanes`, lane 0 included. While at most that many calls are in
    /// progress, a search finds a free lane, unless several lanes that it has passed change hands.
    pub(crate) fn make_lanes(&self, lanes: usize) {
        for number in 1..lanes.min(LANES) {
            if self.further.get(number).is_none() {
                self.further
                    .append(number, Lane::empty(ClaimWord::free(Head::FIRST)));
            }
        }
    }

    /// Returns `f` of one state that existed. `f` must be total: see [`State`].
    #[inline(always)]
    pub(crate) fn read<R>(&self, f: impl Fn(&State<'_, A, T>) -> R) -> R {
        self.look_until_seen(|head| self.read_at(head, &f))
    }

    /// Returns what `look` sees as of a head. It is `None` if the head has moved.
    #[inline(always)]
    fn look_until_seen<R>(&self, look: impl Fn(Head) -> Option<R>) -> R {
        for _ in 0..looks() {
            if let Some(seen) = look(self.head()) {
                return seen;
            }
        }
        self.read_claimed(look)
    }

    /// Reads while holding a lane. So only updates from other lanes can interfere.
    #[cold]
    #[inline(never)]
    fn read_claimed<R>(&self, look: impl Fn(Head) -> Option<R>) -> R {
        let mut claim = self.claim();
        loop {
            if let Some(seen) = look(claim.head) {
                return seen;
            }
            claim.head = self.head();
        }
    }

    #[inline(always)]
    fn read_at<R>(&self, head: Head, f: impl Fn(&State<'_, A, T>) -> R) -> Option<R> {
        let seen = f(&self.state(head)?);
        self.validate(head).then_some(seen)
    }

    /// Runs `operation` in one atomic step.
    // The everyday path is inlined: lane 0 is free, and one of its slots is current. There are two
    // copies of it, one for each slot. So a branch, which the processor predicts, selects the slot,
    // and the loads do not wait for an address that is computed from the head.
    #[inline(always)]
    pub(crate) fn update<O>(&self, operation: O) -> Result<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        if hint() & !HINTS == self.address() {
            return self.update_by_hint(operation).into();
        }
        let Some(mut claim) = self.try_claim(0, &self.lane) else {
            return self.update_in_turn(&Path::ROOT, operation).into();
        };
        let Lane { first, second, .. } = &self.lane;
        let head = claim.head;
        let attempt = if head.place() == Place::new(0, 0) {
            self.attempt_quickly(&operation, head, first, second, Place::new(0, 1))
        } else if head.place() == Place::new(0, 1) {
            self.attempt_quickly(&operation, head, second, first, Place::new(0, 0))
        } else {
            Attempt::NotPlain
        };
        match attempt {
            Attempt::Committed(next, done) => {
                claim.head = next;
                Ok(done)
            }
            Attempt::Lost | Attempt::NotPlain => {
                // `update_again` goes on with this claim. It is forgotten, not moved, so that here
                // it stays in machine registers.
                std::mem::forget(claim);
                self.update_again(operation).into()
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn update_in_turn<O>(&self, path: &Path, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        self.update_claimed(self.take_turn(), path, &operation)
    }

    /// Continues an update that holds lane 0 already.
    #[cold]
    #[inline(never)]
    fn update_again<O>(&self, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        let claim = Claim {
            head: self.head(),
            number: 0,
            lane: &self.lane,
        };
        if self.tree.get().is_some() {
            return self.update_in_tree(claim, &Path::ROOT, operation);
        }
        self.update_claimed(claim, &Path::ROOT, &operation)
    }

    /// One attempt from the slot `current` to the slot `free` of lane 0, with the terms where the
    /// everyday path expects them. `place` is the place of `free`.
    #[inline(always)]
    fn attempt_quickly<O>(
        &self,
        operation: &O,
        head: Head,
        current: &Slot<A>,
        free: &Slot<A>,
        place: Place,
    ) -> Attempt<O::Done>
    where
        O: Operation<A, T>,
    {
        let (amounts, last) = Self::words(current);
        // The place of the terms, and no list.
        if last & (last_word(1, FIRST_LINE) - 1) != FIRST_LINE.bits() {
            return Attempt::NotPlain;
        }
        let now = State {
            amounts,
            marks: last >> MARKS_FROM,
            terms: &self.lane.terms[0],
            terms_at: FIRST_LINE,
            has_list: false,
            depth: 0,
        };
        self.attempt(operation, head, &now, free, place)
    }

    /// One attempt from `now`, the state that `head` names, to the slot `free` at `place`, in a lane
    /// that the caller holds. Returns `NotPlain` unless the operation is plainly accepted and leaves
    /// the terms as they are.
    #[inline(always)]
    fn attempt<O>(
        &self,
        operation: &O,
        head: Head,
        now: &State<'_, A, T>,
        free: &Slot<A>,
        place: Place,
    ) -> Attempt<O::Done>
    where
        O: Operation<A, T>,
    {
        if !operation.is_plain(now)
            || (place.lane() == FIRST_LINE.lane() && now.terms_at != FIRST_LINE)
        {
            return Attempt::NotPlain;
        }
        let change = operation.change(now);
        if change.terms.is_some() {
            return Attempt::NotPlain;
        }
        match self.commit(
            head,
            change.amounts,
            change.marks,
            now.terms_at,
            free,
            place,
        ) {
            Some(next) => Attempt::Committed(next, change.done),
            None => Attempt::Lost,
        }
    }

    /// Runs `operation` if this thread's last update of this register left the everyday path.
    // Not inlined, but not cold either: while the register is full or other threads are suspended,
    // every update comes here.
    #[inline(never)]
    fn update_by_hint<O>(&self, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        if hint() & HINTS == REFUSED {
            if let Some(refusal) = self.look_first(&operation) {
                return Answer::Refused(refusal);
            }
        }
        self.update_after_hint(&Path::ROOT, operation)
    }

    /// The rest of `update_by_hint`, if the hint led to no refusal. Claims a lane, lane 0 only if it
    /// looks free.
    // Not inlined: otherwise a refusal would save machine registers for code that it does not run.
    #[inline(never)]
    fn update_after_hint<O>(&self, path: &Path, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        let claim = match self.try_claim_seen_free(0, &self.lane) {
            Some(claim) => {
                set_hint(0);
                claim
            }
            None => match self.try_follow(self.head()) {
                Some(claim) => claim,
                None => self.take_turn(),
            },
        };
        self.update_claimed(claim, path, &operation)
    }

    /// Decides as a reader, and returns the refusal, if there is one. Writes nothing.
    #[inline(always)]
    fn look_first<O>(&self, operation: &O) -> Option<O::Refusal>
    where
        O: Operation<A, T>,
    {
        for _ in 0..looks() {
            let head = self.head();
            if let Some(now) = self.state(head) {
                let refusal = operation.refusal(&now)?;
                if self.validate(head) {
                    return Some(refusal);
                }
            }
        }
        None
    }

    /// Runs `operation` on the node at the end of `path` from the lane of `claim`, until there is an
    /// answer.
    #[inline(always)]
    pub(super) fn update_claimed<O>(
        &self,
        mut claim: Claim<'_, A, T>,
        path: &Path,
        operation: &O,
    ) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        let Claim { number, lane, .. } = claim;
        loop {
            let head = claim.head;
            let current = if head.place().lane() == number {
                Some(lane)
            } else {
                self.lane(head.place().lane())
            };
            if let Some(now) = current.and_then(|at| self.load(at.slot(head.place().which()))) {
                // The head names at most one of the lane's slots. The other one is ours.
                let which = usize::from(head.place() == Place::new(number, 0));
                let (free, place) = (lane.slot(which), Place::new(number, which));
                let in_tree = now.has_list || !path.is_root();
                let attempt = if in_tree {
                    self.attempt_in_tree(path, operation, head, number, lane)
                } else {
                    self.attempt(operation, head, &now, free, place)
                };
                let ended = match attempt {
                    Attempt::Committed(next, done) => Some((next, Answer::Done(done))),
                    Attempt::NotPlain if in_tree => {
                        self.attempt_in_tree_slowly(path, operation, head, lane, place)
                    }
                    Attempt::NotPlain => self.attempt_slowly(operation, head, lane, place),
                    Attempt::Lost => None,
                };
                if let Some((known, answer)) = ended {
                    claim.head = known;
                    if let Answer::Refused(_) = answer {
                        set_hint(self.address() | REFUSED);
                    }
                    return answer;
                }
            }
            pause(LOST_PAUSES);
            claim.head = self.head();
        }
    }

    /// One full attempt, which may refuse, or store new terms. It goes from the state that `head`
    /// names to the slot at `free_at`, in `lane`, which the caller holds.
    #[inline(never)]
    fn attempt_slowly<O>(
        &self,
        operation: &O,
        head: Head,
        lane: &Lane<A, T>,
        free_at: Place,
    ) -> Ended<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        let now = self.state(head)?;
        if let Some(refusal) = operation.refusal(&now) {
            return self
                .validate(head)
                .then_some((head, Answer::Refused(refusal)));
        }
        let change = operation.change(&now);
        let new_terms = change.terms.or_else(|| {
            let moves = free_at.lane() == FIRST_LINE.lane() && now.terms_at != FIRST_LINE;
            moves.then(|| std::array::from_fn(|index| now.term(index)))
        });
        let terms_at = match new_terms {
            Some(new) => self.store_terms(head, now.terms_at, new, lane, free_at.lane())?,
            None => now.terms_at,
        };
        let free = lane.slot(free_at.which());
        let next = self.commit(head, change.amounts, change.marks, terms_at, free, free_at)?;
        Some((next, Answer::Done(change.done)))
    }

    /// Stores a state into the slot `free` at `place`, in a lane that the caller holds, and commits it
    /// from `head`. Returns the new head, or `None` if the head has moved.
    #[inline(always)]
    fn commit(
        &self,
        head: Head,
        amounts: [u64; A],
        marks: u64,
        terms: Place,
        free: &Slot<A>,
        place: Place,
    ) -> Option<Head> {
        // Release fence: pairs with the Acquire fences in `validate` and `further_lane`. A thread that
        // loads a word stored below, and then passes its Acquire fence, sees the head that we start
        // from or a later one. In every attempt our fence comes after the claim and before the first
        // store.
        fence(Ordering::Release);
        free.store(amounts, last_word(marks, terms));
        self.swing(head, place)
    }

    /// Commits the state that was stored at `place`, from `head`. Returns the new head, or `None` if the
    /// head has moved.
    #[inline(always)]
    fn swing(&self, head: Head, place: Place) -> Option<Head> {
        let next = head.next(place);
        self.lane
            .head
            .compare_exchange(
                head.word(),
                next.word(),
                // Release: pairs with the Acquire in `head`. It publishes the slot, and keeps our
                // loads of the old slot before whatever its holder stores there next. Not Acquire:
                // the CAS reads only the head that we started from, which is acquired already.
                Ordering::Release,
                // Relaxed: after a failure, `head` loads the head again.
                Ordering::Relaxed,
            )
            .ok()?;
        Some(next)
    }

    /// Stores `new` into a line of `lane` that the current state does not refer to, and returns the
    /// line's place. The caller holds `lane`, which has this `number`. `terms` is the place in the
    /// slot that `head` names. Returns `None` if the head has moved.
    fn store_terms(
        &self,
        head: Head,
        terms: Place,
        new: [u64; T],
        lane: &Lane<A, T>,
        number: usize,
    ) -> Option<Place> {
        // `terms` may be a place that another lane's holder stored and never published. A line may
        // be chosen by it only if it is the place of the current state. If it is, the free line
        // stays free: only we, as the holder of this lane, could make a state refer to it.
        if !self.validate(head) {
            return None;
        }
        // Release fence: pairs with the Acquire fence in `validate`, as the one in `commit` does. A
        // reader that loads a term stored below, and then passes its Acquire fence, finds that the
        // head has moved off the state that referred to this line.
        fence(Ordering::Release);
        Some(lane.store_terms(number, terms, new))
    }

    /// Loads the head, and acquires everything that led to it.
    #[inline(always)]
    fn head(&self) -> Head {
        // Acquire: pairs with the Release of the CAS in `commit`. The words of the slot that it names
        // are visible. A holder needs it also for its own slots: if the head has moved off a slot of
        // its lane, the thread that moved it had read that slot before the holder writes it again.
        Head::from_word(self.lane.head.load(Ordering::Acquire))
    }

    /// Whether the head is still `head`. If so, all words loaded since `head` was acquired were of one
    /// state.
    #[inline(always)]
    fn validate(&self, head: Head) -> bool {
        // Acquire fence: pairs with the Release fences in `commit` and `store_terms`. If we loaded a
        // word that was stored when its slot or line was used again, the load below sees a head
        // that is later than `head`.
        fence(Ordering::Acquire);
        // Relaxed: the fence above does the ordering.
        self.lane.head.load(Ordering::Relaxed) == head.word()
    }

    /// The state that `head` names. `None` if its terms are at a place that this thread does not know
    /// yet. Then that place was stored for a later state, and the head has moved.
    #[inline(always)]
    fn state(&self, head: Head) -> Option<State<'_, A, T>> {
        let place = head.place();
        self.load(self.lane(place.lane())?.slot(place.which()))
    }

    #[inline(always)]
    fn load<'a>(&'a self, slot: &'a Slot<A>) -> Option<State<'a, A, T>> {
        let (amounts, last) = Self::words(slot);
        let place = Place::in_word(last);
        Some(State {
            amounts,
            marks: last >> MARKS_FROM,
            terms: &self.lane(place.lane())?.terms[place.which()],
            terms_at: place,
            has_list: last & HAS_LIST != 0,
            depth: 0,
        })
    }

    #[inline(always)]
    fn words(slot: &Slot<A>) -> ([u64; A], u64) {
        // Relaxed, here and for the terms. What comes before these loads is ordered by the Acquire of
        // the head (`head`) or of the claim (`try_claim`). What comes after them is ordered by the
        // fence in `validate` or by the Release of the CAS in `commit`.
        let amounts = std::array::from_fn(|index| slot.amounts[index].load(Ordering::Relaxed));
        (amounts, slot.last.load(Ordering::Relaxed))
    }

    /// Lane `number`, if this thread knows it already.
    #[inline(always)]
    fn lane(&self, number: usize) -> Option<&Lane<A, T>> {
        if number == 0 {
            return Some(&self.lane);
        }
        self.further_lane(number)
    }

    #[cold]
    #[inline(never)]
    fn further_lane(&self, number: usize) -> Option<&Lane<A, T>> {
        known(self.further.get(number))
    }

    /// Identifies this register in a hint. A register is aligned to 64, so the low bits are free.
    #[inline(always)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Claims lane 0, or if it is held, a lane as `take_turn` does. (Not private: tests hold a lane
    /// while other threads go on.)
    pub(super) fn claim(&self) -> Claim<'_, A, T> {
        match self.try_claim(0, &self.lane) {
            Some(claim) => claim,
            None => self.take_turn(),
        }
    }

    /// Claims a lane, if it is free.
    #[inline(always)]
    fn try_claim<'a>(&self, number: usize, lane: &'a Lane<A, T>) -> Option<Claim<'a, A, T>> {
        // Acquire: pairs with the Release in `Claim::drop`. The head in the word is as good as one
        // that we load: it is no older than the last head that the lane's last holder set. And that
        // holder's stores to the lane come before ours.
        let was = lane.claim.swap(ClaimWord::HELD.word(), Ordering::Acquire);
        let head = ClaimWord::from_word(was).head()?;
        Some(Claim { head, number, lane })
    }

    /// Slow path: lane 0 is held. Claims the lane that the head names as soon as it is free. If the
    /// head stands still for too long, takes a detour.
    #[cold]
    #[inline(never)]
    fn take_turn(&self) -> Claim<'_, A, T> {
        let mut head = self.head();
        if head.place().lane() != 0 {
            // Others have taken a detour already.
            if let Some(claim) = self.try_follow(head) {
                return claim;
            }
        }
        let mut backoff = Backoff::new();
        let mut stood_still = 0;
        while stood_still < patience() {
            stood_still += backoff.wait();
            let now = self.head();
            if now != head {
                head = now;
                stood_still = 0;
            }
            if let Some(claim) = self.try_follow(head) {
                return claim;
            }
        }
        self.detour()
    }

    /// Claims the lane that `head` names, if it is free.
    #[inline(always)]
    fn try_follow(&self, head: Head) -> Option<Claim<'_, A, T>> {
        match head.place().lane() {
            0 => self.try_claim_seen_free(0, &self.lane),
            number => {
                set_hint(self.address() | DETOUR);
                self.try_claim_seen_free(number, self.further_lane(number)?)
            }
        }
    }

    /// Claims a lane, if it looks free. Nothing is written to a lane that looks held.
    #[inline(always)]
    fn try_claim_seen_free<'a>(
        &self,
        number: usize,
        lane: &'a Lane<A, T>,
    ) -> Option<Claim<'a, A, T>> {
        // Relaxed: only a hint, since `try_claim` decides.
        ClaimWord::from_word(lane.claim.load(Ordering::Relaxed)).head()?;
        self.try_claim(number, lane)
    }

    /// Claims the first free lane, or appends one. (Not private: see `claim`.)
    #[cold]
    pub(super) fn detour(&self) -> Claim<'_, A, T> {
        loop {
            for number in 0..LANES {
                let claim = match number {
                    0 => self.try_claim(0, &self.lane),
                    _ => self.claim_or_append(number),
                };
                if let Some(mut claim) = claim {
                    claim.head = self.head();
                    return claim;
                }
            }
            // Every lane is held by a call in progress.
            yield_now();
        }
    }

    /// Claims further lane `number` if it is free, or appends it if it is not there yet. The claim's
    /// head may be old: the caller loads a new one.
    // Swaps without a look first: a stale look would take a free lane for held, and one more lane
    // would be appended.
    fn claim_or_append(&self, number: usize) -> Option<Claim<'_, A, T>> {
        if let Some(lane) = self.further.get(number) {
            return self.try_claim(number, lane);
        }
        // Appended as held, so that no other thread can take it from us, and the search ends.
        let lane = Lane::empty(ClaimWord::HELD);
        match self.further.append(number, lane)? {
            Ok(lane) => Some(Claim {
                head: Head::FIRST,
                number,
                lane,
            }),
            Err(lane) => self.try_claim(number, lane),
        }
    }
}

/// What the functions that are not inlined return. It is not `Result`: if both paths had the same
/// type, the compiler would build the everyday result in memory too.
pub(crate) enum Answer<D, R> {
    Done(D),
    Refused(R),
}

/// The answer and the head to leave in the claim, or `None` if the head has moved.
type Ended<D, R> = Option<(Head, Answer<D, R>)>;

impl<D, R> From<Answer<D, R>> for Result<D, R> {
    #[inline(always)]
    fn from(answer: Answer<D, R>) -> Self {
        match answer {
            Answer::Done(done) => Ok(done),
            Answer::Refused(refusal) => Err(refusal),
        }
    }
}

/// The outcome of an attempt.
enum Attempt<D> {
    /// It took effect, and this is the new head.
    Committed(Head, D),
    /// The head has moved.
    Lost,
    /// It takes a full attempt: for example, the operation is not plainly accepted, or the terms
    /// change. Nothing that another thread can see has changed, except that heads of nodes may be raised.
    NotPlain,
}

/// A lane that is held until this is dropped.
pub(super) struct Claim<'a, const A: usize, const T: usize> {
    /// The head that the next holder starts from. No slot of this lane has become current since that
    /// head was loaded or set. So each commit from this lane sets this field before the claim is
    /// dropped. Otherwise the next holder would write the current slot.
    head: Head,
    number: usize,
    lane: &'a Lane<A, T>,
}

impl<const A: usize, const T: usize> Drop for Claim<'_, A, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let word = ClaimWord::free(self.head);
        // Release: pairs with the Acquire in `try_claim`. Our stores to the lane, and all that led to
        // the head that is left in its claim, come before everything that the next holder does.
        self.lane.claim.store(word.word(), Ordering::Release);
    }
}

/// What a place that was read refers to, if this thread knows it already.
#[inline(always)]
fn known<V>(referred: Option<&V>) -> Option<&V> {
    if referred.is_none() {
        // Acquire fence: pairs with the Release fences in `commit` and in `attempt_in_tree`. The place
        // was stored by a thread that had seen a later head than ours. So our next load of the head
        // sees that one or a later one, and not ours again.
        fence(Ordering::Acquire);
    }
    referred
}

/// The last word of a slot: the marks, with the place of the terms in the low bits, and no list.
#[inline(always)]
const fn last_word(marks: u64, terms: Place) -> u64 {
    marks << MARKS_FROM | terms.bits()
}
