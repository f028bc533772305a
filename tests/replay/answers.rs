//! What the program prints, taken apart.

use serde_json::{json, Value};

/// The shipped trace's calls, tokens in, tokens out and dollars.
pub(crate) const SHIPPED: (u64, u64, u64, &str) =
    (20_709, 2_571_892_286, 9_153_334, "1781.8025385");

pub(crate) fn totals(calls: u64, input: u64, output: u64, dollars: &str) -> Value {
    json!({ "calls": calls, "input_tokens": input, "output_tokens": output, "cost_usd": dollars })
}

pub(crate) fn rejected(object: &Value) -> [u64; 4] {
    ["input_tokens", "output_tokens", "total_tokens", "cost_usd"]
        .map(|dimension| object["rejected"][dimension].as_u64().expect("a count"))
}

pub(crate) fn nanos(dollars: &Value) -> u64 {
    let dollars = dollars.as_str().expect("dollars are a string");
    let (whole, decimals) = dollars.split_once('.').unwrap_or((dollars, ""));
    format!("{whole}{decimals:0<9}").parse().unwrap()
}
