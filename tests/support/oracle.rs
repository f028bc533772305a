//! The sequential pool: what every answer of a `BudgetPool` is held against.
//!
//! A plain struct with `&mut self` methods, written from the contract and not from
//! `src/`: all amounts are `u128`, in which no sum of a few `u64`s overflows, and
//! every rule is a plain `if`. The property tests step it beside a pool, the stress
//! tests ask it what a sum must be, and the model checks run it in every order that
//! the threads' programs allow (they include this file by path).
//!
//! A reservation is a plain value, [`OracleHold`], that the caller owns and hands back,
//! so that interleavings can be explored by cloning both.
//!
//! Types of the crate that cannot be built outside it have a twin here with `From` the
//! real one, and [`Answer`] gathers them all: `Answer::from(real) == oracle_answer`.

// Whoever includes this file uses the part that it needs, and may export it again.
#![allow(dead_code, unreachable_pub)]

use token_budget_pool::{
    BudgetExceeded, Cap, Caps, Excess, Limits, MicroUsd, Reason, Receipt, Rejected, Snapshot,
    Spent, Totals, Usage,
};

/// The most that a count can hold.
const MOST: u128 = u64::MAX as u128;

/// Tokens in, tokens out, cost in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    pub input: u128,
    pub output: u128,
    pub cost: u128,
}

impl Amounts {
    fn new(input: u64, output: u64, cost: u128) -> Amounts {
        Amounts {
            input: input.into(),
            output: output.into(),
            cost,
        }
    }

    fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input + other.input,
            output: self.output + other.output,
            cost: self.cost + other.cost,
        }
    }

    /// What is left after `other` was taken off, none where that is more.
    fn beyond(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            cost: self.cost.saturating_sub(other.cost),
        }
    }

    fn larger(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cost: self.cost.max(other.cost),
        }
    }

    fn smaller(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.min(other.input),
            output: self.output.min(other.output),
            cost: self.cost.min(other.cost),
        }
    }

    fn usage(self) -> Usage {
        Usage::tokens(word(self.input), word(self.output))
            .cost(MicroUsd::from_nanos(word(self.cost)))
    }

    fn excess(self) -> Excess {
        let mut excess = Excess::default();
        excess.input_tokens = word(self.input);
        excess.output_tokens = word(self.output);
        excess.total_tokens = word(self.input + self.output);
        excess.cost = MicroUsd::from_nanos(word(self.cost));
        excess
    }
}

/// As much of it as a count can hold.
fn word(amount: u128) -> u64 {
    amount.min(MOST) as u64
}

/// The nano-dollars nearest to an amount of dollars, half away from zero; from above
/// zero never to zero. More than a count can hold is just that.
/// The amount, or `u64::MAX` if it is more.
fn at_most(amount: u128) -> u64 {
    word(amount.min(MOST))
}

fn nanos(dollars: f64) -> u128 {
    let nearest = (dollars * 1e9).round().min(1e36) as u128;
    if nearest == 0 && dollars > 0.0 {
        1
    } else {
        nearest
    }
}

/// What a call asks to be admitted for.
#[derive(Clone, Copy)]
struct Ask {
    amounts: Amounts,
    calls: u128,
    /// Whether its cost is known, or assumed.
    priced: bool,
    /// What the same call holds already.
    own: Amounts,
}

/// One dimension of a pool and of an ask.
#[derive(Clone, Copy)]
struct Line {
    cap: Cap,
    limit: u128,
    spent: u128,
    /// By everybody.
    reserved: u128,
    asked: u128,
    own: u128,
}

impl Line {
    fn refuses(&self) -> bool {
        self.asked > 0 && self.spent + self.reserved + self.asked > self.limit
    }

    fn reason(&self) -> Reason {
        if self.own + self.asked > self.limit {
            Reason::NeverFits
        } else if self.spent + self.own + self.asked > self.limit {
            Reason::Exhausted
        } else {
            Reason::Busy
        }
    }
}

/// A call in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OracleHold {
    /// What the pool still holds for it.
    pub held: Amounts,
    /// What it was told in parts.
    pub told: Amounts,
    /// Whether the request is out.
    pub sent: bool,
    /// Whether there was a part.
    pub told_a_part: bool,
    /// Whether part of what it asked for had no cost.
    estimate_unpriced: bool,
    /// Whether the last part had none.
    part_unpriced: bool,
}

