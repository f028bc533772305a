//! The command line.

use std::path::PathBuf;

use clap::{value_parser, Parser};
use token_budget_pool::{Limits, Usd};

use crate::input::whole_number;

/// The budget of the shipped trace: a little less than it takes, so that the end of it is rejected.
const SHIPPED_INPUT_TOKENS: u64 = 2_600_000_000;
const SHIPPED_OUTPUT_TOKENS: u64 = 9_000_000;
const SHIPPED_MICROS: u64 = 1_750_000_000;

// Values may begin with a hyphen so that a negative one is an error that names it.
/// Replay a trace of LLM calls through one shared budget pool.
#[derive(Parser)]
#[command(
    after_help = "Without --trace and without any limit of the pool, its limits are $1750, 9000000 output and \
                  2600000000 input tokens.\n\
                  Exit status: 0 done, 1 the self-check failed, 2 bad arguments or files."
)]
pub(crate) struct Args {
    /// Agent CSV, Azure CSV, or JSON lines with input_length and output_length; recognized by content [default:
    /// the shipped trace of 359 agent runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Prices per token in LiteLLM's format, under "models" [default: the shipped ones]
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,

    /// The model of calls that name none
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,

    /// Threads that share the pool [default: as many as the machine runs at once]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,

    /// How many times to replay the trace into the same pool
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = value_parser!(u64).range(1..),
        default_value_t = 1
    )]
    pub(crate) repeat: u64,

    /// The most dollars, in decimals: 12.50
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    pub(crate) max_cost_usd: Option<Usd>,

    /// The most tokens in
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = whole_number)]
    pub(crate) max_input_tokens: Option<u64>,

    /// The most tokens out
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = whole_number)]
    pub(crate) max_output_tokens: Option<u64>,

    /// The most tokens in and out together
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = whole_number)]
    pub(crate) max_total_tokens: Option<u64>,

    /// No limits for the shipped trace either
    #[arg(long, conflicts_with_all = ["max_cost_usd", "max_input_tokens", "max_output_tokens", "max_total_tokens"])]
    pub(crate) no_caps: bool,

    /// A pool for each run of the trace, below it one for its agent "main", and below that one for each sub-agent:
    /// each call is charged on its agent's pool. Only for agent CSV with the column trace_id
    #[arg(long)]
    pub(crate) tree: bool,

    /// With --tree: the most dollars that each run may spend
    #[arg(
        long,
        value_name = "USD",
        allow_hyphen_values = true,
        requires = "tree"
    )]
    pub(crate) max_run_cost_usd: Option<Usd>,

    /// With --tree: the most dollars that each agent may spend, its sub-agents included
    #[arg(
        long,
        value_name = "USD",
        allow_hyphen_values = true,
        requires = "tree"
    )]
    pub(crate) max_agent_cost_usd: Option<Usd>,

    /// Reserve the worst case before each call (nothing cached, --max-tokens out) and settle the actual after it
    #[arg(long)]
    pub(crate) reserve: bool,

    /// With --reserve: the output that is reserved for a call, if it does not put out more
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = whole_number,
        default_value_t = 4096,
        requires = "reserve"
    )]
    pub(crate) max_tokens: u64,

    /// With --reserve: how many calls each thread has in flight
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = value_parser!(u32).range(1..=1_000_000),
        default_value_t = 16,
        requires = "reserve"
    )]
    pub(crate) in_flight: u32,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl Args {
    /// The limits of the arguments. Where these have none, the shipped trace has its own, except with `--no-caps`.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::unlimited();
        limits.input_tokens = self.max_input_tokens;
        limits.output_tokens = self.max_output_tokens;
        limits.total_tokens = self.max_total_tokens;
        limits.cost = self.max_cost_usd;
        if self.trace.is_none() && !self.no_caps && limits == Limits::unlimited() {
            limits = limits
                .input_tokens(SHIPPED_INPUT_TOKENS)
                .output_tokens(SHIPPED_OUTPUT_TOKENS);
            limits.cost = Usd::from_micros(SHIPPED_MICROS);
        }
        limits
    }
}
