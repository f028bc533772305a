//! A register of several words that one compare-and-swap updates.
//!
//! It knows nothing of budgets. All memory orderings of the crate are in this
//! file and in [`crate::thread_number`].
//!
//! # The algorithm
//!
//! The words live in **slots**. One atomic, the **head**, names the slot that is
//! current and counts the updates:
//!
//! ```text
//! head = version << 14 | slot         alone on its cache lines
//! slot = amounts | terms | tag        two cache lines
//! pair = two slots                    held by one thread at a time
//! ```
//!
//! An update reads the words of the current slot, writes the new ones into a slot
//! of its own pair, and swings the head there:
//!
//! 1. Hold a pair. Only then load the head. (Without a pair one may look, and be turned away.
//!    To CAS from a head that was loaded before the pair was held, load it again first: the
//!    slot that looked free may have been published in between.)
//! 2. Decide from the words of the slot that the head names.
//!    - Nothing to change: load the head again. Unmoved: the words read were one
//!      state, that is the answer. Moved: start over.
//!    - Otherwise store the new words into the slot of the pair that the head
//!      does not name, and CAS the head from what it was to the next version and
//!      that slot. Lost: stand back a little, start over.
//!
//! # Why it holds
//!
//! - Only the holder of a pair makes one of its slots current. So from the moment
//!   that a holder has loaded the head, the slot that it does not name is private
//!   scratch until the holder's own CAS. A current slot is never written, and a
//!   version never comes back (there are 2^50: 130 days at 10^8 updates a second).
//! - A reader that finds the head unmoved has read one state that existed: a
//!   seqlock whose counter never turns odd. Nobody waits for a writer.
//! - A writer needs no such look: its CAS is the look. Two read-modify-writes
//!   cannot both follow the same value of the head.
//! - Lock-free: a CAS fails only because another one succeeded. A thread that is
//!   suspended for ever keeps one pair from being used, which nobody else needs as long
//!   as there are thread numbers.
//!
//! # Whose pair
//!
//! Pair `n` of every register belongs to the thread with number `n`, with no claim
//! at all. Pairs live in pages of 16, which the first thread that needs one
//! installs. Pair 0 lies in the register itself and is **shared**: a quiet register
//! (there may be one per user, a million of them) has just this pair, claimed for
//! a call by a flag. Whoever finds the flag taken uses a pair of its own at once;
//! whoever had to look twice through the shared pair, or finds the register hot, has one
//! from its next call on. Only with all thread numbers taken does a thread wait
//! for the flag.
//!
//! # Terms
//!
//! The words that rarely change, the **terms**, are not copied where my slot has
//! them already: the **tag** beside them holds the version that set them. Equal
//! tags, equal terms. What is stored counts only once the CAS succeeded. After a lost one a
//! copy's words may be of two states, and the version of new terms is the winner's, who may
//! have set others: so the slot's tag is voided.
//!
//! # Cost
//!
//! An update through a pair of one's own is a handful of loads, a store for each amount,
//! and one CAS; through the shared pair, one more CAS and a store for the flag. A reader
//! writes nothing at all, and neither does an update that finds
//! nothing to change at its first look.
//!
//! # Sources
//!
//! Herlihy, *A methodology for implementing highly concurrent data objects* (1993),
//! section 4 (small objects: copy, then swing a pointer); Anderson and Moir,
//! *Universal constructions for multi-object operations* (1995), and Fatourou and
//! Kallimanis, *A highly-efficient wait-free universal construction* (2011) (copies
//! owned by threads, named with a sequence number); Boehm, *Can seqlocks get along
//! with programming language memory models?* (2012) (the reader's fence).

use std::{array, ptr};

use crossbeam_utils::CachePadded;

use crate::sync::{fence, spin_loop, yield_now};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use crate::thread_number::{Numbering, NUMBERS};

/// The number of the shared pair, and of a thread that has none.
const SHARED: usize = 0;
const PAIRS_A_PAGE: usize = 16;
const PAGES: usize = (NUMBERS + 1) / PAIRS_A_PAGE;
/// Pages that the register itself points to; the others hang off a table.
const NEAR_PAGES: usize = 4;

