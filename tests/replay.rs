//! The example `replay` as its users run it: the built program, real files, exit status and output.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{json, Value};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/replay/data");

/// The shipped trace's calls, tokens in, tokens out and dollars.
const SHIPPED: (u64, u64, u64, &str) = (20_709, 2_571_892_286, 9_153_334, "1781.8025385");

/// The program that `cargo test` built along with this test.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("a test has a path");
        let name = format!("replay{}", env::consts::EXE_SUFFIX);
        let program = test.with_file_name("../examples").join(name);
        // `cargo test --test replay` builds no examples: better no test than one of yesterday's program.
        let built = fs::metadata(&program).and_then(|program| program.modified());
        let written = fs::read_dir(Path::new(DATA).with_file_name(""))
            .expect("the example is there")
            .map(|file| file.unwrap().path())
            .filter(|file| file.extension().is_some_and(|kind| kind == "rs"))
            .map(|file| fs::metadata(file).unwrap().modified().unwrap())
            .max();
        assert!(
            built.is_ok_and(|built| Some(built) >= written),
            "build the example first: cargo build --example replay"
        );
        program
    })
}

fn replay(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .output()
        .expect("the example starts")
}

/// The object that a run with `--json` prints: it has to succeed and agree with itself.
fn json(arguments: &[&str]) -> Value {
    let output = replay(&[arguments, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{arguments:?}: {}: {errors}",
        output.status
    );
    assert_eq!(errors, "", "{arguments:?}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert_eq!(object["consistent"], true, "{arguments:?}");
    object
}

/// The one line that a run with bad input prints before it exits with status 2.
fn refusal(arguments: &[&str]) -> String {
    let output = replay(arguments);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?} says {errors:?}"
    );
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let line = errors
        .strip_suffix('\n')
        .unwrap_or_else(|| panic!("{arguments:?} says {errors:?}"));
    assert!(!line.contains('\n'), "{arguments:?} says {errors:?}");
    line.strip_prefix("error: ")
        .unwrap_or_else(|| panic!("{arguments:?} says {errors:?}"))
        .to_owned()
}

fn file(name: &str, content: impl AsRef<[u8]>) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().expect("a plain path").to_owned()
}

fn shipped(name: &str) -> String {
    format!("{DATA}/{name}")
}

fn totals(calls: u64, input: u64, output: u64, dollars: &str) -> Value {
    json!({ "calls": calls, "input_tokens": input, "output_tokens": output, "cost_usd": dollars })
}

fn rejected(object: &Value) -> [u64; 4] {
    ["input_tokens", "output_tokens", "total_tokens", "cost_usd"]
        .map(|cap| object["rejected"][cap].as_u64().expect("a count"))
}

fn nanos(dollars: &Value) -> u64 {
    let dollars = dollars.as_str().expect("dollars are a string");
    let (whole, decimals) = dollars.split_once('.').unwrap_or((dollars, ""));
    format!("{whole}{decimals:0<9}").parse().unwrap()
}

// ---- what it comes to ----------------------------------------------------------------------------------------

