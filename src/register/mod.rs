//! A register of several words that one compare-and-swap updates.
//!
//! It knows nothing of budgets. All memory orderings of the crate are in this directory: those of
//! the algorithm in this file, those of a lazily allocated box in `once_box.rs`.
//!
//! # The algorithm
//!
//! The words of a state lie in a **slot**. One atomic, the **head**, names the slot that is
//! current and counts the updates. A **lane** is two slots and a **claim**. The thread that holds
//! the claim may write the slot of its lane that is not current. Lane 0 lies in the register
//! itself. Further lanes are appended when they are needed, and stay.
//!
//! ```text
//! head  = version | lane number | which of its two slots
//! lane  = claim | slot, slot | terms, terms
//! slot  = amounts | marks, place of the terms
//! claim = 0 while the lane is held, else a head that its last holder knew
//! ```
//!
//! An update:
//!
//! 1. Claim lane 0: swap 0 into its claim. The claim brings a head to start from.
//! 2. Decide from the state that the head names.
//!    - Refused: load the head again. If it has not moved, the words were one state, and the
//!      refusal stands. If it has, start over with the new head.
//!    - Otherwise store the new words into the slot of the lane that the head does not name, and
//!      compare-and-swap (CAS) the head to the next version and that slot. If the CAS fails, start
//!      over with the new head.
//! 3. Release the lane: store into its claim the head that is known.
//!
//! A reader loads the head, then the words, then the head again. If the head has not moved, the
//! words were one state.
//!
//! # When the lane is held
//!
//! Callers take turns, as at a short spinlock: a caller that finds lane 0 held pauses and looks
//! again. After some pauses it gives way to other threads, a few times, since the holder may be
//! waiting for a core. But it depends on nobody. If the head has stood still for a while
//! ([`patience`](crate::sync::patience)), then the holder does not run, and the caller takes a
//! **detour**: it claims any other lane, or appends one, and updates from there. The head then
//! names a slot in that lane, and a caller that waits tries to claim the lane that the head
//! names. So all go on in the new lane. When the first holder runs again, its CAS fails, it starts
//! over, and its commit brings the head back to lane 0.
//!
//! # Terms
//!
//! The words that rarely change, the **terms**, are not copied from slot to slot. They lie in a
//! line of their own, and a slot refers to the place of that line. An update that changes them
//! writes a line of its lane that the current state does not refer to. Everyday updates want the terms
//! at an address that they know, the first line of lane 0: an update from lane 0 that finds them
//! elsewhere moves them there.
//!
//! # Hints
//!
//! Each thread remembers one register: the last one on which an update of this thread left the
//! everyday path, and why. Its next update of that register looks first:
//!
//! - It was *refused*. A refusal should not write anything shared, so the next one decides as a
//!   reader first, and claims a lane only if it would be accepted.
//! - Lane 0 was *held* and others had taken a detour. The next one does not write to lane 0's claim
//!   unless it looks free.
//!
//! A hint needs no ordering. If it is wrong, one look was in vain.
//!
//! # Why it is right
//!
//! - *A current slot is never written.* Only the holder of a lane makes one of its slots current. So
//!   the slot that a head does not name stays private from that head until the holder's own CAS, if
//!   no slot of the lane became current in between. None did. Either the holder loaded the head
//!   under its claim, or the head came with the claim. In that case the last holder loaded it
//!   under its own claim, set it with its CAS, or passed it on in turn.
//! - *A reader that finds the head unmoved has read one state.* The version never comes back (there
//!   are 2^51: 260 days at 10^8 updates a second), and whoever writes a slot again has seen a later
//!   head first. It is a seqlock whose counter never turns odd.
//! - *An accepted update needs no second look.* Its CAS succeeds only if the head has not moved. The
//!   thread that writes the old slot again acquires a head that follows this CAS, and Release keeps
//!   our loads before it. So the words were one state. And two CASes cannot both follow the same
//!   head.
//! - *Lock-free.* A CAS fails only because another one succeeded. No caller waits for a holder longer
//!   than the patience after the head last moved, while a lane is left. A call that never ends
//!   keeps one lane from being used. It is not wait-free, and not fair.
//!
//! `docs/correctness.md` has the whole argument, ordering by ordering.
//!
//! # Cost
//!
//! Two locked instructions (the swap and the CAS), as in a mutex. All addresses of the everyday
//! path are constants of the register. The swap takes the first line for writing at once. With six
//! amounts an update touches two lines that move. Readers write nothing shared, unless
//! updates come between many times. Refusals write nothing shared if the thread's last update was
//! refused by the same register.
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
mod once_box;