/// From this version on a register is worth a page: below it, one of many quiet
/// ones stays small.
const HOT: u64 = 1024;

/// Before a reader looks again. It loses little by doing so at once, but then the writer that
/// it takes the line from does: this serves both.
const READER_PAUSES: u32 = 5;

/// The tag of a slot whose terms are not to be trusted. The first terms have
/// version 1.
const VOID: u64 = 0;

/// Which slot is current, at which version.
///
/// ```text
/// 63               14 13         1 0
/// |     version      | pair number | which of the two |
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head(u64);

impl Head {
    const SLOT_BITS: u32 = 14;
    /// Version 1 in the first slot of the shared pair.
    const FIRST: Self = Self(1 << Self::SLOT_BITS);

    fn version(self) -> u64 {
        self.0 >> Self::SLOT_BITS
    }

    fn number(self) -> usize {
        (self.0 as usize & ((1 << Self::SLOT_BITS) - 1)) >> 1
    }

    /// Whether it names slot `which` of pair `number`.
    fn names(self, number: usize, which: usize) -> bool {
        self.0 & MARKS == (number << 1 | which) as u64
    }

    fn which(self) -> usize {
        self.0 as usize & 1
    }

    /// The head after this one, naming the other slot of the same pair.
    fn other(self) -> Self {
        Self(self.0.wrapping_add(1 << Self::SLOT_BITS) ^ 1)
    }

    /// The head after this one, naming slot `which` of pair `number`.
    fn next(self, number: usize, which: usize) -> Self {
        let version = (self.version() + 1) << Self::SLOT_BITS;
        Self(version | (number << 1 | which) as u64)
    }
}

/// Of the tag, the bits that belong to the state; the others are the version.
pub(crate) const MARKS: u64 = (1 << Head::SLOT_BITS) - 1;

fn tag(version: u64, marks: u64) -> u64 {
    version << Head::SLOT_BITS | marks & MARKS
}

pub(crate) struct Slot<const A: usize, const T: usize> {
    amounts: [AtomicU64; A],
    terms: [AtomicU64; T],
    tag: AtomicU64,
}

impl<const A: usize, const T: usize> Slot<A, T> {
    fn new(amounts: [u64; A], terms: [u64; T], tag: u64) -> Self {
        Self {
            amounts: amounts.map(AtomicU64::new),
            terms: terms.map(AtomicU64::new),
            tag: AtomicU64::new(tag),
        }
    }
}

/// The two slots between which one thread at a time alternates. Aligned so that
/// the prefetcher, which fetches lines in twos, never drags in a neighbour's.
type Pair<const A: usize, const T: usize> = CachePadded<[Slot<A, T>; 2]>;

fn empty_pair<const A: usize, const T: usize>() -> Pair<A, T> {
    CachePadded::new([(); 2].map(|()| Slot::new([0; A], [0; T], VOID)))
}

struct Page<const A: usize, const T: usize>([Pair<A, T>; PAIRS_A_PAGE]);

struct Table<const A: usize, const T: usize>([Installed<Page<A, T>>; PAGES - NEAR_PAGES]);

/// The current words, to decide from.
///
/// Until the head was found unmoved they may be **of two different states**: what
/// reads them has to be total. No panic, no assertion, no unchecked index.
pub(crate) struct View<'a, const A: usize, const T: usize>(&'a Slot<A, T>);

impl<const A: usize, const T: usize> Clone for View<'_, A, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const A: usize, const T: usize> Copy for View<'_, A, T> {}

// All Relaxed: ordered by the Acquire load of the head before them (in the first attempt of
// `update` they are this thread's own) and, after them, by the fence in `unmoved` or by the
// Release of the CAS.
impl<const A: usize, const T: usize> View<'_, A, T> {
    #[inline]
    pub(crate) fn amount(self, index: usize) -> u64 {
        self.0.amounts[index].load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn term(self, index: usize) -> u64 {
        self.0.terms[index].load(Ordering::Relaxed)
    }

    /// Which terms these are, and the marks that go with them. Terms of equal tags
    /// are equal.
    #[inline]
    pub(crate) fn tag(self) -> u64 {
        self.0.tag.load(Ordering::Relaxed)
    }
}

