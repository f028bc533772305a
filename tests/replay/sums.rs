//! What a run comes to: exact sums, whatever the number of threads, and no limit passed.

use serde_json::Value;

use crate::answers::{nanos, rejected, totals, SHIPPED};
use crate::files::{file, shipped};
use crate::program::json;

#[test]
fn without_limits_the_shipped_trace_comes_to_its_published_sums() {
    let (calls, input, output, dollars) = SHIPPED;
    let trace = shipped("claude_code_agent_traces.csv");
    for threads in ["1", "4"] {
        for arguments in [
            ["--no-caps", "--repeat", "1"],
            ["--trace", &trace, "--repeat=1"],
        ] {
            let object = json(&[&arguments[..], &["--threads", threads]].concat());
            assert_eq!(object["accepted"], calls);
            assert_eq!(rejected(&object), [0; 4]);
            assert_eq!(object["totals"], totals(calls, input, output, dollars));
        }
    }
}

#[test]
fn by_default_the_run_ends_near_its_budget_and_refuses_what_passes_it() {
    for threads in ["1", "3"] {
        let object = json(&["--threads", threads]);
        let accepted = object["accepted"].as_u64().unwrap();
        assert_eq!(accepted, object["totals"]["calls"]);
        let refused: u64 = rejected(&object).iter().sum();
        assert!(refused > 100, "{object}");
        assert_eq!(accepted + refused, SHIPPED.0);
        let spent = nanos(&object["totals"]["cost_usd"]);
        let limit = nanos(&object["caps"]["cost_usd"]);
        assert!(spent <= limit && spent > limit / 100 * 99, "{object}");
    }
}

#[test]
fn a_repeated_trace_goes_into_the_same_pool() {
    let (calls, input, output, _) = SHIPPED;
    let object = json(&["--no-caps", "--repeat", "3", "--threads", "2"]);
    let three = totals(3 * calls, 3 * input, 3 * output, "5345.4076155");
    assert_eq!(object["totals"], three);

    // A trace shorter than what a worker takes at a time.
    let trace = file(
        "short.jsonl",
        "{\"input_length\": 3, \"output_length\": 5}\n",
    );
    let short = ["--trace", &trace, "--model", "claude-opus-4-6"];
    for (repeat, count) in [("1", 1), ("63", 63), ("64", 64), ("1000", 1_000)] {
        let object = json(&[&short[..], &["--threads", "3", "--repeat", repeat]].concat());
        assert_eq!(object["totals"]["input_tokens"], 3 * count);
        assert_eq!(object["totals"]["calls"], count);
    }
}

#[test]
fn limits_that_the_trace_just_fits_refuse_nothing_and_one_unit_less_refuses() {
    let exact = [
        ("--max-input-tokens", "2571892286"),
        ("--max-output-tokens", "9153334"),
        ("--max-total-tokens", "2581045620"),
        ("--max-cost-usd", "1781.8025385"),
    ];
    let less = ["2571892285", "9153333", "2581045619", "1781.802538499"];
    for threads in ["1", "2", "5"] {
        let mut all = vec!["--threads", threads];
        for (option, limit) in exact {
            all.extend([option, limit]);
        }
        assert_eq!(json(&all)["accepted"], SHIPPED.0);
        for (index, (option, _)) in exact.into_iter().enumerate() {
            let limit = less[index];
            let object = json(&["--threads", threads, option, limit]);
            let rejected = rejected(&object);
            assert!(rejected[index] >= 1, "{option} {limit}: {object}");
            assert_eq!(rejected.iter().sum::<u64>(), rejected[index]);
        }
    }
}

#[test]
fn with_several_threads_the_pool_is_the_sum_of_what_was_accepted_and_within_its_limits() {
    for threads in ["2", "3", "8", "40"] {
        let object = json(&[
            "--threads",
            threads,
            "--repeat",
            "3",
            "--max-input-tokens",
            "2600000000",
            "--max-output-tokens",
            "9200000",
            "--max-total-tokens",
            "2609000000",
            "--max-cost-usd",
            "$1800",
        ]);
        let used = &object["totals"];
        let limits = &object["caps"];
        let [input, output] = ["input_tokens", "output_tokens"].map(|dimension| {
            let used = used[dimension].as_u64().unwrap();
            assert!(used <= limits[dimension].as_u64().unwrap(), "{object}");
            used
        });
        assert!(input + output <= limits["total_tokens"].as_u64().unwrap());
        assert!(nanos(&used["cost_usd"]) <= nanos(&limits["cost_usd"]));
        let accepted = object["accepted"].as_u64().unwrap();
        assert_eq!(
            accepted + rejected(&object).iter().sum::<u64>(),
            3 * SHIPPED.0
        );
    }
}

#[test]
fn with_reservations_everything_is_settled_in_the_end() {
    let (calls, input, output, dollars) = SHIPPED;
    for threads in ["1", "4"] {
        let object = json(&["--reserve", "--no-caps", "--threads", threads]);
        assert_eq!(object["totals"], totals(calls, input, output, dollars));
        assert_eq!(object["reserve"]["turned_away"], 0);
        assert_eq!(object["reserve"]["most"]["share"]["cost_usd"], Value::Null);
    }
    for threads in ["1", "2", "8"] {
        let object = json(&["--reserve", "--threads", threads, "--in-flight", "40"]);
        let reserve = &object["reserve"];
        let refused: u64 = rejected(&object).iter().sum();
        assert_eq!(object["accepted"].as_u64().unwrap() + refused, calls);
        for reason in ["turned_away", "busy"] {
            let count = reserve[reason].as_u64().unwrap();
            assert!((1..=refused).contains(&count), "{reason}: {object}");
        }
        let [median, most] = ["median", "most"].map(|which| {
            let share = &reserve[which]["share"]["output_tokens"];
            assert_eq!(reserve[which]["share"]["total_tokens"], Value::Null);
            share.as_f64().unwrap()
        });
        assert!(0.0 < median && median <= most && most <= 1.0, "{reserve}");
    }
    // No room for a worst case of a million tokens: every call is refused, and each would have fitted.
    let dear = [
        "--reserve",
        "--max-tokens",
        "1000000",
        "--max-output-tokens",
        "999999",
    ];
    let object = json(&[&dear[..], &["--threads", "1"]].concat());
    assert_eq!(object["accepted"], 0);
    assert_eq!(object["reserve"]["turned_away"], calls);
    assert_eq!(object["reserve"]["busy"], 0);
}
