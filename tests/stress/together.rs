//! Threads that run together, and that do not hang when one of them fails.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, ScopedJoinHandle};

thread_local! {
    /// Whether one of the threads that run with this one has failed.
    static PEERS: RefCell<Arc<AtomicBool>> = RefCell::default();
}

/// Lets the peers know that its thread has failed.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            PEERS.with_borrow(|failed| failed.store(true, Ordering::Relaxed));
        }
    }
}

/// A condition of loops that go on until a peer has done something: a test that fails must not
/// hang.
pub(crate) fn all_well() -> bool {
    PEERS.with_borrow(|failed| assert!(!failed.load(Ordering::Relaxed), "a peer has failed"));
    true
}

/// Runs one thread for each number below `threads`, all begun before the first goes on, and
/// returns what they made, in order.
pub(crate) fn together<R: Send>(threads: u64, work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let begin = Barrier::new(threads as usize);
    let failed = Arc::new(AtomicBool::new(false));
    let (begin, work, failed) = (&begin, &work, &failed);
    thread::scope(|scope| {
        let run = |number| {
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, move || {
                    PEERS.set(Arc::clone(failed));
                    let _alarm = Alarm;
                    begin.wait();
                    work(number)
                })
                .expect("a thread")
        };
        let threads: Vec<_> = (0..threads).map(run).collect();
        join(threads)
    })
}

/// A scope alone does not wait for destructors of thread-locals.
fn join<R>(threads: Vec<ScopedJoinHandle<'_, R>>) -> Vec<R> {
    threads
        .into_iter()
        .map(|thread| thread.join().expect("no thread panics"))
        .collect()
}
