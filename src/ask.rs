//! What a call asks for: whether there is room for all of it, and if not, why.

use crate::rejection::{Cap, Exceeded, Reason, Rejected};
use crate::state::{is_closed, limit, limits_cost, room, taken};
use crate::state::{Amounts, Counts, View, Words};
use crate::{MicroUsd, Usage};

/// What a call asks to be admitted for, its amounts counted in `N`: in `u128` where they may be
/// more than a count can hold.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask<N = u64> {
    pub(crate) input: N,
    pub(crate) output: N,
    pub(crate) cost: N,
    pub(crate) calls: u64,
    /// Its cost is not known, and no cost was assumed for it.
    pub(crate) unpriced: bool,
    /// What the call holds already.
    pub(crate) own: Amounts,
}

impl Ask<u128> {
    /// Stands for any amount that no count can hold. Asks stay far below `u128::MAX`, so that
    /// sums of them fit: the most is 2^64 output tokens at 2^64 a million, near 2^108.
    pub(crate) const TOO_MUCH: u128 = 1 << 65;
}

impl<N: Copy + Into<u128>> Ask<N> {
    #[inline(always)]
    pub(crate) fn of(&self, cap: Cap) -> u128 {
        match cap {
            Cap::InputTokens => self.input.into(),
            Cap::OutputTokens => self.output.into(),
            Cap::TotalTokens => self.input.into() + self.output.into(),
            Cap::Cost => self.cost.into(),
            Cap::Calls => self.calls.into(),
        }
    }

    /// What the call has of it already.
    #[inline(always)]
    fn own(&self, cap: Cap) -> u128 {
        let Amounts {
            input,
            output,
            cost,
        } = self.own;
        match cap {
            Cap::InputTokens => input.into(),
            Cap::OutputTokens => output.into(),
            Cap::TotalTokens => u128::from(input) + u128::from(output),
            Cap::Cost => cost.into(),
            Cap::Calls => 0,
        }
    }

    /// Whether a limit leaves too little room. Who asks for nothing of its dimension is never
    /// refused by it.
    #[inline(always)]
    pub(crate) fn is_refused_by(&self, cap: Cap, view: View<'_>) -> bool {
        self.of(cap) > room(view, cap).into()
    }

    /// Whether it is refused because its cost is unknown.
    #[inline(always)]
    fn is_unpriced(&self, view: View<'_>) -> bool {
        self.unpriced && limits_cost(view)
    }

    /// What the counts in the words of `to` become with this, where it is plain to see that there
    /// is room for it `beside` the others; each sum is made once. `None` also where a limit is
    /// passed already, which refuses only who asks for more of its dimension.
    #[inline(always)]
    pub(crate) fn admit_at_once(&self, view: View<'_>, to: Words, beside: Words) -> Option<Counts> {
        if is_closed(view) || self.is_unpriced(view) {
            return None;
        }
        let (input, input_taken) = add(view, to[0], self.input.into(), beside[0])?;
        let (output, output_taken) = add(view, to[1], self.output.into(), beside[1])?;
        let (cost, cost_taken) = add(view, to[2], self.cost.into(), beside[2])?;
        let (calls, calls_taken) = add(view, to[3], self.calls.into(), beside[3])?;
        let fits = input_taken <= limit(view, Cap::InputTokens)
            && output_taken <= limit(view, Cap::OutputTokens)
            && input_taken.checked_add(output_taken)? <= limit(view, Cap::TotalTokens)
            && cost_taken <= limit(view, Cap::Cost)
            && calls_taken <= limit(view, Cap::Calls);
        fits.then_some(Counts {
            amounts: Amounts {
                input,
                output,
                cost,
            },
            calls,
        })
    }

    /// What the counts in the words of `to` become with this, or why it is refused.
    #[inline(always)]
    pub(crate) fn admit(&self, view: View<'_>, to: Words) -> Result<Counts, Rejected> {
        match self.refusal(view) {
            None => Ok(self.admitted(view, to)),
            Some(why) => Err(why),
        }
    }

