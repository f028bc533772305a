use std::ops::ControlFlow;

use eventsource_stream::Eventsource;
use futures::StreamExt;
use serde_json::{Map, Value};
use token_budget_pool::{InvalidTokenCounts, TokenCounts, Usage};

use super::budget::Budget;
use super::client;
use super::one_call::is_unbilled;

/// A stream of Anthropic's messages, read with reqwest and eventsource-stream. `request` has a key, a version,
/// and a body with `"stream": true`. `show` sees each event, and may have seen enough. Returns whether the
/// output is complete.
pub async fn stream(
    budget: &Budget,
    estimate: Usage,
    request: reqwest::RequestBuilder,
    id: &str,
    mut show: impl FnMut(Value) -> ControlFlow<()>,
) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let mut watched = budget.start(estimate, id)?;
    let answer = request
        .send()
        .await
        .and_then(|answer| answer.error_for_status());
    let answer = match answer {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        answer => answer?,
    };
    let mut events = answer.bytes_stream().eventsource();
    let mut usage = Map::new();
    while let Some(event) = events.next().await {
        let event: Value = serde_json::from_str(&event?.data)?;
        if let Some(totals) = event.pointer("/message/usage").or(event.get("usage")) {
            add(&mut usage, totals);
            let _ = watched.call().report(budget.price.usage(counts(&usage)?));
        }
        if event["type"] == "message_stop" {
            let counts = counts(&usage)?;
            let _ = watched.end().settle(budget.price.usage(counts));
            return Ok(true);
        }
        if show(event).is_break() {
            break;
        }
    }
    // Stopped here, or ended without its last part. `watched` is dropped, and the reconciler looks into it.
    Ok(false)
}

/// `message_start` has all counts. `message_delta` has running totals of some, and null for others.
fn add(usage: &mut Map<String, Value>, totals: &Value) {
    let totals = totals.as_object().into_iter().flatten();
    let known = totals.filter(|(_, total)| !total.is_null());
    usage.extend(known.map(|(name, total)| (name.clone(), total.clone())));
}

fn counts(usage: &Map<String, Value>) -> Result<TokenCounts, InvalidTokenCounts> {
    let count = |name| usage.get(name).and_then(Value::as_u64);
    let for_an_hour = usage
        .get("cache_creation")
        .map(|kept| &kept["ephemeral_1h_input_tokens"]);
    TokenCounts::exclusive(
        count("input_tokens"),
        count("cache_read_input_tokens"),
        count("cache_creation_input_tokens"),
        count("output_tokens"),
    )?
    .one_hour_writes(for_an_hour.and_then(Value::as_u64))
}

/// What `is_unbilled` asks about.
fn seen(error: &reqwest::Error) -> client::Error {
    match error.status() {
        Some(status) => client::Error::Status(status),
        None if error.is_connect() => client::Error::Connect,
        None => client::Error::Broken,
    }
}
