//! How a child refers to the register of its root: the crate's other `unsafe`.

use std::ptr::NonNull;

/// A reference whose lifetime is not in its type.
///
/// A pool that is a child has no lifetime parameter, so that `&BudgetPool` and `Arc<BudgetPool>` stand
/// for every level of a tree. So what keeps the root alive and in its place is said in `child.rs`.
pub(crate) struct RootRef<V>(NonNull<V>);

// SAFETY: it is used only as a `&V`, which is `Send` if `V` is `Sync`.
unsafe impl<V: Sync> Send for RootRef<V> {}
// SAFETY: it is used only as a `&V`, which is `Sync` if `V` is.
unsafe impl<V: Sync> Sync for RootRef<V> {}

impl<V> RootRef<V> {
    /// # Safety
    ///
    /// The value stays alive, and stays where it is, for as long as `get` is called on this.
    pub(crate) unsafe fn new(value: &V) -> Self {
        Self(NonNull::from(value))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &V {
        // SAFETY: the pointer comes from a reference in `new`, whose caller sees to it that the value is
        // still there. Only shared references are made of it.
        unsafe { self.0.as_ref() }
    }
}