/// My slot that is not current, to be filled with the new amounts: all of them.
pub(crate) struct Scratch<'a, const A: usize, const T: usize>(&'a Slot<A, T>);

impl<const A: usize, const T: usize> Scratch<'_, A, T> {
    #[inline]
    pub(crate) fn set(&self, index: usize, amount: u64) {
        // Relaxed: after the fence in `swing`, which see, and published by its CAS.
        self.0.amounts[index].store(amount, Ordering::Relaxed);
    }
}

/// One change of a register's words, in steps that compile to straight code.
///
/// The steps may run several times, on words of two states, and never on foreign
/// code: no closure of a user, no `Drop` of a user's type, no allocation. An update
/// of the same register inside one would write the slot that this one is about
/// to publish.
pub(crate) trait Operation<const A: usize, const T: usize>: Copy {
    /// What `decide` works out.
    type New;
    /// Why it leaves the words as they are, with all that the answer tells of them;
    /// `Infallible` if it never does.
    type Why: Copy;
    /// What the caller gets.
    type Out;

    /// What the words become, or why they stay.
    fn decide(&self, view: View<'_, A, T>) -> Result<Self::New, Self::Why>;

    /// The same where it is plain to see, and `None` where it takes `decide` to tell: what is
    /// worth a place in the caller's code.
    #[inline(always)]
    fn decide_at_once(&self, view: View<'_, A, T>) -> Option<Self::New> {
        self.decide(view).ok()
    }

    /// Stores every new amount. Those that stay are read again from `view`: the
    /// CAS vouches for them too.
    fn fill(&self, new: &Self::New, view: View<'_, A, T>, scratch: Scratch<'_, A, T>);

    /// New terms and marks, where the operation changes them.
    #[inline]
    fn terms(&self, new: &Self::New, view: View<'_, A, T>) -> Option<([u64; T], u64)> {
        let _ = (new, view);
        None
    }

    /// The answer after `new` took effect.
    fn accepted(&self, new: Self::New) -> Self::Out;

    /// The answer when `decide` left the words as they are.
    fn kept(&self, why: Self::Why) -> Self::Out;
}

/// The register: `A` amounts and `T` terms.
pub(crate) struct Register<const A: usize, const T: usize> {
    head: CachePadded<AtomicU64>,
    shared: Pair<A, T>,
    shared_taken: AtomicBool,
    near: [Installed<Page<A, T>>; NEAR_PAGES],
    far: Installed<Table<A, T>>,
}

impl<const A: usize, const T: usize> Register<A, T> {
    pub(crate) fn new(amounts: [u64; A], terms: [u64; T], marks: u64) -> Self {
        let first = Slot::new(amounts, terms, tag(Head::FIRST.version(), marks));
        Self {
            head: CachePadded::new(AtomicU64::new(Head::FIRST.0)),
            shared: CachePadded::new([first, Slot::new([0; A], [0; T], VOID)]),
            shared_taken: AtomicBool::new(false),
            near: [(); NEAR_PAGES].map(|()| Installed::empty()),
            far: Installed::empty(),
        }
    }

