//! What a pool's register holds: which word is what, and what they are together.
//!
//! Everything that must change together is in the register, limits included, so
//! that no operation can see or use a mixture.

use std::array;

use crate::rejection::{Cap, Exceeded, Reason, Rejected};
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

// Terms: the words that rarely change. First the limits, in the order of `Cap::ALL`;
// `u64::MAX`, the most that can be counted, where there is none.
const COST_CAP: usize = 5;
const UNPRICED: usize = 6;
pub(crate) const TERMS: usize = 7;

// Marks.
const CLOSED: u64 = 1 << 0;
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

/// The amounts of a pool.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) spent: Amounts,
    pub(crate) calls: u64,
    pub(crate) held: Amounts,
    pub(crate) held_calls: u64,
}

impl State {
    #[inline(always)]
    pub(crate) fn read(view: View<'_>) -> Self {
        Self {
            spent: Amounts {
                input: view.amount(SPENT_INPUT),
                output: view.amount(SPENT_OUTPUT),
                cost: view.amount(SPENT_COST),
            },
            calls: view.amount(CALLS),
            held: Amounts {
                input: view.amount(HELD_INPUT),
                output: view.amount(HELD_OUTPUT),
                cost: view.amount(HELD_COST),
            },
            held_calls: view.amount(HELD_CALLS),
        }
    }

    #[inline(always)]
    pub(crate) fn spent(&self, unpriced_calls: u64) -> Spent {
        Spent {
            input_tokens: self.spent.input,
            output_tokens: self.spent.output,
            cost: MicroUsd::from_nanos(self.spent.cost),
            calls: self.calls,
            unpriced_calls,
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
fn limits_cost(view: View<'_>) -> bool {
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
        spent: state.spent(terms.unpriced),
        reserved: state.held.into(),
        calls_in_flight: state.held_calls,
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

/// What a call asks to be admitted for.
///
/// In `u128`, so that what fits no count at all is refused by the same comparison
/// as what does not fit a limit.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ask {
    pub(crate) input: u128,
    pub(crate) output: u128,
    pub(crate) cost: u128,
    pub(crate) calls: u64,
    /// Its cost is not known, and no cost was assumed for it.
    pub(crate) unpriced: bool,
    /// What the call holds already.
    pub(crate) own: Amounts,
}

/// What is left of a dimension; `None` if more than its limit is taken.
// Spelled out, here and below: loops over the words of a dimension stay loops.
#[inline(always)]
pub(crate) fn room(view: View<'_>, cap: Cap) -> Option<u64> {
    let left = |spent, held| {
        let room = limit(view, cap).checked_sub(view.amount(spent))?;
        room.checked_sub(view.amount(held))
    };
    match cap {
        Cap::InputTokens => left(SPENT_INPUT, HELD_INPUT),
        Cap::OutputTokens => left(SPENT_OUTPUT, HELD_OUTPUT),
        Cap::TotalTokens => left(SPENT_INPUT, HELD_INPUT)?
            .checked_sub(view.amount(SPENT_OUTPUT))?
            .checked_sub(view.amount(HELD_OUTPUT)),
        Cap::Cost => left(SPENT_COST, HELD_COST),
        Cap::Calls => left(CALLS, HELD_CALLS),
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

/// A limit that refused, and the numbers that it went by.
fn exceeded(view: View<'_>, cap: Cap, asked: u128, own: u128) -> Exceeded {
    let limit = limit(view, cap);
    let (spent, held) = taken(view, cap);
    let requested = own + asked;
    let reason = if requested > limit.into() {
        Reason::NeverFits
    } else if spent + requested > limit.into() {
        Reason::Exhausted
    } else {
        Reason::Busy
    };
    Exceeded {
        cap,
        limit,
        spent,
        reserved: held.saturating_sub(own),
        requested,
        reason,
    }
}

impl Ask {
    /// Stands for any amount that no count can hold. Asks stay far below `u128::MAX`, so that
    /// sums of them fit: the most is 2^64 output tokens at 2^64 a million, near 2^108.
    pub(crate) const TOO_MUCH: u128 = 1 << 65;

    #[inline(always)]
    pub(crate) fn of(self, cap: Cap) -> u128 {
        match cap {
            Cap::InputTokens => self.input,
            Cap::OutputTokens => self.output,
            Cap::TotalTokens => self.input + self.output,
            Cap::Cost => self.cost,
            Cap::Calls => self.calls.into(),
        }
    }

    /// What the call has of it already.
    fn own(self, cap: Cap) -> u128 {
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

    /// Whether a limit leaves too little room. It refuses only who asks for more of its
    /// dimension.
    #[inline(always)]
    pub(crate) fn is_refused_by(self, cap: Cap, view: View<'_>) -> bool {
        let asked = self.of(cap);
        asked > 0 && room(view, cap).map_or(true, |room| asked > room.into())
    }

    /// Whether it is refused because its cost is unknown.
    #[inline(always)]
    fn is_unpriced(self, view: View<'_>) -> bool {
        self.unpriced && limits_cost(view)
    }

    /// Whether there is room for all of it.
    #[inline(always)]
    pub(crate) fn fits(self, view: View<'_>) -> bool {
        let refuses = |cap| self.is_refused_by(cap, view);
        !(is_closed(view)
            || self.is_unpriced(view)
            || refuses(Cap::InputTokens)
            || refuses(Cap::OutputTokens)
            || refuses(Cap::TotalTokens)
            || refuses(Cap::Cost)
            || refuses(Cap::Calls))
    }

    /// Why it does not fit: of the limits that refuse, the first with the worst reason.
    #[cold]
    pub(crate) fn rejection(&self, view: View<'_>) -> Rejected {
        if is_closed(view) {
            return Rejected::Closed;
        }
        if self.is_unpriced(view) {
            return Rejected::Unpriced {
                limit: MicroUsd::from_nanos(limit(view, Cap::Cost)),
            };
        }
        let mut named: Option<Exceeded> = None;
        for cap in Cap::ALL {
            if self.is_refused_by(cap, view) {
                let next = exceeded(view, cap, self.of(cap), self.own(cap));
                match named {
                    Some(named) if named.reason >= next.reason => {}
                    _ => named = Some(next),
                }
            }
        }
        match named {
            Some(exceeded) => Rejected::Exceeded(exceeded),
            // The words have changed since they were found too full. Any answer will
            // do: the head has moved, and this one is thrown away.
            None => Rejected::Closed,
        }
    }
}

impl Ask {
    /// What is asked for, once it was admitted: so it fits.
    #[inline(always)]
    pub(crate) fn amounts(&self) -> Amounts {
        Amounts {
            input: self.input as u64,
            output: self.output as u64,
            cost: self.cost as u64,
        }
    }
}

impl From<Usage> for Ask {
    /// One call of this usage, as far as its cost is known.
    #[inline(always)]
    fn from(usage: Usage) -> Ask {
        Ask {
            input: usage.input_tokens.into(),
            output: usage.output_tokens.into(),
            cost: usage.cost.unwrap_or(MicroUsd::ZERO).as_nanos().into(),
            calls: 1,
            unpriced: usage.cost.is_none(),
            own: Amounts::default(),
        }
    }
}
