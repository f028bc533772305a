//! The example `provider_usage`: on answers of every provider, and on what no provider should send.

#![allow(unreachable_pub)] // As in the example.

#[path = "support/example.rs"]
mod example;
#[path = "../examples/provider_usage/shapes.rs"]
mod shapes;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{json, Map, Value};
use shapes::{Media, Part};
use token_budget_pool::TokenCounts;

/// Recorded and documented answers.
const SAMPLES: &str = include_str!("../examples/provider_usage/samples.jsonl");

fn samples() -> Vec<Value> {
    let lines = SAMPLES.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a sample"))
        .collect()
}

fn parts(sample: &Value) -> Vec<Part> {
    let shape = sample["shape"].as_str().expect("a shape");
    let parts = shapes::parts(shape, object(&sample["usage"]));
    parts.unwrap_or_else(|error| panic!("{error}: {sample}"))
}

fn counts(sample: &Value) -> Vec<TokenCounts> {
    parts(sample).iter().map(|part| part.counts).collect()
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn program(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(example::program("provider_usage"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let mut stdin = program.stdin.take().expect("it is piped");
    // On its own, since the program answers while it reads.
    let input = input.to_owned();
    let feeding = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = program.wait_with_output().expect("it ends");
    // One that ends early does not read it all.
    let _ = feeding.join().expect("no panic");
    output
}

/// What the example prints for these lines.
fn run(lines: &[Value]) -> Vec<Value> {
    let input: Vec<_> = lines.iter().map(Value::to_string).collect();
    let output = program(&[], &input.join("\n"));
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = output.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// Providers that report a total have counted it themselves.
#[test]
fn no_token_is_lost_or_counted_twice() {
    let mut with_total = 0;
    for sample in samples() {
        let usage = &sample["usage"];
        let total = ["total_tokens", "totalTokens", "totalTokenCount"]
            .iter()
            .find_map(|field| usage[field].as_u64());
        if let Some(total) = total {
            with_total += 1;
            let [counts] = counts(&sample)[..] else {
                panic!("one part: {sample}");
            };
            assert_eq!(counts.input() + counts.output(), total, "{sample}");
        }
    }
    assert_eq!(with_total, 55);
}

/// As far as a sample says how much is cached, in whatever field.
#[test]
fn what_is_cached_is_priced_as_cached() {
    let of = |usage: &Value, paths: &[&str]| {
        let found = paths.iter().find_map(|path| usage.pointer(path)?.as_u64());
        found.unwrap_or(0)
    };
    let (mut read, mut written) = (0, 0);
    for sample in samples() {
        let (counts, usage) = (counts(&sample)[0], &sample["usage"]);
        let cached = [
            "/prompt_tokens_details/cached_tokens",
            "/input_tokens_details/cached_tokens",
            "/cache_read_input_tokens",
            "/cacheReadInputTokens",
            "/cachedContentTokenCount",
        ];
        let writes = [
            "/prompt_tokens_details/cache_write_tokens",
            "/input_tokens_details/cache_write_tokens",
            "/cache_creation_input_tokens",
            "/cacheWriteInputTokens",
        ];
        assert_eq!(counts.cache_read(), of(usage, &cached), "{sample}");
        assert_eq!(counts.cache_write(), of(usage, &writes), "{sample}");
        read += u64::from(counts.cache_read() > 0);
        written += u64::from(counts.cache_write() > 0);
    }
    assert_eq!((read, written), (15, 9));
}

#[test]
fn another_model_that_was_called_by_the_way_is_named() {
    let mut samples = samples().into_iter();
    let advised = samples.find(|sample| sample["usage"].to_string().contains("advisor_message"));
    let advised = advised.expect("a sample");
    let parts = parts(&advised);
    let models: Vec<_> = parts.iter().map(|part| part.model.as_deref()).collect();
    assert_eq!(models, [None, Some("claude-opus-4-8")]);
    assert_eq!(
        (parts[1].counts.input(), parts[1].counts.output()),
        (2_518, 22)
    );
}

#[test]
fn what_is_not_text_is_told_apart() {
    let (mut audio_in, mut cached, mut audio_out, mut images_out) = (0, 0, 0, 0);
    for part in samples().iter().flat_map(parts) {
        assert!(!part.at_other_rates);
        let Media {
            audio_in: heard,
            cached_audio,
            audio_out: said,
            images_out: drawn,
        } = part.media;
        assert!(heard <= part.counts.input() && cached_audio <= heard);
        assert!(said + drawn <= part.counts.output());
        audio_in += heard;
        cached += cached_audio;
        audio_out += said;
        images_out += drawn;
    }
    assert_eq!(
        (audio_in, cached, audio_out, images_out),
        (5_532, 284, 0, 1_120)
    );
}

#[test]
fn every_sample_has_a_line() {
    let samples = samples();
    let told = run(&samples);
    assert_eq!(told.len(), samples.len());
    for (told, sample) in told.iter().zip(&samples) {
        assert!(told.get("error").is_none(), "{told} {sample}");
        let input = ["uncached_input", "cache_read", "cache_write"];
        let sum = |count: fn(&TokenCounts) -> u64| counts(sample).iter().map(count).sum::<u64>();
        let input = input.map(|field| told[field].as_u64().expect("a count"));
        assert_eq!(input.iter().sum::<u64>(), sum(TokenCounts::input));
        assert_eq!(told["output"].as_u64(), Some(sum(TokenCounts::output)));
        // The samples without a model have none for the example either.
        assert!(sample["model"].is_string() || told["cost_usd"].is_null());
    }
}

#[test]
fn each_shape_is_read_as_its_provider_means_it() {
    let one = |shape: &str, model: &str, usage: Value| json!({ "shape": shape, "model": model, "usage": usage });
    let none = "no-such-model";
    let lines_and_expected = [
        // The cost that OpenRouter bills: 91 times that of the tokens, since a tool has called a larger model.
        (
            one(
                "openai_chat",
                "openai/gpt-4o-mini",
                json!({"prompt_tokens": 900, "completion_tokens": 69, "cost": 0.0160614}),
            ),
            json!({"uncached_input": 900, "cache_read": 0, "cache_write": 0, "output": 69, "cost_usd": 0.0160614}),
        ),
        // Billed by the provider itself: OpenRouter's own cost is nothing.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 326, "completion_tokens": 91, "cost": 0, "is_byok": true,
                "cost_details": {"upstream_inference_cost": 0.0003253}}),
            ),
            json!({"uncached_input": 326, "cache_read": 0, "cache_write": 0, "output": 91, "cost_usd": 0.0003253}),
        ),
        // Nobody says what the provider billed.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 326, "completion_tokens": 91, "cost": 0, "is_byok": true}),
            ),
            json!({"uncached_input": 326, "cache_read": 0, "cache_write": 0, "output": 91, "cost_usd": null}),
        ),
        // An embedding.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 8, "total_tokens": 8}),
            ),
            json!({"uncached_input": 8, "cache_read": 0, "cache_write": 0, "output": 0, "cost_usd": null}),
        ),
        // xAI's reasoning is outside the output, OpenAI's is inside.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100}}),
            ),
            json!({"uncached_input": 10, "cache_read": 0, "cache_write": 0, "output": 105, "cost_usd": null}),
        ),
        (
            one(
                "openai_responses",
                none,
                json!({"input_tokens": 10, "output_tokens": 105, "total_tokens": 115,
                "output_tokens_details": {"reasoning_tokens": 100}, "input_tokens_details": {"cached_tokens": 4}}),
            ),
            json!({"uncached_input": 6, "cache_read": 4, "cache_write": 0, "output": 105, "cost_usd": null}),
        ),
        // A total that nothing else explains counts as output.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
            ),
            json!({"uncached_input": 20, "cache_read": 0, "cache_write": 0, "output": 603, "cost_usd": null}),
        ),
        // xAI's own bill.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 1, "completion_tokens": 1, "cost_in_usd_ticks": 37_756_001}),
            ),
            json!({"uncached_input": 1, "cache_read": 0, "cache_write": 0, "output": 1, "cost_usd": 0.003775601}),
        ),
        // Audio at $1 a million, and text at $0.30; output at $2.50.
        (
            one(
                "gemini",
                "gemini-2.5-flash",
                json!({"promptTokenCount": 1_000, "candidatesTokenCount": 10,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 600}, {"modality": "TEXT", "tokenCount": 400}]}),
            ),
            json!({"uncached_input": 1_000, "cache_read": 0, "cache_write": 0, "output": 10, "cost_usd": 0.000745}),
        ),
        // A model whose list price has no rate for audio.
        (
            one(
                "openai_chat",
                "gpt-4o-audio-preview",
                json!({"prompt_tokens": 81, "completion_tokens": 72,
                "prompt_tokens_details": {"audio_tokens": 69}}),
            ),
            json!({"uncached_input": 81, "cache_read": 0, "cache_write": 0, "output": 72, "cost_usd": null}),
        ),
        // Anthropic's faster mode has no list price.
        (
            one(
                "anthropic_messages",
                "claude-sonnet-4-5",
                json!({"input_tokens": 1, "output_tokens": 1, "speed": "fast"}),
            ),
            json!({"uncached_input": 1, "cache_read": 0, "cache_write": 0, "output": 1, "cost_usd": null}),
        ),
        // Gemini's Live API.
        (
            one(
                "gemini",
                none,
                json!({"promptTokenCount": 10, "responseTokenCount": 7, "totalTokenCount": 17}),
            ),
            json!({"uncached_input": 10, "cache_read": 0, "cache_write": 0, "output": 7, "cost_usd": null}),
        ),
        // Moonshot.
        (
            one(
                "openai_chat",
                none,
                json!({"prompt_tokens": 563, "completion_tokens": 116, "cached_tokens": 512}),
            ),
            json!({"uncached_input": 51, "cache_read": 512, "cache_write": 0, "output": 116, "cost_usd": null}),
        ),
        // A compaction and the advice of another model are billed on top.
        (
            one(
                "anthropic_messages",
                none,
                json!({"input_tokens": 180, "output_tokens": 8, "iterations": [
                {"type": "compaction", "input_tokens": 100, "cache_creation_input_tokens": 55_096, "output_tokens": 82},
                {"type": "message", "input_tokens": 180, "output_tokens": 8},
                {"type": "advisor_message", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 2}]}),
            ),
            json!({"uncached_input": 281, "cache_read": 0, "cache_write": 55_096, "output": 92, "cost_usd": null}),
        ),
        // Of 100 tokens written, 40 are kept for an hour: 60 at $3.75 a million, and 40 at $6.
        (
            one(
                "anthropic_messages",
                "claude-sonnet-4-5",
                json!({"input_tokens": 1, "cache_creation_input_tokens": 100,
                "cache_creation": {"ephemeral_1h_input_tokens": 40}, "output_tokens": 5}),
            ),
            json!({"uncached_input": 1, "cache_read": 0, "cache_write": 100, "output": 5, "cost_usd": 0.000543}),
        ),
        (
            one(
                "bedrock_converse",
                none,
                json!({"inputTokens": 3, "cacheReadInputTokens": 2_074, "cacheWriteInputTokens": 297,
                "outputTokens": 61, "cacheDetails": [{"ttl": "5m", "inputTokens": 197}, {"ttl": "1h", "inputTokens": 100}]}),
            ),
            json!({"uncached_input": 3, "cache_read": 2_074, "cache_write": 297, "output": 61, "cost_usd": null}),
        ),
        (
            one(
                "gemini",
                none,
                json!({"promptTokenCount": 17, "candidatesTokenCount": 201, "thoughtsTokenCount": 213,
                "toolUsePromptTokenCount": 119, "totalTokenCount": 550}),
            ),
            json!({"uncached_input": 136, "cache_read": 0, "cache_write": 0, "output": 414, "cost_usd": null}),
        ),
        // A blocked prompt, in a whole answer.
        (
            one(
                "gemini",
                none,
                json!({"candidates": [], "usageMetadata": {"promptTokenCount": 10}}),
            ),
            json!({"uncached_input": 10, "cache_read": 0, "cache_write": 0, "output": 0, "cost_usd": null}),
        ),
    ];
    let told = run(&lines_and_expected.clone().map(|(line, _)| line));
    assert_eq!(told.len(), lines_and_expected.len());
    for (told, (line, expected)) in told.iter().zip(&lines_and_expected) {
        assert_eq!(told, expected, "{line}");
    }
}