    /// What `look` makes of one state that existed. Writes nothing.
    #[inline]
    pub(crate) fn read<R>(&self, look: impl Fn(View<'_, A, T>) -> R) -> R {
        loop {
            let head = self.head();
            let seen = look(self.view(head));
            if self.unmoved(head) {
                return seen;
            }
            pause(READER_PAUSES);
        }
    }

    /// Runs `operation` in one step, as the thread that `numbers` tells.
    // Inlined for the case of all hot loops: the current slot is my own. There are two
    // copies of it, so that the slot is told by a branch, which the processor predicts, and
    // not by an address made of the head: so words, decision and stores need not wait
    // for the load of the head, which itself waits for the exchange before it. It saves a
    // quarter of the time of a record.
    #[inline(always)]
    pub(crate) fn update<O>(&self, numbers: &impl Numbering, operation: O) -> O::Out
    where
        O: Operation<A, T>,
    {
        let number = numbers.kept();
        let pair = self.own_pair(number);
        if let Some(pair) = pair {
            // Relaxed: used only if it names a slot of this pair. That was filled, and made
            // current, by this thread or by an earlier one with its number, which `Numbers` orders
            // before; and so are the updates before it, which may have read the slot that we
            // write now.
            let head = Head(self.head.load(Ordering::Relaxed));
            let [first, second] = &**pair;
            let out = if head.names(number, 0) {
                self.update_from(head, first, operation, second)
            } else if head.names(number, 1) {
                self.update_from(head, second, operation, first)
            } else {
                None
            };
            if let Some(out) = out {
                return out;
            }
        }
        // A copy, so that the operation itself stays in machine registers.
        let copy = operation;
        match pair {
            Some(pair) => self.go_on(number, pair, &copy),
            None => self.visit(numbers, &copy),
        }
    }

    /// One attempt from `slot`, the current one, to the `other` of its pair, which is the caller's;
    /// `None` if it changed nothing.
    #[inline(always)]
    fn update_from<O>(
        &self,
        head: Head,
        slot: &Slot<A, T>,
        operation: O,
        other: &Slot<A, T>,
    ) -> Option<O::Out>
    where
        O: Operation<A, T>,
    {
        let new = operation.decide_at_once(View(slot))?;
        self.swing(head, View(slot), &operation, new, head.other(), other)
    }

    /// Installs the pairs of the numbers up to `threads`, so that their threads'
    /// updates will not allocate.
    pub(crate) fn make_room(&self, threads: usize) {
        for number in (1..=threads.min(NUMBERS)).step_by(PAIRS_A_PAGE) {
            self.install_pair(number);
        }
    }

    /// The head, and with it all that led to it.
    #[inline]
    fn head(&self) -> Head {
        // Acquire: pairs with the Release of the CAS in `swing`. The words of the
        // slot named, and the page that it lies on, are there to be read. Also, for
        // a writer: if the head moved off a slot of ours, then whoever moved it had
        // read that slot before we write it again.
        Head(self.head.load(Ordering::Acquire))
    }

    /// Whether the head still is `head`: then what was read of its slot was all of
    /// one state.
    #[inline]
    fn unmoved(&self, head: Head) -> bool {
        // Acquire fence: pairs with the Release fence in `swing`. If we read a word
        // that was stored when the slot was used again, then we see here the head
        // that its writer saw, and that is a later one.
        fence(Ordering::Acquire);
        // Relaxed: the fence has done the ordering.
        self.head.load(Ordering::Relaxed) == head.0
    }

    /// Runs `operation` with the pair of `number`, held by the caller, until there is an answer.
    #[inline(never)]
    fn go_on<O>(&self, number: usize, pair: &Pair<A, T>, operation: &O) -> O::Out
    where
        O: Operation<A, T>,
    {
        let mut back = StandBack::new(number);
        loop {
            let head = self.head();
            let view = self.view(head);
            match operation.decide(view) {
                Ok(new) => {
                    if let Some(out) = self.commit(head, view, operation, new, number, pair) {
                        return out;
                    }
                }
                Err(why) => {
                    if self.unmoved(head) {
                        return operation.kept(why);
                    }
                }
            }
            back.wait();
        }
    }

    /// Runs `operation` through the shared pair, which is claimed only once there is something
    /// to change.
    #[inline(never)]
    fn visit<O>(&self, numbers: &impl Numbering, operation: &O) -> O::Out
    where
        O: Operation<A, T>,
    {
        let head = self.head();
        let (head, new) = match operation.decide_at_once(self.view(head)) {
            Some(new) => (head, new),
            None => match self.look(operation) {
                Ok(change) => change,
                Err(why) => return operation.kept(why),
            },
        };
        let Some(claim) = self.claim_shared() else {
            return self.update_crowded(numbers, operation);
        };
        let mut visit = Visit {
            register: self,
            numbers,
            claim: Some(claim),
            contended: false,
        };
        // The head was loaded before the pair was held. Found to be the same now, it will do.
        // Relaxed: the same was acquired then, and the claim acquired any that the pair's last
        // holder set.
        if self.head.load(Ordering::Relaxed) == head.0 {
            let view = self.view(head);
            if let Some(out) = self.commit(head, view, operation, new, SHARED, &self.shared) {
                return out;
            }
        }
        visit.contended = true;
        self.go_on(SHARED, &self.shared, operation)
    }

    /// What `operation` would change, and at which head, or why it would not. As a reader: who is
    /// refused has claimed nothing and written nothing.
    fn look<O>(&self, operation: &O) -> Result<(Head, O::New), O::Why>
    where
        O: Operation<A, T>,
    {
        loop {
            let head = self.head();
            match operation.decide(self.view(head)) {
                Ok(new) => return Ok((head, new)),
                Err(why) => {
                    if self.unmoved(head) {
                        return Err(why);
                    }
                }
            }
            pause(READER_PAUSES);
        }
    }

    /// Swings the head to the free slot of the pair of `number`.
    #[inline]
    fn commit<O>(
        &self,
        head: Head,
        view: View<'_, A, T>,
        operation: &O,
        new: O::New,
        number: usize,
        pair: &Pair<A, T>,
    ) -> Option<O::Out>
    where
        O: Operation<A, T>,
    {
        let free = if head.names(number, 0) { 1 } else { 0 };
        let next = head.next(number, free);
        self.swing(head, view, operation, new, next, &pair[free])
    }

    /// Fills `free` with what `new` makes of `view`, and swings the head there, from `head` to
    /// `next`; `None` if somebody else moved the head first.
    ///
    /// `free` is of a pair that the caller holds since before `head` was loaded, or found
    /// unchanged: to a head loaded earlier, a slot that the pair's last holder published since
    /// would look free.
    #[inline(always)]
    fn swing<O>(
        &self,
        head: Head,
        view: View<'_, A, T>,
        operation: &O,
        new: O::New,
        next: Head,
        free: &Slot<A, T>,
    ) -> Option<O::Out>
    where
        O: Operation<A, T>,
    {
        // Release fence: pairs with the Acquire fence in `unmoved`. Whoever reads a
        // word stored below will find the head moved off this slot, as we did.
        fence(Ordering::Release);
        operation.fill(&new, view, Scratch(free));
        let terms = operation.terms(&new, view);
        let carried = carry_terms(view, free, terms, next);

        let swung = self.head.compare_exchange(
            head.0,
            next.0,
            // Release: pairs with the Acquire in `head`. Publishes the slot, and keeps
            // our reads of the old one before whatever its holder stores there next.
            // Not Acquire: it reads the head that was loaded before, and what came with that
            // was acquired then, or is our own (see `update`).
            Ordering::Release,
            // Relaxed: what we lost to is loaded again.
            Ordering::Relaxed,
        );
        if swung.is_ok() {
            return Some(operation.accepted(new));
        }
        if carried {
            // Relaxed: private, and after the fence above like any store to it.
            free.tag.store(VOID, Ordering::Relaxed);
        }
        None
    }

    /// The shared pair is taken: a pair of one's own, now.
    #[cold]
    fn update_crowded<O>(&self, numbers: &impl Numbering, operation: &O) -> O::Out
    where
        O: Operation<A, T>,
    {
        let _claim = loop {
            if let Some(number) = numbers.take() {
                let pair = self.install_pair(number.get());
                return self.go_on(number.get(), pair, operation);
            }
            // As many threads as there are numbers: the others take turns.
            match self.claim_shared() {
                Some(claim) => break claim,
                None => yield_now(),
            }
        };
        self.go_on(SHARED, &self.shared, operation)
    }

    #[cold]
    fn settle_in(&self, numbers: &impl Numbering) {
        if let Some(number) = numbers.take() {
            self.install_pair(number.get());
        }
    }

    fn claim_shared(&self) -> Option<Claim<'_>> {
        self.shared_taken
            .compare_exchange(
                false,
                true,
                // Acquire: pairs with the Release in `Claim::drop`. We load a head no
                // older than the last one that its holder set, and so see which of
                // the two slots is current; and its stores to them come before ours.
                Ordering::Acquire,
                // Relaxed: nothing was claimed.
                Ordering::Relaxed,
            )
            .ok()
            .map(|_| Claim(&self.shared_taken))
    }

