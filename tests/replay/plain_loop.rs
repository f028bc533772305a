//! A run of one thread does what a plain loop does.

use std::collections::VecDeque;
use std::fs;

use crate::answers::{nanos, rejected};
use crate::files::shipped;
use crate::program::json;

/// Input, output, total tokens and nano-dollars.
pub(crate) type Amounts = [u64; 4];

fn amounts(input: u64, output: u64, nanos: u64) -> Amounts {
    [input, output, input + output, nanos]
}

/// The shipped trace's calls: what they used, and what they could have used.
pub(crate) fn calls() -> Vec<(Amounts, Amounts)> {
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

/// The limit that refuses: the first with the worst reason (0 busy, 1 exhausted, 2 never fits), and that
/// reason.
pub(crate) fn refused(
    limits: [Option<u64>; 4],
    spent: Amounts,
    reserved: Amounts,
    requested: Amounts,
) -> Option<(usize, u8)> {
    let mut found: Option<(usize, u8)> = None;
    for index in 0..4 {
        let Some(limit) = limits[index] else { continue };
        let reason = match () {
            () if requested[index] > limit => 2,
            () if spent[index] + requested[index] > limit => 1,
            () if spent[index] + reserved[index] + requested[index] > limit => 0,
            () => continue,
        };
        if found.map_or(true, |(_, worst)| reason > worst) {
            found = Some((index, reason));
        }
    }
    found
}

pub(crate) fn add(sum: &mut Amounts, amounts: Amounts) {
    for (sum, amount) in sum.iter_mut().zip(amounts) {
        *sum += amount;
    }
}

pub(crate) const LIMITS: [[Option<u64>; 4]; 5] = [
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

pub(crate) fn options(limits: [Option<u64>; 4]) -> Vec<String> {
    let [input, output, total, nanos] = limits;
    let dollars = nanos.map(|nanos| {
        let dollar = 1_000_000_000;
        format!("{}.{:09}", nanos / dollar, nanos % dollar)
    });
    let limits = [
        ("--max-input-tokens", input.map(|limit| limit.to_string())),
        ("--max-output-tokens", output.map(|limit| limit.to_string())),
        ("--max-total-tokens", total.map(|limit| limit.to_string())),
        ("--max-cost-usd", dollars),
    ];
    let limits = limits
        .into_iter()
        .filter_map(|(option, limit)| Some([option.to_owned(), limit?]));
    ["--threads".to_owned(), "1".to_owned()]
        .into_iter()
        .chain(limits.flatten())
        .collect()
}

#[test]
fn one_thread_records_in_file_order_like_a_plain_loop() {
    let calls = calls();
    for limits in LIMITS {
        let (mut spent, mut count, mut refusals) = ([0; 4], 0, [0; 4]);
        // Twice: what the first round left over may still let small calls in.
        for &(actual, _) in calls.iter().chain(&calls) {
            match refused(limits, spent, [0; 4], actual) {
                Some((dimension, _)) => refusals[dimension] += 1,
                None => {
                    add(&mut spent, actual);
                    count += 1;
                }
            }
        }
        let mut options = options(limits);
        options.extend(["--repeat".to_owned(), "2".to_owned()]);
        let object = json(&options.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(object["accepted"], count, "{options:?}");
        assert_eq!(rejected(&object), refusals, "{options:?}");
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
        for limits in LIMITS {
            let (mut spent, mut reserved, mut count) = ([0; 4], [0; 4], 0);
            let (mut refusals, mut would_have_fitted, mut busy) = ([0; 4], 0, 0);
            let mut in_flight_now: VecDeque<Option<(Amounts, Amounts)>> = VecDeque::new();
            for &(actual, worst) in &calls {
                if in_flight_now.len() == in_flight {
                    if let Some((actual, worst)) = in_flight_now.pop_front().flatten() {
                        reserved = std::array::from_fn(|index| reserved[index] - worst[index]);
                        add(&mut spent, actual);
                    }
                }
                match refused(limits, spent, reserved, worst) {
                    Some((dimension, reason)) => {
                        refusals[dimension] += 1;
                        busy += u64::from(reason == 0);
                        would_have_fitted +=
                            u64::from(refused(limits, spent, reserved, actual).is_none());
                        in_flight_now.push_back(None);
                    }
                    None => {
                        add(&mut reserved, worst);
                        count += 1;
                        in_flight_now.push_back(Some((actual, worst)));
                    }
                }
            }
            for (actual, _) in in_flight_now.into_iter().flatten() {
                add(&mut spent, actual);
            }

            let mut options = options(limits);
            options.extend(["--reserve".to_owned(), format!("--in-flight={in_flight}")]);
            let object = json(&options.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(object["accepted"], count, "{options:?}");
            assert_eq!(rejected(&object), refusals, "{options:?}");
            assert_eq!(
                object["reserve"]["turned_away"], would_have_fitted,
                "{options:?}"
            );
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
