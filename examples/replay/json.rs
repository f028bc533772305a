//! The outcome as one JSON object, for programs. Dollars are exact decimal strings; every other amount is an integer.

use serde_json::{json, Map, Value};
use token_budget_pool::Cap;

use crate::budget::{self, Amounts, CAPS};
use crate::latency::Latency;
use crate::replay::{Outcome, Plan};

pub(crate) fn object(plan: &Plan, outcome: &Outcome) -> Value {
    let (run, stopwatch) = (&outcome.run, &outcome.timed.stopwatch);
    let (tally, spent) = (&run.tally, run.pool.spent);
    let caps = budget::of_limits(plan.limits);
    let mut object = json!({
        "accepted": tally.accepted,
        "rejected": by_cap(|cap| tally.rejected[cap].into()),
        "totals": {
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "calls": spent.calls,
            "cost_usd": spent.cost.to_string(),
        },
        // null: no cap.
        "caps": by_cap(|cap| caps[cap].map_or(Value::Null, |amount| exact(cap, amount))),
        "threads": plan.threads,
        "seconds": run.time.as_secs_f64(),
        "records_per_second": run.calls_per_second(),
        "latency_ns": latency(stopwatch.admit()),
        "clock_ns": latency(stopwatch.clock()),
        "consistent": outcome.disagreements(plan.limits).is_empty(),
    });
    if let Some(reserve) = &plan.reserve {
        // As a part of the cap, from 0 to 1; null: no cap.
        let share = |held: Amounts, cap: usize| {
            let cap_amount = caps[cap].filter(|&amount| amount > 0);
            cap_amount.map_or(Value::Null, |amount| {
                (held[cap] as f64 / amount as f64).into()
            })
        };
        let (median, most) = tally.median_and_most_reserved();
        let held = |held: Amounts| {
            json!({
                "amounts": by_cap(|cap| exact(cap, held[cap])),
                "share": by_cap(|cap| share(held, cap)),
            })
        };
        object["reserve"] = json!({
            "in_flight": reserve.in_flight,
            "max_tokens": reserve.max_tokens,
            "turned_away": tally.turned_away,
            "busy": tally.busy,
            "looks": tally.reserved.len(),
            "median": held(median),
            "most": held(most),
            "settle_ns": latency(stopwatch.settle()),
        });
    }
    object
}

fn by_cap(value: impl Fn(usize) -> Value) -> Map<String, Value> {
    let entries = CAPS.iter().enumerate();
    entries
        .map(|(index, cap)| (cap.as_str().to_owned(), value(index)))
        .collect()
}

fn exact(cap: usize, amount: u128) -> Value {
    match u64::try_from(amount) {
        Ok(tokens) if CAPS[cap] != Cap::Cost => tokens.into(),
        _ => budget::plain(CAPS[cap], amount).into(),
    }
}

fn latency(latency: Latency) -> Value {
    json!({
        "p50": latency.p50,
        "p99": latency.p99,
        "p999": latency.p999,
        "max": latency.max,
        "samples": latency.samples,
    })
}