    /// What the counts in the words of `to` become with this, where nothing refuses it.
    #[inline(always)]
    pub(crate) fn admitted(&self, view: View<'_>, to: Words) -> Counts {
        let asked = self.amounts();
        // It fits, or else the words are of two states: so the sums may wrap.
        let add = |word, asked| view.amount(word).wrapping_add(asked);
        Counts {
            amounts: Amounts {
                input: add(to[0], asked.input),
                output: add(to[1], asked.output),
                cost: add(to[2], asked.cost),
            },
            calls: add(to[3], self.calls),
        }
    }

    /// What is asked for, where there is room for it: so a count can hold it.
    #[inline(always)]
    pub(crate) fn amounts(&self) -> Amounts {
        Amounts {
            input: self.input.into() as u64,
            output: self.output.into() as u64,
            cost: self.cost.into() as u64,
        }
    }

    /// Why it does not fit, if it does not: of the limits that refuse, the first with the worst
    /// reason.
    #[inline(always)]
    pub(crate) fn refusal(&self, view: View<'_>) -> Option<Rejected> {
        if is_closed(view) {
            return Some(Rejected::Closed);
        }
        if self.is_unpriced(view) {
            return Some(Rejected::Unpriced {
                limit: MicroUsd::from_nanos(limit(view, Cap::Cost)),
            });
        }
        let mut named = self.worse(view, Cap::InputTokens, None);
        named = self.worse(view, Cap::OutputTokens, named);
        named = self.worse(view, Cap::TotalTokens, named);
        named = self.worse(view, Cap::Cost, named);
        named = self.worse(view, Cap::Calls, named);
        let (cap, reason) = named?;
        // Each on its own, so that which words they are is known when it is compiled.
        Some(Rejected::Exceeded(match cap {
            Cap::InputTokens => self.exceeded(view, Cap::InputTokens, reason),
            Cap::OutputTokens => self.exceeded(view, Cap::OutputTokens, reason),
            Cap::TotalTokens => self.exceeded(view, Cap::TotalTokens, reason),
            Cap::Cost => self.exceeded(view, Cap::Cost, reason),
            Cap::Calls => self.exceeded(view, Cap::Calls, reason),
        }))
    }

    /// Of what is `named` and `cap`, what refuses for the worse reason.
    #[inline(always)]
    fn worse(
        &self,
        view: View<'_>,
        cap: Cap,
        named: Option<(Cap, Reason)>,
    ) -> Option<(Cap, Reason)> {
        if !self.is_refused_by(cap, view) {
            return named;
        }
        let limit = limit(view, cap).into();
        let requested = self.own(cap) + self.of(cap);
        let reason = if requested > limit {
            Reason::NeverFits
        } else if requested + taken(view, cap).0 > limit {
            Reason::Exhausted
        } else {
            Reason::Busy
        };
        match named {
            Some((_, worst)) if worst >= reason => named,
            _ => Some((cap, reason)),
        }
    }

    #[inline(always)]
    fn exceeded(&self, view: View<'_>, cap: Cap, reason: Reason) -> Exceeded {
        let (spent, held) = taken(view, cap);
        let own = self.own(cap);
        Exceeded {
            cap,
            limit: limit(view, cap),
            spent,
            reserved: held.saturating_sub(own),
            requested: own + self.of(cap),
            reason,
        }
    }
}

/// The amount with what is asked for, and that with the amount `beside` it; `None` where a count
/// cannot hold it.
#[inline(always)]
fn add(view: View<'_>, amount: usize, asked: u128, beside: usize) -> Option<(u64, u64)> {
    let new = view.amount(amount).checked_add(asked.try_into().ok()?)?;
    Some((new, new.checked_add(view.amount(beside))?))
}

impl From<Usage> for Ask {
    /// One call of this usage, as far as its cost is known.
    #[inline(always)]
    fn from(usage: Usage) -> Ask {
        Ask {
            input: usage.input_tokens,
            output: usage.output_tokens,
            cost: usage.cost.unwrap_or(MicroUsd::ZERO).as_nanos(),
            calls: 1,
            unpriced: usage.cost.is_none(),
            own: Amounts::default(),
        }
    }
}

impl Ask {
    pub(crate) fn wide(self) -> Ask<u128> {
        Ask {
            input: self.input.into(),
            output: self.output.into(),
            cost: self.cost.into(),
            calls: self.calls,
            unpriced: self.unpriced,
            own: self.own,
        }
    }
}
