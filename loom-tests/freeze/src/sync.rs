//! The atomics of the standard library, in the shape of the library's own `sync`. They
//! tell where the thread is that uses them (see [`crate::place`]), and let it linger
//! there (see [`crate::linger`]).

use std::sync::atomic as real;

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::Ordering;
pub(crate) use std::thread::yield_now;

use crate::linger::{linger, now_and_then};
use crate::place::{self, Place};

pub(crate) fn fence(ordering: Ordering) {
    now_and_then();
    real::fence(ordering);
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

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        now_and_then();
        self.0.store(value, ordering);
    }

    /// Only the head is exchanged so, once a slot is filled.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        place::at(Place::Filled, || linger(1));
        let swung = self.0.compare_exchange(current, new, success, failure);
        if swung.is_ok() && place::here().contains(Place::SharedPair) {
            place::enter(Place::Swung);
            // One thread at a time can be here, so it stays longer.
            linger(8);
        }
        swung
    }

    /// Only the bitmap of numbers is exchanged so.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        now_and_then();
        self.0.compare_exchange_weak(current, new, success, failure)
    }

    pub(crate) fn fetch_and(&self, value: u64, ordering: Ordering) -> u64 {
        now_and_then();
        self.0.fetch_and(value, ordering)
    }
}

pub(crate) struct AtomicBool(real::AtomicBool);

impl AtomicBool {
    pub(crate) fn new(value: bool) -> Self {
        Self(real::AtomicBool::new(value))
    }

    /// Only the shared pair's flag is stored to, by whoever gives the pair back.
    pub(crate) fn store(&self, value: bool, ordering: Ordering) {
        now_and_then();
        place::leave(Place::Swung);
        place::leave(Place::SharedPair);
        self.0.store(value, ordering);
    }

    /// Only the shared pair's flag is exchanged, by whoever claims the pair.
    pub(crate) fn compare_exchange(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        now_and_then();
        let claimed = self.0.compare_exchange(current, new, success, failure);
        match claimed {
            Ok(_) => place::enter(Place::SharedPair),
            Err(_) => place::turn_away(),
        }
        claimed
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

    /// Only an installation is exchanged, once the page is made.
    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        place::at(Place::Installing, || {
            // A thread comes here once in a pool, so it stays longer.
            linger(4);
            let installed = self.0.compare_exchange(current, new, success, failure);
            linger(4);
            installed
        })
    }
}
