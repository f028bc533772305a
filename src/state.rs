//! What a pool's register holds: which word is what, and what they are together.
//!
//! Everything that must change together is in the register, limits included, so
//! that no operation can see or use a mixture.

use std::array;

use crate::rejection::Cap;
use crate::{register, Caps, Limits, MicroUsd, Snapshot, Spent, Usage};

// Amounts: the words that move.
pub(crate) const SPENT_INPUT: usize = 0;
pub(crate) const SPENT_OUTPUT: usize = 1;
pub(crate) const SPENT_COST: usize = 2;
pub(crate) const CALLS: usize = 3;
pub(crate) const HELD_INPUT: usize = 4;
pub(crate) const HELD_OUTPUT: usize = 5;
pub(crate) const HELD_COST: usize = 6;
pub(crate) const HELD_CALLS: usize = 7;
pub(crate) const AMOUNTS: usize = 8;

/// The words of what is spent, and of what is held beside it.
pub(crate) const SPENT: Words = &[SPENT_INPUT, SPENT_OUTPUT, SPENT_COST, CALLS];
pub(crate) const HELD: Words = &[HELD_INPUT, HELD_OUTPUT, HELD_COST, HELD_CALLS];
pub(crate) type Words = &'static [usize; 4];

// Terms: the words that rarely change. First the limits, in the order of `Cap::ALL`;
// `u64::MAX`, the most that can be counted, where there is none.
const COST_CAP: usize = 5;
const UNPRICED: usize = 6;
pub(crate) const TERMS: usize = 7;

// Marks.
const CLOSED: u64 = 1;
/// One bit a limit that is set, from here on: `u64::MAX` may be one.
const IS_SET: u64 = 1 << 1;
/// `COST_CAP` holds the cost cap as it was given in dollars, as the bits of an
/// `f64`: it is not always a limit, nor always the same number.
const COST_CAP_GIVEN: u64 = 1 << 6;

pub(crate) type Register = register::Register<AMOUNTS, TERMS>;
pub(crate) type View<'a> = register::View<'a, AMOUNTS, TERMS>;
pub(crate) type Scratch<'a> = register::Scratch<'a, AMOUNTS, TERMS>;

/// A register with nothing held.
pub(crate) fn new_register(spent: Spent, terms: Terms) -> Register {
    let mut amounts = [0; AMOUNTS];
    amounts[SPENT_INPUT] = spent.input_tokens;
    amounts[SPENT_OUTPUT] = spent.output_tokens;
    amounts[SPENT_COST] = spent.cost.as_nanos();
    amounts[CALLS] = spent.calls;
    let (terms, marks) = Terms {
        unpriced: spent.unpriced_calls,
        ..terms
    }
    .words();
    Register::new(amounts, terms, marks)
}

/// Tokens in, tokens out, and cost in nano-dollars.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Amounts {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cost: u64,
}

impl Amounts {
    /// `combine` of each dimension.
    #[inline(always)]
    pub(crate) fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            input: combine(self.input, other.input),
            output: combine(self.output, other.output),
            cost: combine(self.cost, other.cost),
        }
    }
}

impl From<Amounts> for Usage {
    fn from(amounts: Amounts) -> Usage {
        Usage::tokens(amounts.input, amounts.output).cost(MicroUsd::from_nanos(amounts.cost))
    }
}

/// What is spent, or what is held.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) amounts: Amounts,
    pub(crate) calls: u64,
}

impl Counts {
    /// Stores these in the words of `to`, and what is `beside` them as it is.
    #[inline(always)]
    pub(crate) fn fill(&self, to: Words, beside: Words, view: View<'_>, scratch: Scratch<'_>) {
        let &[input, output, cost, calls] = to;
        scratch.set(input, self.amounts.input);
        scratch.set(output, self.amounts.output);
        scratch.set(cost, self.amounts.cost);
        scratch.set(calls, self.calls);
        for &word in beside {
            scratch.set(word, view.amount(word));
        }
    }

    #[inline(always)]
    pub(crate) fn spent(self, unpriced_calls: u64) -> Spent {
        Spent {
            input_tokens: self.amounts.input,
            output_tokens: self.amounts.output,
            cost: MicroUsd::from_nanos(self.amounts.cost),
            calls: self.calls,
            unpriced_calls,
        }
    }
}

/// The amounts of a pool.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) spent: Counts,
    pub(crate) held: Counts,
}

impl State {
    #[inline(always)]
    pub(crate) fn read(view: View<'_>) -> Self {
        let counts = |&[input, output, cost, calls]: Words| Counts {
            amounts: Amounts {
                input: view.amount(input),
                output: view.amount(output),
                cost: view.amount(cost),
            },
            calls: view.amount(calls),
        };
        Self {
            spent: counts(SPENT),
            held: counts(HELD),
        }
    }
}

/// The limit in force on a dimension.
#[inline(always)]
pub(crate) fn limit(view: View<'_>, cap: Cap) -> u64 {
    view.term(cap as usize)
}

/// Whether a limit is set on cost.
#[inline(always)]
pub(crate) fn limits_cost(view: View<'_>) -> bool {
    view.tag() & IS_SET << (Cap::Cost as u64) != 0
}

/// The cap on cost in dollars as it was given, where it is a limit.
#[inline(always)]
pub(crate) fn cost_cap(view: View<'_>) -> Option<f64> {
    limits_cost(view).then(|| f64::from_bits(view.term(COST_CAP)))
}

#[inline(always)]
pub(crate) fn unpriced_calls(view: View<'_>) -> u64 {
    view.term(UNPRICED)
}

#[inline(always)]
pub(crate) fn is_closed(view: View<'_>) -> bool {
    view.tag() & CLOSED != 0
}

