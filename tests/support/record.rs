//! The face of version 0.1.

use token_budget_pool::{BudgetExceeded, Caps, Dimension, Limits, Totals, Usd};

use super::admission::{nanos, word, Amounts, Ask, Line};
use super::{Guesses, Oracle, MOST};

impl Oracle {
    /// A pool with caps as version 0.1 has them. The caps must make sense.
    pub fn with_caps(caps: Caps) -> Oracle {
        let mut limits = Limits::unlimited();
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
        self.count(ask.amounts, 1, Guesses::default());
        Ok(self.totals())
    }

    /// The cost cap in dollars, if it is a limit.
    fn enforced_cost_cap(&self) -> Option<f64> {
        self.limits.cost?;
        self.cost_cap()
    }

    fn exceeded(&self, line: &Line, cost_usd: f64) -> BudgetExceeded {
        let taken = line.spent + line.reserved;
        if line.dimension != Dimension::Cost {
            return BudgetExceeded {
                cap: line.dimension.as_str(),
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
}

/// The limit that a cost cap in dollars is; more than fits is none.
fn limit_of(dollars: f64) -> Option<Usd> {
    (nanos(dollars) <= MOST).then(|| Usd::from_nanos(word(nanos(dollars))))
}

fn in_dollars(limits: Limits) -> Option<u64> {
    let dollars = |cost: Usd| cost.as_nanos() as f64 / 1e9;
    limits.cost.map(|cost| dollars(cost).to_bits())
}
