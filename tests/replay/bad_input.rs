//! Bad input is refused: one line that says where and what, and status 2.

use crate::files::{file, row, shipped, HEADER};
use crate::program::{json as json_of, refusal};

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
        ("--tree --max-run-cost-usd -5", &format!("invalid value '-5' for '--max-run-cost-usd <USD>': \"-5\" {dollars}")),
        ("--tree --max-run-cost-usd 0.0000000001", "invalid value '0.0000000001' for '--max-run-cost-usd <USD>': \"0.0000000001\" has more than 9 decimals"),
        ("--tree --max-agent-cost-usd NaN", &format!("invalid value 'NaN' for '--max-agent-cost-usd <USD>': \"NaN\" {dollars}")),
        ("--max-run-cost-usd 5", "the following required arguments were not provided: --tree"),
        ("--max-agent-cost-usd 5", "the following required arguments were not provided: --tree"),
        ("--tree=5", "unexpected value '5' for '--tree' found; no more were expected"),
    ] {
        assert_eq!(refusal(&arguments.split(' ').collect::<Vec<_>>()), complaint);
    }
}

#[test]
fn a_trace_that_names_no_runs_has_no_tree() {
    let rows = |rows: &[&str]| rows.join("\n");
    let good = row("claude-opus-4-6", "100", "10", "50");
    let nameless = good.replacen("t,", " ,", 1);
    let agentless = good.replacen("main", "", 1);
    let header = "in,out,model,derived_prefix_tokens";
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023,374,44\n";
    let json = "{\"input_length\": 3, \"output_length\": 5}\n";
    for (name, content, complaint) in [
        (
            "tree-azure.csv",
            azure.to_owned(),
            "--tree: {} is Azure CSV, which names no runs",
        ),
        (
            "tree-lines.jsonl",
            json.to_owned(),
            "--tree: {} is JSON lines, which names no runs",
        ),
        (
            "tree-columns.csv",
            rows(&[header, "1,1,claude-opus-4-6,0"]),
            "{}:1: the header has no column trace_id, which --tree needs",
        ),
        (
            "tree-nameless.csv",
            rows(&[HEADER, &good, &nameless]),
            "{}:3: trace_id is missing",
        ),
        (
            "tree-agentless.csv",
            rows(&[HEADER, &agentless]),
            "--max-agent-cost-usd 5: {} names no agents",
        ),
    ] {
        let path = file(name, content);
        let mut arguments = vec!["--trace", &path, "--model", "claude-opus-4-6", "--tree"];
        if name == "tree-agentless.csv" {
            arguments.extend(["--max-agent-cost-usd", "5"]);
        }
        assert_eq!(refusal(&arguments), complaint.replace("{}", &path));
        // Without --tree it is as good as ever.
        json_of(&arguments[..4]);
    }
}