impl OracleHold {
    /// What `Hold::held` tells.
    pub fn held_usage(&self) -> Usage {
        self.held.usage()
    }

    /// What `Hold::told` tells.
    pub fn told_usage(&self) -> Usage {
        self.told.usage()
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
    unpriced: u128,
    reserved: Amounts,
    in_flight: u128,
    closed: bool,
}

impl Oracle {
    /// A pool with these limits; `assumed` is the cost of a call that tells none.
    pub fn new(limits: Limits, assumed: Option<MicroUsd>) -> Oracle {
        Oracle {
            limits,
            given_cost_cap: None,
            assumed: assumed.map(|cost| cost.as_nanos().into()),
            spent: Amounts::default(),
            calls: 0,
            unpriced: 0,
            reserved: Amounts::default(),
            in_flight: 0,
            closed: false,
        }
    }

    /// A pool with caps as version 0.1 has them. The caps must make sense.
    pub fn with_caps(caps: Caps) -> Oracle {
        let mut limits = Limits::none();
        limits.input_tokens = caps.max_input_tokens;
        limits.output_tokens = caps.max_output_tokens;
        limits.total_tokens = caps.max_total_tokens;
        if let Some(dollars) = caps.max_cost_usd {
            assert!(dollars >= 0.0, "the oracle has no answer to {dollars}");
            limits.cost = limit_of(dollars);
        }
        Oracle {
            given_cost_cap: caps.max_cost_usd.map(f64::to_bits),
            ..Oracle::new(limits, None)
        }
    }

    /// A new pool that goes on counting from `state`; what was reserved counts as spent
    /// or is dropped.
    pub fn restored(
        limits: Limits,
        assumed: Option<MicroUsd>,
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
        pool.unpriced = state.spent.unpriced_calls.into();
        if reserved_as_spent {
            let unpriced = if state.reserved.cost.is_none() {
                state.calls_in_flight
            } else {
                0
            };
            let reserved = known(state.reserved);
            pool.count(reserved, state.calls_in_flight.into(), unpriced.into());
        }
        pool
    }

    /// What 0.1.0 calls recording: `try_charge` with dollars.
    pub fn record(
        &mut self,
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: f64,
    ) -> Result<Totals, BudgetExceeded> {
        if !cost_usd.is_finite() || cost_usd < 0.0 {
            return Err(BudgetExceeded {
                cap: "cost_usd",
                limit: self.enforced_cost_cap().unwrap_or(f64::INFINITY),
                attempted: cost_usd,
            });
        }
        if self.closed {
            return Err(BudgetExceeded {
                cap: "closed",
                limit: 0.0,
                attempted: 1.0,
            });
        }
        let ask = Ask {
            amounts: Amounts::new(input_tokens, output_tokens, nanos(cost_usd)),
            calls: 1,
            priced: true,
            own: Amounts::default(),
        };
        for line in self.lines(&ask) {
            if line.refuses() {
                return Err(self.exceeded(&line, cost_usd));
            }
        }
        self.count(ask.amounts, 1, 0);
        Ok(self.totals())
    }

    /// The cost cap in dollars, if it is a limit.
    fn enforced_cost_cap(&self) -> Option<f64> {
        self.limits.cost?;
        self.cost_cap()
    }

    fn exceeded(&self, line: &Line, cost_usd: f64) -> BudgetExceeded {
        let taken = line.spent + line.reserved;
        if line.cap != Cap::Cost {
            return BudgetExceeded {
                cap: line.cap.as_str(),
                limit: line.limit as f64,
                attempted: (taken + line.asked) as f64,
            };
        }
        BudgetExceeded {
            cap: "cost_usd",
            limit: self.enforced_cost_cap().unwrap_or(MOST as f64 / 1e9),
            attempted: if line.asked > MOST {
                taken as f64 / 1e9 + cost_usd
            } else {
                (taken + line.asked) as f64 / 1e9
            },
        }
    }

    pub fn try_charge(&mut self, usage: Usage) -> Result<Spent, Refusal> {
        let ask = self.ask(usage);
        self.admit(&ask)?;
        self.count(ask.amounts, 1, usage.cost.is_none().into());
        Ok(self.spent())
    }

    pub fn charge(&mut self, usage: Usage) -> Counted {
        let amounts = self.ask(usage).amounts;
        let saturated = self.count(amounts, 1, usage.cost.is_none().into());
        self.receipt(amounts, Amounts::default(), saturated)
    }

