//! Where states are stored: slots, lines of terms, and the lanes that contain them.

use crossbeam_utils::CachePadded;

use super::head::{ClaimWord, Head};
use super::once_box::OnceBox;
use crate::sync::AtomicU64;

/// The words of one state that most updates change.
#[repr(C)]
pub(super) struct Slot<const A: usize> {
    pub(super) amounts: [AtomicU64; A],
    /// The state's marks, with the place of its terms in the low bits.
    pub(super) marks_and_place: AtomicU64,
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
    pub(super) fn new(
        claim: ClaimWord,
        amounts: [u64; A],
        marks_and_place: u64,
        terms: [u64; T],
    ) -> Self {
        let slot = |amounts: [u64; A], marks_and_place| Slot {
            amounts: amounts.map(AtomicU64::new),
            marks_and_place: AtomicU64::new(marks_and_place),
        };
        let line = |terms: [u64; T]| TermsLine(terms.map(AtomicU64::new));
        Self {
            claim: AtomicU64::new(claim.word()),
            first: slot(amounts, marks_and_place),
            head: AtomicU64::new(Head::FIRST.word()),
            second: slot([0; A], 0),
            terms: [line(terms), line([0; T])],
        }
    }

    #[inline(always)]
    pub(super) fn slot(&self, which: usize) -> &Slot<A> {
        if which == 0 {
            &self.first
        } else {
            &self.second
        }
    }
}

/// A lane that was appended: any lane except lane 0.
pub(super) struct FurtherLane<const A: usize, const T: usize> {
    pub(super) lane: Lane<A, T>,
    next: [NextLane<A, T>; 2],
}

/// Padded, because the prefetcher fetches cache lines in pairs, and must not fetch a neighbour's.
type NextLane<const A: usize, const T: usize> = OnceBox<CachePadded<FurtherLane<A, T>>>;

/// The further lanes, numbered from 1. They form a binary tree: lane `n` is the parent of lanes `2n`
/// and `2n + 1`. So lane `n` is found in `log2(n)` steps.
pub(super) struct FurtherLanes<const A: usize, const T: usize>(NextLane<A, T>);

impl<const A: usize, const T: usize> FurtherLanes<A, T> {
    pub(super) fn none() -> Self {
        Self(OnceBox::empty())
    }

    pub(super) fn get(&self, number: usize) -> Option<&Lane<A, T>> {
        self.place(number)?.get().map(|further| &further.lane)
    }

    /// Appends lane `number`. If another thread appended it first, returns that lane as `Err`. Returns
    /// `None` if its parent, lane `number / 2`, is not there.
    pub(super) fn append(
        &self,
        number: usize,
        claim: ClaimWord,
    ) -> Option<Result<&Lane<A, T>, &Lane<A, T>>> {
        let further = CachePadded::new(FurtherLane {
            lane: Lane::new(claim, [0; A], 0, [0; T]),
            next: [OnceBox::empty(), OnceBox::empty()],
        });
        Some(match self.place(number)?.install(further) {
            Ok(ours) => Ok(&ours.lane),
            Err(theirs) => Err(&theirs.lane),
        })
    }

    /// Where lane `number` is or will be. The number is at least 1. Its bits after the highest one say
    /// which way to go at each lane.
    fn place(&self, number: usize) -> Option<&NextLane<A, T>> {
        let mut place = &self.0;
        for bit in (0..number.ilog2()).rev() {
            place = &place.get()?.next[number >> bit & 1];
        }
        Some(place)
    }
}