    /// The words of the slot that `head` names.
    #[inline]
    fn view(&self, head: Head) -> View<'_, A, T> {
        let pair = match head.number() {
            SHARED => &self.shared,
            // Relaxed: whoever made the slot current had its page, and the Acquire
            // load of the head covers what they had.
            number => self
                .pair(number, Ordering::Relaxed)
                .expect("the head names a slot on a page that is installed"),
        };
        View(&pair[head.which()])
    }

    /// The pair of thread `number`, if its page is there.
    #[inline]
    fn own_pair(&self, number: usize) -> Option<&Pair<A, T>> {
        if number == SHARED {
            return None;
        }
        // Acquire: pairs with the Release in `Installed::get_or_install`.
        self.pair(number, Ordering::Acquire)
    }

    #[inline]
    fn pair(&self, number: usize, ordering: Ordering) -> Option<&Pair<A, T>> {
        let (page, pair) = place(number);
        let page = match self.near.get(page) {
            Some(near) => near.get(ordering)?,
            None => self.far_page(page, ordering)?,
        };
        Some(&page.0[pair])
    }

    #[inline(never)]
    fn far_page(&self, page: usize, ordering: Ordering) -> Option<&Page<A, T>> {
        self.far.get(ordering)?.0[page - NEAR_PAGES].get(ordering)
    }