    pub fn check(&self, usage: Usage) -> Result<(), Refusal> {
        self.admit(&self.ask(usage))
    }

    pub fn reserve(&mut self, estimate: Usage) -> Result<OracleHold, Refusal> {
        let ask = self.ask(estimate);
        self.admit(&ask)?;
        Ok(self.hold(ask, estimate.cost.is_none()))
    }

    /// The most output that fits is found by trying.
    pub fn reserve_up_to(
        &mut self,
        fixed: Usage,
        (least, most): (u64, u64),
        per_million: MicroUsd,
    ) -> Result<OracleHold, Refusal> {
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

    fn hold(&mut self, ask: Ask, unpriced: bool) -> OracleHold {
        self.reserved = self.reserved.plus(ask.amounts);
        self.in_flight += 1;
        OracleHold {
            held: ask.amounts,
            told: Amounts::default(),
            sent: false,
            told_a_part: false,
            estimate_unpriced: unpriced,
            part_unpriced: false,
        }
    }

    pub fn sent(&self, hold: &mut OracleHold) {
        hold.sent = true;
    }

    pub fn extend(&mut self, hold: &mut OracleHold, more: Usage) -> Result<(), Refusal> {
        let mut amounts = known(more);
        let mut priced = more.cost.is_some();
        if let (None, Some(assumed)) = (more.cost, self.assumed) {
            // One call, one assumed cost.
            amounts.cost = assumed.saturating_sub(hold.told.cost + hold.held.cost);
            priced = true;
        }
        self.admit(&Ask {
            amounts,
            calls: 0,
            priced,
            own: hold.held,
        })?;
        self.reserved = self.reserved.plus(amounts);
        hold.held = hold.held.plus(amounts);
        hold.estimate_unpriced |= more.cost.is_none();
        Ok(())
    }

    pub fn settle(&mut self, hold: OracleHold, actual: Usage) -> Counted {
        let mut total = known(actual);
        if actual.cost.is_none() {
            total.cost = self.owed(&hold);
        }
        self.end(hold, total, actual.cost.is_none())
    }

    pub fn settle_at_least(&mut self, hold: OracleHold, actual: Usage) -> Counted {
        let mut total = known(actual).larger(hold.told.plus(hold.held));
        if actual.cost.is_none() {
            total.cost = self.owed(&hold);
        }
        self.end(hold, total, actual.cost.is_none())
    }

    pub fn forfeit(&mut self, hold: OracleHold) -> Counted {
        let unpriced = hold.estimate_unpriced || hold.part_unpriced;
        let mut total = hold.told.plus(hold.held);
        if unpriced {
            total.cost = self.owed(&hold);
        }
        self.end(hold, total, unpriced)
    }

    /// The end of a hold that was dropped.
    pub fn drop(&mut self, hold: OracleHold) {
        if hold.sent || hold.told_a_part {
            self.forfeit(hold);
        } else {
            self.refund(hold);
        }
    }

    /// The end of a call that was not billed, but for the parts that were told.
    pub fn refund(&mut self, hold: OracleHold) {
        if hold.told_a_part {
            let mut total = hold.told;
            if hold.part_unpriced {
                total.cost = self.owed(&hold);
            }
            self.end(hold, total, hold.part_unpriced);
        } else {
            self.reserved = self.reserved.beyond(hold.held);
            self.in_flight -= 1;
        }
    }

    pub fn settle_so_far(&mut self, hold: &mut OracleHold, total: Usage) -> Counted {
        let mut so_far = known(total);
        if total.cost.is_none() {
            so_far.cost = hold.told.cost;
        }
        let new = so_far.beyond(hold.told);
        let moved = new.smaller(hold.held);
        self.reserved = self.reserved.beyond(moved);
        let saturated = self.count(new, 0, 0);
        let receipt = self.receipt(new.beyond(hold.held), hold.told.beyond(so_far), saturated);
        hold.held = hold.held.beyond(moved);
        hold.told = hold.told.larger(so_far);
        hold.part_unpriced = total.cost.is_none();
        hold.told_a_part = true;
        receipt
    }

    /// The cost of a call that nobody told: what it was told in parts and holds, and
    /// no less than is assumed.
    fn owed(&self, hold: &OracleHold) -> u128 {
        (hold.told.cost + hold.held.cost).max(self.assumed.unwrap_or(0))
    }

    fn end(&mut self, hold: OracleHold, total: Amounts, unpriced: bool) -> Counted {
        self.reserved = self.reserved.beyond(hold.held);
        self.in_flight -= 1;
        let new = total.beyond(hold.told);
        let saturated = self.count(new, 1, unpriced.into());
        self.receipt(new.beyond(hold.held), hold.told.beyond(total), saturated)
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
        self.unpriced = 0;
        spent
    }

    pub fn close(&mut self) {
        self.closed = true;
    }

    pub fn spent(&self) -> Spent {
        let mut spent = Spent::default();
        spent.input_tokens = word(self.spent.input);
        spent.output_tokens = word(self.spent.output);
        spent.cost = MicroUsd::from_nanos(word(self.spent.cost));
        spent.calls = word(self.calls);
        spent.unpriced_calls = word(self.unpriced);
        spent
    }

    pub fn totals(&self) -> Totals {
        Totals {
            input_tokens: word(self.spent.input),
            output_tokens: word(self.spent.output),
            cost_usd: self.spent.cost as f64 / 1e9,
            calls: word(self.calls),
        }
    }

    /// The cap on cost: to the bit as it was given, as long as its limit is the same.
    fn cost_cap(&self) -> Option<f64> {
        let given = self.given_cost_cap.map(f64::from_bits);
        given
            .filter(|&given| limit_of(given) == self.limits.cost)
            .or(in_dollars(self.limits).map(f64::from_bits))
    }

    pub fn caps(&self) -> Caps {
        Caps {
            max_input_tokens: self.limits.input_tokens,
            max_output_tokens: self.limits.output_tokens,
            max_total_tokens: self.limits.total_tokens,
            max_cost_usd: self.cost_cap(),
        }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    pub fn snapshot(&self) -> OracleSnapshot {
        OracleSnapshot {
            spent: self.spent(),
            reserved: self.reserved.usage(),
            calls_in_flight: word(self.in_flight),
            limits: self.limits,
            closed: self.closed,
        }
    }

    /// One call of this usage. Where it has no cost, one is assumed, or else zero.
    fn ask(&self, usage: Usage) -> Ask {
        let mut amounts = known(usage);
        let mut priced = usage.cost.is_some();
        if let (None, Some(assumed)) = (usage.cost, self.assumed) {
            amounts.cost = assumed;
            priced = true;
        }
        Ask {
            amounts,
            calls: 1,
            priced,
            own: Amounts::default(),
        }
    }

    /// Every dimension, in the order in which they are looked at.
    fn lines(&self, ask: &Ask) -> [Line; 5] {
        let limit = |limit: Option<u64>| limit.map_or(MOST, u128::from);
        let (limits, spent, reserved) = (&self.limits, self.spent, self.reserved);
        let (asked, own) = (ask.amounts, ask.own);
        [
            Line {
                cap: Cap::InputTokens,
                limit: limit(limits.input_tokens),
                spent: spent.input,
                reserved: reserved.input,
                asked: asked.input,
                own: own.input,
            },
            Line {
                cap: Cap::OutputTokens,
                limit: limit(limits.output_tokens),
                spent: spent.output,
                reserved: reserved.output,
                asked: asked.output,
                own: own.output,
            },
            Line {
                cap: Cap::TotalTokens,
                limit: limit(limits.total_tokens),
                spent: spent.input + spent.output,
                reserved: reserved.input + reserved.output,
                asked: asked.input + asked.output,
                own: own.input + own.output,
            },
            Line {
                cap: Cap::Cost,
                limit: limit(limits.cost.map(MicroUsd::as_nanos)),
                spent: spent.cost,
                reserved: reserved.cost,
                asked: asked.cost,
                own: own.cost,
            },
            Line {
                cap: Cap::Calls,
                limit: limit(limits.calls),
                spent: self.calls,
                reserved: self.in_flight,
                asked: ask.calls,
                own: 0,
            },
        ]
    }

    fn admit(&self, ask: &Ask) -> Result<(), Refusal> {
        if self.closed {
            return Err(Refusal::Closed);
        }
        if let (false, Some(limit)) = (ask.priced, self.limits.cost) {
            return Err(Refusal::Unpriced { limit });
        }
        let lines = self.lines(ask);
        for reason in [Reason::NeverFits, Reason::Exhausted, Reason::Busy] {
            for line in lines {
                if line.refuses() && line.reason() == reason {
                    return Err(Refusal::Exceeded {
                        cap: line.cap,
                        limit: word(line.limit),
                        spent: at_most(line.spent),
                        reserved: at_most(line.reserved - line.own),
                        requested: at_most(line.own + line.asked),
                        reason,
                    });
                }
            }
        }
        Ok(())
    }

    /// Adds to what is spent; tells whether a count stopped at its most, or the tokens of
    /// both sides together would have to.
    fn count(&mut self, amounts: Amounts, calls: u128, unpriced: u128) -> bool {
        let mut full = false;
        let mut add = |count: &mut u128, more: u128| {
            full |= *count + more > MOST;
            *count = (*count + more).min(MOST);
        };
        add(&mut self.spent.input, amounts.input);
        add(&mut self.spent.output, amounts.output);
        add(&mut self.spent.cost, amounts.cost);
        add(&mut self.calls, calls);
        add(&mut self.unpriced, unpriced);
        full || self.spent.input + self.spent.output > MOST
    }

    fn receipt(&self, overrun: Amounts, told_more: Amounts, saturated: bool) -> Counted {
        let nothing = Ask {
            amounts: Amounts::default(),
            calls: 0,
            priced: true,
            own: Amounts::default(),
        };
        let [input, output, total, cost, calls] = self
            .lines(&nothing)
            .map(|line| word(line.spent.min(MOST).saturating_sub(line.limit)));
        let mut over_cap = Excess::default();
        over_cap.input_tokens = input;
        over_cap.output_tokens = output;
        over_cap.total_tokens = total;
        over_cap.cost = MicroUsd::from_nanos(cost);
        over_cap.calls = calls;
        Counted {
            spent: self.spent(),
            overrun: overrun.excess(),
            told_more: told_more.excess(),
            over_cap,
            saturated,
        }
    }
}

/// What is known of a usage; an unknown cost is nothing.
fn known(usage: Usage) -> Amounts {
    let cost = usage.cost.map_or(0, MicroUsd::as_nanos);
    Amounts::new(usage.input_tokens, usage.output_tokens, cost.into())
}

/// The limit that a cost cap in dollars is; more than fits is none.
fn limit_of(dollars: f64) -> Option<MicroUsd> {
    (nanos(dollars) <= MOST).then(|| MicroUsd::from_nanos(word(nanos(dollars))))
}

fn in_dollars(limits: Limits) -> Option<u64> {
    let dollars = |cost: MicroUsd| cost.as_nanos() as f64 / 1e9;
    limits.cost.map(|cost| dollars(cost).to_bits())
}

/// The twin of `Rejected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    Closed,
    Unpriced {
        limit: MicroUsd,
    },
    Exceeded {
        cap: Cap,
        limit: u64,
        spent: u64,
        reserved: u64,
        requested: u64,
        reason: Reason,
    },
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Refusal {
        match rejected {
            Rejected::Closed => Refusal::Closed,
            Rejected::Unpriced { limit } => Refusal::Unpriced { limit },
            Rejected::Exceeded(exceeded) => Refusal::Exceeded {
                cap: exceeded.cap,
                limit: exceeded.limit,
                spent: exceeded.spent,
                reserved: exceeded.reserved,
                requested: exceeded.requested,
                reason: exceeded.reason,
            },
            other => panic!("a refusal that the oracle does not know: {other:?}"),
        }
    }
}

/// The twin of `Receipt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    pub spent: Spent,
    pub overrun: Excess,
    pub told_more: Excess,
    pub over_cap: Excess,
    pub saturated: bool,
}

impl From<Receipt> for Counted {
    fn from(receipt: Receipt) -> Counted {
        Counted {
            spent: receipt.spent,
            overrun: receipt.overrun,
            told_more: receipt.told_more,
            over_cap: receipt.over_cap,
            saturated: receipt.saturated,
        }
    }
}

/// The twin of `Snapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OracleSnapshot {
    pub spent: Spent,
    pub reserved: Usage,
    pub calls_in_flight: u64,
    pub limits: Limits,
    pub closed: bool,
}

