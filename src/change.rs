//! Changing the terms: other limits, closing. No amount moves.

use crate::register::Operation;
use crate::state::{Scratch, Terms, View};
use crate::state::{AMOUNTS, TERMS};

fn fill_unchanged(view: View<'_>, scratch: &Scratch<'_>) {
    for amount in 0..AMOUNTS {
        scratch.set(amount, view.amount(amount));
    }
}

/// Sets other limits, whatever they were or only if they still are certain ones.
#[derive(Clone, Copy)]
pub(crate) struct SetLimits {
    pub(crate) terms: Terms,
    /// Only over these limits. The limits and not their tag, which counting an unpriced
    /// call changes too: that is no reason to ask an operator again.
    pub(crate) over: Option<Terms>,
}

impl Operation<AMOUNTS, TERMS> for SetLimits {
    /// The old terms.
    type New = Terms;
    type Why = ();
    /// The old terms, or `None` if other limits were in force.
    type Out = Option<Terms>;

    fn decide(&self, view: View<'_>) -> Result<Terms, ()> {
        let now = Terms::read(view);
        match self.over {
            Some(old) if !old.has_limits_of(now) => Err(()),
            _ => Ok(now),
        }
    }

    fn fill(&self, _: &Terms, view: View<'_>, scratch: Scratch<'_>) {
        fill_unchanged(view, &scratch);
    }

    fn terms(&self, old: &Terms, _: View<'_>) -> Option<([u64; TERMS], u64)> {
        Some(old.with_limits_of(self.terms).words())
    }

    fn accepted(&self, old: Terms) -> Option<Terms> {
        Some(old)
    }

    fn kept(&self, (): ()) -> Option<Terms> {
        None
    }
}

/// Closes the pool, if it is not.
#[derive(Clone, Copy)]
pub(crate) struct Close;

impl Operation<AMOUNTS, TERMS> for Close {
    type New = Terms;
    type Why = ();
    type Out = ();

    fn decide(&self, view: View<'_>) -> Result<Terms, ()> {
        let terms = Terms::read(view);
        if terms.is_closed() {
            return Err(());
        }
        Ok(terms)
    }

    fn fill(&self, _: &Terms, view: View<'_>, scratch: Scratch<'_>) {
        fill_unchanged(view, &scratch);
    }

    fn terms(&self, old: &Terms, _: View<'_>) -> Option<([u64; TERMS], u64)> {
        Some(old.closed().words())
    }

    fn accepted(&self, _: Terms) {}

    fn kept(&self, (): ()) {}
}
