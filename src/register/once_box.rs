//! All of the crate's `unsafe`: a lazily allocated box.

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// A box that is installed once, and freed with its owner. The first thread to install one wins.
///
/// Not `OnceLock`: there, a thread that is suspended in its initialiser makes all others wait.
pub(super) struct OnceBox<V>(AtomicPtr<V>);

// `AtomicPtr` is `Send` and `Sync` whatever `V` is. `get` shares a `V` between threads (`Sync`), and
// another thread than the one that installed it may free it (`Send`).
impl<V: Send + Sync> OnceBox<V> {
    pub(super) fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn get(&self) -> Option<&V> {
        // Acquire: pairs with the Release in `install`. The value is initialised for us.
        let installed = self.0.load(Ordering::Acquire);
        // SAFETY: the pointer is null, or from the `Box::into_raw` in `install`. What it points
        // to was initialised before we read it (the Acquire above), is only ever shared, and
        // is freed by `drop` alone.
        unsafe { installed.as_ref() }
    }

    /// Installs `value`, unless another one is there already: then `Err` has that one, and
    /// `value` is freed.
    pub(super) fn install(&self, value: V) -> Result<&V, &V> {
        let ours = Box::into_raw(Box::new(value));
        match self.0.compare_exchange(
            ptr::null_mut(),
            ours,
            // Release: pairs with the Acquire in `get` and below. The value is initialised for
            // every thread that finds it.
            Ordering::Release,
            // Acquire: pairs with the Release above. The winner's value is initialised for us.
            Ordering::Acquire,
        ) {
            // SAFETY: `ours` is from `Box::into_raw` and is installed now: it is freed by `drop`
            // alone.
            Ok(_) => Ok(unsafe { &*ours }),
            Err(theirs) => {
                // SAFETY: `ours` is from `Box::into_raw` just above. The exchange failed, so no
                // other thread has seen it.
                drop(unsafe { Box::from_raw(ours) });
                // SAFETY: as in `get`. It is not null, since the exchange expected null.
                Err(unsafe { &*theirs })
            }
        }
    }
}

impl<V> Drop for OnceBox<V> {
    fn drop(&mut self) {
        // Relaxed: `&mut self` orders all that other threads did with it before this.
        let installed = self.0.load(Ordering::Relaxed);
        if !installed.is_null() {
            // SAFETY: from `Box::into_raw` in `install`, and nothing else frees it. With `&mut self`
            // no reference from `get` or `install` is left.
            drop(unsafe { Box::from_raw(installed) });
        }
    }
}
