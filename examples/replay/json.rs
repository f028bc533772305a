//! The outcome as one JSON object, for programs. Dollars are exact decimal strings, and every other
//! amount is an integer.

use serde_json::{json, Map, Value};
use token_budget_pool::Dimension;

use crate::budget::{self, Amounts, DIMENSIONS};
use crate::latency::Latency;
use crate::replay::{Outcome, Plan};
use crate::tree::LEVELS;

pub(crate) fn object(plan: &Plan, outcome: &Outcome) -> Value {
    let (run, stopwatch) = (&outcome.run, &outcome.timed.stopwatch);
    let (tally, spent) = (&run.tally, run.pool.spent);
    let limits = budget::of_limits(plan.limits);
    let mut object = json!({
        "accepted": tally.accepted,
        "rejected": by_dimension(|index| tally.rejected[index].into()),
        "totals": {
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "calls": spent.calls,
            "cost_usd": spent.cost.to_string(),
        },
        // null: unlimited.
        "caps": by_dimension(|index| {
            limits[index].map_or(Value::Null, |limit| exact(index, limit))
        }),
        "threads": plan.threads,
        "seconds": run.time.as_secs_f64(),
        "records_per_second": run.calls_per_second(),
        "latency_ns": latency(stopwatch.admit()),
        "clock_ns": latency(stopwatch.clock()),
        "consistent": outcome.disagreements(plan).is_empty(),
    });
    if let Some(reserve) = &plan.reserve {
        // As a part of the limit, from 0 to 1. null: unlimited.
        let share = |reserved: Amounts, index: usize| {
            let limit = limits[index].filter(|&limit| limit > 0);
            limit.map_or(Value::Null, |limit| {
                (reserved[index] as f64 / limit as f64).into()
            })
        };
        let (median, most) = tally.median_and_most_reserved();
        let reserved = |reserved: Amounts| {
            json!({
                "amounts": by_dimension(|index| exact(index, reserved[index])),
                "share": by_dimension(|index| share(reserved, index)),
            })
        };
        object["reserve"] = json!({
            "in_flight": reserve.in_flight,
            "max_tokens": reserve.max_tokens,
            "turned_away": tally.turned_away,
            "busy": tally.busy,
            "looks": tally.reserved.len(),
            "median": reserved(median),
            "most": reserved(most),
            "settle_ns": latency(stopwatch.settle()),
        });
    }
    if let (Some(tree), Some(pass)) = (plan.tree, &run.tree) {
        let levels = LEVELS.iter().zip(tally.rejected_at);
        object["rejected_by_level"] = levels
            .map(|(level, rejected)| ((*level).to_owned(), rejected.into()))
            .collect::<Map<_, _>>()
            .into();
        // In the order in which the trace first names them, each after its parent.
        let nodes = tree.nodes.iter().zip(&pass.nodes).map(|(node, snapshot)| {
            json!({
                "path": node.path,
                "input_tokens": snapshot.spent.input_tokens,
                "output_tokens": snapshot.spent.output_tokens,
                "calls": snapshot.spent.calls,
                "cost_usd": snapshot.spent.cost.to_string(),
            })
        });
        object["nodes"] = nodes.collect();
    }
    object
}

fn by_dimension(value: impl Fn(usize) -> Value) -> Map<String, Value> {
    let entries = DIMENSIONS.iter().enumerate();
    entries
        .map(|(index, dimension)| (dimension.as_str().to_owned(), value(index)))
        .collect()
}

fn exact(index: usize, amount: u128) -> Value {
    match u64::try_from(amount) {
        Ok(tokens) if DIMENSIONS[index] != Dimension::Cost => tokens.into(),
        _ => budget::plain(DIMENSIONS[index], amount).into(),
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
