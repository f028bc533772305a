//! Waiting: operations of those that wait for room, or until no call is in flight.
//!
//! While somebody waits at a level, its state is marked: *waited for*. An update that makes room there sees
//! the mark in the state that it replaces. So the order of the commits decides who saw whom.

use crate::dimension::Tally;
use crate::layout::{Change, State, Words, AMOUNTS, TERMS};
use crate::ops::admit::ReserveUpTo;
use crate::register::Operation;
use crate::rejection::Rejected;

/// Reserves. If there is only too little room for now, marks the level that is in the way.
#[derive(Clone, Copy)]
pub(crate) struct ReserveOrWait {
    asked: ReserveUpTo,
    /// The level nearest to the root that is in the way, of those that were looked at.
    in_the_way: Option<u8>,
}

/// What became of it.
pub(crate) enum Turn {
    /// This is reserved.
    Reserved(Tally),
    /// The level at this depth is in the way, and is marked.
    WaitsAt(u8),
}

impl ReserveOrWait {
    pub(crate) fn new(asked: ReserveUpTo) -> Self {
        Self {
            asked,
            in_the_way: None,
        }
    }

    fn in_the_way(&self, now: &Words<'_>) -> Option<u8> {
        let is_busy = || self.asked.refusal(now).is_some_and(|why| why.is_busy());
        self.in_the_way.or_else(|| is_busy().then(|| now.depth()))
    }
}

impl Operation<AMOUNTS, TERMS> for ReserveOrWait {
    type Done = Turn;
    /// If only what is reserved for others is in the way, the level was marked already, and nothing changed.
    type Refusal = Rejected;

    const ON_WHOLE_PATH: bool = true;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<Rejected> {
        let refusal = self.asked.refusal(now)?;
        let is_marked =
            || self.in_the_way(now) == Some(now.depth()) && State::of(now).is_waited_for();
        (!refusal.is_busy() || is_marked()).then_some(refusal)
    }

    fn change(&self, now: &Words<'_>) -> Change<Turn> {
        match self.in_the_way(now) {
            None => self.asked.change(now).map(Turn::Reserved),
            Some(depth) if depth == now.depth() => {
                State::of(now).to_waited_for(true, Turn::WaitsAt(depth))
            }
            Some(depth) => State::of(now).to_same(Turn::WaitsAt(depth)),
        }
    }

    fn narrowed_by(self, now: &Words<'_>) -> Self {
        Self {
            in_the_way: self.in_the_way(now),
            asked: self.asked.narrowed_by(now),
        }
    }

    fn worse(above: Rejected, below: Rejected) -> Rejected {
        Rejected::worse(above, below)
    }
}

/// Marks the level, unless no call is in flight.
#[derive(Clone, Copy)]
pub(crate) struct WaitForIdle;

/// The refusal: it is not marked anew.
pub(crate) struct NotMarked {
    pub(crate) is_idle: bool,
}

impl Operation<AMOUNTS, TERMS> for WaitForIdle {
    type Done = ();
    type Refusal = NotMarked;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<NotMarked> {
        let now = State::of(now);
        let is_idle = now.reserved().calls == 0;
        (is_idle || now.is_waited_for()).then_some(NotMarked { is_idle })
    }

    fn change(&self, now: &Words<'_>) -> Change<()> {
        State::of(now).to_waited_for(true, ())
    }
}

/// Takes the mark off: nobody waits at this level any more.
#[derive(Clone, Copy)]
pub(crate) struct Unmark;

/// The refusal: it has no mark.
pub(crate) struct WasNotMarked;

impl Operation<AMOUNTS, TERMS> for Unmark {
    type Done = ();
    type Refusal = WasNotMarked;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<WasNotMarked> {
        (!State::of(now).is_waited_for()).then_some(WasNotMarked)
    }

    fn change(&self, now: &Words<'_>) -> Change<()> {
        State::of(now).to_waited_for(false, ())
    }
}
