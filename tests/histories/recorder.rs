//! What each thread called, when, and what came of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::operation::Op;
use crate::oracle::Answer;

/// A call: it took effect, if it did, between its two stamps.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) op: Op,
    pub(crate) answer: Answer,
}

impl Call {
    /// Whether it was over before `later` began. Equal stamps say nothing.
    pub(crate) fn precedes(&self, later: &Call) -> bool {
        self.end < later.start
    }
}

/// Where stamps come from.
///
/// A stamp must order calls of different threads, and should do nothing else: what orders
/// the threads themselves can hide that the pool does not.
pub(crate) enum Stamps {
    /// The time. Reading it synchronizes with nobody.
    ///
    /// On x86-64 it orders calls soundly, and refusals and reads too, for which the pool
    /// promises less in the language's model (a state no older than what *happened* before,
    /// not than what *was* before). There the clock is read like memory, in program order
    /// with the loads around it; the swap that makes an update is visible to all before a
    /// later load of its thread; and a load never sees less than what was visible to all
    /// before it. So there every call has to be explained in the order of time.
    Clock(Instant),
    /// A count that all threads add to. Who comes later has seen all that came before, so
    /// this asks for what the pool promises on every machine, and hides the more.
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
pub(crate) struct Recorder<'a> {
    stamps: &'a Stamps,
    calls: Vec<Call>,
}

impl<'a> Recorder<'a> {
    /// With room for that many calls, so that no allocation comes between them.
    pub(crate) fn new(stamps: &'a Stamps, calls: usize) -> Recorder<'a> {
        Recorder {
            stamps,
            calls: Vec::with_capacity(calls),
        }
    }

    pub(crate) fn call<R>(
        &mut self,
        op: Op,
        call: impl FnOnce() -> R,
        answer: impl FnOnce(&R) -> Answer,
    ) -> R {
        let start = self.stamps.next();
        let result = call();
        let end = self.stamps.next();
        self.calls.push(Call {
            start,
            end,
            op,
            answer: answer(&result),
        });
        result
    }

    pub(crate) fn finish(self) -> Vec<Call> {
        self.calls
    }
}