use crate::sync::{fence, hint, looks, patience, set_hint, yield_now, Ordering};

use backoff::{pause, Backoff};
use head::{ClaimWord, Head, Place, LANES};
use lane::{FurtherLanes, Lane, Slot, TermsLine};

// A thread's hint is the address of a register, and below it one of these bits.
const HINTS: usize = REFUSED | DETOUR;
const REFUSED: usize = 1;
const DETOUR: usize = 2;

/// The first line of terms of lane 0, where the everyday path expects them.
const FIRST_LINE: Place = Place::new(0, 0);

/// Pauses after a lost CAS.
const LOST_PAUSES: u32 = 4;

/// A state to decide from.
///
/// Until the head was found unmoved, the words may be **of two different states**, and a term that is
/// asked for twice may have two values. What is made of them must be total: no panic, no
/// assertion, no unchecked index, arithmetic that wraps or is checked.
#[derive(Clone, Copy)]
pub(crate) struct State<'a, const A: usize, const T: usize> {
    pub(crate) amounts: [u64; A],
    /// [`MARK_BITS`] bits that belong to the state.
    pub(crate) marks: u64,
    /// Loaded one by one, since most operations need few of them.
    terms: &'a TermsLine<T>,
    /// The place of the terms.
    terms_at: Place,
}

impl<const A: usize, const T: usize> State<'_, A, T> {
    #[inline(always)]
    pub(crate) fn term(&self, index: usize) -> u64 {
        // Relaxed: see `words`.
        self.terms.0[index].load(Ordering::Relaxed)
    }
}

/// How many bits the marks of a state have.
pub(crate) const MARK_BITS: u32 = u64::BITS - Place::BITS;

/// What an operation changes.
pub(crate) struct Change<const A: usize, const T: usize, D> {
    /// All amounts, those that stay the same too.
    pub(crate) amounts: [u64; A],
    pub(crate) marks: u64,
    /// New terms, if they change.
    pub(crate) terms: Option<[u64; T]>,
    /// The answer, once the change took effect.
    pub(crate) done: D,
}

/// A function from the current state to the next one.
///
/// All steps may run several times, on words that are no state (see [`State`]), and while a lane is
/// held. So they call nothing foreign: no closure of a user, no `Drop` of a user's type, no
/// allocator.
pub(crate) trait Operation<const A: usize, const T: usize>: Copy {
    /// The answer of a change that took effect.
    type Done;
    /// The answer of one that is refused. `Infallible` if none is.
    type Refusal;

