//! `--tree`: a node for each run, its `main` and its sub-agents, each with the sum of what is at and below it.

use serde_json::{json, Value};

use crate::answers::{nanos, rejected, SHIPPED};
use crate::files::{file, HEADER};
use crate::program::{json as run, replay};

fn row(run: &str, agent: &str, input: u64, output: u64, prefix: u64) -> String {
    // 500 nano-dollars for a token read from the cache, 6250 for one written to it, 25000 for one put out.
    format!("{run},{agent},0.0,n,claude-opus-4-6,{input},{output},7.3,,0.0,stop,{prefix}")
}

fn trace(name: &str, rows: &[String]) -> String {
    file(name, format!("{HEADER}\n{}\n", rows.join("\n")))
}

fn node(path: &[&str], calls: u64, input: u64, output: u64, dollars: &str) -> Value {
    json!({ "path": path, "calls": calls, "input_tokens": input, "output_tokens": output, "cost_usd": dollars })
}

/// Two runs, one of them with two sub-agents.
fn two_runs(name: &str) -> String {
    let rows = [
        row("r1", "main", 100, 10, 0),         // $0.000875
        row("r2", "main", 200, 20, 200),       // $0.0006
        row("r1", "agent_001", 40, 4, 0),      // $0.00035
        row("r1", "agent_002", 80, 0, 80),     // $0.00004
        row("r2", "agent_001", 1_000, 100, 0), // $0.00875
        row("r1", "main", 0, 0, 0),            // nothing
        row("r1", "agent_001", 40, 4, 0),      // $0.00035
    ];
    trace(name, &rows)
}

#[test]
fn every_node_has_the_sum_of_its_calls_and_of_those_below_it() {
    let trace = two_runs("two-runs.csv");
    // In the order in which the trace first names them.
    let expected = json!([
        node(&["r1"], 5, 260, 18, "0.001615"),
        node(&["r1", "main"], 5, 260, 18, "0.001615"),
        node(&["r2"], 2, 1_200, 120, "0.00935"),
        node(&["r2", "main"], 2, 1_200, 120, "0.00935"),
        node(&["r1", "main", "agent_001"], 2, 80, 8, "0.0007"),
        node(&["r1", "main", "agent_002"], 1, 80, 0, "0.00004"),
        node(&["r2", "main", "agent_001"], 1, 1_000, 100, "0.00875"),
    ]);
    for more in [&["--threads", "1"][..], &["--threads", "3"], &["--reserve"]] {
        let object = run(&[&["--tree", "--trace", &trace], more].concat());
        assert_eq!(object["nodes"], expected, "{more:?}");
        assert_eq!(object["totals"]["cost_usd"], "0.010965");
        assert_eq!(
            object["rejected_by_level"],
            json!({ "pool": 0, "run": 0, "agent": 0 })
        );
    }
}

#[test]
fn a_limit_refuses_at_its_level_and_charges_no_other() {
    let trace = two_runs("two-runs-limited.csv");
    let one_by_one = ["--tree", "--threads", "1", "--trace", &trace];
    let limited = |limits: &[&str]| run(&[&one_by_one, limits].concat());

    // r1: 0.000875 + 0.00035 + 0.00004, and the last 0.00035 is too much. r2: 0.0006, and 0.00875 is too much.
    let object = limited(&["--max-run-cost-usd", "0.001614999"]);
    assert_eq!(
        object["rejected_by_level"],
        json!({ "pool": 0, "run": 2, "agent": 0 })
    );
    assert_eq!(rejected(&object), [0, 0, 0, 2]);
    assert_eq!(object["nodes"][0], node(&["r1"], 4, 220, 14, "0.001265"));
    assert_eq!(object["nodes"][2], node(&["r2"], 1, 200, 20, "0.0006"));
    let refused = node(&["r2", "main", "agent_001"], 0, 0, 0, "0");
    assert_eq!(object["nodes"][6], refused);

    // To the unit: now the last of r1 fits.
    let object = limited(&["--max-run-cost-usd", "0.001615"]);
    assert_eq!(
        object["rejected_by_level"],
        json!({ "pool": 0, "run": 1, "agent": 0 })
    );

    // main of r1 is an agent too: 0.000875 is past this limit, and its sub-agents' calls fit.
    let object = limited(&["--max-agent-cost-usd", "0.0007"]);
    assert_eq!(
        object["rejected_by_level"],
        json!({ "pool": 0, "run": 0, "agent": 3 })
    );
    assert_eq!(
        object["nodes"][1],
        node(&["r1", "main"], 3, 120, 4, "0.00039")
    );
    assert_eq!(
        object["nodes"][4],
        node(&["r1", "main", "agent_001"], 1, 40, 4, "0.00035")
    );

    // The pool refuses the 1000 tokens, and main of r2 its own call. The first call of r1 never fits its run nor
    // main: of equal reasons the level nearest to the pool is named, as for the last, which is past both too.
    let object = limited(&[
        "--max-input-tokens=999",
        "--max-run-cost-usd=0.0007",
        "--max-agent-cost-usd=0.000599999",
    ]);
    assert_eq!(object["nodes"][0], node(&["r1"], 3, 120, 4, "0.00039"));
    assert_eq!(object["nodes"][2], node(&["r2"], 0, 0, 0, "0"));
    assert_eq!(rejected(&object), [1, 0, 0, 3]);
    let levels = json!({ "pool": 1, "run": 2, "agent": 1 });
    assert_eq!(object["rejected_by_level"], levels);
}

