//! Caps and totals as version 0.1 has them.

use std::error::Error;
use std::fmt;

use crate::money::Dollars;
use crate::{Limits, MicroUsd, Spent};

/// Caps for a single pool. Any cap left as `None` is unenforced.
///
/// A cap is inclusive: totals may reach it. [`Limits`] are the same in exact
/// numbers, and limit calls too.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Caps {
    /// Cap on cumulative input tokens across all recorded calls.
    pub max_input_tokens: Option<u64>,
    /// Cap on cumulative output tokens across all recorded calls.
    pub max_output_tokens: Option<u64>,
    /// Cap on cumulative input + output tokens.
    pub max_total_tokens: Option<u64>,
    /// Cap on cumulative spend, in dollars. Enforced to the nearest nano-dollar, one at least
    /// if it is above zero; positive infinity, or more than [`MicroUsd::MAX`], caps nothing.
    pub max_cost_usd: Option<f64>,
}

impl TryFrom<Caps> for Limits {
    type Error = InvalidCap;

    /// Fails if the cost cap is NaN or negative.
    fn try_from(caps: Caps) -> Result<Limits, InvalidCap> {
        let cost = match caps.max_cost_usd {
            None | Some(f64::INFINITY) => None,
            Some(dollars) => match Dollars::nearest(dollars) {
                Dollars::Fits(cost) => Some(cost),
                Dollars::TooLarge => None,
                Dollars::Invalid => {
                    return Err(InvalidCap {
                        field: "max_cost_usd",
                        value: dollars,
                    })
                }
            },
        };
        Ok(Limits {
            input_tokens: caps.max_input_tokens,
            output_tokens: caps.max_output_tokens,
            total_tokens: caps.max_total_tokens,
            cost,
            calls: None,
        })
    }
}

impl From<Limits> for Caps {
    /// Calls are not among the caps of version 0.1: a limit on them is left out.
    fn from(limits: Limits) -> Caps {
        Caps {
            max_input_tokens: limits.input_tokens,
            max_output_tokens: limits.output_tokens,
            max_total_tokens: limits.total_tokens,
            max_cost_usd: limits.cost.map(MicroUsd::as_usd),
        }
    }
}

/// A cap that makes no sense: NaN or negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InvalidCap {
    field: &'static str,
    value: f64,
}

impl InvalidCap {
    /// The field of [`Caps`].
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What it was set to.
    pub fn value(&self) -> f64 {
        self.value
    }
}

impl fmt::Display for InvalidCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid cap `{}`: {} is not an amount of dollars",
            self.field, self.value
        )
    }
}

impl Error for InvalidCap {}

/// Running totals.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Cumulative input tokens recorded.
    pub input_tokens: u64,
    /// Cumulative output tokens recorded.
    pub output_tokens: u64,
    /// Cumulative dollars recorded: the pool's exact count, as the nearest `f64` (above nine
    /// million dollars, within a rounding of it).
    pub cost_usd: f64,
    /// Number of calls counted.
    pub calls: u64,
}

impl Totals {
    /// Sum of input + output tokens; `u64::MAX` if it is more than that.
    pub fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl From<Spent> for Totals {
    #[inline]
    fn from(spent: Spent) -> Totals {
        Totals {
            input_tokens: spent.input_tokens,
            output_tokens: spent.output_tokens,
            cost_usd: spent.cost.as_usd(),
            calls: spent.calls,
        }
    }
}