    /// Whether it is plain to see that the operation is not refused. This is inlined into the caller's
    /// code, and may say no where it would take long to tell.
    fn is_plain(&self, now: &State<'_, A, T>) -> bool;

    /// Why the operation is refused, if it is.
    fn refusal(&self, now: &State<'_, A, T>) -> Option<Self::Refusal>;

    /// What the state becomes, if the operation is not refused.
    fn change(&self, now: &State<'_, A, T>) -> Change<A, T, Self::Done>;
}

/// The register: `A` amounts and `T` terms, and beside them `F`, which never changes.
pub(crate) struct Register<const A: usize, const T: usize, F> {
    /// Lane 0.
    lane: Lane<A, T>,
    further: FurtherLanes<A, T>,
    fixed: F,
}

impl<const A: usize, const T: usize, F> Register<A, T, F> {
    pub(crate) fn new(amounts: [u64; A], marks: u64, terms: [u64; T], fixed: F) -> Self {
        Self {
            lane: Lane::new(
                ClaimWord::free(Head::FIRST),
                amounts,
                marks_and_place(marks, FIRST_LINE),
                terms,
            ),
            further: FurtherLanes::none(),
            fixed,
        }
    }

    pub(crate) fn fixed(&self) -> &F {
        &self.fixed
    }

    /// Appends lanes until there are `lanes`, lane 0 included. As long as no more calls than that are
    /// under way at once, a search finds a free one, unless several change hands behind its back.
    pub(crate) fn make_lanes(&self, lanes: usize) {
        for number in 1..lanes.min(LANES) {
            if self.further.get(number).is_none() {
                self.further.append(number, ClaimWord::free(Head::FIRST));
            }
        }
    }

    /// What `f` makes of one state that existed. `f` must be total, see [`State`].
    #[inline]
    pub(crate) fn read<R>(&self, f: impl Fn(&State<'_, A, T>) -> R) -> R {
        for _ in 0..looks() {
            if let Some(seen) = self.read_at(self.head(), &f) {
                return seen;
            }
        }
        self.read_claimed(f)
    }

    /// Reads as the holder of a lane: so no update comes between, unless by a detour.
    #[cold]
    #[inline(never)]
    fn read_claimed<R>(&self, f: impl Fn(&State<'_, A, T>) -> R) -> R {
        let mut claim = self.claim();
        loop {
            if let Some(seen) = self.read_at(claim.head, &f) {
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

    /// Runs `operation` in one step.
    // The everyday path is inlined: lane 0 is free, and one of its slots is current. There are two
    // copies of it, so that the slot is known by a branch, which the processor predicts, and the
    // loads need not wait for an address made of the head.
    #[inline(always)]
    pub(crate) fn update<O>(&self, operation: O) -> Result<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        if hint() & !HINTS == self.address() {
            return self.update_by_hint(operation).into();
        }
        let Some(mut claim) = self.try_claim(0, &self.lane) else {
            return self.update_in_turn(operation).into();
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
                // Goes on as the same claim. Not by moving it, so that it stays in machine
                // registers here.
                std::mem::forget(claim);
                self.update_again(operation).into()
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn update_in_turn<O>(&self, operation: O) -> Answer<O::Done, O::Refusal>
    where
        O: Operation<A, T>,
    {
        self.update_claimed(self.take_turn(), &operation)
    }

    /// Goes on with lane 0 held by the caller.
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
        self.update_claimed(claim, &operation)
    }

    /// One attempt from the slot `current` to the slot `free` of lane 0, which is at `place`, with the
    /// terms where the everyday path expects them.
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
        if Place::in_word(last) != FIRST_LINE {
            return Attempt::NotPlain;
        }
        let now = State {
            amounts,
            marks: last >> Place::BITS,
            terms: &self.lane.terms[0],
            terms_at: FIRST_LINE,
        };
        self.attempt(operation, head, &now, free, place)
    }

    /// One attempt from `now`, the state that `head` names, to the slot `free` of a lane that is
    /// held, which is at `place`, if that is plain to see and leaves the terms as they are.
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

    /// Runs `operation` where this thread's last update of this register left the everyday path.
    // Not inlined, and not cold: at a full register, and while others are suspended, this is the
    // everyday path.
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
        self.update_after_hint(operation)
    }

    /// The rest of `update_by_hint`, if the hint led to no refusal: claims a lane, lane 0 only if it
    /// looks free.
    // Not inlined: a refusal, which does without, would save registers for it.
    #[inline(never)]
    fn update_after_hint<O>(&self, operation: O) -> Answer<O::Done, O::Refusal>
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
        self.update_claimed(claim, &operation)
    }

    /// Decides as a reader, and returns the refusal if it is one. Writes nothing.
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

    /// Runs `operation` from a lane that is held, until there is an answer.
    #[inline(always)]
    pub(super) fn update_claimed<O>(
        &self,
        mut claim: Claim<'_, A, T>,
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
                let ended = match self.attempt(operation, head, &now, free, place) {
                    Attempt::Committed(next, done) => Some((next, Answer::Done(done))),
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

    /// One attempt, whatever it takes, from the state that `head` names to the slot of a lane that
    /// is held, which is at `free_at`.
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

    /// Stores a state into the slot `free` of a lane that is held, which is at `place`, and commits
    /// it from `head`. Returns the new head, or `None` if the head has moved.
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
        // loads a word stored below, and then passes its fence, sees the head that we start from or
        // a later one. It comes after the claim, and before the first store, in every attempt.
        fence(Ordering::Release);
        // Relaxed: the slot is ours alone, and is published by the CAS.
        for (word, amount) in free.amounts.iter().zip(amounts) {
            word.store(amount, Ordering::Relaxed);
        }
        free.marks_and_place
            .store(marks_and_place(marks, terms), Ordering::Relaxed);

        let next = head.next(place);
        self.lane
            .head
            .compare_exchange(
                head.word(),
                next.word(),
                // Release: pairs with the Acquire in `head`. The slot is published, and our loads
                // of the old one come before whatever its holder stores there next. Not Acquire:
                // it reads the head that was loaded before.
                Ordering::Release,
                // Relaxed: the head that won is loaded again.
                Ordering::Relaxed,
            )
            .ok()?;
        Some(next)
    }

    /// Stores `new` into a line of `lane`, whose number this is and which is held, and returns the
    /// line's place. It is one that the current state does not refer to: that refers to `terms`.
    /// `None` if the head has moved.
    fn store_terms(
        &self,
        head: Head,
        terms: Place,
        new: [u64; T],
        lane: &Lane<A, T>,
        number: usize,
    ) -> Option<Place> {
        // `terms` may be what another lane's holder stored and never published. To choose a line
        // by it, it must be the current state's. While it is, only we could refer to a line of
        // this lane, so the one that is free stays free.
        if !self.validate(head) {
            return None;
        }
        // The first line, unless the current state refers to it. So an update from lane 0 that moves
        // the terms finds `FIRST_LINE` here.
        let which = usize::from(terms == Place::new(number, 0));
        // Release fence: as in `commit`. A reader that loads a term stored below finds that the
        // head has moved off the state that referred to this line.
        fence(Ordering::Release);
        // Relaxed: as in `commit`.
        for (word, term) in lane.terms[which].0.iter().zip(new) {
            word.store(term, Ordering::Relaxed);
        }
        Some(Place::new(number, which))
    }

    /// The head, and with it all that led to it.
    #[inline(always)]
    fn head(&self) -> Head {
        // Acquire: pairs with the Release of the CAS in `commit`. The words of the slot are there
        // to be read. For a holder also: if the head has moved off a slot of its lane, then the
        // thread that moved it had read that slot before we write it again.
        Head::from_word(self.lane.head.load(Ordering::Acquire))
    }

    /// Whether the head still is `head`. If so, all words loaded since then were of one state.
    #[inline(always)]
    fn validate(&self, head: Head) -> bool {
        // Acquire fence: pairs with the Release fences in `commit` and `store_terms`. If we loaded
        // a word that was stored when its slot or line was used again, then we see below a head
        // that is later than `head`.
        fence(Ordering::Acquire);
        // Relaxed: the fence has done the ordering.
        self.lane.head.load(Ordering::Relaxed) == head.word()
    }

    /// The state that `head` names. `None` if its terms are at a place that this thread does not know
    /// yet: then they are of a newer state, and the head has moved.
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
            marks: last >> Place::BITS,
            terms: &self.lane(place.lane())?.terms[place.which()],
            terms_at: place,
        })
    }

    #[inline(always)]
    fn words(slot: &Slot<A>) -> ([u64; A], u64) {
        // Relaxed, here and for the terms: ordered by the Acquire of the head or of the claim
        // before them. After them, by the fence in `validate` or by the Release of the CAS.
        let amounts = std::array::from_fn(|index| slot.amounts[index].load(Ordering::Relaxed));
        (amounts, slot.marks_and_place.load(Ordering::Relaxed))
    }

    /// Lane `number`, if this thread knows of it.
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
        let lane = self.further.get(number);
        if lane.is_none() {
            // Acquire fence: pairs with the Release fence in `commit`. The place was stored by a
            // thread that had seen a later head than ours. So we see that one next time, and not
            // the same again.
            fence(Ordering::Acquire);
        }
        lane
    }

    /// Identifies this register in a hint. It is aligned to 64, so its low bits are free.
    #[inline(always)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Claims a lane: lane 0, or else as `take_turn` says. (Not private, since tests hold one while
    /// others go on.)
    pub(super) fn claim(&self) -> Claim<'_, A, T> {
        match self.try_claim(0, &self.lane) {
            Some(claim) => claim,
            None => self.take_turn(),
        }
    }

    /// Claims a lane, if it is free.
    #[inline(always)]
    fn try_claim<'a>(&self, number: usize, lane: &'a Lane<A, T>) -> Option<Claim<'a, A, T>> {
        // Acquire: pairs with the Release in `Claim::drop`. The head in the word is as if we had
        // loaded it: no older than the last that the lane's last holder set. And that holder's
        // stores to the lane come before ours.
        let was = lane.claim.swap(ClaimWord::HELD.word(), Ordering::Acquire);
        let head = ClaimWord::from_word(was).head()?;
        Some(Claim { head, number, lane })
    }

    /// Slow path: lane 0 is held. Claims the lane that the head names, as soon as it is free; or, if
    /// the head stands still for too long, any other.
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

    /// Claims a lane, if it looks free: then nothing is written to one that is held.
    #[inline(always)]
    fn try_claim_seen_free<'a>(
        &self,
        number: usize,
        lane: &'a Lane<A, T>,
    ) -> Option<Claim<'a, A, T>> {
        // Relaxed: a hint.
        ClaimWord::from_word(lane.claim.load(Ordering::Relaxed)).head()?;
        self.try_claim(number, lane)
    }

    /// Claims the first lane that is free, or appends one. (Not private: see `claim`.)
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
            // All lanes are held by calls that have begun and not ended.
            yield_now();
        }
    }

    /// Claims further lane `number`, if it is free or not there yet. The claim's head may be old: the
    /// caller loads a new one.
    // By a swap, not by a look first: with a stale look a free lane would be taken for held, and one
    // more appended.
    fn claim_or_append(&self, number: usize) -> Option<Claim<'_, A, T>> {
        if let Some(lane) = self.further.get(number) {
            return self.try_claim(number, lane);
        }
        // Born held, so that no other thread can take it from us, and the search ends.
        match self.further.append(number, ClaimWord::HELD)? {
            Ok(lane) => Some(Claim {
                head: Head::FIRST,
                number,
                lane,
            }),
            Err(lane) => self.try_claim(number, lane),
        }
    }
}

