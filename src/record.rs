//! The face of version 0.1: caps, `record`, totals.

use std::error::Error;
use std::fmt;

use crate::crossed::Watch;
use crate::dimension::{Dimension, Guesses};
use crate::layout::{Change, Fixed, State, Words, AMOUNTS, TERMS};
use crate::level::Level;
use crate::limits::Limits;
use crate::money::{Dollars, Usd};
use crate::ops::admit::{Charge, Charged};
use crate::ops::request::Request;
use crate::ops::watched::Watched;
use crate::pool::{apart, BudgetPool, Spender};
use crate::register::{Answer, Operation};
use crate::rejection::{Exceeded, Rejected};
use crate::usage::{Spent, Usage};

impl BudgetPool {
    /// Build a pool with the given caps. A cap that is `None` is unenforced.
    ///
    /// # Panics
    ///
    /// If the cost cap is NaN or negative; the message names it.
    /// [`try_with_caps`](Self::try_with_caps) returns an error instead.
    #[track_caller]
    pub fn with_caps(caps: Caps) -> Self {
        match Self::try_with_caps(caps) {
            Ok(pool) => pool,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// Build a pool with the given caps, unless one of them makes no sense.
    ///
    /// # Errors
    ///
    /// If the cost cap is NaN or negative.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Caps};
    ///
    /// let caps = Caps { max_cost_usd: Some(-1.0), ..Caps::default() };
    /// let invalid = BudgetPool::try_with_caps(caps).unwrap_err();
    /// assert_eq!((invalid.field(), invalid.value()), ("max_cost_usd", -1.0));
    /// ```
    pub fn try_with_caps(caps: Caps) -> Result<Self, InvalidCap> {
        let fixed = Fixed {
            cost_cap: caps.max_cost_usd,
            ..Fixed::default()
        };
        Ok(Self::from_parts(
            Spent::default(),
            Limits::try_from(caps)?,
            fixed,
        ))
    }

    /// Record one call's usage: tokens in, tokens out, and dollars. Returns the
    /// updated totals on success.
    ///
    /// A call that is refused is not counted. If it was made already, its money is gone: count it with
    /// [`charge`](Self::charge), or stop at the first error, as version 0.1 meant it.
    ///
    /// The dollars are taken to the nearest nano-dollar, half away from zero, but an
    /// amount above zero never becomes zero. [`try_charge`](Self::try_charge) is the same without
    /// floating point.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`], with the totals unchanged, if a cap leaves too little room
    /// for it, if a total would pass what can be counted (`u64::MAX`), if the pool is
    /// closed, or if the cost is NaN, infinite or negative (which is looked at first).
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Caps};
    ///
    /// let pool = BudgetPool::with_caps(Caps { max_cost_usd: Some(0.3), ..Caps::default() });
    /// for _ in 0..3 {
    ///     pool.record(1_000, 500, 0.1)?; // three times 0.1 is 0.3, here
    /// }
    /// assert_eq!(pool.record(1, 0, 0.1).unwrap_err().cap, "cost_usd");
    /// assert_eq!(pool.totals().calls, 3);
    /// # Ok::<(), token_budget_pool::BudgetExceeded>(())
    /// ```
    // `inline(always)`: see `try_charge`.
    #[inline(always)]
    pub fn record(
        &self,
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: f64,
    ) -> Result<Totals, BudgetExceeded> {
        let record = Record {
            input_tokens,
            output_tokens,
            cost: Dollars::nearest(cost_usd),
            dollars: cost_usd,
            fixed: self.fixed(),
        };
        let charged = match self.spender() {
            Spender::Root(register) => register.update(record)?,
            Spender::Child(node) => Result::from(node.update(apart(&record)))?,
            Spender::Watched(watch) => {
                let charged = Result::from(self.record_watched(watch, apart(&record)));
                return charged.map(|charged| Totals::from(charged.spent));
            }
        };
        Ok(Totals::from(self.charged(charged)))
    }

    #[cold]
    #[inline(never)]
    fn record_watched(&self, watch: &Watch, record: Record<'_>) -> Answer<Charged, BudgetExceeded> {
        self.watched(watch, |steps| self.update(Watched::new(record, steps)))
            .0
    }

    /// Read current totals: what was spent, all of one moment. Reservations are not in
    /// it, see [`snapshot`](Self::snapshot).
    #[inline(always)]
    pub fn totals(&self) -> Totals {
        self.read(|now| Spent::of(now.spent(), Guesses::default()))
            .into()
    }

    /// Read the caps: the cost cap to the bit as it was given to
    /// [`with_caps`](Self::with_caps), as long as its limit is not changed. A limit on calls
    /// is no cap.
    pub fn caps(&self) -> Caps {
        self.read(|now| Caps::of(now, self.fixed()))
    }
}

/// Counts a call as spent, and answers as version 0.1 does.
#[derive(Clone, Copy)]
struct Record<'a> {
    input_tokens: u64,
    output_tokens: u64,
    cost: Dollars,
    /// The cost as it was given.
    dollars: f64,
    fixed: &'a Fixed,
}