impl OracleSnapshot {
    /// The room left in each dimension that is limited, reservations taken off.
    pub fn remaining(&self) -> Limits {
        let room = |limit: Option<u64>, taken: &[u64]| {
            let taken: u128 = taken.iter().map(|&taken| u128::from(taken)).sum();
            limit.map(|limit| word(u128::from(limit).saturating_sub(taken)))
        };
        let (spent, reserved, limits) = (self.spent, self.reserved, self.limits);
        let input = [spent.input_tokens, reserved.input_tokens];
        let output = [spent.output_tokens, reserved.output_tokens];
        let cost = [
            spent.cost.as_nanos(),
            reserved.cost.map_or(0, MicroUsd::as_nanos),
        ];
        let mut left = Limits::none();
        left.input_tokens = room(limits.input_tokens, &input);
        left.output_tokens = room(limits.output_tokens, &output);
        left.total_tokens = room(limits.total_tokens, &[input, output].concat());
        left.cost = room(limits.cost.map(MicroUsd::as_nanos), &cost).map(MicroUsd::from_nanos);
        left.calls = room(limits.calls, &[spent.calls, self.calls_in_flight]);
        left
    }
}

impl From<Snapshot> for OracleSnapshot {
    fn from(snapshot: Snapshot) -> OracleSnapshot {
        OracleSnapshot {
            spent: snapshot.spent,
            reserved: snapshot.reserved,
            calls_in_flight: snapshot.calls_in_flight,
            limits: snapshot.limits,
            closed: snapshot.closed,
        }
    }
}

