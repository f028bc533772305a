//! Settling: counting what has happened already. Nothing can refuse it.

use std::convert::Infallible;

use crate::dimension::{Dimension, Guesses, Tally};
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::receipt::Excess;
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
    pub(crate) spent: Spent,
    /// The level whose limits the receipt is about.
    pub(crate) judged: Judged,
    pub(crate) saturated: bool,
    /// The levels at which somebody waits, one bit for each depth.
    pub(crate) waited_for: u8,
}

/// What is spent on a level, and its limits in the order of [`Dimension::ALL`].
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    pub(crate) depth: u8,
    spent: Tally,
    limits: [u64; Dimension::ALL.len()],
}

impl Judged {
    /// How far the limits are passed. The receipt computes it later.
    #[inline]
    pub(crate) fn over_limit(&self) -> Excess {
        Excess::from_fn(|dimension| {
            let limit = self.limits[dimension as usize];
            let spent = dimension.saturating_of(&self.spent);
            spent.saturating_sub(limit)
        })
    }
}

impl Operation<AMOUNTS, TERMS> for Settle {
    type Done = Settled;
    type Refusal = Infallible;

    const ON_WHOLE_PATH: bool = true;

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
            judged: Judged {
                depth: now.depth(),
                spent,
                limits: Dimension::ALL.map(|dimension| now.limit(dimension)),
            },
            saturated,
            waited_for: now.waited_for(),
        };
        if self.guesses == Guesses::default() {
            now.to(spent, reserved, settled)
        } else {
            now.to_guesses(spent, reserved, guesses, settled)
        }
    }

    fn both(above: Settled, below: Settled) -> Settled {
        let is_over = |settled: &Settled| settled.judged.over_limit().any();
        let judged = if is_over(&above) && !is_over(&below) {
            above.judged
        } else {
            below.judged
        };
        Settled {
            spent: below.spent,
            judged,
            saturated: above.saturated | below.saturated,
            waited_for: above.waited_for | below.waited_for,
        }
    }
}
