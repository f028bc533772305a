//! What a trace costs, by its format and by its model's prices.

use serde_json::Value;

use crate::answers::totals;
use crate::files::{file, row, shipped, HEADER};
use crate::program::json;

#[test]
fn a_trace_without_prefixes_pays_the_input_price_for_all_input() {
    let azure = shipped("AzureLLMInferenceTrace_conv.csv");
    // 3 and 15 dollars a million; cache prices do not matter.
    let model = ["--trace", &azure, "--model", "claude-sonnet-4-5-20250929"];
    let object = json(&model);
    let all = totals(19_366, 22_361_870, 4_088_665, "128.415585");
    assert_eq!(object["totals"], all);
    // A trace of the user's has no limits that the user did not give.
    assert_eq!(object["caps"]["cost_usd"], Value::Null);

    let lines = file(
        "mooncake.jsonl",
        "\n{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52, \"hash_ids\": [46, 47]}\r\n\
         {\"output_length\": 0, \"input_length\": 1000000, \"x\": {\"input_length\": -1}}",
    );
    let object = json(&["--trace", &lines, "--model", "claude-sonnet-4-5-20250929"]);
    assert_eq!(object["totals"], totals(2, 1_006_955, 52, "3.021645"));
}

#[test]
fn input_in_the_cache_and_out_of_it_has_its_own_price_where_the_model_has_one() {
    // A million tokens in, 400,000 of them known, and one out.
    for (model, dollars) in [
        // Read 0.50, write 6.25, output 25 dollars a million.
        ("claude-opus-4-6", "3.950025"),
        // No price of a write, so the rest is at the input price of 1.25. Read 0.125, output 10.
        ("gpt-5-codex", "0.80001"),
        // Neither: all at the input price of 15; output 120.
        ("gpt-5-pro", "15.00012"),
        // A write listed at zero is not priced. Input 0.28, read 0.028, output 0.42.
        ("deepseek/deepseek-chat", "0.17920042"),
    ] {
        let rows = [HEADER, &row(model, "1000000", "1", "400000")].join("\n");
        let trace = file(&format!("{}.csv", model.replace('/', "-")), rows);
        let object = json(&["--trace", &trace]);
        assert_eq!(
            object["totals"],
            totals(1, 1_000_000, 1, dollars),
            "{model}"
        );
    }
    // Calls that name no model are priced by --model, the others by their own.
    let rows = [
        HEADER,
        &row("", "1000000", "0", "0"),
        &row("claude-opus-4-6", "1000000", "0", "0"),
    ];
    let trace = file("some.csv", rows.join("\n"));
    let object = json(&["--trace", &trace, "--model", "gpt-5-pro"]);
    assert_eq!(object["totals"]["cost_usd"], "21.25");
}

#[test]
fn prices_and_amounts_are_read_exactly_also_where_a_float_would_round() {
    let prices = file(
        "exact.json",
        r#"{"models": {"m": {"input_cost_per_token": 0.000000000000001, "cache_read_input_token_cost": null,
            "output_cost_per_token": 1.234123456789012345E3, "max_tokens": 1e400}, "unused": {}}}"#,
    );
    let trace = file(
        "exact.jsonl",
        r#"{"input_length": 9007199254740993, "output_length": 1000000}"#,
    );
    let object = json(&["--trace", &trace, "--prices", &prices, "--model", "m"]);
    // 9.007199254740993 dollars for the input, rounded up, and 1234123456.789012345 for the output.
    let dollars = "1234123465.7962116";
    assert_eq!(object["totals"]["cost_usd"], dollars);
    assert_eq!(object["totals"]["input_tokens"], 9_007_199_254_740_993u64);
}