/// An `f64` that is equal to itself alone, to the bit: NaN to NaN, and 0.0 not to -0.0.
#[derive(Clone, Copy)]
pub struct Bits(pub f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Bits) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Bits {}

impl std::hash::Hash for Bits {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What any operation answered, of a pool or of the oracle, to be compared to the last
/// bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Done,
    Totals {
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: Bits,
        calls: u64,
    },
    BudgetExceeded {
        cap: &'static str,
        limit: Bits,
        attempted: Bits,
    },
    Spent(Spent),
    Refused(Refusal),
    Counted(Counted),
    /// A reservation, and what it holds.
    Held(Usage),
    Limits(Limits),
    Caps {
        max_input_tokens: Option<u64>,
        max_output_tokens: Option<u64>,
        max_total_tokens: Option<u64>,
        max_cost_usd: Option<Bits>,
    },
    Snapshot(OracleSnapshot),
}

impl From<()> for Answer {
    fn from((): ()) -> Answer {
        Answer::Done
    }
}

impl From<Totals> for Answer {
    fn from(totals: Totals) -> Answer {
        Answer::Totals {
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cost_usd: Bits(totals.cost_usd),
            calls: totals.calls,
        }
    }
}

impl From<BudgetExceeded> for Answer {
    fn from(exceeded: BudgetExceeded) -> Answer {
        Answer::BudgetExceeded {
            cap: exceeded.cap,
            limit: Bits(exceeded.limit),
            attempted: Bits(exceeded.attempted),
        }
    }
}