#[test]
fn what_cannot_be_is_an_error_that_names_it_and_the_others_go_on() {
    const HALF: i64 = i64::MAX;
    let chat = |usage: Value| json!({"shape": "openai_chat", "model": "gpt-4o", "usage": usage});
    let bedrock = |usage: Value| json!({"shape": "bedrock_converse", "usage": usage});
    let lines_and_errors = [
        (
            chat(
                json!({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 12}}),
            ),
            "cached: 12 tokens are more than the prompt, 10",
        ),
        (
            chat(json!({"prompt_tokens": -10, "completion_tokens": 5})),
            "prompt: -10 is not a count of tokens",
        ),
        (
            chat(json!({"prompt_tokens": "ten"})),
            "usage.prompt_tokens: invalid type: string \"ten\"",
        ),
        (
            chat(json!({"prompt_tokens": 1.5})),
            "usage.prompt_tokens: invalid type: floating point `1.5`",
        ),
        (
            chat(json!({"prompt_tokens_details": {"cached_tokens": []}})),
            "usage.prompt_tokens_details.cached_tokens: ",
        ),
        (chat(json!({})), "prompt: the count is missing"),
        (
            chat(json!({"prompt_tokens": 10})),
            "output: the count is missing",
        ),
        (
            chat(json!({"prompt_tokens": 10, "completion_tokens": 5, "cost": -0.1})),
            "cost: -0.1 is not",
        ),
        (chat(json!(null)), "usage: invalid type: null"),
        (json!({"shape": "openai_chat"}), "missing field `usage`"),
        (
            json!({"shape": "claude", "usage": {}}),
            "shape: \"claude\" is none of openai_chat, ",
        ),
        (
            json!({"shape": "anthropic_messages", "usage": {"input_tokens": 1, "output_tokens": "5"}}),
            "usage.output_tokens: invalid type: string \"5\"",
        ),
        (
            json!({"shape": "anthropic_messages", "usage": {"input_tokens": 1, "output_tokens": 5,
            "cache_creation": {"ephemeral_1h_input_tokens": 4}}}),
            "one_hour_writes: 4 tokens are more than the cache writes, 0",
        ),
        (
            bedrock(
                json!({"inputTokens": HALF, "cacheReadInputTokens": HALF, "cacheWriteInputTokens": 2, "outputTokens": 5}),
            ),
            "cache_write: 2 tokens and 18446744073709551614 more are too many",
        ),
        (
            bedrock(
                json!({"inputTokens": 1, "outputTokens": 5, "cacheWriteInputTokens": 3, "cacheDetails":
            [{"ttl": "1h", "inputTokens": u64::MAX}, {"ttl": "1h", "inputTokens": 1}]}),
            ),
            "one_hour_writes: 18446744073709551615 tokens are more than the cache writes, 3",
        ),
        (
            json!({"shape": "openai_responses", "usage": {"input_tokens": 1, "output_tokens": 5,
            "cache_read_input_tokens": 4}}),
            "usage.cache_read_input_tokens: OpenAI has none",
        ),
        (
            json!({"shape": "openai_chat", "usage": {"input_tokens": 1, "output_tokens": 5}}),
            "prompt: the count is missing",
        ),
        (
            json!({"shape": "anthropic_messages", "usage": {"input_tokens": 1, "output_tokens": 5,
            "iterations": [{"type": "fallback_message", "input_tokens": 1, "output_tokens": 5}]}}),
            "usage.iterations: a step of an unknown kind, Some(\"fallback_message\")",
        ),
        (
            json!({"shape": "gemini", "usage": {"promptTokenCount": 1, "totalTokenCount": 5}}),
            "usage.totalTokenCount: 5 tokens, and only 1 of them",
        ),
        (json!("not an object"), "invalid type: string"),
    ];
    let good = chat(json!({"prompt_tokens": 1, "completion_tokens": 1}));
    let lines = lines_and_errors.iter().map(|(line, _)| line.clone());
    let told = run(&lines.chain([good]).collect::<Vec<_>>());
    for (told, (line, expected)) in told.iter().zip(&lines_and_errors) {
        let error = told["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{told} of {line}"));
        assert!(error.starts_with(expected), "{error}: {line}");
    }
    assert_eq!(told.last().expect("a line")["uncached_input"], 1);
}

#[test]
fn a_line_that_is_no_json_is_an_error_and_an_empty_one_is_nothing() {
    let output = program(&[], "\n  \nnot json\n\u{0}\n");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.lines().count(), 2);
    assert!(
        output.lines().all(|line| line.starts_with(r#"{"error":"#)),
        "{output}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = program(&["no/such.jsonl"], "");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.starts_with("error: no/such.jsonl: "), "{told}");
}