#[test]
fn uncapped_the_shipped_trace_comes_to_its_published_sums() {
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
fn by_default_the_run_ends_near_its_budget_and_rejects_what_passes_it() {
    for threads in ["1", "3"] {
        let object = json(&["--threads", threads]);
        let accepted = object["accepted"].as_u64().unwrap();
        assert_eq!(accepted, object["totals"]["calls"]);
        let turned_down: u64 = rejected(&object).iter().sum();
        assert!(turned_down > 100, "{object}");
        assert_eq!(accepted + turned_down, SHIPPED.0);
        let spent = nanos(&object["totals"]["cost_usd"]);
        let cap = nanos(&object["caps"]["cost_usd"]);
        assert!(spent <= cap && spent > cap / 100 * 99, "{object}");
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
fn caps_that_the_trace_just_fits_reject_nothing_and_one_unit_less_rejects() {
    let exact = [
        ("--max-input-tokens", "2571892286"),
        ("--max-output-tokens", "9153334"),
        ("--max-total-tokens", "2581045620"),
        ("--max-cost-usd", "1781.8025385"),
    ];
    let less = ["2571892285", "9153333", "2581045619", "1781.802538499"];
    for threads in ["1", "2", "5"] {
        let mut all = vec!["--threads", threads];
        for (option, cap) in exact {
            all.extend([option, cap]);
        }
        assert_eq!(json(&all)["accepted"], SHIPPED.0);
        for (index, (option, _)) in exact.into_iter().enumerate() {
            let cap = less[index];
            let object = json(&["--threads", threads, option, cap]);
            let rejected = rejected(&object);
            assert!(rejected[index] >= 1, "{option} {cap}: {object}");
            assert_eq!(rejected.iter().sum::<u64>(), rejected[index]);
        }
    }
}

#[test]
fn with_several_threads_the_pool_is_the_sum_of_what_was_accepted_and_within_its_caps() {
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
        let caps = &object["caps"];
        let [input, output] = ["input_tokens", "output_tokens"].map(|cap| {
            let used = used[cap].as_u64().unwrap();
            assert!(used <= caps[cap].as_u64().unwrap(), "{object}");
            used
        });
        assert!(input + output <= caps["total_tokens"].as_u64().unwrap());
        assert!(nanos(&used["cost_usd"]) <= nanos(&caps["cost_usd"]));
        let accepted = object["accepted"].as_u64().unwrap();
        assert_eq!(
            accepted + rejected(&object).iter().sum::<u64>(),
            3 * SHIPPED.0
        );
    }
}

// ---- the plain loop that a run of one thread is checked against -------------------------------------------------

/// Input, output, total tokens and nano-dollars.
type Amounts = [u64; 4];

fn amounts(input: u64, output: u64, nanos: u64) -> Amounts {
    [input, output, input + output, nanos]
}

/// The shipped trace's calls: what they used, and what they could have used.
fn calls() -> Vec<(Amounts, Amounts)> {
    let text = fs::read_to_string(shipped("claude_code_agent_traces.csv")).unwrap();
    let calls = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |index: usize| fields[index].parse::<u64>().unwrap();
        let (input, output, prefix) = (number(5), number(6), number(11));
        // From Anthropic's price page, in nano-dollars a token: cache read, cache write, output.
        let [read, write, out] = match fields[4] {
            "claude-haiku-4-5-20251001" => [100, 1_250, 5_000],
            "claude-sonnet-4-5-20250929" => [300, 3_750, 15_000],
            _ => [500, 6_250, 25_000],
        };
        let actual = prefix * read + (input - prefix) * write + output * out;
        let most = output.max(4_096);
        let worst = input * write + most * out;
        (amounts(input, output, actual), amounts(input, most, worst))
    });
    calls.collect()
}

/// The cap that refuses: the first with the worst reason (0 busy, 1 exhausted, 2 never fits), and that reason.
fn refused(
    caps: [Option<u64>; 4],
    spent: Amounts,
    held: Amounts,
    asked: Amounts,
) -> Option<(usize, u8)> {
    let mut found: Option<(usize, u8)> = None;
    for index in 0..4 {
        let Some(cap) = caps[index] else { continue };
        let reason = match () {
            () if asked[index] > cap => 2,
            () if spent[index] + asked[index] > cap => 1,
            () if spent[index] + held[index] + asked[index] > cap => 0,
            () => continue,
        };
        if found.map_or(true, |(_, worst)| reason > worst) {
            found = Some((index, reason));
        }
    }
    found
}

fn add(sum: &mut Amounts, amounts: Amounts) {
    for (sum, amount) in sum.iter_mut().zip(amounts) {
        *sum += amount;
    }
}

const CAP_SETS: [[Option<u64>; 4]; 5] = [
    [None, None, None, Some(1_750_000_000_000)],
    [Some(2_500_000_000), Some(9_000_000), None, None],
    [None, None, Some(2_000_000_000), Some(1_500_000_000_000)],
    [
        Some(300_000),
        Some(9_000),
        Some(302_000),
        Some(2_000_000_000),
    ],
    [
        Some(1_200_000_000),
        Some(4_300_000),
        Some(1_203_000_000),
        Some(840_000_000_000),
    ],
];

fn options(caps: [Option<u64>; 4]) -> Vec<String> {
    let [input, output, total, nanos] = caps;
    let dollars = nanos.map(|nanos| {
        let dollar = 1_000_000_000;
        format!("{}.{:09}", nanos / dollar, nanos % dollar)
    });
    let caps = [
        ("--max-input-tokens", input.map(|cap| cap.to_string())),
        ("--max-output-tokens", output.map(|cap| cap.to_string())),
        ("--max-total-tokens", total.map(|cap| cap.to_string())),
        ("--max-cost-usd", dollars),
    ];
    let caps = caps
        .into_iter()
        .filter_map(|(option, cap)| Some([option.to_owned(), cap?]));
    ["--threads".to_owned(), "1".to_owned()]
        .into_iter()
        .chain(caps.flatten())
        .collect()
}

