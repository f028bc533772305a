//! The sequential pool: what every answer of a `BudgetPool` is held against.
//!
//! A plain struct with `&mut self` methods, written from the contract and not from
//! `src/`: all amounts are `u128`, in which no sum of a few `u64`s overflows, and
//! every rule is a plain `if`. The property tests step it beside a pool, the stress
//! tests ask it what a sum must be, and the model checks run it in every order that
//! the threads' programs allow (they include this file by path).
//!
//! A call is a plain value, [`OracleCall`], that the caller owns and hands back,
//! so that interleavings can be explored by cloning both.
//!
//! Types of the crate that cannot be built outside it have a twin here with `From` the
//! real one, and [`Answer`] gathers them all: `Answer::from(real) == oracle_answer`.

// Whoever includes this file uses the part that it needs, and may export it again.
#![allow(dead_code, unreachable_pub)]

mod admission;
mod answers;
mod record;

use token_budget_pool::{Amounts as PublicAmounts, Excess, Limits, Spent, Usage, Usd};

use admission::{known, word, Amounts, Ask};
pub use answers::*;

/// The most that a count can hold.
const MOST: u128 = u64::MAX as u128;
/// The most guessed calls of a kind that can be counted.
const MOST_GUESSES: u128 = u32::MAX as u128;

/// A call that has reserved and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OracleCall {
    /// What the pool still has reserved for it.
    pub reserved: Amounts,
    /// What was reported.
    pub reported: Amounts,
    /// Whether the request is out.
    pub started: bool,
    /// Whether there was a report.
    pub reported_anything: bool,
    /// Whether part of what it asked for had no cost.
    estimate_unpriced: bool,
    /// Whether the latest report had none.
    report_unpriced: bool,
}

impl OracleCall {
    /// What `reserved` says.
    pub fn reserved_amounts(&self) -> PublicAmounts {
        self.reserved.public()
    }

    /// What `reported` says.
    pub fn reported_amounts(&self) -> PublicAmounts {
        self.reported.public()
    }
}

/// What was counted, but is not known for certain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Guesses {
    unpriced: u128,
    forfeited: u128,
    forfeited_cost: u128,
}

impl Guesses {
    fn unpriced(is_one: bool) -> Guesses {
        Guesses {
            unpriced: is_one.into(),
            ..Guesses::default()
        }
    }
}

/// The pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Oracle {
    limits: Limits,
    /// The cost cap as it was given in dollars, to the bit.
    given_cost_cap: Option<u64>,
    assumed: Option<u128>,
    spent: Amounts,
    calls: u128,
    guesses: Guesses,
    reserved: Amounts,
    in_flight: u128,
    closed: bool,
}

impl Oracle {
    /// A pool with these limits; `assumed` is the cost of a call that tells none.
    pub fn new(limits: Limits, assumed: Option<Usd>) -> Oracle {
        Oracle {
            limits,
            given_cost_cap: None,
            assumed: assumed.map(|cost| cost.as_nanos().into()),
            spent: Amounts::default(),
            calls: 0,
            guesses: Guesses::default(),
            reserved: Amounts::default(),
            in_flight: 0,
            closed: false,
        }
    }

    /// A new pool that goes on counting from `state`; what was reserved counts as spent
    /// or is dropped.
    pub fn restored(
        limits: Limits,
        assumed: Option<Usd>,
        state: &OracleSnapshot,
        reserved_as_spent: bool,
    ) -> Oracle {
        let mut pool = Oracle::new(limits, assumed);
        pool.spent = Amounts::new(
            state.spent.input_tokens,
            state.spent.output_tokens,
            state.spent.cost.as_nanos().into(),
        );
        pool.calls = state.spent.calls.into();
        let guesses = Guesses {
            unpriced: state.spent.unpriced_calls.into(),
            forfeited: state.spent.forfeited_calls.into(),
            forfeited_cost: state.spent.forfeited_cost.as_nanos().into(),
        };
        pool.count(Amounts::default(), 0, guesses);
        if reserved_as_spent {
            let reserved = Amounts::new(
                state.reserved.input_tokens,
                state.reserved.output_tokens,
                state.reserved.cost.as_nanos().into(),
            );
            let guesses = Guesses {
                unpriced: 0,
                forfeited: state.calls_in_flight.into(),
                forfeited_cost: reserved.cost,
            };
            pool.count(reserved, state.calls_in_flight.into(), guesses);
        }
        pool
    }

    pub fn try_charge(&mut self, usage: Usage) -> Result<Spent, Refusal> {
        let ask = self.ask(usage);
        self.admit(&ask)?;
        self.count(ask.amounts, 1, Guesses::unpriced(usage.cost.is_none()));
        Ok(self.spent())
    }

    pub fn charge(&mut self, usage: Usage) -> Counted {
        let amounts = self.ask(usage).amounts;
        let guesses = Guesses::unpriced(usage.cost.is_none());
        let saturated = self.count(amounts, 1, guesses);
        let counted = spent_of(amounts, 1, guesses);
        let nothing = Amounts::default();
        self.receipt(counted, nothing, nothing, saturated)
    }

