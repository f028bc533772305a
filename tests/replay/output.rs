//! What is printed is what is documented, and nothing else.

use std::process::{Command, Stdio};

use serde_json::{json, Value};

use crate::answers::{rejected, totals, SHIPPED};
use crate::example::program;
use crate::program::json;

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object
        .as_object()
        .unwrap_or_else(|| panic!("{object} is no object"))
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

#[test]
fn the_json_object_has_what_it_is_documented_to_have() {
    let object = json(&[
        "--threads",
        "2",
        "--max-cost-usd",
        "$12.50",
        "--max-total-tokens",
        "7",
    ]);
    let mut expected = vec![
        "accepted",
        "caps",
        "clock_ns",
        "consistent",
        "latency_ns",
        "records_per_second",
        "rejected",
        "seconds",
        "threads",
        "totals",
    ];
    assert_eq!(keys(&object), expected);
    assert_eq!(
        object["caps"],
        json!({ "input_tokens": null, "output_tokens": null, "total_tokens": 7, "cost_usd": "12.5" })
    );
    assert_eq!(object["threads"], 2);
    assert_eq!(rejected(&object).iter().sum::<u64>(), SHIPPED.0);
    assert_eq!(object["totals"], totals(0, 0, 0, "0"));
    for time in ["latency_ns", "clock_ns"] {
        let times = &object[time];
        assert_eq!(keys(times), ["max", "p50", "p99", "p999", "samples"]);
        let [p50, p99, p999, max, samples] =
            ["p50", "p99", "p999", "max", "samples"].map(|time| times[time].as_u64().unwrap());
        assert!(p50 <= p99 && p99 <= p999 && p999 <= max, "{times}");
        assert_eq!(samples, SHIPPED.0);
    }
    let seconds = object["seconds"].as_f64().unwrap();
    let rate = object["records_per_second"].as_f64().unwrap();
    assert!(
        (seconds * rate / SHIPPED.0 as f64 - 1.0).abs() < 1e-6,
        "{object}"
    );

    let object = json(&["--reserve"]);
    expected.push("reserve");
    expected.sort_unstable();
    assert_eq!(keys(&object), expected);
    assert_eq!(
        keys(&object["reserve"]),
        [
            "busy",
            "in_flight",
            "looks",
            "max_tokens",
            "median",
            "most",
            "settle_ns",
            "turned_away"
        ]
    );
}

#[test]
fn the_report_reads_as_documented_and_draws_no_bar_into_a_pipe() {
    // From another folder: the shipped files are found all the same.
    let output = Command::new(program("replay"))
        .args([
            "--threads",
            "1",
            "--max-cost-usd",
            "1750",
            "--repeat",
            "2",
            "--reserve",
        ])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    assert!(!text.contains('\u{1b}'));
    for expected in [
        "claude_code_agent_traces.csv (agent CSV) at litellm_prices.json\n1 thread, one shared pool\n",
        "\ncalls                           41,418    100.00 %\n",
        "\n    by cost_usd ",
        " $1,750     99.",
        "\ncalls/s ",
        "\n  reserve  ",
        "\n  settle  ",
        "\n  the clock alone  ",
        " rejected, though the actual usage would have fitted\n",
        "\nself-check          ok: ",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = Command::new(program("replay"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}
