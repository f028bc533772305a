//! Those that wait: for room, or until no call is in flight.
//!
//! Those that wait for room stand in **lines**, first come, first served. Each line is at one level: that of
//! the pool which is in the way. (Without children there is one level, and one line.) While there is somebody
//! at a level, its state is marked: see [`ops::wait`](crate::ops::wait).
//!
//! # Nobody is forgotten
//!
//! A future that has to wait joins a line, and its thread leaves a **note**. A thread that has made room sees
//! the mark in the state that it replaced, and leaves a note too. A thread that leaves a note also **serves**
//! all lines that the notes are about, unless another thread serves already. That one then finds the note
//! before it ends ([`Notes`]). To serve a line is to reserve for the first in it, then for the next, until one
//! has to wait. That it has to wait is decided in the same step that sets the mark, or finds it set. So a
//! commit that makes room either comes before that step, and the step sees the room, or comes after it, and
//! sees the mark.
//!
//! # What may wait for what
//!
//! The lines are behind a lock. Those that join, ask or leave may wait for it. A thread that serves only
//! tries it. If the lock is taken, it goes on its way: the thread that holds the lock leaves a note after it
//! has given it back. So an operation of the pool never waits here. A thread that is suspended while it
//! serves, or with the lock, holds up all that wait, and nobody else.
//!
//! Wakers are foreign code. They are cloned, woken and dropped without the lock.

use std::collections::BTreeMap;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{PoisonError, TryLockError};
use std::task::Waker;
use std::thread;

use crate::dimension::Tally;
use crate::layout::{Register, AMOUNTS, TERMS};
use crate::ops::admit::ReserveUpTo;
use crate::ops::wait::{NotMarked, ReserveOrWait, Turn, Unmark, WaitForIdle};
use crate::register::{Answer, Notes, Operation, Path};
use crate::rejection::Rejected;
use crate::sync::{Mutex, MutexGuard};

/// What somebody waits for.
#[derive(Clone, Copy)]
pub(crate) enum Wants {
    Room(ReserveUpTo),
    /// That no call is in flight.
    Idle,
}

/// How the waiting ends: with what is reserved (nothing for [`Wants::Idle`]), or with why it is in vain.
pub(crate) type Ended = Result<Tally, Rejected>;

/// Who came when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// All that wait in a tree.
pub(crate) struct Queue {
    notes: Notes,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    next: u64,
    /// By level.
    lines: BTreeMap<Path, Line>,
    places: BTreeMap<Ticket, Place>,
}

/// Where somebody is.
enum Place {
    /// In the line of this level.
    At(Path),
    /// It has not asked yet how it ended.
    Ended(Ended),
}

/// Those that wait at one level.
#[derive(Default)]
struct Line {
    for_room: BTreeMap<Ticket, Waiter>,
    for_idle: BTreeMap<Ticket, Waker>,
    /// At least as much as each of those for room wants.
    largest: Option<ReserveUpTo>,
}

struct Waiter {
    /// The way to its own pool.
    path: Path,
    asked: ReserveUpTo,
    waker: Waker,
}

/// What a note is about that is about all levels: limits changed, or a pool was closed or reset.
pub(crate) const EVERYTHING: u64 = 1 << 63;

