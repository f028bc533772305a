//! The number of the calling thread, and how it gets home when the thread ends.

use core::cell::Cell;

use crate::sync::AtomicU64;
use crate::thread_number::{Number, Numbering, Numbers, NUMBERS};

/// The numbers of this process. All pools share them.
static PROCESS: Numbers = Numbers::new([const { AtomicU64::new(0) }; (NUMBERS + 1) / 64], NUMBERS);

thread_local! {
    // Apart from `RETURN`, so that the hot path reads a plain cell: no lazy
    // initialisation, no destructor, readable for as long as the thread runs.
    static KEPT: Cell<usize> = const { Cell::new(0) };
    static RETURN: Return = const { Return };
}

/// Its destructor gives this thread's number back.
struct Return;

impl Drop for Return {
    fn drop(&mut self) {
        // Cleared first: destructors of other thread-locals may still record, and
        // have to find that this number is no longer theirs.
        let number = KEPT.replace(0);
        if number != 0 {
            PROCESS.give(number);
        }
    }
}

/// The calling thread, as the register sees it.
pub(crate) struct ThisThread;

impl Numbering for ThisThread {
    #[inline]
    fn kept(&self) -> usize {
        KEPT.get()
    }

    #[cold]
    fn take(&self) -> Option<Number<'_>> {
        let kept = KEPT.get();
        if kept != 0 {
            return Some(Number::kept(kept));
        }
        let number = PROCESS.take()?;
        // The first touch of `RETURN` registers its destructor. Where that has run
        // already, this thread is being torn down and nobody would give the number
        // back later: so it is lent for this call alone.
        match RETURN.try_with(|_| KEPT.set(number)) {
            Ok(()) => Some(Number::kept(number)),
            Err(_) => Some(Number::lent(number, &PROCESS)),
        }
    }
}
