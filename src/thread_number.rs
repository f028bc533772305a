//! Thread numbers: which pair of slots in every register is mine.
//!
//! A number belongs to one thread at a time. It is taken from a bitmap, the
//! lowest free one first, and given back when the thread ends, so that the
//! numbers in use stay as small as the largest count of threads alive at once,
//! however many come and go.
//!
//! # Orderings
//!
//! Handing a number over hands over its pair in every register. The last thing
//! its old holder did to those slots happens before the first thing its new
//! holder does: [`Numbers::give`] is Release, [`Numbers::take`] is Acquire, and
//! between the two only read-modify-writes touch the word, so whichever of them
//! `take` reads from, it synchronizes with every `give` before it.

use crate::sync::{AtomicU64, Ordering};

/// How many threads can have a number: 14 bits of slot index are 8,192 pairs,
/// and pair 0 is the shared one.
pub(crate) const NUMBERS: usize = (1 << 13) - 1;

const WORDS: usize = (NUMBERS + 1) / 64;

/// The numbers in use, a bit each. Bit 0 of word 0 is never handed out: 0 stands
/// for "none".
pub(crate) struct Numbers {
    words: [AtomicU64; WORDS],
    limit: usize,
}

impl Numbers {
    /// All of `1..=limit` free. Takes the zeroed words, since not every
    /// [`crate::sync`] can make one in a `static`.
    pub(crate) const fn new(words: [AtomicU64; WORDS], limit: usize) -> Self {
        Self { words, limit }
    }

    /// The lowest number found free, which from now on is the caller's; `None` if none
    /// was, each at the moment it was looked at.
    pub(crate) fn take(&self) -> Option<usize> {
        for (index, word) in self.words.iter().enumerate() {
            let reserved = u64::from(index == 0);
            // Relaxed: a guess. Where it says free, the exchange below checks it.
            let mut taken = word.load(Ordering::Relaxed);
            loop {
                let bit = (taken | reserved).trailing_ones();
                let number = index * 64 + bit as usize;
                if bit == 64 {
                    break;
                }
                if number > self.limit {
                    return None;
                }
                match word.compare_exchange_weak(
                    taken,
                    taken | 1 << bit,
                    // Acquire: pairs with the Release in `give`. What the number's
                    // last holder stored into its slots, and the heads that it
                    // moved, come before all that we do with them.
                    Ordering::Acquire,
                    // Relaxed: nothing is taken, the new value is another guess.
                    Ordering::Relaxed,
                ) {
                    Ok(_) => return Some(number),
                    Err(now) => taken = now,
                }
            }
        }
        None
    }

    /// Gives `number` back. The caller had it and uses it no more.
    pub(crate) fn give(&self, number: usize) {
        // Release: pairs with the Acquire in `take`, which see.
        self.words[number / 64].fetch_and(!(1 << (number % 64)), Ordering::Release);
    }
}

/// Where a register learns the number of the thread that calls it.
///
/// Two questions, since a thread that never needs a pair of its own should
/// never take a number.
pub(crate) trait Numbering {
    /// The number that this thread already has, 0 if none.
    fn kept(&self) -> usize;

    /// The number that this thread has, or else takes now; `None` when all are
    /// taken.
    fn take(&self) -> Option<Number<'_>>;
}

/// A number to use for the length of one call.
pub(crate) struct Number<'a> {
    number: usize,
    /// Whom to give it back to, where the thread cannot keep it.
    lender: Option<&'a Numbers>,
}

impl<'a> Number<'a> {
    /// A number that the thread keeps after the call.
    pub(crate) fn kept(number: usize) -> Self {
        Self {
            number,
            lender: None,
        }
    }

    /// A number that goes back when the call is over.
    pub(crate) fn lent(number: usize, lender: &'a Numbers) -> Self {
        Self {
            number,
            lender: Some(lender),
        }
    }

    pub(crate) fn get(&self) -> usize {
        self.number
    }
}

impl Drop for Number<'_> {
    fn drop(&mut self) {
        if let Some(lender) = self.lender {
            lender.give(self.number);
        }
    }
}
