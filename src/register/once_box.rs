//! All of the crate's `unsafe`: a lazily allocated box.

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// A box that is allocated on demand and freed with its owner. The first thread to install one wins.
///
/// Not `OnceLock`: there, a thread that is suspended in the initialiser makes all others wait.
pub(crate) struct OnceBox<V>(AtomicPtr<V>);

// The bounds are needed because `AtomicPtr<V>` is `Send` and `Sync` for every `V`. `get` shares a `V`
// between threads (`Sync`). A thread other than the one that installed it may free it (`Send`).
impl<V: Send + Sync> OnceBox<V> {
    pub(crate) fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn get(&self) -> Option<&V> {
        // Acquire: pairs with the Release in `install`. We see the value initialised.
        let installed = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer is null, or it comes from the `Box::into_raw` in `install`. The value
        // that it points to was initialised before we read it (the Acquire above), is only ever
        // shared, and is freed only by `drop`.
        unsafe { installed.as_ref() }
    }

    /// The value. Makes it if there is none, and then all get the one that was installed first.
    pub(crate) fn get_or_install(&self, new: impl FnOnce() -> V) -> &V {
        match self.get() {
            Some(installed) => installed,
            None => match self.install(new()) {
                Ok(installed) | Err(installed) => installed,
            },
        }
    }

    /// Installs `value`. If another value is there already, returns that one as `Err`, and frees
    /// `value`.
    pub(crate) fn install(&self, value: V) -> Result<&V, &V> {
        let ours = Box::into_raw(Box::new(value));
        match self.0.compare_exchange(
            ptr::null_mut(),
            ours,
            // Release: pairs with the Acquire in `get` and with the one below. Every thread that
            // finds the value sees it initialised.
            Ordering::Release,
            // Acquire: pairs with the Release above. We see the winner's value initialised.
            Ordering::Acquire,
        ) {
            // SAFETY: `ours` comes from `Box::into_raw` and is installed now, so it is freed only by
            // `drop`.
            Ok(_) => Ok(unsafe { &*ours }),
            Err(theirs) => {
                // SAFETY: `ours` comes from the `Box::into_raw` above. The exchange failed, so no
                // other thread has seen it.
                drop(unsafe { Box::from_raw(ours) });
                // SAFETY: as in `get`, with the Acquire of the failed exchange. `theirs` is not null,
                // since the exchange expected null and failed.
                Err(unsafe { &*theirs })
            }
        }
    }
}

impl<V: Send + Sync> Default for OnceBox<V> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<V> Drop for OnceBox<V> {
    fn drop(&mut self) {
        // Relaxed: `&mut self` orders everything that other threads did with the box before this.
        let installed = self.0.load(Ordering::Relaxed);
        if !installed.is_null() {
            // SAFETY: the pointer comes from the `Box::into_raw` in `install`, and nothing else frees
            // it. With `&mut self`, no reference from `get` or `install` is left.
            drop(unsafe { Box::from_raw(installed) });
        }
    }
}
