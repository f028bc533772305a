//! What an update that spends did on each level.

use std::cell::Cell;

use crate::dimension::Tally;
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::limits::Limits;
use crate::ops::admit::Charged;
use crate::ops::settle::Settled;
use crate::register::{Operation, BELOW_ROOT};

/// What an update did, by the depth of the level. If the update was refused, that was only tried.
#[derive(Default)]
pub(crate) struct Steps([Cell<Option<Step>>; BELOW_ROOT + 1]);

/// What was spent on one level before and after an update, and the limits that were in force.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) before: Tally,
    pub(crate) after: Tally,
    pub(crate) limits: Limits,
}

impl Steps {
    /// The steps, with the depths of their levels, the root first.
    pub(crate) fn by_level(&self) -> impl Iterator<Item = (u8, Step)> + '_ {
        (0..)
            .zip(&self.0)
            .filter_map(|(depth, step)| Some((depth, step.get()?)))
    }
}

/// The same operation, which keeps what it does.
#[derive(Clone, Copy)]
pub(crate) struct Watched<'a, O> {
    operation: O,
    steps: &'a Steps,
}

impl<'a, O> Watched<'a, O> {
    pub(crate) fn new(operation: O, steps: &'a Steps) -> Self {
        Self { operation, steps }
    }
}

impl<O> Operation<AMOUNTS, TERMS> for Watched<'_, O>
where
    O: Operation<AMOUNTS, TERMS>,
    O::Done: Spends,
{
    type Done = O::Done;
    type Refusal = O::Refusal;

    const ON_WHOLE_PATH: bool = O::ON_WHOLE_PATH;

    fn is_plain(&self, now: &Words<'_>) -> bool {
        self.operation.is_plain(now)
    }

    fn refusal(&self, now: &Words<'_>) -> Option<O::Refusal> {
        self.operation.refusal(now)
    }

    fn change(&self, now: &Words<'_>) -> Change<O::Done> {
        let change = self.operation.change(now);
        let now = State::of(now);
        let step = Step {
            before: now.spent(),
            after: change.done.spent(),
            limits: now.limits(),
        };
        // An attempt runs this once for each level, and the attempt that commits is the last one. So what
        // earlier ones have kept, perhaps of words of two states, is replaced.
        if let Some(kept) = self.steps.0.get(usize::from(now.depth())) {
            kept.set(Some(step));
        }
        change
    }

    fn narrowed_by(self, now: &Words<'_>) -> Self {
        Self {
            operation: self.operation.narrowed_by(now),
            ..self
        }
    }

    fn worse(above: O::Refusal, below: O::Refusal) -> O::Refusal {
        O::worse(above, below)
    }

    fn both(above: O::Done, below: O::Done) -> O::Done {
        O::both(above, below)
    }
}

/// The answer of an operation that spends.
pub(crate) trait Spends {
    /// What is spent after it.
    fn spent(&self) -> Tally;

    /// The levels at which somebody waits, one bit for each depth.
    fn waited_for(&self) -> u8;
}

impl Spends for Charged {
    fn spent(&self) -> Tally {
        self.spent.tally()
    }

    fn waited_for(&self) -> u8 {
        self.waited_for
    }
}

impl Spends for Settled {
    fn spent(&self) -> Tally {
        self.spent.tally()
    }

    fn waited_for(&self) -> u8 {
        self.waited_for
    }
}
