//! The budget that one would write by hand: integers behind a lock.

use std::sync::Mutex;

use token_budget_pool::{BudgetExceeded, Caps, MicroUsd};

#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) nanos: u64,
    pub(crate) calls: u64,
}

/// The same checks as ours, in fixed point, without its reservations: what it answers
/// it has in registers.
pub(crate) struct IntegerMutex {
    limits: [u64; 4],
    counts: Mutex<Counts>,
}

impl IntegerMutex {
    pub(crate) fn with_caps(caps: Caps) -> Self {
        let cost = caps
            .max_cost_usd
            .and_then(|usd| MicroUsd::from_usd(usd).ok());
        let limits = [
            caps.max_input_tokens,
            caps.max_output_tokens,
            caps.max_total_tokens,
            cost.map(MicroUsd::as_nanos),
        ];
        Self {
            limits: limits.map(|limit| limit.unwrap_or(u64::MAX)),
            counts: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn record(
        &self,
        input: u64,
        output: u64,
        nanos: u64,
    ) -> Result<Counts, BudgetExceeded> {
        let mut counts = self.counts.lock().unwrap();
        let [max_input, max_output, max_total, max_nanos] = self.limits;
        let sum = |a: u64, b: u64| a.checked_add(b).unwrap_or(u64::MAX);
        let new = Counts {
            input: sum(counts.input, input),
            output: sum(counts.output, output),
            nanos: sum(counts.nanos, nanos),
            calls: counts.calls + 1,
        };
        let total = sum(new.input, new.output);
        let exceeded = |cap, limit: u64, attempted: u64| BudgetExceeded {
            cap,
            limit: limit as f64,
            attempted: attempted as f64,
        };
        if new.input > max_input {
            return Err(exceeded("input_tokens", max_input, new.input));
        }
        if new.output > max_output {
            return Err(exceeded("output_tokens", max_output, new.output));
        }
        if total > max_total {
            return Err(exceeded("total_tokens", max_total, total));
        }
        if new.nanos > max_nanos {
            return Err(exceeded("cost_usd", max_nanos, new.nanos));
        }
        *counts = new;
        Ok(new)
    }
}