    fn install_pair(&self, number: usize) -> &Pair<A, T> {
        let (page, pair) = place(number);
        let page = match self.near.get(page) {
            Some(near) => near,
            None => {
                let table = || Table([(); PAGES - NEAR_PAGES].map(|()| Installed::empty()));
                &self.far.get_or_install(table).0[page - NEAR_PAGES]
            }
        };
        let page = page.get_or_install(|| Page([(); PAIRS_A_PAGE].map(|()| empty_pair())));
        &page.0[pair]
    }
}

/// Where pair `number` lies: on which page, and where on it.
#[inline]
fn place(number: usize) -> (usize, usize) {
    ((number - 1) / PAIRS_A_PAGE, (number - 1) % PAIRS_A_PAGE)
}

/// Sees to the terms of a slot that is being filled: new ones, or else those of
/// `view`, copied unless they are there already. Tells whether anything was stored.
#[inline(always)]
fn carry_terms<const A: usize, const T: usize>(
    view: View<'_, A, T>,
    slot: &Slot<A, T>,
    new: Option<([u64; T], u64)>,
    next: Head,
) -> bool {
    if let Some((terms, marks)) = new {
        store_terms(slot, terms, tag(next.version(), marks));
        return true;
    }
    let tag = view.tag();
    // Relaxed: our own slot.
    if slot.tag.load(Ordering::Relaxed) == tag {
        return false;
    }
    copy_terms(view, slot, tag);
    true
}

#[cold]
#[inline(never)]
fn copy_terms<const A: usize, const T: usize>(view: View<'_, A, T>, slot: &Slot<A, T>, tag: u64) {
    store_terms(slot, array::from_fn(|index| view.term(index)), tag);
}

fn store_terms<const A: usize, const T: usize>(slot: &Slot<A, T>, terms: [u64; T], tag: u64) {
    // Relaxed, as in `Scratch::set`.
    for (word, term) in slot.terms.iter().zip(terms) {
        word.store(term, Ordering::Relaxed);
    }
    slot.tag.store(tag, Ordering::Relaxed);
}

/// The shared pair, held until dropped.
struct Claim<'a>(&'a AtomicBool);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `claim_shared`, which see.
        self.0.store(false, Ordering::Release);
    }
}

/// An update through the shared pair, by a thread that may want one of its own next time.
///
/// What follows the update is in `drop`, so that its answer is written where the caller
/// wants it and not moved there afterwards.
struct Visit<'a, N: Numbering, const A: usize, const T: usize> {
    register: &'a Register<A, T>,
    numbers: &'a N,
    claim: Option<Claim<'a>>,
    /// Whether the first attempt brought no answer.
    contended: bool,
}

