//! The number of the calling thread, and how it gets home when the thread ends.

use core::cell::Cell;

use crate::sync::AtomicU64;
use crate::thread_number::{Number, Numbering, Numbers, NUMBERS};

/// The numbers of this process. All pools share them.
static PROCESS: Numbers = numbers(NUMBERS);

const fn numbers(limit: usize) -> Numbers {
    Numbers::new([const { AtomicU64::new(0) }; (NUMBERS + 1) / 64], limit)
}

thread_local! {
    // Apart from `HOME`, so that the hot path reads a plain cell: where the target has
    // thread-locals of its own, without initialisation and without a destructor.
    static KEPT: Cell<usize> = const { Cell::new(0) };
    static HOME: Home = const { Home(Cell::new(0)) };
}

/// This thread's number, 0 if none; the destructor gives it back.
///
/// It does not go by `KEPT`, which on some targets is gone by then.
struct Home(Cell<usize>);

impl Drop for Home {
    fn drop(&mut self) {
        // Cleared first: destructors of other thread-locals may still record, and have to
        // find that this number is no longer theirs. An error is the same to them.
        let _ = KEPT.try_with(|kept| kept.set(0));
        // Taken out: a destructor that was registered twice (by an allocator that records) runs
        // twice, and the second time the number may be somebody else's.
        let number = self.0.replace(0);
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
        KEPT.try_with(Cell::get).unwrap_or(0)
    }

    #[cold]
    fn take(&self) -> Option<Number<'_>> {
        // The first touch of `HOME` registers its destructor, before there is a number that
        // it must give back.
        let kept = HOME.try_with(|home| {
            if home.0.get() == 0 {
                home.0.set(PROCESS.take()?);
            }
            let _ = KEPT.try_with(|kept| kept.set(home.0.get()));
            Some(Number::kept(home.0.get()))
        });
        match kept {
            Ok(number) => number,
            // This thread is being torn down, and nobody would give a number back later: so
            // it is lent for this call alone.
            Err(_) => PROCESS.take().map(|number| Number::lent(number, &PROCESS)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Here and not beside `Numbers`, which is compiled against loom's atomics too.

    #[test]
    fn each_number_is_handed_out_once_and_no_other() {
        for limit in [1, 63, 64, 200, NUMBERS] {
            let numbers = numbers(limit);
            let taken: Vec<_> = std::iter::from_fn(|| numbers.take()).collect();
            assert!(taken.into_iter().eq(1..=limit), "of {limit}");
        }
    }

    #[test]
    fn the_lowest_that_was_given_back_comes_first() {
        let numbers = numbers(NUMBERS);
        for _ in 1..=200 {
            numbers.take();
        }
        for number in [130, 7, 64] {
            numbers.give(number);
        }
        assert_eq!(
            [(); 4].map(|()| numbers.take()),
            [7, 64, 130, 201].map(Some)
        );
    }
}
