//! Counting: what has happened already, so that nothing can refuse it.

use std::convert::Infallible;

use crate::receipt::Excess;
use crate::register::Operation;
use crate::rejection::Cap;
use crate::state::{limit, unpriced_calls, Amounts, Counts, Scratch, State, Terms, View};
use crate::state::{AMOUNTS, CALLS, SPENT_COST, SPENT_INPUT, SPENT_OUTPUT, TERMS};
use crate::state::{HELD, HELD_CALLS, HELD_COST, HELD_INPUT, HELD_OUTPUT, SPENT};
use crate::{MicroUsd, Spent};

/// Counts usage as spent and takes what was held for it off, in one step.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    /// Taken off what is held.
    pub(crate) release: Amounts,
    /// Whether a call in flight ends.
    pub(crate) ends: bool,
    /// Added to what is spent.
    pub(crate) spend: Amounts,
    /// Whether a call is counted.
    pub(crate) call: bool,
    /// Whether its cost is unknown.
    pub(crate) unpriced: bool,
}

/// The pool after a [`Count`].
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) spent: Spent,
    pub(crate) over_cap: Excess,
    pub(crate) saturated: bool,
}

pub(crate) struct NewCount {
    spent: Spent,
    saturated: bool,
    /// In the order of [`Cap::ALL`]; what is over them is worked out after the CAS.
    limits: [u64; 5],
}

impl Operation<AMOUNTS, TERMS> for Count {
    type New = NewCount;
    type Why = Infallible;
    type Out = Counted;

    #[inline(always)]
    fn decide(&self, view: View<'_>) -> Result<NewCount, Infallible> {
        let (input, clipped_input) = count(view.amount(SPENT_INPUT), self.spend.input);
        let (output, clipped_output) = count(view.amount(SPENT_OUTPUT), self.spend.output);
        let (cost, clipped_cost) = count(view.amount(SPENT_COST), self.spend.cost);
        let (calls, clipped_calls) = count(view.amount(CALLS), self.call.into());
        Ok(NewCount {
            spent: Spent {
                input_tokens: input,
                output_tokens: output,
                cost: MicroUsd::from_nanos(cost),
                calls,
                unpriced_calls: unpriced_calls(view).saturating_add(self.unpriced.into()),
            },
            saturated: clipped_input | clipped_output | clipped_cost | clipped_calls
                // Both fit, their sum does not: total tokens have no room from here on.
                | input.checked_add(output).is_none(),
            limits: Cap::ALL.map(|cap| limit(view, cap)),
        })
    }

    #[inline(always)]
    fn fill(&self, new: &NewCount, view: View<'_>, scratch: Scratch<'_>) {
        scratch.set(SPENT_INPUT, new.spent.input_tokens);
        scratch.set(SPENT_OUTPUT, new.spent.output_tokens);
        scratch.set(SPENT_COST, new.spent.cost.as_nanos());
        scratch.set(CALLS, new.spent.calls);
        // What is released is held, in every state that existed. Where the words are of
        // two, the CAS fails.
        let rest = |index, release| view.amount(index).saturating_sub(release);
        scratch.set(HELD_INPUT, rest(HELD_INPUT, self.release.input));
        scratch.set(HELD_OUTPUT, rest(HELD_OUTPUT, self.release.output));
        scratch.set(HELD_COST, rest(HELD_COST, self.release.cost));
        scratch.set(HELD_CALLS, rest(HELD_CALLS, self.ends.into()));
    }

    #[inline(always)]
    fn terms(&self, new: &NewCount, view: View<'_>) -> Option<([u64; TERMS], u64)> {
        let unpriced = new.spent.unpriced_calls;
        self.unpriced
            .then(|| Terms::read(view).with_unpriced(unpriced).words())
    }

    #[inline(always)]
    fn accepted(&self, new: NewCount) -> Counted {
        let spent = new.spent;
        let over = |cap: Cap, spent: u64| spent.saturating_sub(new.limits[cap as usize]);
        let total = spent.input_tokens.saturating_add(spent.output_tokens);
        Counted {
            spent,
            over_cap: Excess {
                input_tokens: over(Cap::InputTokens, spent.input_tokens),
                output_tokens: over(Cap::OutputTokens, spent.output_tokens),
                total_tokens: over(Cap::TotalTokens, total),
                cost: MicroUsd::from_nanos(over(Cap::Cost, spent.cost.as_nanos())),
                calls: over(Cap::Calls, spent.calls),
            },
            saturated: new.saturated,
        }
    }

    fn kept(&self, why: Infallible) -> Counted {
        match why {}
    }
}

/// The sum, and whether it went past `u64::MAX` and stopped there.
#[inline(always)]
fn count(spent: u64, more: u64) -> (u64, bool) {
    match spent.checked_add(more) {
        Some(sum) => (sum, false),
        None => (u64::MAX, true),
    }
}

/// Starts a new period: nothing spent, what is held stays held. Answers with what
/// was spent in the old one.
#[derive(Clone, Copy)]
pub(crate) struct Clear;

impl Operation<AMOUNTS, TERMS> for Clear {
    type New = Spent;
    type Why = Infallible;
    type Out = Spent;

    fn decide(&self, view: View<'_>) -> Result<Spent, Infallible> {
        Ok(State::read(view).spent.spent(unpriced_calls(view)))
    }

    fn fill(&self, _: &Spent, view: View<'_>, scratch: Scratch<'_>) {
        Counts::default().fill(SPENT, HELD, view, scratch);
    }

    fn terms(&self, old: &Spent, view: View<'_>) -> Option<([u64; TERMS], u64)> {
        (old.unpriced_calls > 0).then(|| Terms::read(view).with_unpriced(0).words())
    }

    fn accepted(&self, old: Spent) -> Spent {
        old
    }

    fn kept(&self, why: Infallible) -> Spent {
        match why {}
    }
}