impl Record<'_> {
    #[inline(always)]
    fn charge(&self, cost: Usd) -> Charge {
        let usage = Usage::tokens(self.input_tokens, self.output_tokens).cost(cost);
        Charge {
            request: Request::call(usage),
            unpriced: false,
        }
    }

    /// The error of version 0.1, if something refuses the request: it names the first cap that does.
    fn exceeded<N>(&self, request: &Request<N>, now: &State<'_>) -> Option<BudgetExceeded>
    where
        N: Copy + Default + Into<u128>,
    {
        if now.is_closed() {
            let level = Level::at(now.depth());
            return Some(Rejected::Closed { level }.into());
        }
        let dimension = request.first_refusing(now)?;
        let taken = dimension.of(&now.spent()) + dimension.of(&now.reserved());
        let asked = dimension.of(&request.asked);
        let limit = match (dimension, cost_cap(now, self.fixed)) {
            (Dimension::Cost, Some(cap)) => cap,
            _ => dimension.as_f64(now.limit(dimension).into()),
        };
        Some(BudgetExceeded {
            cap: dimension.as_str(),
            limit,
            attempted: if asked < TOO_MUCH {
                dimension.as_f64(taken + asked)
            } else {
                dimension.as_f64(taken) + self.dollars
            },
        })
    }
}

impl Operation<AMOUNTS, TERMS> for Record<'_> {
    type Done = Charged;
    type Refusal = BudgetExceeded;

    const ON_WHOLE_PATH: bool = true;

    #[inline(always)]
    fn is_plain(&self, now: &Words<'_>) -> bool {
        match self.cost {
            Dollars::Fits(cost) => self.charge(cost).is_plain(now),
            _ => false,
        }
    }

    fn refusal(&self, now: &Words<'_>) -> Option<BudgetExceeded> {
        let now = State::of(now);
        match self.cost {
            Dollars::Fits(cost) => self.exceeded(&self.charge(cost).request, &now),
            Dollars::TooLarge => {
                let mut request = self.charge(Usd::ZERO).request.wide();
                request.asked.cost = TOO_MUCH;
                self.exceeded(&request, &now)
            }
            Dollars::Invalid => Some(BudgetExceeded {
                cap: Dimension::Cost.as_str(),
                limit: cost_cap(&now, self.fixed).unwrap_or(f64::INFINITY),
                attempted: self.dollars,
            }),
        }
    }

    #[inline(always)]
    fn change(&self, now: &Words<'_>) -> Change<Charged> {
        let cost = match self.cost {
            Dollars::Fits(cost) => cost,
            // It is always refused.
            Dollars::TooLarge | Dollars::Invalid => Usd::MAX,
        };
        self.charge(cost).change(now)
    }

    fn both(above: Charged, below: Charged) -> Charged {
        Charge::both(above, below)
    }
}

/// Stands for a cost that is more than can be counted.
const TOO_MUCH: u128 = 1 << 65;

