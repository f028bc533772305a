//! Amounts, limits and snapshots in JSON. What is read back is what was written, and a process that
//! restarts goes on counting. A file with a mistake in it is refused with the field and the value that
//! are wrong, and never read as something else.

#![cfg(feature = "serde")]

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{json, Value};
use token_budget_pool::{
    Amounts, BudgetPool, Child, Label, Limits, Restore, Snapshot, Spent, TreeSnapshot, Usage, Usd,
};

#[path = "support/amounts.rs"]
mod amounts;

use amounts::{assert_nothing_is_reserved, forfeited, nanos, spent, unpriced, usage};

/// Written as `json`, and read back the same, also by way of text.
fn is_written_as<T>(value: T, json: Value)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(serde_json::to_value(&value).unwrap(), json);
    let text = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), value);
    assert_eq!(serde_json::from_value::<T>(json).unwrap(), value);
}

fn refusal<T: DeserializeOwned + Debug>(json: &Value) -> String {
    // By way of text, as from a file.
    let text = json.to_string();
    serde_json::from_str::<T>(&text).unwrap_err().to_string()
}

/// Fails unless `json` is refused as a `T`, with all of `parts` in the message.
#[track_caller]
fn is_refused<T: DeserializeOwned + Debug>(json: &Value, parts: &[&str]) {
    let message = refusal::<T>(json);
    for part in parts {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn an_amount_is_a_decimal_string_to_the_last_digit() {
    for (amount, text) in [
        (0, "0"),
        (1, "0.000000001"),
        (50_000_000, "0.05"),
        (1_781_802_538_500, "1781.8025385"),
        (u64::MAX, "18446744073.709551615"),
    ] {
        is_written_as(nanos(amount), json!(text));
    }
    // As a person may have written it.
    assert_eq!(
        serde_json::from_value::<Usd>(json!("$0.50")).unwrap(),
        nanos(500_000_000)
    );
}

#[test]
fn an_amount_that_is_a_number_is_refused() {
    for (json, value) in [
        (json!(1), "1"),
        (json!(0.1), "0.1"),
        (json!(-1), "-1"),
        (json!(null), "null"),
        (json!(true), "true"),
    ] {
        is_refused::<Usd>(&json, &[value, "string"]);
    }
}

#[test]
fn an_amount_that_is_no_amount_is_refused_with_its_text() {
    for text in [
        "-1",
        "1e3",
        "0.0000000001",
        "18446744073.709551616",
        "",
        "1,000",
        "NaN",
        " 1",
    ] {
        is_refused::<Usd>(&json!(text), &[&format!("\"{text}\"")]);
    }
}

#[test]
fn a_usage_comes_back_with_its_cost_known_or_unknown() {
    is_written_as(
        usage(1, u64::MAX, 30_000_000),
        json!({"input_tokens": 1, "output_tokens": u64::MAX, "cost": "0.03"}),
    );
    is_written_as(
        Usage::tokens(0, 2),
        json!({"input_tokens": 0, "output_tokens": 2, "cost": null}),
    );
}

#[test]
fn a_usage_without_a_cost_field_is_an_error_and_not_of_unknown_cost() {
    is_refused::<Usage>(
        &json!({"input_tokens": 1, "output_tokens": 2}),
        &["missing field", "cost"],
    );
}

#[test]
fn limits_come_back_and_those_left_out_are_unlimited() {
    is_written_as(
        Limits::unlimited(),
        json!({
            "input_tokens": null, "output_tokens": null, "total_tokens": null,
            "cost": null, "calls": null,
        }),
    );
    let limits = Limits::unlimited()
        .input_tokens(1)
        .output_tokens(0)
        .total_tokens(u64::MAX)
        .cost(Usd::MAX)
        .calls(4);
    is_written_as(
        limits,
        json!({
            "input_tokens": 1, "output_tokens": 0, "total_tokens": u64::MAX,
            "cost": "18446744073.709551615", "calls": 4,
        }),
    );
    let some = serde_json::from_value::<Limits>(json!({"cost": "25"})).unwrap();
    assert_eq!(some, Limits::unlimited().cost(nanos(25_000_000_000)));
}

#[test]
fn a_typo_does_not_uncap_a_pool() {
    for typo in ["max_cost", "Cost", "cost_usd", "input_token", "total"] {
        let mut json = json!({"calls": 10});
        json[typo] = json!("25");
        is_refused::<Limits>(&json, &["unknown field", typo]);
    }
}

/// A pool with a charge, an unpriced and a forfeited call.
fn pool() -> BudgetPool {
    let limits = Limits::unlimited().input_tokens(1_000).cost(nanos(500));
    let pool = BudgetPool::new(limits);
    let _ = pool.charge(usage(10, 20, 30));
    let _ = pool.charge(Usage::tokens(1, 2));
    drop(pool.try_reserve(usage(3, 4, 50)).unwrap().start());
    pool
}

#[test]
fn a_snapshot_comes_back_whole() {
    let pool = pool();
    let _reservation = pool.try_reserve(usage(100, 200, 300)).unwrap();
    pool.close();
    is_written_as(
        pool.snapshot(),
        json!({
            "spent": {
                "input_tokens": 14, "output_tokens": 26, "cost": "0.00000008",
                "calls": 3, "unpriced_calls": 1,
                "forfeited_calls": 1, "forfeited_cost": "0.00000005",
            },
            "reserved": {"input_tokens": 100, "output_tokens": 200, "cost": "0.0000003"},
            "calls_in_flight": 1,
            "limits": {
                "input_tokens": 1_000, "output_tokens": null, "total_tokens": null,
                "cost": "0.0000005", "calls": null,
            },
            "closed": true,
        }),
    );
}

#[test]
fn a_spent_comes_back_whole() {
    let pool = pool();
    is_written_as(
        pool.take(),
        json!({
            "input_tokens": 14, "output_tokens": 26, "cost": "0.00000008",
            "calls": 3, "unpriced_calls": 1,
            "forfeited_calls": 1, "forfeited_cost": "0.00000005",
        }),
    );
    is_written_as(
        Spent::default(),
        json!({
            "input_tokens": 0, "output_tokens": 0, "cost": "0",
            "calls": 0, "unpriced_calls": 0,
            "forfeited_calls": 0, "forfeited_cost": "0",
        }),
    );
}

#[test]
fn reserved_amounts_come_back_whole() {
    let pool = pool();
    let reservation = pool.try_reserve(usage(100, 200, 300)).unwrap();
    is_written_as(
        reservation.reserved(),
        json!({"input_tokens": 100, "output_tokens": 200, "cost": "0.0000003"}),
    );
    is_written_as(
        Amounts::default(),
        json!({"input_tokens": 0, "output_tokens": 0, "cost": "0"}),
    );
}

/// Every place in a snapshot at which there is a number of something.
const COUNTS: [&str; 10] = [
    "/spent/input_tokens",
    "/spent/output_tokens",
    "/spent/calls",
    "/spent/unpriced_calls",
    "/spent/forfeited_calls",
    "/reserved/input_tokens",
    "/reserved/output_tokens",
    "/calls_in_flight",
    "/limits/input_tokens",
    "/limits/calls",
];

fn snapshot_with(place: &str, value: Value) -> Value {
    let mut json = serde_json::to_value(pool().snapshot()).unwrap();
    *json.pointer_mut(place).expect("a field") = value;
    json
}

#[test]
fn a_snapshot_with_an_invalid_count_is_refused_with_its_field_and_value() {
    for place in COUNTS {
        let field = place.rsplit('/').next().unwrap();
        for (wrong, value) in [
            (json!(-5), "-5"),
            (json!(1.5), "1.5"),
            (json!("12"), "\"12\""),
            (json!(1e30), "e+30"),
        ] {
            let json = snapshot_with(place, wrong);
            is_refused::<Snapshot>(&json, &[field, value]);
        }
    }
}

#[test]
fn a_snapshot_with_an_invalid_cost_is_refused_with_its_field_and_value() {
    for place in [
        "/spent/cost",
        "/spent/forfeited_cost",
        "/reserved/cost",
        "/limits/cost",
    ] {
        let field = place.rsplit('/').next().unwrap();
        for (wrong, value) in [
            (json!("-0.05"), "-0.05"),
            (json!("0.0000000001"), "0.0000000001"),
            (json!(0.05), "0.05"),
            (json!(-3), "-3"),
        ] {
            let json = snapshot_with(place, wrong);
            is_refused::<Snapshot>(&json, &[field, value]);
        }
    }
}

#[test]
fn a_snapshot_with_null_for_a_cost_that_is_always_known_is_refused_with_its_field() {
    for (place, path) in [
        ("/spent/cost", "spent: cost: "),
        ("/spent/forfeited_cost", "spent: forfeited_cost: "),
        ("/reserved/cost", "reserved: cost: "),
    ] {
        is_refused::<Snapshot>(&snapshot_with(place, Value::Null), &[path, "null"]);
    }
    // Of a limit it is no limit.
    let json = snapshot_with("/limits/cost", Value::Null);
    let snapshot = serde_json::from_value::<Snapshot>(json).unwrap();
    assert_eq!(snapshot.limits, Limits::unlimited().input_tokens(1_000));
}

#[test]
fn a_snapshot_with_a_field_missing_is_refused_with_its_name() {
    let places = COUNTS.into_iter().filter(|place| !place.contains("limits"));
    let others = [
        "/spent",
        "/spent/cost",
        "/spent/forfeited_cost",
        "/reserved",
        "/reserved/cost",
        "/limits",
        "/closed",
    ];
    for place in places.chain(others) {
        let (parent, field) = place.rsplit_once('/').unwrap();
        let mut json = serde_json::to_value(pool().snapshot()).unwrap();
        let parent = json.pointer_mut(parent).expect("an object");
        parent.as_object_mut().unwrap().remove(field).unwrap();
        is_refused::<Snapshot>(&json, &["missing field", &format!("`{field}`")]);
    }
}

#[test]
fn a_snapshot_with_a_field_too_many_is_refused_with_its_name() {
    for parent in ["", "/spent", "/reserved", "/limits"] {
        let mut json = serde_json::to_value(pool().snapshot()).unwrap();
        json.pointer_mut(parent).expect("an object")["epoch"] = json!(1);
        is_refused::<Snapshot>(&json, &["unknown field", "epoch"]);
    }
}

/// What a process saved with a call in flight, as the next one reads it.
fn saved() -> Snapshot {
    let pool = pool();
    let _call = pool.try_reserve(usage(100, 200, 300)).unwrap().start();
    let text = serde_json::to_string(&pool.snapshot()).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_restarted_process_goes_on_counting_with_what_was_reserved_as_spent() {
    let limits = Limits::unlimited().input_tokens(114);
    let pool = BudgetPool::builder()
        .limits(limits)
        .restore(&saved(), Restore::ReservedAsSpent)
        .build();
    let snapshot = pool.snapshot();
    let json = json!({
        "spent": {
            "input_tokens": 114, "output_tokens": 226, "cost": "0.00000038",
            "calls": 4, "unpriced_calls": 1,
            "forfeited_calls": 2, "forfeited_cost": "0.00000035",
        },
        "reserved": {"input_tokens": 0, "output_tokens": 0, "cost": "0"},
        "calls_in_flight": 0,
        "limits": {
            "input_tokens": 114, "output_tokens": null, "total_tokens": null,
            "cost": null, "calls": null,
        },
        "closed": false,
    });
    is_written_as(snapshot, json);
    // The limits are the builder's, and full.
    assert!(pool.record(1, 0, 0.0).is_err());
    assert_eq!(pool.record(0, 8, 0.0).unwrap().calls, 5);
}

#[test]
fn a_restarted_process_drops_what_was_reserved_where_no_call_was_made() {
    let limits = Limits::unlimited().input_tokens(5);
    let pool = BudgetPool::builder()
        .limits(limits)
        .restore(&saved(), Restore::WithoutReserved)
        .build();
    assert_eq!(
        pool.spent(),
        unpriced(1, forfeited(1, 50, spent(14, 26, 80, 3)))
    );
    assert_nothing_is_reserved(&pool);
    // More than the limit is spent.
    let refused = pool.try_charge(usage(1, 0, 0)).unwrap_err();
    assert!(!refused.is_busy());
    assert!(pool.try_charge(usage(0, 1, 0)).is_ok());
}

#[test]
fn calls_saved_at_an_unknown_cost_are_counted_as_forfeited() {
    // Their cost is zero in the file: none was assumed.
    let pool = {
        let pool = pool();
        pool.set_limits(Limits::unlimited());
        pool
    };
    let _calls = [(); 4].map(|()| pool.try_reserve(Usage::tokens(1, 1)).unwrap().start());
    let json = serde_json::to_value(pool.snapshot()).unwrap();
    assert_eq!(json["reserved"]["cost"], "0");
    let snapshot: Snapshot = serde_json::from_value(json).unwrap();
    let pool = BudgetPool::builder()
        .restore(&snapshot, Restore::ReservedAsSpent)
        .build();
    assert_eq!(
        pool.spent(),
        unpriced(1, forfeited(5, 50, spent(18, 30, 80, 7)))
    );
}

#[test]
fn a_label_is_a_string() {
    for text in ["", "run 7", "0123456789abcdef0123456789abcdef", "日本語"] {
        is_written_as(Label::new(text).unwrap(), json!(text));
    }
}

#[test]
fn a_label_that_is_none_is_refused_with_its_text() {
    is_refused::<Label>(&json!("x".repeat(33)), &["invalid label \"xxx", "33 bytes"]);
    is_refused::<Label>(
        &json!("a\nb"),
        &["invalid label \"a\\nb\"", "control character"],
    );
    is_refused::<Label>(&json!("\0"), &["control character"]);
    for (json, value) in [
        (json!(7), "7"),
        (json!(null), "null"),
        (json!([1]), "sequence"),
    ] {
        is_refused::<Label>(&json, &[value, "string"]);
    }
}

/// A tree of three levels, some of it spent and reserved.
fn tree() -> TreeSnapshot {
    let root = pool();
    let limits = Limits::unlimited().calls(9);
    let run = root.child(Child::new(limits).label("run 7")).unwrap();
    let agent = run.child(Limits::unlimited()).unwrap();
    let _ = agent.charge(usage(1, 2, 3));
    let _call = agent.try_reserve(usage(4, 5, 6)).unwrap().start();
    agent.close();
    root.tree_snapshot()
}

#[test]
fn a_tree_comes_back_whole() {
    let tree = tree();
    let run = &tree.children[0];
    let agent = &run.children[0];
    let json = json!({
        "label": "",
        "snapshot": serde_json::to_value(tree.snapshot).unwrap(),
        "children": [{
            "label": "run 7",
            "snapshot": serde_json::to_value(run.snapshot).unwrap(),
            "children": [{
                "label": "",
                "snapshot": serde_json::to_value(agent.snapshot).unwrap(),
                "children": [],
            }],
        }],
    });
    assert_eq!(
        json.pointer("/children/0/children/0/snapshot/closed"),
        Some(&json!(true))
    );
    assert_eq!(
        json.pointer("/children/0/snapshot/calls_in_flight"),
        Some(&json!(1))
    );
    is_written_as(tree.clone(), json);
}

/// The three pools of [`tree`] in JSON.
const POOLS: [&str; 3] = ["", "/children/0", "/children/0/children/0"];

fn tree_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut json = serde_json::to_value(tree()).unwrap();
    change(&mut json);
    json
}

#[test]
fn a_tree_with_an_invalid_label_is_refused_with_the_field_and_the_label() {
    for pool in POOLS {
        for (label, parts) in [
            (json!("y".repeat(40)), ["label: ", "40 bytes"]),
            (json!("a\u{7f}"), ["label: ", "control character"]),
            (json!(5), ["label: ", "5"]),
            (json!(null), ["label: ", "null"]),
        ] {
            let json = tree_with(|tree| tree.pointer_mut(pool).unwrap()["label"] = label);
            is_refused::<TreeSnapshot>(&json, &parts);
            let below = pool.matches("children").count();
            let path = "children: ".repeat(below);
            is_refused::<TreeSnapshot>(&json, &[&format!("{path}label: ")]);
        }
    }
}

#[test]
fn a_tree_with_an_invalid_snapshot_is_refused_with_the_whole_path_of_fields() {
    for (place, value, path) in [
        ("/snapshot/spent/cost", json!(-1), "snapshot: spent: cost: "),
        (
            "/children/0/snapshot/limits/calls",
            json!(-5),
            "children: snapshot: limits: calls: ",
        ),
        (
            "/children/0/children/0/snapshot/closed",
            json!("no"),
            "children: children: snapshot: closed: ",
        ),
        ("/children/0/children", json!({}), "children: children: "),
        ("/children", json!(null), "children: "),
    ] {
        let json = tree_with(|tree| *tree.pointer_mut(place).expect(place) = value);
        is_refused::<TreeSnapshot>(&json, &[path]);
    }
}

#[test]
fn a_tree_with_a_field_missing_or_too_many_is_refused_with_its_name() {
    for pool in POOLS {
        for field in ["label", "snapshot", "children"] {
            let json = tree_with(|tree| {
                let pool = tree.pointer_mut(pool).unwrap().as_object_mut().unwrap();
                pool.remove(field).unwrap();
            });
            is_refused::<TreeSnapshot>(&json, &["missing field", &format!("`{field}`")]);
        }
        for typo in ["lable", "child", "spent"] {
            let json = tree_with(|tree| tree.pointer_mut(pool).unwrap()[typo] = json!(1));
            is_refused::<TreeSnapshot>(&json, &["unknown field", typo]);
        }
    }
}

#[test]
fn a_tree_from_a_file_that_is_deeper_than_a_tree_can_be_is_refused() {
    let mut json = tree_with(|_| ());
    let deeper = |json: &Value| json!({"label": "level", "snapshot": json["snapshot"].clone(), "children": [json]});
    for _ in 0..5 {
        json = deeper(&json);
    }
    let tree: TreeSnapshot = serde_json::from_str(&json.to_string()).unwrap();
    assert_eq!(tree.iter().count(), 8);
    let parts = ["children: ", "8 levels, and 7 are the most"];
    is_refused::<TreeSnapshot>(&deeper(&json), &parts);
}

#[test]
fn a_restarted_process_goes_on_counting_at_every_level() {
    let text = serde_json::to_string(&tree()).unwrap();
    let saved: TreeSnapshot = serde_json::from_str(&text).unwrap();
    let root = BudgetPool::builder()
        .restore(&saved.snapshot, Restore::ReservedAsSpent)
        .build();
    let child = |saved| Child::restored(saved, Restore::ReservedAsSpent);
    let run = root.child(child(&saved.children[0])).unwrap();
    let agent = run.child(child(&saved.children[0].children[0])).unwrap();
    let expected = forfeited(1, 6, spent(5, 7, 9, 2));
    for pool in [&*run, &*agent] {
        assert_eq!(pool.spent(), expected);
        assert_nothing_is_reserved(pool);
    }
    assert_eq!(run.level().label(), "run 7");
    // The agent was closed, and is closed again.
    let refused = agent.try_charge(usage(0, 0, 0)).unwrap_err();
    assert!(refused.is_closed() && refused.level() == agent.level());
    for _ in 0..7 {
        run.try_charge(usage(0, 0, 0)).unwrap();
    }
    let refused = run.try_charge(usage(0, 0, 0)).unwrap_err();
    assert!(!refused.is_closed() && refused.level() == run.level());
}