    pub fn check(&self, usage: Usage) -> Result<(), Refusal> {
        self.admit(&self.ask(usage))
    }

    pub fn try_reserve(&mut self, estimate: Usage) -> Result<OracleCall, Refusal> {
        let ask = self.ask(estimate);
        self.admit(&ask)?;
        Ok(self.hold(ask, estimate.cost.is_none()))
    }

    /// The most output that fits is found by trying.
    pub fn try_reserve_up_to(
        &mut self,
        fixed: Usage,
        (least, most): (u64, u64),
        per_million: Usd,
    ) -> Result<OracleCall, Refusal> {
        let ask = |output: u64| {
            let price = u128::from(output) * u128::from(per_million.as_nanos());
            let mut ask = self.ask(fixed);
            ask.amounts.output += u128::from(output);
            ask.amounts.cost += price / 1_000_000 + u128::from(price % 1_000_000 > 0);
            ask
        };
        self.admit(&ask(least))?;
        // More never fits where less does not: halve what is between the two.
        let (mut fits, mut beyond) = (u128::from(least), u128::from(most.max(least)) + 1);
        while beyond - fits > 1 {
            let middle = (fits + beyond) / 2;
            match self.admit(&ask(word(middle))) {
                Ok(()) => fits = middle,
                Err(_) => beyond = middle,
            }
        }
        let granted = ask(word(fits));
        Ok(self.hold(granted, fixed.cost.is_none()))
    }

    fn hold(&mut self, ask: Ask, unpriced: bool) -> OracleCall {
        self.reserved = self.reserved.plus(ask.amounts);
        self.in_flight += 1;
        OracleCall {
            reserved: ask.amounts,
            reported: Amounts::default(),
            started: false,
            reported_anything: false,
            estimate_unpriced: unpriced,
            report_unpriced: false,
        }
    }

    pub fn start(&self, call: &mut OracleCall) {
        call.started = true;
    }

