//! The control: a pool that adds first, and takes it back where that was too much. A thread that
//! looks in between sees what nobody has spent. The checker has to catch it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use token_budget_pool::{BudgetExceeded, BudgetPool, Limits, Totals, Usd};

use crate::operation::dollars;

/// What the main scenario needs of a pool.
pub(crate) trait Pool: Sync {
    fn record(&self, input: u64, output: u64, nanos: u64) -> Result<Totals, BudgetExceeded>;
    fn totals(&self) -> Totals;
}

impl Pool for BudgetPool {
    fn record(&self, input: u64, output: u64, nanos: u64) -> Result<Totals, BudgetExceeded> {
        self.record(input, output, dollars(nanos))
    }

    fn totals(&self) -> Totals {
        self.totals()
    }
}

pub(crate) struct AddThenUndo {
    limits: Limits,
    /// Tokens in, tokens out, nano-dollars, calls.
    counts: [AtomicU64; 4],
}

impl AddThenUndo {
    pub(crate) fn new(limits: Limits) -> AddThenUndo {
        AddThenUndo {
            limits,
            counts: Default::default(),
        }
    }

    /// [`Pool::record`]; `between` runs after what was too much was added and before it is
    /// taken back.
    pub(crate) fn record_with(
        &self,
        input: u64,
        output: u64,
        nanos: u64,
        between: impl FnOnce(),
    ) -> Result<Totals, BudgetExceeded> {
        let request = [input, output, nanos, 1];
        let counts = self.counts.each_ref();
        let mut index = 0;
        let now = counts.map(|count| {
            let now = count.fetch_add(request[index], Ordering::SeqCst) + request[index];
            index += 1;
            now
        });
        let Some(exceeded) = self.exceeded(request, now) else {
            return Ok(totals(now));
        };
        between();
        for (count, asked) in counts.into_iter().zip(request) {
            count.fetch_sub(asked, Ordering::SeqCst);
        }
        Err(exceeded)
    }

    fn exceeded(&self, request: [u64; 4], now: [u64; 4]) -> Option<BudgetExceeded> {
        let limits = self.limits;
        let tokens = [request[0] + request[1], now[0] + now[1]];
        let lines = [
            ("input_tokens", limits.input_tokens, request[0], now[0]),
            ("output_tokens", limits.output_tokens, request[1], now[1]),
            ("total_tokens", limits.total_tokens, tokens[0], tokens[1]),
            (
                "cost_usd",
                limits.cost.map(Usd::as_nanos),
                request[2],
                now[2],
            ),
            ("calls", limits.calls, request[3], now[3]),
        ];
        let refuses = |&(_, limit, asked, now): &(_, Option<u64>, u64, u64)| {
            asked > 0 && limit.is_some_and(|limit| now > limit)
        };
        let (cap, limit, _, now) = lines.into_iter().find(refuses)?;
        let shown = |amount| match cap {
            "cost_usd" => dollars(amount),
            _ => amount as f64,
        };
        Some(BudgetExceeded {
            cap,
            limit: shown(limit?),
            attempted: shown(now),
        })
    }
}

impl Pool for AddThenUndo {
    fn record(&self, input: u64, output: u64, nanos: u64) -> Result<Totals, BudgetExceeded> {
        // A thread that is preempted there does the same, only less often.
        self.record_with(input, output, nanos, thread::yield_now)
    }

    fn totals(&self) -> Totals {
        totals(
            self.counts
                .each_ref()
                .map(|count| count.load(Ordering::SeqCst)),
        )
    }
}

fn totals([input_tokens, output_tokens, nanos, calls]: [u64; 4]) -> Totals {
    Totals {
        input_tokens,
        output_tokens,
        cost_usd: dollars(nanos),
        calls,
    }
}