/// What a note is about that is about this level. Several levels share a bit.
pub(crate) fn about(level: &Path) -> u64 {
    match level.last() {
        None => 1,
        Some(node) => 2 << (node % 62),
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            notes: Notes::new(),
            lines: Mutex::new(Lines::default()),
        }
    }

    /// Lets the pool at the end of `path` wait. Takes a turn at once if it comes to it.
    pub(crate) fn join(&self, root: &Register, path: &Path, wants: Wants, waker: Waker) -> Ticket {
        let (ticket, about, _waker) = self.lock().join(root, path, wants, waker);
        self.note_quietly(root, about);
        ticket
    }

    /// How the waiting has ended, if it has. Until then `waker` is to be woken.
    pub(crate) fn poll(&self, root: &Register, ticket: Ticket, waker: &Waker) -> Option<Ended> {
        let mut waker = waker.clone();
        let ended = self.lock().poll(ticket, &mut waker);
        self.note_quietly(root, 0);
        ended
    }

    /// Waits no longer. If the waiting had ended already, returns how.
    pub(crate) fn leave(&self, root: &Register, ticket: Ticket) -> Option<Ended> {
        let (left, ended) = self.lock().leave(ticket);
        self.note_quietly(root, left.as_ref().map_or(0, |(level, _)| about(level)));
        ended
    }

    /// Leaves a note about these levels, and sees to all notes if no other thread does.
    #[cold]
    #[inline(never)]
    pub(crate) fn note(&self, root: &Register, about: u64) {
        if let Err(panicked) = self.serve(root, about) {
            // A call may be dropped by a panic. A second panic out of that drop would abort the process.
            if thread::panicking() {
                mem::forget(panicked);
            } else {
                panic::resume_unwind(panicked);
            }
        }
    }

    /// The same for a future that is polled or dropped. A waker that panics is none of its business, and must
    /// not make it lose what was reserved for it.
    fn note_quietly(&self, root: &Register, about: u64) {
        // Not dropped: see `serve`.
        self.serve(root, about).unwrap_or_else(mem::forget);
    }

    /// The first panic of a waker is the error.
    fn serve(&self, root: &Register, about: u64) -> thread::Result<()> {
        let mut serving = self.notes.leave(about);
        let mut result = Ok(());
        while let Some(so_far) = serving {
            let mut woken = vec![];
            if let Some(mut lines) = self.try_lock() {
                lines.serve(root, self.notes.take(), &mut woken);
            }
            for waker in woken {
                // A waker that panics must not keep the others from being woken, nor this thread from ending
                // what it has begun.
                let woke = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()));
                match (&result, woke) {
                    (Ok(()), woke) => result = woke,
                    // Leaked: what it panicked with may panic when it is dropped.
                    (Err(_), Err(another)) => mem::forget(another),
                    (Err(_), Ok(())) => (),
                }
            }
            serving = self.notes.end(so_far);
        }
        result
    }

    /// The caller leaves a note after it has given the lock back.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Lines>> {
        match self.lines.try_lock() {
            Ok(lines) => Some(lines),
            Err(TryLockError::Poisoned(lines)) => Some(lines.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Lines {
    /// It stands for now at the level of a line on its path which is not empty, or at its own. Its turn shows
    /// which level is in its way. Also returns what the note has to be about, and the waker, if it is of no use.
    fn join(
        &mut self,
        root: &Register,
        path: &Path,
        wants: Wants,
        waker: Waker,
    ) -> (Ticket, u64, Option<Waker>) {
        let ticket = Ticket(self.next);
        self.next += 1;
        let level = match wants {
            Wants::Room(asked) => {
                // It has looked before. What became in vain since may have been noted, and seen to without it.
                if let Some(refusal) = in_vain(root, path, &asked) {
                    self.places.insert(ticket, Place::Ended(Err(refusal)));
                    return (ticket, 0, Some(waker));
                }
                let mut levels = (0..=path.length()).map(|depth| path.up_to(depth));
                let level = levels.find(|level| self.first(level).is_some());
                let level = level.unwrap_or(*path);
                let path = *path;
                self.put(ticket, level, Waiter { path, asked, waker });
                level
            }
            Wants::Idle => {
                let line = self.lines.entry(*path).or_default();
                line.for_idle.insert(ticket, waker);
                self.places.insert(ticket, Place::At(*path));
                *path
            }
        };
        (ticket, about(&level), None)
    }

    fn poll(&mut self, ticket: Ticket, waker: &mut Waker) -> Option<Ended> {
        match self.places.get(&ticket)? {
            Place::At(level) => {
                let line = self.lines.get_mut(level)?;
                let for_room = line.for_room.get_mut(&ticket);
                let kept = for_room.map(|waiter| &mut waiter.waker);
                let kept = kept.or_else(|| line.for_idle.get_mut(&ticket))?;
                // The old one is dropped by the caller, without the lock.
                std::mem::swap(kept, waker);
                None
            }
            Place::Ended(ended) => {
                let ended = *ended;
                self.places.remove(&ticket);
                Some(ended)
            }
        }
    }

    /// Returns the level where it stood with its waker, which the caller drops without the lock, or how the
    /// waiting had ended.
    fn leave(&mut self, ticket: Ticket) -> (Option<(Path, Waker)>, Option<Ended>) {
        match self.places.remove(&ticket) {
            Some(Place::At(level)) => {
                let waker = self.remove(ticket, &level);
                (waker.map(|waker| (level, waker)), None)
            }
            Some(Place::Ended(ended)) => (None, Some(ended)),
            None => (None, None),
        }
    }

    /// Gives turns in the lines that `notes` are about.
    fn serve(&mut self, root: &Register, notes: u64, woken: &mut Vec<Waker>) {
        let everything = notes & EVERYTHING != 0;
        let levels = self.lines.keys();
        let due = levels.filter(|level| everything || notes & about(level) != 0);
        let due: Vec<_> = due.copied().collect();
        for level in due {
            // In this order: were the first turned away after its turn, nobody would give the next one.
            self.turn_away(root, &level, everything, woken);
            self.give_turns(root, &level, woken);
            self.tell_idle(root, &level, woken);
            let line = self.lines.get(&level);
            if line.is_some_and(|line| line.for_room.is_empty() && line.for_idle.is_empty()) {
                self.lines.remove(&level);
                // A node that is used again below another pool has another line, which may need the mark.
                if !self.lines.keys().any(|other| other.last() == level.last()) {
                    let _ = update(root, &level, Unmark);
                }
            }
        }
    }

    /// Reserves for the first in the line, then for the next, until one has to wait at this level.
    fn give_turns(&mut self, root: &Register, level: &Path, woken: &mut Vec<Waker>) {
        while let Some((ticket, path, asked)) = self.first(level) {
            let depth = match self.older_elsewhere(&path, level, ticket) {
                Some(depth) => match in_vain(root, &path, &asked) {
                    // It would stand behind others there, and get the error only in its turn.
                    Some(refusal) => {
                        self.end(ticket, level, Err(refusal), woken);
                        continue;
                    }
                    None => depth,
                },
                None => match update(root, &path, ReserveOrWait::new(asked)) {
                    Answer::Done(Turn::Reserved(reserved)) => {
                        self.end(ticket, level, Ok(reserved), woken);
                        continue;
                    }
                    Answer::Done(Turn::WaitsAt(depth)) => depth.into(),
                    Answer::Refused(refusal) if refusal.is_busy() => refusal.level().depth().into(),
                    Answer::Refused(refusal) => {
                        self.end(ticket, level, Err(refusal), woken);
                        continue;
                    }
                },
            };
            if depth == level.length() {
                return;
            }
            if let Some(line) = self.lines.get_mut(level) {
                if let Some(waiter) = line.for_room.remove(&ticket) {
                    self.put(ticket, path.up_to(depth), waiter);
                }
            }
        }
    }

    /// Ends the waiting of those that wait in vain by now, though their turn has not come.
    fn turn_away(
        &mut self,
        root: &Register,
        level: &Path,
        everybody: bool,
        woken: &mut Vec<Waker>,
    ) {
        let Some(line) = self.lines.get_mut(level) else {
            return;
        };
        let Some(largest) = line.largest else { return };
        // If the largest could still come to fit, so could all others.
        if !everybody && in_vain(root, level, &largest).is_none() {
            return;
        }
        line.largest = None;
        let mut refused = vec![];
        for (&ticket, waiter) in &line.for_room {
            match in_vain(root, &waiter.path, &waiter.asked) {
                Some(refusal) => refused.push((ticket, refusal)),
                None => line.largest = Some(waiter.asked.or_more(line.largest)),
            }
        }
        for (ticket, refusal) in refused {
            self.end(ticket, level, Err(refusal), woken);
        }
    }

    /// Ends the waiting of those that wait until no call is in flight at this level, if none is.
    fn tell_idle(&mut self, root: &Register, level: &Path, woken: &mut Vec<Waker>) {
        let line = self.lines.get(level);
        let waiting = line.map_or(vec![], |line| line.for_idle.keys().copied().collect());
        if waiting.is_empty() {
            return;
        }
        if let Answer::Refused(NotMarked { is_idle: true }) = update(root, level, WaitForIdle) {
            for ticket in waiting {
                self.end(ticket, level, Ok(Tally::default()), woken);
            }
        }
    }

    /// The first in the line of this level, the way to its pool, and what it asks for.
    fn first(&self, level: &Path) -> Option<(Ticket, Path, ReserveUpTo)> {
        let (&ticket, waiter) = self.lines.get(level)?.for_room.first_key_value()?;
        Some((ticket, waiter.path, waiter.asked))
    }

    /// The depth of another level on `path` in whose line somebody waits who came before.
    fn older_elsewhere(&self, path: &Path, level: &Path, ticket: Ticket) -> Option<usize> {
        let mut others = (0..=path.length()).filter(|&depth| depth != level.length());
        others.find(|&depth| {
            let first = self.first(&path.up_to(depth));
            first.is_some_and(|(first, ..)| first < ticket)
        })
    }

    fn put(&mut self, ticket: Ticket, level: Path, waiter: Waiter) {
        let line = self.lines.entry(level).or_default();
        line.largest = Some(waiter.asked.or_more(line.largest));
        line.for_room.insert(ticket, waiter);
        self.places.insert(ticket, Place::At(level));
    }

    fn end(&mut self, ticket: Ticket, level: &Path, ended: Ended, woken: &mut Vec<Waker>) {
        woken.extend(self.remove(ticket, level));
        self.places.insert(ticket, Place::Ended(ended));
    }

    fn remove(&mut self, ticket: Ticket, level: &Path) -> Option<Waker> {
        let line = self.lines.get_mut(level)?;
        match line.for_room.remove(&ticket) {
            Some(waiter) => Some(waiter.waker),
            None => line.for_idle.remove(&ticket),
        }
    }
}

/// Why it is of no use to wait for this, if it is not.
fn in_vain(root: &Register, path: &Path, asked: &ReserveUpTo) -> Option<Rejected> {
    let refusal = if path.is_root() {
        root.read(|now| asked.refusal(now))
    } else {
        root.refusal_at(path, asked)
    };
    refusal.filter(|refusal| !refusal.is_busy())
}

fn update<O>(root: &Register, path: &Path, operation: O) -> Answer<O::Done, O::Refusal>
where
    O: Operation<AMOUNTS, TERMS>,
{
    if path.is_root() {
        match root.update(operation) {
            Ok(done) => Answer::Done(done),
            Err(refusal) => Answer::Refused(refusal),
        }
    } else {
        root.update_at(path, operation)
    }
}