impl<N: Numbering, const A: usize, const T: usize> Drop for Visit<'_, N, A, T> {
    #[inline]
    fn drop(&mut self) {
        // First of all, since what may follow allocates.
        self.claim = None;
        // Relaxed: a hint.
        let head = Head(self.register.head.load(Ordering::Relaxed));
        if self.contended || head.version() >= HOT {
            self.register.settle_in(self.numbers);
        }
    }
}

/// A box that whoever comes first installs, and that stays as long as this.
///
/// Not `OnceLock`, which makes everybody wait for an initialiser that is suspended.
struct Installed<V>(AtomicPtr<V>);

impl<V> Installed<V> {
    fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline]
    fn get(&self, ordering: Ordering) -> Option<&V> {
        // SAFETY: the pointer is null or came from `Box::into_raw` in
        // `get_or_install`, and is not freed before `self` is dropped. What it points
        // to was initialised before we read it: the caller loads it with Acquire, or
        // has acquired a head set by somebody who had, or who had installed it. Only shared
        // references are ever made of it.
        unsafe { self.0.load(ordering).as_ref() }
    }

    fn get_or_install(&self, make: impl FnOnce() -> V) -> &V {
        // Acquire: pairs with the Release below.
        if let Some(there) = self.get(Ordering::Acquire) {
            return there;
        }
        let ours = Box::into_raw(Box::new(make()));
        match self.0.compare_exchange(
            ptr::null_mut(),
            ours,
            // Release: pairs with the Acquire in `own_pair` and here; the value is
            // initialised for whoever finds it.
            Ordering::Release,
            // Acquire: the winner's value is initialised for us.
            Ordering::Acquire,
        ) {
            // SAFETY: `ours` is from `Box::into_raw`, installed now and not freed
            // before `self` is dropped.
            Ok(_) => unsafe { &*ours },
            Err(theirs) => {
                // SAFETY: `ours` is from `Box::into_raw` just above, and the exchange
                // failed, so nobody else has seen it.
                drop(unsafe { Box::from_raw(ours) });
                // SAFETY: as in `get`: not null, since the exchange expected null.
                unsafe { &*theirs }
            }
        }
    }
}

impl<V> Drop for Installed<V> {
    fn drop(&mut self) {
        // Relaxed: we have `&mut self`, so whatever else was done with it happened
        // before.
        let installed = self.0.load(Ordering::Relaxed);
        if !installed.is_null() {
            // SAFETY: from `Box::into_raw`, never freed before, and no reference into
            // it outlives `self`.
            drop(unsafe { Box::from_raw(installed) });
        }
    }
}

/// How long an update that lost to another stands back before it looks again.
///
/// Two pauses, then some dozens: the winner goes on with lines that it has, and the head
/// changes cores less often. Longer, and all updates together are hardly faster, but a loser's
/// takes longer (the 99.99th percentile grows as the pauses do). It is no lock: nobody
/// waits for anybody in particular.
struct StandBack {
    number: usize,
    losses: u32,
}

impl StandBack {
    #[inline]
    fn new(number: usize) -> Self {
        Self { number, losses: 0 }
    }

    #[cold]
    fn wait(&mut self) {
        self.losses = self.losses.wrapping_add(1);
        let pauses = match self.losses {
            1 => 2,
            // Jitter, so that two threads in step get out of it: any hash will do.
            n => 30 + n.wrapping_add(self.number as u32).wrapping_mul(0x9E37_79B9) % 31,
        };
        pause(pauses);
    }
}

#[inline]
fn pause(times: u32) {
    for _ in 0..times {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_back_what_was_packed() {
        let mut head = Head::FIRST;
        for (number, which) in [(0, 1), (1, 0), (NUMBERS, 1), (4_711, 0)] {
            let next = head.next(number, which);
            assert_eq!(next.version(), head.version() + 1);
            assert_eq!((next.number(), next.which()), (number, which));
            head = next;
        }
    }

    #[test]
    fn every_number_has_a_place_of_its_own() {
        let places: std::collections::HashSet<_> = (1..=NUMBERS).map(place).collect();
        assert_eq!(places.len(), NUMBERS);
        assert!(places
            .iter()
            .all(|&(page, pair)| page < PAGES && pair < PAIRS_A_PAGE));
    }
}
