//! The atomics of the standard library, in the shape of the library's own `sync`. They note where
//! the thread is that uses them (see [`crate::place`]), and let it linger there (see
//! [`crate::linger`]).

use std::any::type_name;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic as real;
use std::sync::{self, LockResult, PoisonError, TryLockError, TryLockResult};

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::thread::yield_now;

use crate::linger::{for_long, mixed, now_and_then, with_a_lane};
use crate::place::{self, Place};

thread_local! {
    static HINT: Cell<usize> = const { Cell::new(0) };
}

pub(crate) fn hint() -> usize {
    now_and_then();
    HINT.get()
}

pub(crate) fn set_hint(hint: usize) {
    HINT.set(hint);
}

/// The library's own. Threads linger with a lane for longer, now and then, so detours are taken.
pub(crate) const fn patience() -> u32 {
    1_000
}

/// None, every other time. So readers claim lanes too, and are stopped with them.
pub(crate) fn looks() -> u32 {
    if mixed() % 2 == 0 {
        0
    } else {
        16
    }
}

pub(crate) fn fence(ordering: Ordering) {
    now_and_then();
    real::fence(ordering);
}

/// The lock of those that wait for room.
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.0.lock() {
            Ok(guard) => Ok(MutexGuard::new(guard)),
            Err(poisoned) => Err(PoisonError::new(MutexGuard::new(poisoned.into_inner()))),
        }
    }

    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Ok(MutexGuard::new(guard)),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poisoned)) => {
                let guard = MutexGuard::new(poisoned.into_inner());
                Err(TryLockError::Poisoned(PoisonError::new(guard)))
            }
        }
    }
}

pub(crate) struct MutexGuard<'a, T>(sync::MutexGuard<'a, T>);

impl<'a, T> MutexGuard<'a, T> {
    fn new(guard: sync::MutexGuard<'a, T>) -> Self {
        place::enter(Place::Queue);
        with_a_lane(4);
        Self(guard)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        with_a_lane(4);
        place::leave(Place::Queue);
    }
}

pub(crate) struct AtomicU64(real::AtomicU64);

impl AtomicU64 {
    pub(crate) const fn new(value: u64) -> Self {
        Self(real::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.load(ordering)
    }

    /// Only a claim is stored to with Release, by the thread that gives its lane back.
    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        now_and_then();
        if ordering == Ordering::Release {
            place::leave(Place::Committed);
            place::leave(Place::Listed);
            place::leave(self.lane());
        }
        self.0.store(value, ordering);
    }

    /// Only a claim is swapped, by a thread that wants the lane. It gets 0 if the lane is held.
    pub(crate) fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        let was = self.0.swap(value, ordering);
        match (was, self.lane()) {
            (0, Place::Lane0) => place::count_turned_away(),
            (0, _) => {}
            (_, lane) => {
                place::enter(lane);
                // Few claim a lane to read, so they stay longer.
                if place::here().contains(Place::Snapshot) {
                    for_long();
                }
            }
        }
        was
    }

    /// Only the head is exchanged, once a slot is filled.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        place::at(Place::Filled, || with_a_lane(4));
        place::leave(Place::Listed);
        let swung = self.0.compare_exchange(current, new, success, failure);
        if swung.is_ok() {
            place::enter(Place::Committed);
            if place::here().contains(Place::FurtherLane) {
                place::count_detour();
            }
            with_a_lane(4);
        }
        swung
    }

    /// The lane whose claim this is.
    fn lane(&self) -> Place {
        if place::is_in_pool(self) {
            Place::Lane0
        } else {
            Place::FurtherLane
        }
    }
}

/// A word of a tree that is in no lane.
pub(crate) struct AtomicLink(real::AtomicU64);

impl AtomicLink {
    pub(crate) const fn new(value: u64) -> Self {
        Self(real::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.load(ordering)
    }

    /// What a thread stores that holds a lane is an entry of a list.
    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        now_and_then();
        self.0.store(value, ordering);
        if place::holds_a_lane() {
            place::enter(Place::Listed);
        }
    }

    /// Only the free nodes are exchanged so: with Release by a thread that gives one back.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let place = if success == Ordering::Release {
            Place::GiveNodeBack
        } else {
            Place::TakeNode
        };
        // Nobody waits for a thread here, so it stays longer.
        place::at(place, for_long);
        self.0.compare_exchange(current, new, success, failure)
    }

    pub(crate) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.fetch_add(value, ordering)
    }

    pub(crate) fn fetch_or(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.fetch_or(value, ordering)
    }

    pub(crate) fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.swap(value, ordering)
    }

    pub(crate) fn fetch_sub(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.fetch_sub(value, ordering)
    }
}

/// The head of a node.
pub(crate) struct AtomicNodeHead(real::AtomicU64);

impl AtomicNodeHead {
    pub(crate) const fn new(value: u64) -> Self {
        Self(real::AtomicU64::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.load(ordering)
    }

    /// Only by a raise.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        place::at(Place::Raise, || with_a_lane(4));
        self.0.compare_exchange(current, new, success, failure)
    }
}

pub(crate) struct AtomicPtr<T>(real::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(pointer: *mut T) -> Self {
        Self(real::AtomicPtr::new(pointer))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> *mut T {
        now_and_then();
        self.0.load(ordering)
    }

    /// Only an append is exchanged, once what is appended is made. A thread that appends a lane holds it.
    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        let place = if place::holds_a_lane() {
            Place::AppendForLane
        } else if type_name::<T>().contains("::Lane<") {
            Place::Append
        } else {
            Place::AppendNodes
        };
        // Threads come here seldom, so they stay longer.
        place::at(place, for_long);
        let appended = self.0.compare_exchange(current, new, success, failure);
        if appended.is_ok() && place == Place::Append {
            place::enter(Place::FurtherLane);
            place::count_append();
        }
        appended
    }
}
