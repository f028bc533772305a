//! Counting: what has happened already, so that nothing can refuse it.

use crate::receipt::Excess;
use crate::register::Operation;
use crate::rejection::Cap;
use crate::state::{limit, unpriced_calls, Amounts, Scratch, State, Terms, View};
use crate::state::{AMOUNTS, CALLS, SPENT_COST, SPENT_INPUT, SPENT_OUTPUT, TERMS};
use crate::state::{HELD_CALLS, HELD_COST, HELD_INPUT, HELD_OUTPUT};
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
    state: State,
    counted: Counted,
}

impl Operation<AMOUNTS, TERMS> for Count {
    type New = NewCount;
    type Out = Counted;

    #[inline]
    fn decide(self, view: View<'_>) -> Option<NewCount> {
        let now = State::read(view);
        let state = State {
            spent: now.spent.zip(self.spend, u64::saturating_add),
            calls: now.calls.saturating_add(self.call.into()),
            // What is released is held, in every state that existed. Where the words
            // are of two, the CAS fails.
            held: now.held.zip(self.release, u64::saturating_sub),
            held_calls: now.held_calls.saturating_sub(self.ends.into()),
        };
        let unpriced = unpriced_calls(view).saturating_add(self.unpriced.into());
        let (before, spend) = (now.spent, self.spend);
        let over = |cap, spent: u64| spent.saturating_sub(limit(view, cap));
        let spent = state.spent;
        Some(NewCount {
            state,
            counted: Counted {
                spent: state.spent(unpriced),
                over_cap: Excess {
                    input_tokens: over(Cap::InputTokens, spent.input),
                    output_tokens: over(Cap::OutputTokens, spent.output),
                    total_tokens: over(Cap::TotalTokens, spent.input.saturating_add(spent.output)),
                    cost: MicroUsd::from_nanos(over(Cap::Cost, spent.cost)),
                    calls: over(Cap::Calls, state.calls),
                },
                saturated: before.input.checked_add(spend.input).is_none()
                    || before.output.checked_add(spend.output).is_none()
                    || before.cost.checked_add(spend.cost).is_none()
                    || self.call && now.calls == u64::MAX,
            },
        })
    }

    #[inline]
    fn fill(self, new: &NewCount, _: View<'_>, scratch: Scratch<'_>) {
        scratch.set(SPENT_INPUT, new.state.spent.input);
        scratch.set(SPENT_OUTPUT, new.state.spent.output);
        scratch.set(SPENT_COST, new.state.spent.cost);
        scratch.set(CALLS, new.state.calls);
        scratch.set(HELD_INPUT, new.state.held.input);
        scratch.set(HELD_OUTPUT, new.state.held.output);
        scratch.set(HELD_COST, new.state.held.cost);
        scratch.set(HELD_CALLS, new.state.held_calls);
    }

    #[inline]
    fn terms(self, new: &NewCount, view: View<'_>) -> Option<([u64; TERMS], u64)> {
        let unpriced = new.counted.spent.unpriced_calls;
        self.unpriced
            .then(|| Terms::read(view).with_unpriced(unpriced).words())
    }

    #[inline]
    fn accepted(self, new: NewCount) -> Counted {
        new.counted
    }

    /// Counting keeps nothing as it is, so nobody gets here.
    fn kept(self, view: View<'_>) -> Counted {
        Counted {
            spent: State::read(view).spent(unpriced_calls(view)),
            over_cap: Excess::default(),
            saturated: false,
        }
    }
}

/// Starts a new period: nothing spent, what is held stays held. Answers with what
/// was spent in the old one.
#[derive(Clone, Copy)]
pub(crate) struct Clear;

impl Operation<AMOUNTS, TERMS> for Clear {
    type New = Spent;
    type Out = Spent;

    fn decide(self, view: View<'_>) -> Option<Spent> {
        Some(State::read(view).spent(unpriced_calls(view)))
    }

    fn fill(self, _: &Spent, view: View<'_>, scratch: Scratch<'_>) {
        for spent in SPENT_INPUT..=CALLS {
            scratch.set(spent, 0);
        }
        for held in HELD_INPUT..=HELD_CALLS {
            scratch.set(held, view.amount(held));
        }
    }

    fn terms(self, old: &Spent, view: View<'_>) -> Option<([u64; TERMS], u64)> {
        (old.unpriced_calls > 0).then(|| Terms::read(view).with_unpriced(0).words())
    }

    fn accepted(self, old: Spent) -> Spent {
        old
    }

    /// Clearing keeps nothing as it is, so nobody gets here.
    fn kept(self, view: View<'_>) -> Spent {
        State::read(view).spent(unpriced_calls(view))
    }
}
