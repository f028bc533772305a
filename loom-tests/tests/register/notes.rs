//! Notes: each is seen to, by a thread that sees what its writer did before.

use std::sync::atomic::{
    AtomicU64 as Plain,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::Arc;

use loom::sync::atomic::AtomicU64;
use loom::thread;
use token_budget_pool::exhaust::loom;

use crate::register::Notes;

/// What some threads leave notes about, one each.
struct Subject {
    notes: Notes,
    done: Vec<AtomicU64>,
    /// Those that were seen to. Not the model's.
    seen_to: Plain,
    lock: Lock,
}

/// The lock that a thread holds to serve. It is an atomic: after it was given back, a thread may still see it
/// taken, unless an ordering forbids it. (loom's own lock is seen as it is.)
struct Lock(AtomicU64);

impl Lock {
    fn try_lock(&self) -> bool {
        self.0.load(Relaxed) == 0 && self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    fn unlock(&self) {
        self.0.store(0, Release);
    }
}

impl Subject {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self {
            notes: Notes::new(),
            done: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            seen_to: Plain::new(0),
            lock: Lock(AtomicU64::new(0)),
        })
    }

    /// Does what the note of this thread is about, and leaves the note.
    fn note(&self, thread: usize) {
        self.done[thread].store(1, Relaxed);
        self.serve(1 << thread);
    }

    fn serve(&self, about: u64) {
        let mut serving = self.notes.leave(about);
        while let Some(so_far) = serving {
            if self.lock.try_lock() {
                let notes = self.notes.take();
                for (thread, done) in self.done.iter().enumerate() {
                    if notes >> thread & 1 == 1 {
                        assert_eq!(done.load(Relaxed), 1, "a note before what it is about");
                        let before = self.seen_to.fetch_or(1 << thread, Relaxed);
                        assert_eq!(before >> thread & 1, 0, "seen to twice");
                    }
                }
                self.lock.unlock();
            }
            serving = self.notes.end(so_far);
        }
    }

    fn assert_all_seen_to(&self) {
        let all = (1 << self.done.len()) - 1;
        assert_eq!(self.seen_to.load(Relaxed), all, "A NOTE WAS OVERLOOKED");
    }
}

#[track_caller]
fn check(least: u64, preemptions: Option<usize>, scenario: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(Plain::new(0));
    let counted = executions.clone();
    loom(preemptions).check(move || {
        counted.fetch_add(1, Relaxed);
        scenario();
    });
    let executions = executions.load(Relaxed);
    println!("SUMMARY notes {executions}");
    assert!(executions >= least, "TOO LITTLE EXPLORED: {executions}");
}

#[test]
fn two_notes() {
    check(100, None, || {
        let subject = Subject::new(2);
        let other = subject.clone();
        let thread = thread::spawn(move || other.note(1));
        subject.note(0);
        thread.join().unwrap();
        subject.assert_all_seen_to();
    });
}

#[test]
fn three_notes() {
    check(2_400, Some(3), || {
        let subject = Subject::new(3);
        let threads: Vec<_> = (1..3)
            .map(|thread| {
                let subject = subject.clone();
                thread::spawn(move || subject.note(thread))
            })
            .collect();
        subject.note(0);
        for thread in threads {
            thread.join().unwrap();
        }
        subject.assert_all_seen_to();
    });
}

/// Whoever else holds the lock leaves a note about nothing once it is given back. So the notes that could not
/// be seen to meanwhile are.
#[test]
fn a_note_while_another_has_the_lock() {
    check(800, None, || {
        let subject = Subject::new(1);
        let other = subject.clone();
        let thread = thread::spawn(move || other.note(0));
        if subject.lock.try_lock() {
            subject.lock.unlock();
            subject.serve(0);
        }
        thread.join().unwrap();
        subject.assert_all_seen_to();
    });
}