/// What the functions that are not inlined return. It is not `Result`: with the same type on both
/// paths the compiler builds the everyday result in memory too.
pub(super) enum Answer<D, R> {
    Done(D),
    Refused(R),
}

/// The answer, and the head to leave in the claim; `None` if the head has moved.
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

/// What came of an attempt.
enum Attempt<D> {
    /// It took effect, and this is the new head.
    Committed(Head, D),
    /// The head has moved.
    Lost,
    /// It is not plain to see that the operation is accepted, or the terms change. Nothing was stored.
    NotPlain,
}

/// A lane that is held, until this is dropped.
pub(super) struct Claim<'a, const A: usize, const T: usize> {
    /// The head that the next holder starts from. Since it was loaded or set, no slot of this lane has
    /// become current. So each commit from this lane sets it before the claim is dropped:
    /// otherwise the next holder would write the current slot.
    head: Head,
    number: usize,
    lane: &'a Lane<A, T>,
}

impl<const A: usize, const T: usize> Drop for Claim<'_, A, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let word = ClaimWord::free(self.head);
        // Release: pairs with the Acquire in `try_claim`. Our stores to the lane, and the head
        // that is left in its claim, are there for the next holder.
        self.lane.claim.store(word.word(), Ordering::Release);
    }
}

/// The last word of a slot: the marks, and below them the place of the terms.
#[inline(always)]
fn marks_and_place(marks: u64, terms: Place) -> u64 {
    marks << Place::BITS | terms.bits()
}
