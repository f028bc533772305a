//! What a pool limits, and how each limit is measured.

use std::fmt;

use crate::money::Usd;

/// A dimension that a pool can limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dimension {
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens together.
    TotalTokens,
    /// Cost.
    Cost,
    /// Calls.
    Calls,
}

impl Dimension {
    /// All dimensions, in the order in which they are checked.
    pub(crate) const ALL: [Dimension; 5] = [
        Dimension::InputTokens,
        Dimension::OutputTokens,
        Dimension::TotalTokens,
        Dimension::Cost,
        Dimension::Calls,
    ];

    /// The name: `"input_tokens"`, `"output_tokens"`, `"total_tokens"`, `"cost_usd"` or `"calls"`.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        match self {
            Dimension::InputTokens => "input_tokens",
            Dimension::OutputTokens => "output_tokens",
            Dimension::TotalTokens => "total_tokens",
            Dimension::Cost => "cost_usd",
            Dimension::Calls => "calls",
        }
    }

    /// The amounts whose sum is limited.
    #[inline(always)]
    fn parts<N: Copy + Default>(self, tally: &Tally<N>) -> [N; 2] {
        let none = N::default();
        match self {
            Dimension::InputTokens => [tally.input, none],
            Dimension::OutputTokens => [tally.output, none],
            Dimension::TotalTokens => [tally.input, tally.output],
            Dimension::Cost => [tally.cost, none],
            Dimension::Calls => [tally.calls, none],
        }
    }

    /// The amount of this dimension in `tally`, exactly.
    #[inline(always)]
    pub(crate) fn of<N: Copy + Default + Into<u128>>(self, tally: &Tally<N>) -> u128 {
        let [a, b] = self.parts(tally);
        a.into() + b.into()
    }

    /// The same, wrapping on overflow. It is for callers that know that the sum fits, or discard it.
    #[inline(always)]
    pub(crate) fn wrapping_of(self, tally: &Tally) -> u64 {
        let [a, b] = self.parts(tally);
        a.wrapping_add(b)
    }

    /// The same, saturating at `u64::MAX`.
    #[inline(always)]
    pub(crate) fn saturating_of(self, tally: &Tally) -> u64 {
        let [a, b] = self.parts(tally);
        a.saturating_add(b)
    }

    /// `count`, in the unit of this dimension. Cost is counted in nano-dollars.
    pub(crate) const fn amount(self, count: u64) -> Amount {
        match self {
            Dimension::InputTokens | Dimension::OutputTokens | Dimension::TotalTokens => {
                Amount::Tokens(count)
            }
            Dimension::Cost => Amount::Cost(Usd::from_nanos(count)),
            Dimension::Calls => Amount::Calls(count),
        }
    }

    /// An amount of this dimension as version 0.1 reports it: tokens, calls or dollars.
    #[inline]
    pub(crate) fn as_f64(self, amount: u128) -> f64 {
        // Converts from 64 bits where the amount fits, since from 128 bits takes a library call. That
        // call is in a function of its own, so that the optimizer does not make it in both cases.
        #[cold]
        fn wide(amount: u128) -> f64 {
            amount as f64
        }
        let amount = match u64::try_from(amount) {
            Ok(amount) => amount as f64,
            Err(_) => wide(amount),
        };
        match self {
            Dimension::Cost => amount / 1e9,
            _ => amount,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An amount of one [`Dimension`], in its unit.
///
/// It prints as a number (`1000`), or for a cost as dollars (`$0.05`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Amount {
    /// Tokens.
    Tokens(u64),
    /// Dollars.
    Cost(Usd),
    /// Calls.
    Calls(u64),
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Tokens(count) | Amount::Calls(count) => write!(f, "{count}"),
            Amount::Cost(cost) => write!(f, "${cost}"),
        }
    }
}

/// How much of everything that is counted: input tokens, output tokens, nano-dollars and calls.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally<N = u64> {
    pub(crate) input: N,
    pub(crate) output: N,
    pub(crate) cost: N,
    pub(crate) calls: N,
}

impl<N: Copy> Tally<N> {
    /// Applies `combine` to each amount of `self` and the same amount of `other`.
    #[inline(always)]
    pub(crate) fn zip<M: Copy, R>(
        self,
        other: Tally<M>,
        mut combine: impl FnMut(N, M) -> R,
    ) -> Tally<R> {
        Tally {
            input: combine(self.input, other.input),
            output: combine(self.output, other.output),
            cost: combine(self.cost, other.cost),
            calls: combine(self.calls, other.calls),
        }
    }
}

impl Tally {
    /// All bits that are set in at least one of the amounts.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        let Tally {
            input,
            output,
            cost,
            calls,
        } = self;
        input | output | cost | calls
    }

    #[inline(always)]
    pub(crate) fn wide(self) -> Tally<u128> {
        self.zip(Tally::default(), |amount, ()| u128::from(amount))
    }
}

/// What was counted, but is not known for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Guesses {
    /// Calls whose cost is unknown.
    pub(crate) unpriced_calls: u64,
    /// Calls that were counted as what was reserved for them.
    pub(crate) forfeited_calls: u64,
    /// The cost that was counted for those.
    pub(crate) forfeited_cost: u64,
}

impl Guesses {
    /// The most calls of each kind that can be counted.
    pub(crate) const MOST_CALLS: u64 = u32::MAX as u64;

    /// The sums. Each saturates at the most that can be counted.
    #[inline]
    pub(crate) fn plus(self, more: Guesses) -> Guesses {
        let calls = |calls: u64, more| calls.saturating_add(more).min(Guesses::MOST_CALLS);
        Guesses {
            unpriced_calls: calls(self.unpriced_calls, more.unpriced_calls),
            forfeited_calls: calls(self.forfeited_calls, more.forfeited_calls),
            forfeited_cost: self.forfeited_cost.saturating_add(more.forfeited_cost),
        }
    }
}