pub(crate) fn snapshot(view: View<'_>) -> Snapshot {
    let state = State::read(view);
    let terms = Terms::read(view);
    Snapshot {
        spent: state.spent.spent(terms.unpriced),
        reserved: state.held.amounts.into(),
        calls_in_flight: state.held.calls,
        limits: terms.limits(),
        closed: terms.is_closed(),
    }
}

/// The terms of a pool, marks included.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    limits: [u64; 5],
    cost_cap: u64,
    unpriced: u64,
    marks: u64,
}

impl Terms {
    pub(crate) fn new(limits: Limits) -> Self {
        let given = [
            limits.input_tokens,
            limits.output_tokens,
            limits.total_tokens,
            limits.cost.map(MicroUsd::as_nanos),
            limits.calls,
        ];
        let marks = (0..)
            .zip(given)
            .filter(|(_, limit)| limit.is_some())
            .fold(0, |marks, (index, _)| marks | IS_SET << index);
        Self {
            limits: given.map(|limit| limit.unwrap_or(u64::MAX)),
            cost_cap: 0,
            unpriced: 0,
            marks,
        }
        .with_cost_cap(Caps::from(limits).max_cost_usd)
    }

    /// With a cost cap that [`Terms::caps`] gives back to the bit.
    pub(crate) fn with_cost_cap(mut self, given: Option<f64>) -> Self {
        self.cost_cap = given.map_or(0, f64::to_bits);
        self.marks &= !COST_CAP_GIVEN;
        if given.is_some() {
            self.marks |= COST_CAP_GIVEN;
        }
        self
    }

    /// With the limits of `other`: what was counted and whether it is closed stays, and
    /// so does the cost cap as it was given, where it is the same limit.
    pub(crate) fn with_limits_of(self, other: Terms) -> Self {
        let new = Self {
            unpriced: self.unpriced,
            marks: other.marks & !CLOSED | self.marks & CLOSED,
            ..other
        };
        if self.limits().cost == other.limits().cost {
            new.with_cost_cap(self.caps().max_cost_usd)
        } else {
            new
        }
    }

    pub(crate) fn has_limits_of(self, other: Terms) -> bool {
        self.limits() == other.limits()
    }

    pub(crate) fn with_unpriced(self, unpriced: u64) -> Self {
        Self { unpriced, ..self }
    }

    pub(crate) fn is_closed(self) -> bool {
        self.marks & CLOSED != 0
    }

    pub(crate) fn closed(self) -> Self {
        Self {
            marks: self.marks | CLOSED,
            ..self
        }
    }

    pub(crate) fn read(view: View<'_>) -> Self {
        Self {
            limits: array::from_fn(|index| view.term(index)),
            cost_cap: view.term(COST_CAP),
            unpriced: view.term(UNPRICED),
            marks: view.tag() & register::MARKS,
        }
    }

    /// The words of a register, and its marks.
    pub(crate) fn words(self) -> ([u64; TERMS], u64) {
        let [input, output, total, cost, calls] = self.limits;
        let (cost_cap, unpriced) = (self.cost_cap, self.unpriced);
        (
            [input, output, total, cost, calls, cost_cap, unpriced],
            self.marks,
        )
    }

    pub(crate) fn limits(self) -> Limits {
        let limit = |cap: Cap| {
            let index = cap as usize;
            (self.marks & IS_SET << index != 0).then_some(self.limits[index])
        };
        Limits {
            input_tokens: limit(Cap::InputTokens),
            output_tokens: limit(Cap::OutputTokens),
            total_tokens: limit(Cap::TotalTokens),
            cost: limit(Cap::Cost).map(MicroUsd::from_nanos),
            calls: limit(Cap::Calls),
        }
    }

    pub(crate) fn caps(self) -> Caps {
        Caps {
            max_cost_usd: (self.marks & COST_CAP_GIVEN != 0)
                .then_some(f64::from_bits(self.cost_cap)),
            ..Caps::from(self.limits())
        }
    }
}

/// What is left of a dimension: nothing, where more than its limit is taken.
// Spelled out, here and below: loops over the words of a dimension stay loops.
#[inline(always)]
pub(crate) fn room(view: View<'_>, cap: Cap) -> u64 {
    let less = |room: u64, amount| room.saturating_sub(view.amount(amount));
    let limit = limit(view, cap);
    match cap {
        Cap::InputTokens => less(less(limit, SPENT_INPUT), HELD_INPUT),
        Cap::OutputTokens => less(less(limit, SPENT_OUTPUT), HELD_OUTPUT),
        Cap::TotalTokens => {
            let room = less(less(limit, SPENT_INPUT), HELD_INPUT);
            less(less(room, SPENT_OUTPUT), HELD_OUTPUT)
        }
        Cap::Cost => less(less(limit, SPENT_COST), HELD_COST),
        Cap::Calls => less(less(limit, CALLS), HELD_CALLS),
    }
}

/// What is taken of a dimension: spent, and held.
#[inline(always)]
pub(crate) fn taken(view: View<'_>, cap: Cap) -> (u128, u128) {
    let word = |index| u128::from(view.amount(index));
    match cap {
        Cap::InputTokens => (word(SPENT_INPUT), word(HELD_INPUT)),
        Cap::OutputTokens => (word(SPENT_OUTPUT), word(HELD_OUTPUT)),
        Cap::TotalTokens => (
            word(SPENT_INPUT) + word(SPENT_OUTPUT),
            word(HELD_INPUT) + word(HELD_OUTPUT),
        ),
        Cap::Cost => (word(SPENT_COST), word(HELD_COST)),
        Cap::Calls => (word(CALLS), word(HELD_CALLS)),
    }
}
