//! Programs of operations, beside the sequential pool.

use arbitrary::{Arbitrary, Result, Unstructured};
use token_budget_pool::{Caps, Limits, Usage, Usd};

use super::program::{follows_the_oracle, Op, Start, ODD_COST_CAPS, ODD_DOLLARS};

#[derive(Debug)]
pub struct Program {
    start: Start,
    ops: Vec<Op>,
}

pub fn check(program: &Program) {
    if let Err(disagreement) = follows_the_oracle(&program.start, &program.ops) {
        panic!("{disagreement}");
    }
}

impl Program {
    /// The names of the operations in it.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let name = |op| {
            format!("{op:?}")
                .split('(')
                .next()
                .unwrap_or_default()
                .into()
        };
        self.ops.iter().map(name)
    }
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Program> {
        let start = start(bytes)?;
        let mut ops = Vec::new();
        while !bytes.is_empty() {
            ops.push(op(bytes)?);
        }
        Ok(Program { start, ops })
    }
}

/// Mostly small, and else where counting ends.
fn amount(bytes: &mut Unstructured<'_>) -> Result<u64> {
    Ok(match bytes.arbitrary::<u8>()? {
        small @ 0..=239 => small.into(),
        less @ 240..=243 => u64::MAX - u64::from(less - 240),
        more @ 244..=247 => (1 << 63) - 2 + u64::from(more - 244),
        248..=255 => bytes.arbitrary()?,
    })
}

fn cost(bytes: &mut Unstructured<'_>) -> Result<Usd> {
    Ok(Usd::from_nanos(amount(bytes)?))
}

fn some<T>(
    bytes: &mut Unstructured<'_>,
    value: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    bytes.arbitrary::<bool>()?.then(|| value(bytes)).transpose()
}

fn usage(bytes: &mut Unstructured<'_>) -> Result<Usage> {
    let mut usage = Usage::tokens(amount(bytes)?, amount(bytes)?);
    usage.cost = some(bytes, cost)?;
    Ok(usage)
}

fn limits(bytes: &mut Unstructured<'_>) -> Result<Limits> {
    let mut limits = Limits::unlimited();
    limits.input_tokens = some(bytes, amount)?;
    limits.output_tokens = some(bytes, amount)?;
    limits.total_tokens = some(bytes, amount)?;
    limits.cost = some(bytes, cost)?;
    limits.calls = some(bytes, amount)?;
    Ok(limits)
}

/// A few nano-dollars, one of the `odd` ones, or any at all.
fn dollars(bytes: &mut Unstructured<'_>, odd: &[f64]) -> Result<f64> {
    Ok(match bytes.arbitrary::<u8>()? {
        nanos @ 0..=199 => f64::from(nanos) / 1e9,
        200..=239 => *bytes.choose(odd)?,
        240..=255 => f64::from_bits(bytes.arbitrary()?),
    })
}

/// One that makes sense: the oracle has no others.
fn cost_cap(bytes: &mut Unstructured<'_>) -> Result<f64> {
    let dollars = dollars(bytes, &ODD_COST_CAPS)?;
    Ok(if dollars >= 0.0 { dollars } else { 0.0 })
}

fn start(bytes: &mut Unstructured<'_>) -> Result<Start> {
    let limits = limits(bytes)?;
    Ok(if bytes.arbitrary()? {
        Start::Caps(Caps {
            max_input_tokens: limits.input_tokens,
            max_output_tokens: limits.output_tokens,
            max_total_tokens: limits.total_tokens,
            max_cost_usd: some(bytes, cost_cap)?,
        })
    } else {
        Start::Limits {
            limits,
            assumed: some(bytes, cost)?,
            lanes: bytes.arbitrary()?,
        }
    })
}

fn op(bytes: &mut Unstructured<'_>) -> Result<Op> {
    let kind = bytes.arbitrary::<u8>()? % 22;
    Ok(match kind {
        0 => Op::Record(
            amount(bytes)?,
            amount(bytes)?,
            dollars(bytes, &ODD_DOLLARS)?,
        ),
        1 => Op::TryCharge(usage(bytes)?),
        2 => Op::Charge(usage(bytes)?),
        3 => Op::Check(usage(bytes)?),
        4 => Op::Reserve(usage(bytes)?),
        5 => Op::ReserveOwned(usage(bytes)?),
        6 => Op::ReserveUpTo(usage(bytes)?, range(bytes)?, price(bytes)?),
        7 => Op::ReserveUpToOwned(usage(bytes)?, range(bytes)?, price(bytes)?),
        8 => Op::Start(which(bytes)?),
        9 => Op::Extend(which(bytes)?, usage(bytes)?),
        10 => Op::Report(which(bytes)?, usage(bytes)?),
        11 => Op::Settle(which(bytes)?, usage(bytes)?),
        12 => Op::SettleAtLeast(which(bytes)?, usage(bytes)?),
        13 => Op::Forfeit(which(bytes)?),
        14 => Op::Release(which(bytes)?),
        15 => Op::Drop(which(bytes)?),
        16 => Op::SetLimits(limits(bytes)?),
        17 => Op::RaiseLimits(amount(bytes)?),
        18 => Op::Reset,
        19 => Op::Take,
        20 => Op::ShrinkTo(which(bytes)?, usage(bytes)?),
        _ => Op::Close,
    })
}

fn which(bytes: &mut Unstructured<'_>) -> Result<usize> {
    Ok(bytes.arbitrary::<u8>()?.into())
}

fn range(bytes: &mut Unstructured<'_>) -> Result<(u64, u64)> {
    Ok((amount(bytes)?, amount(bytes)?))
}

/// By the million: mostly some nano-dollars for one.
fn price(bytes: &mut Unstructured<'_>) -> Result<Usd> {
    let one = cost(bytes)?;
    Ok(match bytes.arbitrary()? {
        true => one.saturating_mul(1_000_000),
        false => one,
    })
}