#[test]
fn one_thread_records_in_file_order_like_a_plain_loop() {
    let calls = calls();
    for caps in CAP_SETS {
        let (mut spent, mut count, mut turned_down) = ([0; 4], 0, [0; 4]);
        // Twice: what the first round left over may still let small calls in.
        for &(actual, _) in calls.iter().chain(&calls) {
            match refused(caps, spent, [0; 4], actual) {
                Some((cap, _)) => turned_down[cap] += 1,
                None => {
                    add(&mut spent, actual);
                    count += 1;
                }
            }
        }
        let mut options = options(caps);
        options.extend(["--repeat".to_owned(), "2".to_owned()]);
        let object = json(&options.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(object["accepted"], count, "{options:?}");
        assert_eq!(rejected(&object), turned_down, "{options:?}");
        assert_eq!(object["totals"]["input_tokens"], spent[0], "{options:?}");
        assert_eq!(object["totals"]["output_tokens"], spent[1], "{options:?}");
        assert_eq!(
            nanos(&object["totals"]["cost_usd"]),
            spent[3],
            "{options:?}"
        );
    }
}

#[test]
fn one_thread_reserves_and_settles_like_a_plain_loop() {
    let calls = calls();
    for in_flight in [1, 16, 500] {
        for caps in CAP_SETS {
            let (mut spent, mut held, mut count) = ([0; 4], [0; 4], 0);
            let (mut turned_down, mut away, mut busy) = ([0; 4], 0, 0);
            let mut under_way: VecDeque<Option<(Amounts, Amounts)>> = VecDeque::new();
            for &(actual, worst) in &calls {
                if under_way.len() == in_flight {
                    if let Some((actual, worst)) = under_way.pop_front().flatten() {
                        held = std::array::from_fn(|index| held[index] - worst[index]);
                        add(&mut spent, actual);
                    }
                }
                match refused(caps, spent, held, worst) {
                    Some((cap, reason)) => {
                        turned_down[cap] += 1;
                        busy += u64::from(reason == 0);
                        away += u64::from(refused(caps, spent, held, actual).is_none());
                        under_way.push_back(None);
                    }
                    None => {
                        add(&mut held, worst);
                        count += 1;
                        under_way.push_back(Some((actual, worst)));
                    }
                }
            }
            for (actual, _) in under_way.into_iter().flatten() {
                add(&mut spent, actual);
            }

            let mut options = options(caps);
            options.extend(["--reserve".to_owned(), format!("--in-flight={in_flight}")]);
            let object = json(&options.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(object["accepted"], count, "{options:?}");
            assert_eq!(rejected(&object), turned_down, "{options:?}");
            assert_eq!(object["reserve"]["turned_away"], away, "{options:?}");
            assert_eq!(object["reserve"]["busy"], busy, "{options:?}");
            assert_eq!(object["totals"]["input_tokens"], spent[0], "{options:?}");
            assert_eq!(object["totals"]["output_tokens"], spent[1], "{options:?}");
            assert_eq!(
                nanos(&object["totals"]["cost_usd"]),
                spent[3],
                "{options:?}"
            );
        }
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
        let turned_down: u64 = rejected(&object).iter().sum();
        assert_eq!(object["accepted"].as_u64().unwrap() + turned_down, calls);
        for reason in ["turned_away", "busy"] {
            let count = reserve[reason].as_u64().unwrap();
            assert!((1..=turned_down).contains(&count), "{reason}: {object}");
        }
        let [median, most] = ["median", "most"].map(|held| {
            let share = &reserve[held]["share"]["output_tokens"];
            assert_eq!(reserve[held]["share"]["total_tokens"], Value::Null);
            share.as_f64().unwrap()
        });
        assert!(0.0 < median && median <= most && most <= 1.0, "{reserve}");
    }
    // No room for a worst case of a million tokens: every call is turned away, and each would have fitted.
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

// ---- formats and prices ----------------------------------------------------------------------------------------

#[test]
fn a_trace_that_tells_no_prefix_pays_the_input_price_for_all_input() {
    let azure = shipped("AzureLLMInferenceTrace_conv.csv");
    // 3 and 15 dollars a million; cache prices do not matter.
    let model = ["--trace", &azure, "--model", "claude-sonnet-4-5-20250929"];
    let object = json(&model);
    let all = totals(19_366, 22_361_870, 4_088_665, "128.415585");
    assert_eq!(object["totals"], all);
    // A trace of the user's has no caps that the user did not give.
    assert_eq!(object["caps"]["cost_usd"], Value::Null);

    let lines = file(
        "mooncake.jsonl",
        "\n{\"timestamp\": 27482, \"input_length\": 6955, \"output_length\": 52, \"hash_ids\": [46, 47]}\r\n\
         {\"output_length\": 0, \"input_length\": 1000000, \"x\": {\"input_length\": -1}}",
    );
    let object = json(&["--trace", &lines, "--model", "claude-sonnet-4-5-20250929"]);
    assert_eq!(object["totals"], totals(2, 1_006_955, 52, "3.021645"));
}

const HEADER: &str = "trace_id,agent,t_s,type,model,in,out,api_time_s,ttft_s,think_time_s,stop,\
                      derived_prefix_tokens";

/// A row of an agent's trace.
fn row(model: &str, input: &str, output: &str, prefix: &str) -> String {
    format!("t,main,0.0,n,{model},{input},{output},7.3,,0.0,stop,{prefix}")
}

#[test]
fn input_in_the_cache_and_out_of_it_has_its_own_price_where_the_model_has_one() {
    // A million tokens in, 400,000 of them known, and one out.
    for (model, dollars) in [
        // Read 0.50, write 6.25, output 25 dollars a million.
        ("claude-opus-4-6", "3.950025"),
        // No price of a write: the rest at the input price of 1.25; read 0.125, output 10.
        ("gpt-5-codex", "0.80001"),
        // Neither: all at the input price of 15; output 120.
        ("gpt-5-pro", "15.00012"),
        // A write listed at zero is a write that is not priced: input 0.28, read 0.028, output 0.42.
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

// ---- bad input: one line that says where and what, status 2 -----------------------------------------------------

#[test]
fn a_malformed_trace_is_refused_with_its_file_its_line_and_the_value() {
    let good = row("claude-opus-4-6", "100", "10", "50");
    let agent = |row: String| [HEADER, &good, &row, ""].join("\n").into_bytes();
    let opus = |input, output, prefix| agent(row("claude-opus-4-6", input, output, prefix));
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n";
    let azure = |row: &str| format!("{azure}{row}").into_bytes();
    let json = |line: &str| {
        format!("\n{{\"input_length\": 1, \"output_length\": 1}}\n{line}").into_bytes()
    };
    let neither =
        "is neither a CSV header with in and out, or with ContextTokens and GeneratedTokens, \
                   nor a JSON object";
    for (name, content, complaint) in [
        (
            "negative.csv",
            opus("-5", "1", "0"),
            r#"3: in "-5" is negative"#,
        ),
        (
            "fraction.csv",
            opus("10", "1.5", "0"),
            r#"3: out "1.5" is not an integer"#,
        ),
        (
            "word.csv",
            opus("10", "many", "0"),
            r#"3: out "many" is not a number"#,
        ),
        (
            "nan.csv",
            opus("NaN", "1", "0"),
            r#"3: in "NaN" is not a number"#,
        ),
        (
            "signed.csv",
            opus("+5", "1", "0"),
            r#"3: in "+5" is not an integer"#,
        ),
        ("missing.csv", opus("10", "", "0"), "3: out is missing"),
        (
            "no-prefix.csv",
            opus("10", "1", ""),
            "3: derived_prefix_tokens is missing",
        ),
        (
            "prefix.csv",
            opus("10", "1", "11"),
            "3: derived_prefix_tokens 11 is more than in 10",
        ),
        (
            "huge.csv",
            opus("18446744073709551616", "1", "0"),
            r#"3: in "18446744073709551616" is more than fits"#,
        ),
        (
            "dear.csv",
            opus("18446744073709551615", "1", "0"),
            "3: 18446744073709551615 tokens in and 1 out cost more than fits",
        ),
        (
            "model.csv",
            agent(row("gpt-99", "10", "1", "0")),
            r#"3: model "gpt-99" is not in "#,
        ),
        (
            "nameless.csv",
            agent(row("", "10", "1", "0")),
            "3: the call names no model: give one with --model NAME",
        ),
        (
            "blank.csv",
            agent(format!("\n\n{}", row("m", "x", "1", "0"))),
            r#"5: in "x" is not a number"#,
        ),
        (
            "cut.csv",
            agent("t,main,0.0".to_owned()),
            r#"3: 3 fields where the header has 12: "t,main,0.0""#,
        ),
        (
            "long.csv",
            agent("x,".repeat(500)),
            "3: 501 fields where the header has 12: \"x,x,",
        ),
        (
            "crlf.csv",
            azure("2023,-4,1"),
            r#"3: ContextTokens "-4" is negative"#,
        ),
        (
            "crlf-blank.csv",
            azure("\r\n\r\n2023,4,x\r\n"),
            r#"5: GeneratedTokens "x" is not a number"#,
        ),
        (
            "crlf-cut.csv",
            azure("2023,4"),
            r#"3: 2 fields where the header has 3: "2023,4""#,
        ),
        (
            "crlf-model.csv",
            azure(""),
            "2: the call names no model: give one with --model NAME",
        ),
        (
            "bytes.csv",
            [&azure("")[..], b"2023,\xff,1"].concat(),
            "3: byte 0xff is not UTF-8 text",
        ),
        (
            "column.csv",
            HEADER.replace("model", "made").into_bytes(),
            "1: the header has no column model",
        ),
        (
            "other.csv",
            b"a,b\n1,2\n".to_vec(),
            &format!("1: \"a,b\" {neither}"),
        ),
        (
            "escape.csv",
            b"\x1b[2J\n1\n".to_vec(),
            &format!("1: \"\\u{{1b}}[2J\" {neither}"),
        ),
        (
            "array.json",
            b"\n[1]".to_vec(),
            &format!("2: \"[1]\" {neither}"),
        ),
        (
            "empty.csv",
            Vec::new(),
            "1: an empty trace: no calls to replay",
        ),
        (
            "spaces.csv",
            b" \r\n\n".to_vec(),
            "1: an empty trace: no calls to replay",
        ),
        (
            "header.csv",
            HEADER.into(),
            "1: an empty trace: no calls after the header",
        ),
        (
            "negative.jsonl",
            json(r#"{"input_length": -7, "output_length": 1}"#),
            r#"3: input_length "-7" is negative"#,
        ),
        (
            "fraction.jsonl",
            json(r#"{"input_length": 7, "output_length": 1.25}"#),
            r#"3: output_length "1.25" is not an integer"#,
        ),
        (
            "missing.jsonl",
            json(r#"{"input_length": 7}"#),
            "3: output_length is missing",
        ),
        (
            "null.jsonl",
            json(r#"{"input_length": null, "output_length": 1}"#),
            "3: input_length is missing",
        ),
        (
            "text.jsonl",
            json(r#"{"input_length": "7", "output_length": 1}"#),
            r#"3: input_length ""7"" is not a number"#,
        ),
        (
            "twice.jsonl",
            json(r#"{"input_length": 7, "input_length": 8, "output_length": 1}"#),
            "3: duplicate field `input_length` in ",
        ),
        (
            "cut.jsonl",
            json(r#"{"input_length": 7, "outp"#),
            "3: EOF while parsing a string in ",
        ),
        (
            "row.jsonl",
            json("[3, 5]"),
            r#"3: expected an object, not an array in "[3, 5]""#,
        ),
        (
            "nameless.jsonl",
            json(""),
            "2: the call names no model: give one with --model NAME",
        ),
    ] {
        let path = file(name, content);
        let line = refusal(&["--trace", &path]);
        let expected = format!("{path}:{complaint}");
        if complaint.ends_with(' ') || complaint.ends_with(',') {
            assert!(
                line.starts_with(&expected),
                "{line:?} is not {expected:?}..."
            );
        } else {
            assert_eq!(line, expected);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_by_its_name() {
    for option in ["--trace", "--prices"] {
        let line = refusal(&[option, "/no/such/file"]);
        assert!(line.starts_with("/no/such/file: "), "{line:?}");
    }
}

#[test]
fn a_malformed_price_file_is_refused_with_its_file_the_model_the_field_and_the_value() {
    let number = "is not a decimal number such as 0.25 or 2.5e-07";
    let entry = |field: &str, value: &str| {
        let model = format!("{{\"input_cost_per_token\": 1,\n\"{field}\": {value}}}");
        format!("{{\"models\": {{\n\"m\": {model}}}}}")
    };
    for (name, content, complaint) in [
        ("negative", entry("output_cost_per_token", "-1e-6"), format!(r#"3: model "m": output_cost_per_token: "-1e-6" {number}"#)),
        ("fine", entry("cache_read_input_token_cost", "1e-16"), r#"3: model "m": cache_read_input_token_cost: "1e-16" is finer than a nano-dollar per million tokens"#.to_owned()),
        ("dear", entry("cache_creation_input_token_cost", "1e999"), r#"3: model "m": cache_creation_input_token_cost: "1e999" is more than fits"#.to_owned()),
        ("bool", entry("output_cost_per_token", "true"), format!(r#"3: model "m": output_cost_per_token: "true" {number}"#)),
        ("missing", entry("mode", "1"), r#"2: model "m": output_cost_per_token is missing"#.to_owned()),
        ("number", r#"{"models": {"m": 5}}"#.to_owned(), r#"1: model "m": invalid type: integer `5`, expected an object with prices"#.to_owned()),
        ("models", "{\n}".to_owned(), "2: missing field `models`".to_owned()),
        ("array", "\n[{}]".to_owned(), "2: expected an object, not an array".to_owned()),
        ("row", "{\"models\": {\n\"m\": [1, 2, null, null]}}".to_owned(), r#"2: model "m": expected an object, not an array"#.to_owned()),
        ("cut", "{\"models\":\n{".to_owned(), "2: EOF while parsing an object".to_owned()),
    ] {
        let trace = file("priced.jsonl", r#"{"input_length": 1, "output_length": 1}"#);
        let path = file(&format!("prices-{name}.json"), content);
        let line = refusal(&["--trace", &trace, "--model", "m", "--prices", &path]);
        assert_eq!(line, format!("{path}:{complaint}"));
    }
}

#[test]
fn a_bad_argument_is_refused_with_its_name_and_its_value() {
    let dollars = "is not an amount of dollars such as 12 or 0.05";
    for (arguments, complaint) in [
        ("--threads 0", "invalid value '0' for '--threads <N>': 0 is not in 1..=65535"),
        ("--threads -1", "invalid value '-1' for '--threads <N>': -1 is not in 1..=65535"),
        ("--threads two", "invalid value 'two' for '--threads <N>': invalid digit found in string"),
        ("--repeat 0", "invalid value '0' for '--repeat <N>': 0 is not in 1..18446744073709551615"),
        ("--repeat 18446744073709551615", "--repeat 18446744073709551615: more calls than can be counted"),
        ("--max-cost-usd NaN", &format!("invalid value 'NaN' for '--max-cost-usd <USD>': \"NaN\" {dollars}")),
        ("--max-cost-usd -5", &format!("invalid value '-5' for '--max-cost-usd <USD>': \"-5\" {dollars}")),
        ("--max-cost-usd inf", &format!("invalid value 'inf' for '--max-cost-usd <USD>': \"inf\" {dollars}")),
        ("--max-cost-usd much", &format!("invalid value 'much' for '--max-cost-usd <USD>': \"much\" {dollars}")),
        ("--max-cost-usd 0.0000000001", "invalid value '0.0000000001' for '--max-cost-usd <USD>': \"0.0000000001\" has more than 9 decimals"),
        ("--max-input-tokens -1", "invalid value '-1' for '--max-input-tokens <N>': is negative"),
        ("--max-output-tokens 1.5", "invalid value '1.5' for '--max-output-tokens <N>': is not an integer"),
        ("--max-total-tokens NaN", "invalid value 'NaN' for '--max-total-tokens <N>': is not a number"),
        ("--max-total-tokens 18446744073709551616", "invalid value '18446744073709551616' for '--max-total-tokens <N>': is more than fits"),
        ("--no-caps --max-cost-usd 5", "the argument '--no-caps' cannot be used with '--max-cost-usd <USD>'"),
        ("--max-tokens 5", "the following required arguments were not provided: --reserve"),
        ("--in-flight 0 --reserve", "invalid value '0' for '--in-flight <N>': 0 is not in 1..=1000000"),
        ("--model gpt-99", &format!("--model \"gpt-99\": not in {}", shipped("litellm_prices.json"))),
        ("--tread 5", "unexpected argument '--tread' found"),
    ] {
        assert_eq!(refusal(&arguments.split(' ').collect::<Vec<_>>()), complaint);
    }
}

// ---- what is printed ------------------------------------------------------------------------------------------

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
    let output = Command::new(program())
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
    let mut child = Command::new(program())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
}