#[test]
fn a_trace_without_agents_has_runs_only() {
    let header = "trace_id,model,in,out,derived_prefix_tokens";
    let rows = "b,claude-opus-4-6,100,0,0\na,claude-opus-4-6,1,0,0\nb,claude-opus-4-6,100,0,0\n";
    let expected = json!([
        node(&["b"], 2, 200, 0, "0.00125"),
        node(&["a"], 1, 1, 0, "0.00000625"),
    ]);
    let no_column = file("no-agents.csv", format!("{header}\n{rows}"));
    assert_eq!(run(&["--tree", "--trace", &no_column])["nodes"], expected);
    let rows = [
        row("b", "", 100, 0, 0),
        row("a", "", 1, 0, 0),
        row("b", " ", 100, 0, 0),
    ];
    let empty = trace("empty-agents.csv", &rows);
    assert_eq!(run(&["--tree", "--trace", &empty])["nodes"], expected);
}

#[test]
fn a_sub_agent_that_comes_first_has_its_main_all_the_same() {
    let rows = [row("r", "agent_001", 8, 0, 8), row("r", "", 2, 0, 2)];
    let trace = trace("sub-agent-first.csv", &rows);
    let expected = json!([
        node(&["r"], 2, 10, 0, "0.000005"),
        node(&["r", "main"], 1, 8, 0, "0.000004"),
        node(&["r", "main", "agent_001"], 1, 8, 0, "0.000004"),
    ]);
    assert_eq!(run(&["--tree", "--trace", &trace])["nodes"], expected);
}

#[test]
fn names_that_are_no_labels_are_shortened_where_the_tree_is_printed_and_nowhere_else() {
    let long = "a-run-whose-name-is-longer-than-32-bytes-é";
    let fits = "a-run-whose-name-has-32-bytes-é";
    assert_eq!(fits.len(), 32);
    let wide = "é".repeat(17);
    let rows = [
        row(fits, "main", 1, 0, 0),
        row(long, "\u{1b}[2J", 1, 0, 0),
        row(&format!("{long}2"), &wide, 1, 0, 0),
    ];
    let trace = trace("long-names.csv", &rows);
    let object = run(&["--tree", "--trace", &trace]);
    let nodes = object["nodes"].as_array().unwrap();
    let paths: Vec<&Value> = nodes.iter().map(|node| &node["path"]).collect();
    let twin = format!("{long}2");
    assert_eq!(
        json!(paths),
        json!([
            [fits],
            [fits, "main"],
            [long],
            [long, "main"],
            [long, "main", "\u{1b}[2J"],
            [twin],
            [twin, "main"],
            [twin, "main", wide],
        ])
    );
    let output = replay(&["--tree", "--trace", &trace]);
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "\n  a-run-whose-name-has-32-bytes-é  ",
        "\n  a-run-whose-name-is-longer-tha~2  ",
        "\n      ?[2J~4  ",
        "\n  a-run-whose-name-is-longer-tha~5  ",
        &format!("\n      {}~7  ", "é".repeat(15)),
        "\n  4 names are no labels as they are: ",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn the_report_shows_the_dearest_runs_and_how_many_more_there_are() {
    let limits = ["--max-run-cost-usd=30", "--max-agent-cost-usd=25"];
    let arguments = [&["--tree", "--threads", "1", "--no-caps"], &limits[..]].concat();
    let output = replay(&arguments);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "\n1 thread, one shared pool, 359 runs and 421 agents below it\n",
        "\n    at agent level ",
        "\n(root)           $",
        "\n  trace_0261     $24.99967525 of $30  [################....]  83 %  352 calls\n",
        "\n    main         $24.99967525 of $25  [###################.]  99 %  352 calls\n",
        "\n  and 349 more runs, which spent $1,",
        "\nself-check          ok: the totals of the pool and of all 780 nodes ",
    ] {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    assert_eq!(text.matches("\n  trace_").count(), 10);
    assert!(text.lines().all(|line| line == line.trim_end()), "{text}");

    // The dearest of all, in order.
    let object = run(&arguments);
    let mut runs: Vec<(u64, &str)> = object["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["path"].as_array().unwrap().len() == 1)
        .map(|node| (nanos(&node["cost_usd"]), node["path"][0].as_str().unwrap()))
        .collect();
    runs.sort_by_key(|&(nanos, name)| (std::cmp::Reverse(nanos), name));
    let shown: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("  trace_"))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    let dearest: Vec<&str> = runs.iter().take(10).map(|&(_, name)| name).collect();
    assert_eq!(shown, dearest);
}

#[test]
fn with_a_tree_the_json_object_has_two_more_members() {
    let keys =
        |object: &Value| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    let (plain, tree) = (run(&[]), run(&["--tree"]));
    let mut expected = keys(&plain);
    expected.extend(["nodes", "rejected_by_level"].map(str::to_owned));
    expected.sort_unstable();
    let mut found = keys(&tree);
    found.sort_unstable();
    assert_eq!(found, expected);
    let members = ["calls", "cost_usd", "input_tokens", "output_tokens", "path"];
    for node in tree["nodes"].as_array().unwrap() {
        assert_eq!(keys(node), members);
    }
    let levels = tree["rejected_by_level"].as_object().unwrap().values();
    let refused: u64 = levels.map(|count| count.as_u64().unwrap()).sum();
    assert!(refused > 100);
    assert_eq!(refused, rejected(&tree).iter().sum::<u64>());
    assert_eq!(tree["accepted"].as_u64().unwrap() + refused, SHIPPED.0);
}
