//! Notes about what changed, and who sees to them.

use crate::sync::{AtomicLink, Ordering};

/// Notes that threads leave for each other. One thread at a time **serves**: it sees to all of them.
///
/// A thread that leaves a note serves, unless another thread does so already. That one then finds the note
/// before it ends. So nobody waits, and no note is overlooked.
pub(crate) struct Notes {
    /// What was noted and not seen to.
    about: AtomicLink,
    /// How many notes were left since a thread began to serve. 0: no thread serves.
    left: AtomicLink,
}

/// How far a thread has come that serves.
pub(crate) struct Serving {
    left: u64,
}

impl Notes {
    pub(crate) fn new() -> Self {
        Self {
            about: AtomicLink::new(0),
            left: AtomicLink::new(0),
        }
    }

    /// Leaves a note about these, a bit each. If no thread serves, the caller has to, until
    /// [`end`](Self::end) returns `None`.
    pub(crate) fn leave(&self, about: u64) -> Option<Serving> {
        // Release: pairs with the Acquire in `take`. Who sees to the note sees what it is about.
        self.about.fetch_or(about, Ordering::Release);
        // Release: pairs with the Acquire in `end`. The thread that serves finds the note, and what its
        // writer did before. Acquire: pairs with the Release in `end`. What the last one that
        // served has given back, such as a lock, is free.
        let left = self.left.fetch_add(1, Ordering::AcqRel);
        (left == 0).then_some(Serving { left: 1 })
    }

    /// Takes all notes, to see to them.
    pub(crate) fn take(&self) -> u64 {
        // Acquire: pairs with the Release in `leave`.
        self.about.swap(0, Ordering::Acquire)
    }

    /// Ends serving, unless a note was left since.
    pub(crate) fn end(&self, serving: Serving) -> Option<Serving> {
        let ended = self.left.compare_exchange(
            serving.left,
            0,
            // Release: pairs with the Acquire of the `fetch_add` in `leave`.
            Ordering::Release,
            // Acquire: pairs with the Release of the `fetch_add` in `leave`.
            Ordering::Acquire,
        );
        ended.err().map(|left| Serving { left })
    }
}