    pub fn extend(&mut self, call: &mut OracleCall, more: Usage) -> Result<(), Refusal> {
        let mut amounts = known(more);
        let mut priced = more.cost.is_some();
        if let (None, Some(assumed)) = (more.cost, self.assumed) {
            // One call, one assumed cost.
            amounts.cost = assumed.saturating_sub(call.reported.cost + call.reserved.cost);
            priced = call.estimate_unpriced;
        }
        self.admit(&Ask {
            amounts,
            calls: 0,
            priced,
            own: call.reserved,
        })?;
        self.reserved = self.reserved.plus(amounts);
        call.reserved = call.reserved.plus(amounts);
        call.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    pub fn shrink_to(&mut self, call: &mut OracleCall, most: Usage) {
        let mut kept = call.reserved.smaller(known(most));
        if most.cost.is_none() {
            kept.cost = call.reserved.cost;
        }
        self.reserved = self.reserved.beyond(call.reserved.beyond(kept));
        call.reserved = kept;
    }

    pub fn settle(&mut self, call: OracleCall, actual: Usage) -> Counted {
        let mut total = known(actual);
        if actual.cost.is_none() {
            total.cost = self.owed(&call);
        }
        self.end(call, total, Guesses::unpriced(actual.cost.is_none()))
    }

    pub fn settle_at_least(&mut self, call: OracleCall, actual: Usage) -> Counted {
        let known = known(actual).larger(call.reported);
        let mut total = known.larger(call.reported.plus(call.reserved));
        if actual.cost.is_none() {
            total.cost = self.owed(&call);
        }
        let mut guesses = Guesses::unpriced(actual.cost.is_none());
        if total != known {
            guesses.forfeited = 1;
            guesses.forfeited_cost = total.cost - known.cost;
        }
        self.end(call, total, guesses)
    }

    pub fn forfeit(&mut self, call: OracleCall) -> Counted {
        let unpriced = call.estimate_unpriced || call.report_unpriced;
        let mut total = call.reported.plus(call.reserved);
        if unpriced {
            total.cost = self.owed(&call);
        }
        let guesses = Guesses {
            unpriced: unpriced.into(),
            forfeited: 1,
            forfeited_cost: total.cost - call.reported.cost,
        };
        self.end(call, total, guesses)
    }

    /// The end of a reservation or a call that was dropped.
    pub fn drop(&mut self, call: OracleCall) {
        if call.started {
            self.forfeit(call);
        } else {
            self.release(call);
        }
    }

    /// The end of a call that was not billed, except for what was reported.
    pub fn release(&mut self, call: OracleCall) -> Counted {
        if call.reported_anything {
            let mut total = call.reported;
            if call.report_unpriced {
                total.cost = self.owed(&call);
            }
            return self.end(call, total, Guesses::unpriced(call.report_unpriced));
        }
        self.reserved = self.reserved.beyond(call.reserved);
        self.in_flight -= 1;
        let nothing = Amounts::default();
        let saturated = self.count(nothing, 0, Guesses::default());
        self.receipt(Spent::default(), nothing, nothing, saturated)
    }

    pub fn report(&mut self, call: &mut OracleCall, total: Usage) -> Counted {
        let mut so_far = known(total);
        if total.cost.is_none() {
            so_far.cost = call.reported.cost;
        }
        let new = so_far.beyond(call.reported);
        let moved = new.smaller(call.reserved);
        self.reserved = self.reserved.beyond(moved);
        let saturated = self.count(new, 0, Guesses::default());
        let receipt = self.receipt(
            spent_of(new, 0, Guesses::default()),
            new.beyond(call.reserved),
            call.reported.beyond(so_far),
            saturated,
        );
        call.reserved = call.reserved.beyond(moved);
        call.reported = call.reported.larger(so_far);
        call.report_unpriced = total.cost.is_none();
        call.reported_anything = true;
        receipt
    }

    /// The cost of a call that nobody knows: what was reported and is reserved, and no less than is
    /// assumed.
    fn owed(&self, call: &OracleCall) -> u128 {
        (call.reported.cost + call.reserved.cost).max(self.assumed.unwrap_or(0))
    }

    fn end(&mut self, call: OracleCall, total: Amounts, guesses: Guesses) -> Counted {
        self.reserved = self.reserved.beyond(call.reserved);
        self.in_flight -= 1;
        let new = total.beyond(call.reported);
        let saturated = self.count(new, 1, guesses);
        self.receipt(
            spent_of(new, 1, guesses),
            new.beyond(call.reserved),
            call.reported.beyond(total),
            saturated,
        )
    }

    pub fn set_limits(&mut self, limits: Limits) -> Limits {
        std::mem::replace(&mut self.limits, limits)
    }

    pub fn update_limits(&mut self, change: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = self.limits;
        change(&mut limits);
        self.set_limits(limits);
        limits
    }

    pub fn reset(&mut self) {
        self.take();
    }

    pub fn take(&mut self) -> Spent {
        let spent = self.spent();
        self.spent = Amounts::default();
        self.calls = 0;
        self.guesses = Guesses::default();
        spent
    }

    /// Whether it was open.
    pub fn close(&mut self) -> bool {
        !std::mem::replace(&mut self.closed, true)
    }

    pub fn spent(&self) -> Spent {
        spent_of(self.spent, self.calls, self.guesses)
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn snapshot(&self) -> OracleSnapshot {
        OracleSnapshot {
            spent: self.spent(),
            reserved: self.reserved.public(),
            calls_in_flight: word(self.in_flight),
            limits: self.limits,
            closed: self.closed,
        }
    }

    /// Adds to what is spent; tells whether a count stopped at its most, or the tokens of
    /// both sides together would have to.
    fn count(&mut self, amounts: Amounts, calls: u128, guesses: Guesses) -> bool {
        let mut full = false;
        let mut add = |count: &mut u128, more: u128| {
            full |= *count + more > MOST;
            *count = (*count + more).min(MOST);
        };
        add(&mut self.spent.input, amounts.input);
        add(&mut self.spent.output, amounts.output);
        add(&mut self.spent.cost, amounts.cost);
        add(&mut self.calls, calls);
        let more = |count: u128, more: u128, most: u128| (count + more).min(most);
        let so_far = self.guesses;
        self.guesses = Guesses {
            unpriced: more(so_far.unpriced, guesses.unpriced, MOST_GUESSES),
            forfeited: more(so_far.forfeited, guesses.forfeited, MOST_GUESSES),
            forfeited_cost: more(so_far.forfeited_cost, guesses.forfeited_cost, MOST),
        };
        full || self.spent.input + self.spent.output > MOST
    }

    fn receipt(
        &self,
        counted: Spent,
        overrun: Amounts,
        over_reported: Amounts,
        saturated: bool,
    ) -> Counted {
        let nothing = Ask {
            amounts: Amounts::default(),
            calls: 0,
            priced: true,
            own: Amounts::default(),
        };
        let [input, output, total, cost, calls] = self
            .lines(&nothing)
            .map(|line| word(line.spent.min(MOST).saturating_sub(line.limit)));
        let mut over_limit = Excess::default();
        over_limit.input_tokens = input;
        over_limit.output_tokens = output;
        over_limit.total_tokens = total;
        over_limit.cost = Usd::from_nanos(cost);
        over_limit.calls = calls;
        Counted {
            counted,
            spent: self.spent(),
            overrun: overrun.excess(),
            over_reported: over_reported.excess(),
            over_limit,
            saturated,
        }
    }
}

fn spent_of(amounts: Amounts, calls: u128, guesses: Guesses) -> Spent {
    let mut spent = Spent::default();
    spent.input_tokens = word(amounts.input);
    spent.output_tokens = word(amounts.output);
    spent.cost = Usd::from_nanos(word(amounts.cost));
    spent.calls = word(calls);
    spent.unpriced_calls = word(guesses.unpriced);
    spent.forfeited_calls = word(guesses.forfeited);
    spent.forfeited_cost = Usd::from_nanos(word(guesses.forfeited_cost));
    spent
}
