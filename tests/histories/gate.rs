//! Where threads wait for each other awake.
//!
//! A thread that slept at a barrier wakes long after the one that let it go has run its few
//! operations. Then there is nothing left to overlap with.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crossbeam_utils::Backoff;

pub(crate) struct Gate {
    threads: u64,
    arrived: AtomicU64,
    failed: AtomicBool,
}

impl Gate {
    /// Lets the caller go on when all threads have come here as often as it has.
    pub(crate) fn pass(&self) {
        // No thread comes for the next time before all have come for this one.
        let before = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (before / self.threads + 1) * self.threads;
        let backoff = Backoff::new();
        while self.arrived.load(Ordering::Acquire) < all {
            assert!(!self.failed.load(Ordering::Relaxed), "a peer has failed");
            backoff.snooze();
        }
    }
}

/// Lets the waiting threads know that its thread has failed: a test that fails must not hang.
struct Alarm<'a>(&'a Gate);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs one thread for each number below `threads`, all begun before the first goes on, and
/// returns what they made, in order.
pub(crate) fn together<R: Send>(threads: usize, work: impl Fn(usize, &Gate) -> R + Sync) -> Vec<R> {
    let gate = Gate {
        threads: threads as u64,
        arrived: AtomicU64::new(0),
        failed: AtomicBool::new(false),
    };
    let (gate, work) = (&gate, &work);
    thread::scope(|scope| {
        let run = |number| {
            scope.spawn(move || {
                let _alarm = Alarm(gate);
                gate.pass();
                work(number, gate)
            })
        };
        let threads: Vec<_> = (0..threads).map(run).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no thread panics"))
            .collect()
    })
}
