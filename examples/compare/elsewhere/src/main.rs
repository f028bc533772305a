//! What a record costs in somebody's program: calls of random amounts, one thread.
//!
//! ```sh
//! cargo run --release                   # all contestants, in interleaved rounds
//! cargo run --release -- record 4       # one, for 4 ms: the nanoseconds of a record
//! ```

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use token_budget_pool::{BudgetPool, Caps, Usage, Usd};

/// One call's usage, its cost in both forms.
struct Call {
    input: u64,
    output: u64,
    nanos: u64,
    dollars: f64,
}

type Contestant = (&'static str, fn(&[Call], Duration) -> f64);

const CONTESTANTS: [Contestant; 4] = [
    ("try_charge", try_charge),
    ("record", record),
    ("mutex", mutex),
    ("published", published),
];

const ROUNDS: usize = 25;
const SLICE: Duration = Duration::from_millis(4);
/// More than any run spends.
const TOKENS: u64 = 1 << 60;
const DOLLARS: f64 = 1e9;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let calls = calls();
    match &args[..] {
        [] => {
            print_all(&calls);
            return ExitCode::SUCCESS;
        }
        [name, millis] => {
            let mut all = CONTESTANTS.iter();
            let contestant = all.find(|contestant| contestant.0 == name);
            if let (Some((_, time)), Ok(millis)) = (contestant, millis.parse()) {
                println!("{:.3}", time(&calls, Duration::from_millis(millis)));
                return ExitCode::SUCCESS;
            }
        }
        _ => {}
    }
    let names = CONTESTANTS.map(|contestant| contestant.0).join("|");
    eprintln!("usage: elsewhere [{names} MILLISECONDS]");
    ExitCode::from(2)
}

/// All of them in turns, so that what is slow for a while is slow for all.
fn print_all(calls: &[Call]) {
    let mut times = CONTESTANTS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, time), times) in CONTESTANTS.iter().zip(&mut times) {
            times.push(time(calls, SLICE));
        }
    }
    println!("ns per record, the median of {ROUNDS} interleaved rounds (lowest to highest)");
    for ((name, _), times) in CONTESTANTS.iter().zip(&mut times) {
        times.sort_unstable_by(f64::total_cmp);
        let (low, median, high) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
        println!("{name:<12} {median:6.2}  ({low:.2} to {high:.2})");
    }
}

/// Calls of random amounts (xorshift), the same in every run.
fn calls() -> Vec<Call> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut call = || {
        let (input, output, nanos) = (below(200_000), below(8_000), below(500_000_000));
        Call {
            input,
            output,
            nanos,
            dollars: nanos as f64 / 1e9,
        }
    };
    (0..1_024).map(|_| call()).collect()
}

/// The nanoseconds that `record` takes for a call. It returns how many calls were recorded.
fn time(calls: &[Call], time: Duration, mut record: impl FnMut(&Call) -> u64) -> f64 {
    let mut all = || {
        let mut last = 0;
        for call in calls {
            last = record(call);
        }
        black_box(last)
    };
    // Once to warm up.
    let before = all();
    let start = Instant::now();
    let (mut last, mut elapsed) = (before, Duration::ZERO);
    while elapsed < time {
        last = all();
        elapsed = start.elapsed();
    }
    assert!(last > before, "calls were refused");
    elapsed.as_secs_f64() * 1e9 / (last - before) as f64
}

fn caps() -> Caps {
    Caps {
        max_input_tokens: Some(TOKENS),
        max_output_tokens: Some(TOKENS),
        max_total_tokens: Some(2 * TOKENS),
        max_cost_usd: Some(DOLLARS),
    }
}

fn try_charge(calls: &[Call], duration: Duration) -> f64 {
    let pool = BudgetPool::with_caps(caps());
    time(calls, duration, |call| {
        let cost = Usd::from_nanos(call.nanos);
        let usage = Usage::tokens(call.input, call.output).cost(cost);
        pool.try_charge(usage).map_or(0, |spent| spent.calls)
    })
}

fn record(calls: &[Call], duration: Duration) -> f64 {
    let pool = BudgetPool::with_caps(caps());
    time(calls, duration, |call| {
        let totals = pool.record(call.input, call.output, call.dollars);
        totals.map_or(0, |totals| totals.calls)
    })
}

fn published(calls: &[Call], duration: Duration) -> f64 {
    let caps = caps();
    let pool = published::BudgetPool::with_caps(published::Caps {
        max_input_tokens: caps.max_input_tokens,
        max_output_tokens: caps.max_output_tokens,
        max_total_tokens: caps.max_total_tokens,
        max_cost_usd: caps.max_cost_usd,
    });
    time(calls, duration, |call| {
        let totals = pool.record(call.input, call.output, call.dollars);
        totals.map_or(0, |totals| totals.calls)
    })
}

/// What one would write by hand: integers behind a mutex.
fn mutex(calls: &[Call], duration: Duration) -> f64 {
    let budget = Budget {
        spent: Mutex::default(),
        limits: black_box(Limits {
            input: TOKENS,
            output: TOKENS,
            total: 2 * TOKENS,
            nanos: DOLLARS as u64 * 1_000_000_000,
        }),
    };
    time(calls, duration, |call| {
        budget.record(call).map_or(0, |spent| spent.calls)
    })
}

struct Budget {
    spent: Mutex<Spent>,
    limits: Limits,
}

struct Limits {
    input: u64,
    output: u64,
    total: u64,
    nanos: u64,
}

#[derive(Clone, Copy, Default)]
struct Spent {
    input: u64,
    output: u64,
    nanos: u64,
    calls: u64,
}

impl Budget {
    /// What is spent with this call, if it fits.
    fn record(&self, call: &Call) -> Option<Spent> {
        let mut spent = self.spent.lock().unwrap();
        let new = Spent {
            input: spent.input.checked_add(call.input)?,
            output: spent.output.checked_add(call.output)?,
            nanos: spent.nanos.checked_add(call.nanos)?,
            calls: spent.calls + 1,
        };
        let fits = new.input <= self.limits.input
            && new.output <= self.limits.output
            && new.input.checked_add(new.output)? <= self.limits.total
            && new.nanos <= self.limits.nanos;
        fits.then(|| *spent = new)?;
        Some(new)
    }
}
