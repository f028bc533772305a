//! Configuration: operations that set limits, start a new period, close the pool, or are about a node of a
//! tree.

use std::convert::Infallible;

use crate::dimension::{Guesses, Tally};
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::limits::Limits;
use crate::register::Operation;
use crate::usage::Spent;

/// Sets other limits: in any case, or only if certain limits are still in force.
#[derive(Clone, Copy)]
pub(crate) struct SetLimits {
    pub(crate) limits: Limits,
    /// The limits that must be in force, if any. They are compared by value: a later state may refer to
    /// the same place with other terms in it.
    pub(crate) over: Option<Limits>,
}

/// The refusal: other limits are in force.
pub(crate) struct OtherLimits;

impl Operation<AMOUNTS, TERMS> for SetLimits {
    /// The old limits.
    type Done = Limits;
    type Refusal = OtherLimits;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<OtherLimits> {
        let now = State::of(now).limits();
        self.over
            .is_some_and(|over| over != now)
            .then_some(OtherLimits)
    }

    fn change(&self, now: &Words<'_>) -> Change<Limits> {
        let now = State::of(now);
        now.to_limits(self.limits, now.limits())
    }
}

/// Starts a new period: nothing is spent, and what is reserved stays reserved.
#[derive(Clone, Copy)]
pub(crate) struct Reset;

impl Operation<AMOUNTS, TERMS> for Reset {
    /// What was spent in the old period.
    type Done = Spent;
    type Refusal = Infallible;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        true
    }

    fn refusal(&self, _: &Words<'_>) -> Option<Infallible> {
        None
    }

    fn change(&self, now: &Words<'_>) -> Change<Spent> {
        let now = State::of(now);
        let (spent, old) = (Tally::default(), Spent::of(now.spent(), now.guesses()));
        if now.guesses() != Guesses::default() {
            now.to_guesses(spent, now.reserved(), Guesses::default(), old)
        } else {
            now.to(spent, now.reserved(), old)
        }
    }
}

/// Closes the pool.
#[derive(Clone, Copy)]
pub(crate) struct Close;

/// The refusal: the pool was closed already.
pub(crate) struct WasClosed;

impl Operation<AMOUNTS, TERMS> for Close {
    type Done = ();
    type Refusal = WasClosed;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<WasClosed> {
        State::of(now).is_closed().then_some(WasClosed)
    }

    fn change(&self, now: &Words<'_>) -> Change<()> {
        State::of(now).to_closed(())
    }
}

/// Gives a node that is not in use the state of a new pool.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    pub(crate) spent: Spent,
    pub(crate) limits: Limits,
    pub(crate) closed: bool,
}

impl Operation<AMOUNTS, TERMS> for Open {
    type Done = ();
    type Refusal = Infallible;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, _: &Words<'_>) -> Option<Infallible> {
        None
    }

    fn change(&self, now: &Words<'_>) -> Change<()> {
        State::of(now).to_new(self.spent, self.limits, self.closed, ())
    }
}

/// Notes that a node is not in use.
#[derive(Clone, Copy)]
pub(crate) struct Retire;

impl Operation<AMOUNTS, TERMS> for Retire {
    type Done = ();
    type Refusal = Infallible;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, _: &Words<'_>) -> Option<Infallible> {
        None
    }

    fn change(&self, now: &Words<'_>) -> Change<()> {
        State::of(now).to_retired(())
    }
}
