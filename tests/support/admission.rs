//! Amounts, and whether they fit.

use token_budget_pool::{Amounts as PublicAmounts, Dimension, Excess, Reason, Usage, Usd};

use super::{Oracle, Refusal, MOST};

/// Tokens in, tokens out, cost in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    pub input: u128,
    pub output: u128,
    pub cost: u128,
}

impl Amounts {
    pub fn new(input: u64, output: u64, cost: u128) -> Amounts {
        Amounts {
            input: input.into(),
            output: output.into(),
            cost,
        }
    }

    pub fn plus(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input + other.input,
            output: self.output + other.output,
            cost: self.cost + other.cost,
        }
    }

    /// What is left after `other` was taken off, none where that is more.
    pub fn beyond(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.saturating_sub(other.input),
            output: self.output.saturating_sub(other.output),
            cost: self.cost.saturating_sub(other.cost),
        }
    }

    pub fn larger(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            cost: self.cost.max(other.cost),
        }
    }

    pub fn smaller(self, other: Amounts) -> Amounts {
        Amounts {
            input: self.input.min(other.input),
            output: self.output.min(other.output),
            cost: self.cost.min(other.cost),
        }
    }

    pub fn public(self) -> PublicAmounts {
        let mut amounts = PublicAmounts::default();
        amounts.input_tokens = word(self.input);
        amounts.output_tokens = word(self.output);
        amounts.cost = Usd::from_nanos(word(self.cost));
        amounts
    }

    pub fn excess(self) -> Excess {
        let mut excess = Excess::default();
        excess.input_tokens = word(self.input);
        excess.output_tokens = word(self.output);
        excess.total_tokens = word(self.input + self.output);
        excess.cost = Usd::from_nanos(word(self.cost));
        excess
    }
}

/// As much of it as a count can hold.
pub fn word(amount: u128) -> u64 {
    amount.min(MOST) as u64
}

/// The nano-dollars nearest to an amount of dollars, half away from zero; from above
/// zero never to zero. More than a count can hold is just that.
pub fn nanos(dollars: f64) -> u128 {
    let nearest = (dollars * 1e9).round().min(1e36) as u128;
    if nearest == 0 && dollars > 0.0 {
        1
    } else {
        nearest
    }
}

/// What a call asks to be admitted for.
#[derive(Clone, Copy)]
pub struct Ask {
    pub amounts: Amounts,
    pub calls: u128,
    /// Whether its cost is known, or assumed.
    pub priced: bool,
    /// What the same call holds already.
    pub own: Amounts,
}

/// One dimension of a pool and of an ask.
#[derive(Clone, Copy)]
pub struct Line {
    pub dimension: Dimension,
    pub limit: u128,
    pub spent: u128,
    /// By everybody.
    pub reserved: u128,
    pub asked: u128,
    pub own: u128,
}

impl Line {
    pub fn refuses(&self) -> bool {
        self.asked > 0 && self.spent + self.reserved + self.asked > self.limit
    }

    pub fn reason(&self) -> Reason {
        if self.own + self.asked > self.limit {
            Reason::NeverFits
        } else if self.spent + self.own + self.asked > self.limit {
            Reason::Exhausted
        } else {
            Reason::Busy
        }
    }
}

impl Oracle {
    /// One call of this usage. Where it has no cost, one is assumed, or else zero.
    pub fn ask(&self, usage: Usage) -> Ask {
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
    pub fn lines(&self, ask: &Ask) -> [Line; 5] {
        let limit = |limit: Option<u64>| limit.map_or(MOST, u128::from);
        let (limits, spent, reserved) = (&self.limits, self.spent, self.reserved);
        let (asked, own) = (ask.amounts, ask.own);
        [
            Line {
                dimension: Dimension::InputTokens,
                limit: limit(limits.input_tokens),
                spent: spent.input,
                reserved: reserved.input,
                asked: asked.input,
                own: own.input,
            },
            Line {
                dimension: Dimension::OutputTokens,
                limit: limit(limits.output_tokens),
                spent: spent.output,
                reserved: reserved.output,
                asked: asked.output,
                own: own.output,
            },
            Line {
                dimension: Dimension::TotalTokens,
                limit: limit(limits.total_tokens),
                spent: spent.input + spent.output,
                reserved: reserved.input + reserved.output,
                asked: asked.input + asked.output,
                own: own.input + own.output,
            },
            Line {
                dimension: Dimension::Cost,
                limit: limit(limits.cost.map(Usd::as_nanos)),
                spent: spent.cost,
                reserved: reserved.cost,
                asked: asked.cost,
                own: own.cost,
            },
            Line {
                dimension: Dimension::Calls,
                limit: limit(limits.calls),
                spent: self.calls,
                reserved: self.in_flight,
                asked: ask.calls,
                own: 0,
            },
        ]
    }

    pub fn admit(&self, ask: &Ask) -> Result<(), Refusal> {
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
                        dimension: line.dimension,
                        limit: word(line.limit),
                        spent: word(line.spent),
                        reserved: word(line.reserved - line.own),
                        requested: word(line.own + line.asked),
                        reason,
                    });
                }
            }
        }
        Ok(())
    }
}

/// What is known of a usage; an unknown cost is nothing.
pub fn known(usage: Usage) -> Amounts {
    let cost = usage.cost.map_or(0, Usd::as_nanos);
    Amounts::new(usage.input_tokens, usage.output_tokens, cost.into())
}
