//! Settling: counting what has happened already. Nothing can refuse it.

use std::convert::Infallible;

use crate::dimension::{Dimension, Guesses, Tally};
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::receipt::{Excess, Receipt};
use crate::register::Operation;
use crate::usage::Spent;

/// Counts usage as spent, and releases what was reserved for it, in one step.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settle {
    /// Subtracted from what is reserved. Its calls are those that end.
    pub(crate) release: Tally,
    /// Added to what is spent.
    pub(crate) spend: Tally,
    /// The part of `spend` that is not known for certain.
    pub(crate) guesses: Guesses,
}

/// The pool after a [`Settle`].
#[derive(Clone, Copy)]
pub(crate) struct Settled {
    spent: Spent,
    /// In the order of [`Dimension::ALL`]. `receipt` computes later how far they are passed.
    limits: [u64; Dimension::ALL.len()],
    saturated: bool,
}

impl Operation<AMOUNTS, TERMS> for Settle {
    type Done = Settled;
    type Refusal = Infallible;

    #[inline(always)]
    fn is_plain(&self, _: &Words<'_>) -> bool {
        true
    }

    fn refusal(&self, _: &Words<'_>) -> Option<Infallible> {
        None
    }

    #[inline(always)]
    fn change(&self, now: &Words<'_>) -> Change<Settled> {
        let now = State::of(now);
        let mut saturated = false;
        let spent = now.spent().zip(self.spend, |spent, more| {
            let (sum, overflows) = spent.overflowing_add(more);
            saturated |= overflows;
            if overflows {
                u64::MAX
            } else {
                sum
            }
        });
        // Both counts of tokens fit, but their sum does not. Total tokens have no room from here on.
        saturated |= spent.input.checked_add(spent.output).is_none();
        // What is released is reserved, in every state that existed. If the words are of two states,
        // the CAS fails.
        let reserved = now.reserved().zip(self.release, u64::saturating_sub);
        let guesses = now.guesses().plus(self.guesses);
        let settled = Settled {
            spent: Spent::of(spent, guesses),
            limits: Dimension::ALL.map(|dimension| now.limit(dimension)),
            saturated,
        };
        if self.guesses == Guesses::default() {
            now.to(spent, reserved, settled)
        } else {
            now.to_guesses(spent, reserved, guesses, settled)
        }
    }
}

impl Settled {
    /// The receipt. The caller knows `overrun` and `over_reported`.
    #[inline]
    pub(crate) fn receipt(
        &self,
        settle: &Settle,
        overrun: Excess,
        over_reported: Excess,
    ) -> Receipt {
        let spent = self.spent.tally();
        Receipt {
            counted: Spent::of(settle.spend, settle.guesses),
            spent: self.spent,
            overrun,
            over_reported,
            over_limit: Excess::from_fn(|dimension| {
                let limit = self.limits[dimension as usize];
                dimension.saturating_of(&spent).saturating_sub(limit)
            }),
            saturated: self.saturated,
        }
    }
}
