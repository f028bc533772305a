//! Noting what an update that spends changes on each level.

use std::cell::Cell;

use crate::dimension::Tally;
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::limits::Limits;
use crate::ops::settle::Settled;
use crate::register::{Operation, BELOW_ROOT};
use crate::usage::Spent;

/// What an update changed, by the depth of the level. If the update was refused, it may have notes of what
/// was only tried.
#[derive(Default)]
pub(crate) struct Notes([Cell<Option<Note>>; BELOW_ROOT + 1]);

/// What was spent on one level before and after an update, and the limits that were in force.
#[derive(Clone, Copy)]
pub(crate) struct Note {
    pub(crate) before: Tally,
    pub(crate) after: Tally,
    pub(crate) limits: Limits,
}

impl Notes {
    /// The notes, with the depths of their levels, the root first.
    pub(crate) fn by_level(&self) -> impl Iterator<Item = (u8, Note)> + '_ {
        (0..)
            .zip(&self.0)
            .filter_map(|(depth, note)| Some((depth, note.get()?)))
    }
}

/// The same operation, which notes what it changes.
#[derive(Clone, Copy)]
pub(crate) struct Noting<'a, O> {
    operation: O,
    notes: &'a Notes,
}

impl<'a, O> Noting<'a, O> {
    pub(crate) fn new(operation: O, notes: &'a Notes) -> Self {
        Self { operation, notes }
    }
}

impl<O> Operation<AMOUNTS, TERMS> for Noting<'_, O>
where
    O: Operation<AMOUNTS, TERMS>,
    O::Done: HasSpent,
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
        let note = Note {
            before: now.spent(),
            after: change.done.spent(),
            limits: now.limits(),
        };
        // An attempt runs this once for each level, and the attempt that commits is the last one. So what
        // earlier ones have noted, perhaps of words of two states, is replaced.
        if let Some(noted) = self.notes.0.get(usize::from(now.depth())) {
            noted.set(Some(note));
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

/// The answer of an operation that says what is spent after it.
pub(crate) trait HasSpent {
    fn spent(&self) -> Tally;
}

impl HasSpent for Spent {
    fn spent(&self) -> Tally {
        self.tally()
    }
}

impl HasSpent for Settled {
    fn spent(&self) -> Tally {
        self.spent.tally()
    }
}