impl From<Spent> for Answer {
    fn from(spent: Spent) -> Answer {
        Answer::Spent(spent)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::Refused(refusal)
    }
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Answer {
        Answer::Refused(rejected.into())
    }
}

impl From<Counted> for Answer {
    fn from(counted: Counted) -> Answer {
        Answer::Counted(counted)
    }
}

impl From<Receipt> for Answer {
    fn from(receipt: Receipt) -> Answer {
        Answer::Counted(receipt.into())
    }
}

impl From<&OracleHold> for Answer {
    fn from(hold: &OracleHold) -> Answer {
        Answer::Held(hold.held_usage())
    }
}

impl<P: std::borrow::Borrow<token_budget_pool::BudgetPool>> From<&token_budget_pool::Hold<P>>
    for Answer
{
    fn from(hold: &token_budget_pool::Hold<P>) -> Answer {
        Answer::Held(hold.held())
    }
}

impl From<Limits> for Answer {
    fn from(limits: Limits) -> Answer {
        Answer::Limits(limits)
    }
}

impl From<Caps> for Answer {
    fn from(caps: Caps) -> Answer {
        Answer::Caps {
            max_input_tokens: caps.max_input_tokens,
            max_output_tokens: caps.max_output_tokens,
            max_total_tokens: caps.max_total_tokens,
            max_cost_usd: caps.max_cost_usd.map(Bits),
        }
    }
}

impl From<OracleSnapshot> for Answer {
    fn from(snapshot: OracleSnapshot) -> Answer {
        Answer::Snapshot(snapshot)
    }
}

impl From<Snapshot> for Answer {
    fn from(snapshot: Snapshot) -> Answer {
        Answer::Snapshot(snapshot.into())
    }
}

impl<T: Into<Answer>, E: Into<Answer>> From<Result<T, E>> for Answer {
    fn from(result: Result<T, E>) -> Answer {
        result.map_or_else(Into::into, Into::into)
    }
}
