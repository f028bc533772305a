//! Changing the terms: other limits, closing. No amount moves.

use crate::register::Operation;
use crate::state::{Scratch, Terms, View};
use crate::state::{AMOUNTS, TERMS};

fn fill_unchanged(view: View<'_>, scratch: &Scratch<'_>) {
    for amount in 0..AMOUNTS {
        scratch.set(amount, view.amount(amount));
    }
}

/// Sets other limits, whatever they were or only if they still are those of a tag.
#[derive(Clone, Copy)]
pub(crate) struct SetLimits {
    pub(crate) terms: Terms,
    /// Only over the terms of this tag.
    pub(crate) over: Option<u64>,
}

impl Operation<AMOUNTS, TERMS> for SetLimits {
    /// The old terms.
    type New = Terms;
    /// The old terms, or `None` if it was not those of the tag that were in force.
    type Out = Option<Terms>;

    fn decide(self, view: View<'_>) -> Option<Terms> {
        match self.over {
            Some(tag) if tag != view.tag() => None,
            _ => Some(Terms::read(view)),
        }
    }

    fn fill(self, _: &Terms, view: View<'_>, scratch: Scratch<'_>) {
        fill_unchanged(view, &scratch);
    }

    fn terms(self, old: &Terms, _: View<'_>) -> Option<([u64; TERMS], u64)> {
        Some(old.with_limits_of(self.terms).words())
    }

    fn accepted(self, old: Terms) -> Option<Terms> {
        Some(old)
    }

    fn kept(self, _: View<'_>) -> Option<Terms> {
        None
    }
}

/// Closes the pool, if it is not.
#[derive(Clone, Copy)]
pub(crate) struct Close;

impl Operation<AMOUNTS, TERMS> for Close {
    type New = Terms;
    type Out = ();

    fn decide(self, view: View<'_>) -> Option<Terms> {
        let terms = Terms::read(view);
        (!terms.is_closed()).then_some(terms)
    }

    fn fill(self, _: &Terms, view: View<'_>, scratch: Scratch<'_>) {
        fill_unchanged(view, &scratch);
    }

    fn terms(self, old: &Terms, _: View<'_>) -> Option<([u64; TERMS], u64)> {
        Some(old.closed().words())
    }

    fn accepted(self, _: Terms) {}

    fn kept(self, _: View<'_>) {}
}
