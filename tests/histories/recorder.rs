//! What each thread did, when, and what it was answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::operation::Op;
use crate::oracle::Answer;

/// An operation that was run. It took effect, if it did, between its two stamps.
#[derive(Clone, Debug)]
pub(crate) struct Event<O = Op, A = Answer> {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) op: O,
    pub(crate) answer: A,
}

impl<O, A> Event<O, A> {
    /// Whether it was over before `later` began. Equal stamps say nothing.
    pub(crate) fn precedes(&self, later: &Self) -> bool {
        self.end < later.start
    }
}

/// Where stamps come from.
///
/// A stamp must order operations of different threads, and should do nothing else. What orders
/// the threads themselves can hide that the pool does not.
pub(crate) enum Stamps {
    /// The time. Reading it synchronizes with no other thread.
    ///
    /// On x86-64 it orders all operations soundly, refusals and reads included. In the
    /// language's model the pool promises less for those: a state no older than what *happened*
    /// before, not than what *was* before. On x86-64 the clock is read like memory, in program
    /// order with the loads around it. The swap that makes an update is visible to all before a
    /// later load of its thread. And a load never sees less than what was visible to all before
    /// it. So there every operation has to be explained in the order of time.
    Clock(Instant),
    /// A count that all threads add to. A later thread has seen all that came before, so this
    /// asks for what the pool promises on every machine, and hides the more.
    Counter(AtomicU64),
}

impl Stamps {
    /// The least intrusive that are sound on this machine.
    pub(crate) fn native() -> Stamps {
        if cfg!(target_arch = "x86_64") {
            Stamps::Clock(Instant::now())
        } else {
            Stamps::counter()
        }
    }

    pub(crate) fn counter() -> Stamps {
        Stamps::Counter(AtomicU64::new(0))
    }

    fn next(&self) -> u64 {
        match self {
            Stamps::Clock(begin) => begin.elapsed().as_nanos() as u64,
            // AcqRel: whatever preceded an earlier stamp happened before what follows a
            // later one.
            Stamps::Counter(count) => count.fetch_add(1, Ordering::AcqRel),
        }
    }
}

/// One thread's part of a history.
pub(crate) struct Recorder<'a, O = Op, A = Answer> {
    stamps: &'a Stamps,
    events: Vec<Event<O, A>>,
}

impl<'a, O, A> Recorder<'a, O, A> {
    /// With room for that many events, so that no allocation comes between them.
    pub(crate) fn new(stamps: &'a Stamps, events: usize) -> Self {
        Recorder {
            stamps,
            events: Vec::with_capacity(events),
        }
    }

    pub(crate) fn record<R>(
        &mut self,
        op: O,
        run: impl FnOnce() -> R,
        answer: impl FnOnce(&R) -> A,
    ) -> R {
        let start = self.stamps.next();
        let result = run();
        let end = self.stamps.next();
        self.events.push(Event {
            start,
            end,
            op,
            answer: answer(&result),
        });
        result
    }

    pub(crate) fn finish(self) -> Vec<Event<O, A>> {
        self.events
    }
}
