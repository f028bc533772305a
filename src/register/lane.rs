//! Where states are stored: slots, lines of terms, and the lanes that contain them.

use crossbeam_utils::CachePadded;

use super::head::{ClaimWord, Head, Place};
use super::once_box::OnceBox;
use crate::sync::{AtomicU64, Ordering};

/// The words of one state that most updates change.
#[repr(C)]
pub(super) struct Slot<const A: usize> {
    pub(super) amounts: [AtomicU64; A],
    /// The state's marks, with the place of its terms in the low bits.
    pub(super) last: AtomicU64,
}

impl<const A: usize> Slot<A> {
    /// Stores a state. The caller holds the lane, and has made a Release fence since it loaded the head.
    #[inline(always)]
    pub(super) fn store(&self, amounts: [u64; A], last: u64) {
        // Relaxed: the slot is the caller's alone, and is published by the CAS of the head.
        for (word, amount) in self.amounts.iter().zip(amounts) {
            word.store(amount, Ordering::Relaxed);
        }
        self.last.store(last, Ordering::Relaxed);
    }
}

/// The words of a state that rarely change.
#[repr(align(64))]
pub(super) struct TermsLine<const T: usize>(pub(super) [AtomicU64; T]);

/// A claim, and what the thread that holds it may store to: two slots and two lines of terms.
///
/// With six amounts and up to eight terms a lane takes four cache lines. An everyday update writes
/// the first two:
///
/// ```text
/// claim | first slot
/// head  | second slot
/// terms
/// terms
/// ```
#[repr(C, align(64))]
pub(super) struct Lane<const A: usize, const T: usize> {
    pub(super) claim: AtomicU64,
    pub(super) first: Slot<A>,
    /// In lane 0 this is the register's head. Further lanes do not use it.
    pub(super) head: AtomicU64,
    pub(super) second: Slot<A>,
    pub(super) terms: [TermsLine<T>; 2],
}

impl<const A: usize, const T: usize> Lane<A, T> {
    /// A lane with this state in its first slot and its first line of terms. (The model checks
    /// recognise each word by the order in which it is created here.)
    pub(super) fn new(claim: ClaimWord, amounts: [u64; A], last: u64, terms: [u64; T]) -> Self {
        let slot = |amounts: [u64; A], last| Slot {
            amounts: amounts.map(AtomicU64::new),
            last: AtomicU64::new(last),
        };
        let line = |terms: [u64; T]| TermsLine(terms.map(AtomicU64::new));
        Self {
            claim: AtomicU64::new(claim.word()),
            first: slot(amounts, last),
            head: AtomicU64::new(Head::FIRST.word()),
            second: slot([0; A], 0),
            terms: [line(terms), line([0; T])],
        }
    }

    /// A lane in which nothing is current.
    pub(super) fn empty(claim: ClaimWord) -> Self {
        Self::new(claim, [0; A], 0, [0; T])
    }

    #[inline(always)]
    pub(super) fn slot(&self, which: usize) -> &Slot<A> {
        if which == 0 {
            &self.first
        } else {
            &self.second
        }
    }

    /// Stores `new` into a line of this lane, which has this `number`, and returns the line's place. The
    /// caller holds the lane, has validated that the current state refers to the line at `current`, and
    /// has made a Release fence since.
    pub(super) fn store_terms(&self, number: usize, current: Place, new: [u64; T]) -> Place {
        // The first line, unless the current state refers to it. So an update from lane 0 of a register
        // that moves the terms stores them where the everyday path expects them.
        let which = usize::from(current == Place::new(number, 0));
        // Relaxed: as in `Slot::store`.
        for (word, term) in self.terms[which].0.iter().zip(new) {
            word.store(term, Ordering::Relaxed);
        }
        Place::new(number, which)
    }
}

/// What further lanes have, by the number of the lane, from 1. They form a binary tree: the entry of lane
/// `n` is the parent of those of lanes `2n` and `2n + 1`. So it is found in `log2(n)` steps.
pub(super) struct Further<V>(Next<V>);

struct Entry<V> {
    value: V,
    next: [Next<V>; 2],
}

/// Padded, because the prefetcher fetches cache lines in pairs, and must not fetch a neighbour's.
type Next<V> = OnceBox<CachePadded<Entry<V>>>;

impl<V: Send + Sync> Further<V> {
    pub(super) fn none() -> Self {
        Self(OnceBox::empty())
    }

    pub(super) fn get(&self, number: usize) -> Option<&V> {
        self.place(number)?.get().map(|entry| &entry.value)
    }

    /// Appends the value of lane `number`. If another thread appended one first, returns that one as
    /// `Err`. Returns `None` if its parent, the value of lane `number / 2`, is not there.
    pub(super) fn append(&self, number: usize, value: V) -> Option<Result<&V, &V>> {
        let entry = CachePadded::new(Entry {
            value,
            next: [OnceBox::empty(), OnceBox::empty()],
        });
        Some(match self.place(number)?.install(entry) {
            Ok(ours) => Ok(&ours.value),
            Err(theirs) => Err(&theirs.value),
        })
    }

    /// The value of lane `number`. Appends it, and its parents, if they are not there.
    #[cold]
    pub(super) fn get_or_append(&self, number: usize, new: impl Fn() -> V) -> &V {
        loop {
            if let Some(value) = self.get(number) {
                return value;
            }
            // Its parents first: another thread may be at it too.
            for shift in (0..=number.ilog2()).rev() {
                let parent = number >> shift;
                if self.get(parent).is_none() {
                    self.append(parent, new());
                }
            }
        }
    }

    /// Where the value of lane `number` is or will be. The number is at least 1. Its bits after the
    /// highest one say which way to go at each entry.
    fn place(&self, number: usize) -> Option<&Next<V>> {
        let mut place = &self.0;
        for bit in (0..number.ilog2()).rev() {
            place = &place.get()?.next[number >> bit & 1];
        }
        Some(place)
    }
}
