//! Replays a real trace of LLM calls through one shared budget pool from several threads, and prints what an
//! operator wants to see: who was let through, what is left of the budget, how fast it went.
//!
//! ```sh
//! cargo run --release --example replay
//! cargo run --release --example replay -- --trace calls.jsonl --model gpt-5 --max-cost-usd 12.50
//! cargo run --release --example replay -- --reserve --json
//! cargo run --release --example replay -- --tree --max-run-cost-usd 30 --max-agent-cost-usd 25
//! ```
//!
//! It checks itself: the pool's totals have to be the sum of what was accepted, to the last unit. Exit status 1 if
//! they are not, 2 for bad arguments or files.

mod args;
mod budget;
mod input;
mod json;
mod latency;
mod prices;
mod replay;
mod report;
mod tally;
mod trace;
mod tree;
mod worker;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use token_budget_pool::Usage;

use crate::args::Args;
use crate::input::{quoted, BadInput, Input};
use crate::prices::Prices;
use crate::replay::{Plan, Reserve};
use crate::report::Report;
use crate::trace::Call;
use crate::tree::Tree;

// Where this example was compiled from, so that it finds its files from any folder.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/replay/data");

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => run(&args).unwrap_or_else(|bad| {
            eprintln!("error: {bad}");
            ExitCode::from(2)
        }),
        Err(error) if !error.use_stderr() => {
            // --help: nothing is left to do about a closed standard output.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        Err(error) => {
            // The first paragraph says what is wrong. The rest is about how to get help.
            let text = error.to_string();
            let lines = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty());
            eprintln!("{}", lines.collect::<Vec<_>>().join(" "));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode, BadInput> {
    let shipped = |name: &str| Path::new(DATA).join(name);
    let trace = args
        .trace
        .clone()
        .unwrap_or_else(|| shipped("claude_code_agent_traces.csv"));
    let prices = args
        .prices
        .clone()
        .unwrap_or_else(|| shipped("litellm_prices.json"));
    let (trace, prices) = (Input::read(&trace)?, Input::read(&prices)?);
    let (format, calls) = trace::read(&trace)?;
    let priced = Priced::at(&Prices::read(&prices)?, &trace, &calls, args)?;

    let tree = args
        .tree
        .then(|| {
            let (run, agent) = (args.max_run_cost_usd, args.max_agent_cost_usd);
            Tree::of(&trace, format, &calls, run, agent)
        })
        .transpose()?;

    let (length, repeat) = (calls.len() as u64, args.repeat);
    let count = length
        .checked_mul(repeat)
        .filter(|&count| count <= u64::MAX / 2)
        .ok_or_else(|| {
            BadInput::new(format!("--repeat {repeat}: more calls than can be counted"))
        })?;
    let plan = Plan {
        calls: &priced.actual,
        count,
        threads: args.threads.unwrap_or_else(available_threads),
        limits: args.limits(),
        reserve: args.reserve.then_some(Reserve {
            worst_cases: &priced.worst_cases,
            max_tokens: args.max_tokens,
            in_flight: args.in_flight as usize,
        }),
        tree: tree.as_ref(),
    };
    let bar = progress_bar(plan.count);
    let outcome = replay::replay(&plan, |taken| {
        if let Some(bar) = &bar {
            bar.set_position(taken);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let outcome = outcome?;

    let text = if args.json {
        format!("{:#}\n", json::object(&plan, &outcome))
    } else {
        let (trace, prices) = (short(&trace.path), short(&prices.path));
        let title = format!("{trace} ({format}) at {prices}");
        let (plan, outcome) = (&plan, &outcome);
        Report {
            title,
            plan,
            outcome,
        }
        .to_string()
    };
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough, such as head.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => return Err(BadInput::new(format!("standard output: {error}"))),
        Ok(()) => {}
    }
    let disagreements = outcome.disagreements(&plan);
    for what in &disagreements {
        eprintln!("self-check failed: {what}");
    }
    Ok(match disagreements.len() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(1),
    })
}

/// Shipped files are without the folders that lead to them, and others as they were given.
fn short(path: &Path) -> impl Display + '_ {
    path.strip_prefix(DATA).unwrap_or(path).display()
}

/// What each call used and, where that is wanted, what it might have used.
struct Priced {
    actual: Vec<Usage>,
    worst_cases: Vec<Usage>,
}

impl Priced {
    fn at(prices: &Prices, trace: &Input, calls: &[Call], args: &Args) -> Result<Priced, BadInput> {
        let default = args.model.as_deref().map(|model| {
            prices.of(model).ok_or_else(|| {
                BadInput::new(format!(
                    "--model {}: not in {}",
                    quoted(model),
                    prices.name()
                ))
            })?
        });
        let default = default.transpose()?;
        let mut priced = Priced {
            actual: Vec::new(),
            worst_cases: Vec::new(),
        };
        for call in calls {
            let bad = |what: String| trace.bad(call.line, what);
            let price = match (&call.model, default) {
                (Some(model), _) => prices.of(model).ok_or_else(|| {
                    bad(format!(
                        "model {} is not in {}",
                        quoted(model),
                        prices.name()
                    ))
                })??,
                (None, Some(price)) => price,
                (None, None) => {
                    return Err(bad(
                        "the call names no model: give one with --model NAME".to_owned()
                    ))
                }
            };
            let overflow = || {
                let (input, output) = (call.input_tokens, call.output_tokens);
                bad(format!(
                    "{input} tokens in and {output} out cost more than fits"
                ))
            };
            priced.actual.push(price.actual(call).ok_or_else(overflow)?);
            if args.reserve {
                let worst_case = price.worst_case(call, args.max_tokens);
                priced.worst_cases.push(worst_case.ok_or_else(overflow)?);
            }
        }
        Ok(priced)
    }
}

fn available_threads() -> u16 {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    u16::try_from(threads).unwrap_or(u16::MAX)
}

/// A bar for a person who waits. A file or a pipe gets none.
fn progress_bar(calls: u64) -> Option<ProgressBar> {
    if !io::stderr().is_terminal() {
        return None;
    }
    let style =
        ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} calls, {eta} left");
    Some(ProgressBar::new(calls).with_style(style.expect("a valid template")))
}
