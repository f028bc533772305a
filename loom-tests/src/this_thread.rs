//! The number of the calling thread, as the scenario chose it.
//!
//! In place of the library's module of this name, whose `static` bitmap and `std`
//! thread-locals would be one for all threads and all executions of a model. loom's own
//! thread-locals would not do for the giving back either: they are emptied together
//! before any of them is dropped. So a thread says itself when it starts and ends; what
//! it does then, and what it does in [`Numbering::take`], is what the library's does.

use std::cell::Cell;

use token_budget_pool::model;

use crate::sync::AtomicU64;
use crate::thread_number::{Number, Numbering, Numbers, NUMBERS};

/// How a thread of a scenario comes by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It has this number from the start, as a thread that has used other pools.
    Number(usize),
    /// It takes one of the scenario's numbers when it needs one, and gives it back when
    /// it ends.
    Taken,
    /// As one that is being torn down: it takes a number for the length of a call.
    Lent,
    /// It finds all numbers taken.
    None,
}

thread_local! {
    /// How many numbers there are in this scenario. Not the model's: the same for all
    /// threads.
    static LIMIT: Cell<usize> = const { Cell::new(0) };
}

model::lazy_static! {
    static ref TAKEN: Numbers = Numbers::new(
        // Of the bitmap, the scenarios need the first word.
        std::array::from_fn::<_, { (NUMBERS + 1) / 64 }, _>(|index| match index {
            0 => AtomicU64::new(0),
            _ => AtomicU64::inert(),
        }),
        LIMIT.get(),
    );
}

model::thread_local! {
    static KEPT: Cell<usize> = Cell::new(0);
    static WHOSE: Cell<Whose> = Cell::new(Whose::None);
}

/// Starts an execution with this many numbers to take. To be called before any other
/// thread starts, so that the bitmap happens before all of them.
pub(crate) fn begin(numbers: usize) {
    LIMIT.set(numbers);
    // Below 64, where the bitmap has no inert words.
    assert!(numbers < 64);
    let _: &Numbers = &TAKEN;
}

/// Starts a thread, or goes on with one that had `kept` a number when it stopped.
pub(crate) fn start(whose: Whose, kept: usize) {
    let number = match whose {
        Whose::Number(number) => number,
        Whose::Taken | Whose::Lent | Whose::None => kept,
    };
    KEPT.with(|kept| kept.set(number));
    WHOSE.with(|kept| kept.set(whose));
}

/// Stops being a thread, which another thread of the model goes on with. Returns the
/// number that it keeps.
pub(crate) fn stop() -> usize {
    KEPT.with(|kept| kept.replace(0))
}

/// Ends the thread: a number that it took is another's from now on.
pub(crate) fn end() {
    // Cleared first, as in the library.
    let number = stop();
    if number != 0 && WHOSE.with(Cell::get) == Whose::Taken {
        TAKEN.give(number);
    }
}

/// Whether all numbers are free again. To be called when all threads have ended.
pub(crate) fn all_given_back() -> bool {
    (1..=LIMIT.get()).all(|number| TAKEN.take() == Some(number))
}

/// The calling thread, as the register sees it.
pub(crate) struct ThisThread;

impl Numbering for ThisThread {
    fn kept(&self) -> usize {
        KEPT.with(Cell::get)
    }

    fn take(&self) -> Option<Number<'_>> {
        let kept = self.kept();
        if kept != 0 {
            return Some(Number::kept(kept));
        }
        let whose = WHOSE.with(Cell::get);
        if whose == Whose::None {
            return None;
        }
        let number = TAKEN.take()?;
        if whose == Whose::Lent {
            return Some(Number::lent(number, &TAKEN));
        }
        KEPT.with(|kept| kept.set(number));
        Some(Number::kept(number))
    }
}