/// The cap on cost in dollars, if one is in force.
fn cost_cap(now: &State<'_>, fixed: &Fixed) -> Option<f64> {
    let caps = Caps::of(now, fixed);
    caps.max_cost_usd
        .filter(|_| now.is_limited(Dimension::Cost))
}

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
    /// if it is above zero; positive infinity, or more than [`Usd::MAX`], caps nothing.
    pub max_cost_usd: Option<f64>,
}

impl Caps {
    /// The caps of a pool. The one on cost is as it was given, while its limit is in force.
    fn of(now: &State<'_>, fixed: &Fixed) -> Caps {
        let limits = now.limits();
        let caps = Caps::from(limits);
        let as_given = Caps {
            max_cost_usd: fixed.cost_cap,
            ..caps
        };
        match Limits::try_from(as_given) {
            Ok(given) if fixed.cost_cap.is_some() && given.cost == limits.cost => as_given,
            _ => caps,
        }
    }
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
            max_cost_usd: limits.cost.map(Usd::to_f64),
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
            cost_usd: spent.cost.to_f64(),
            calls: spent.calls,
        }
    }
}

/// Error returned when a `record` call would push past a cap, or is given a cost that is
/// not an amount.
///
/// It names the first cap that would be exceeded, in the order input tokens,
/// output tokens, total tokens, cost, calls; subsequent caps may also be exceeded. (Made
/// from a [`Rejected`], it names the cap that that one names.)
/// **The pool's totals are not updated** when this error fires.
///
/// Its numbers are `f64`s as in version 0.1: counts above 2^53 are rounded. [`Rejected`]
/// is exact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetExceeded {
    /// Which cap blew: `"input_tokens"`, `"output_tokens"`, `"total_tokens"`,
    /// `"cost_usd"` (of a pool with [`Limits`](crate::Limits) also `"calls"`), or
    /// `"closed"` for a pool that was closed.
    pub cap: &'static str,
    /// The cap's limit, in tokens or dollars. Where there is no cap, the most that
    /// can be counted; for an invalid cost without a cap, infinity.
    pub limit: f64,
    /// What the running total (with what is reserved) would have become, in tokens
    /// or dollars. For an invalid cost, that cost; infinity also stands for an unknown one
    /// ([`Rejected::Unpriced`]).
    pub attempted: f64,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invalid = !self.attempted.is_finite() || self.attempted < 0.0;
        match self.cap {
            "closed" => f.write_str("budget pool is closed"),
            "cost_usd" if self.attempted == f64::INFINITY => f.write_str(
                "invalid cost `cost_usd`: unknown or infinite, not an amount of dollars",
            ),
            "cost_usd" if invalid => write!(
                f,
                "invalid cost `cost_usd`: {} is not an amount of dollars",
                self.attempted
            ),
            cap => write!(
                f,
                "budget cap `{cap}` exceeded: limit={}, attempted={}",
                self.limit, self.attempted
            ),
        }
    }
}

impl Error for BudgetExceeded {}

impl From<Rejected> for BudgetExceeded {
    /// A closed pool becomes the cap `"closed"` with limit 0 and attempted 1; an
    /// unknown cost becomes `"cost_usd"` with attempted infinity.
    fn from(rejected: Rejected) -> BudgetExceeded {
        match rejected {
            Rejected::Closed { .. } => BudgetExceeded {
                cap: "closed",
                limit: 0.0,
                attempted: 1.0,
            },
            Rejected::Unpriced { limit, .. } => BudgetExceeded {
                cap: Dimension::Cost.as_str(),
                limit: limit.to_f64(),
                attempted: f64::INFINITY,
            },
            Rejected::Exceeded(Exceeded {
                dimension,
                limit,
                spent,
                reserved,
                requested,
                ..
            }) => BudgetExceeded {
                cap: dimension.as_str(),
                limit: dimension.as_f64(limit.into()),
                attempted: dimension
                    .as_f64(u128::from(spent) + u128::from(reserved) + u128::from(requested)),
            },
        }
    }
}
