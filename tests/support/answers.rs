//! Answers: twins of the crate's types that cannot be built outside it, and one type for all of them.

use std::borrow::Borrow;

use token_budget_pool::{
    Amount, Amounts as PublicAmounts, BudgetExceeded, BudgetPool, Caps, Dimension, Excess, Limits,
    Reason, Receipt, Rejected, Reservation, Snapshot, Spent, Totals, Usd,
};

use super::admission::word;
use super::OracleCall;

/// The twin of `Rejected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    Closed,
    Unpriced {
        limit: Usd,
    },
    Exceeded {
        dimension: Dimension,
        limit: u64,
        spent: u64,
        reserved: u64,
        requested: u64,
        reason: Reason,
    },
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Refusal {
        match rejected {
            Rejected::Closed { .. } => Refusal::Closed,
            Rejected::Unpriced { limit, .. } => Refusal::Unpriced { limit },
            Rejected::Exceeded(exceeded) => Refusal::Exceeded {
                dimension: exceeded.dimension(),
                limit: count(exceeded.limit()),
                spent: count(exceeded.spent()),
                reserved: count(exceeded.reserved()),
                requested: count(exceeded.requested()),
                reason: exceeded.reason(),
            },
            other => panic!("a refusal that the oracle does not know: {other:?}"),
        }
    }
}

/// An amount in tokens, calls or nano-dollars.
pub fn count(amount: Amount) -> u64 {
    match amount {
        Amount::Tokens(count) | Amount::Calls(count) => count,
        Amount::Cost(cost) => cost.as_nanos(),
        other => panic!("an amount that the oracle does not know: {other:?}"),
    }
}

/// The twin of `Receipt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    pub counted: Spent,
    pub spent: Spent,
    pub overrun: Excess,
    pub over_reported: Excess,
    pub over_limit: Excess,
    pub saturated: bool,
}

impl From<Receipt> for Counted {
    fn from(receipt: Receipt) -> Counted {
        Counted {
            counted: receipt.counted,
            spent: receipt.spent,
            overrun: receipt.overrun,
            over_reported: receipt.over_reported,
            over_limit: receipt.over_limit,
            saturated: receipt.saturated,
        }
    }
}

/// The twin of `Snapshot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OracleSnapshot {
    pub spent: Spent,
    pub reserved: PublicAmounts,
    pub calls_in_flight: u64,
    pub limits: Limits,
    pub closed: bool,
}

impl OracleSnapshot {
    /// The room left in each dimension that is limited, reservations taken off.
    pub fn remaining(&self) -> Limits {
        let room = |limit: Option<u64>, taken: &[u64]| {
            let taken: u128 = taken.iter().map(|&taken| u128::from(taken)).sum();
            limit.map(|limit| word(u128::from(limit).saturating_sub(taken)))
        };
        let (spent, reserved, limits) = (self.spent, self.reserved, self.limits);
        let input = [spent.input_tokens, reserved.input_tokens];
        let output = [spent.output_tokens, reserved.output_tokens];
        let cost = [spent.cost.as_nanos(), reserved.cost.as_nanos()];
        let mut left = Limits::unlimited();
        left.input_tokens = room(limits.input_tokens, &input);
        left.output_tokens = room(limits.output_tokens, &output);
        left.total_tokens = room(limits.total_tokens, &[input, output].concat());
        left.cost = room(limits.cost.map(Usd::as_nanos), &cost).map(Usd::from_nanos);
        left.calls = room(limits.calls, &[spent.calls, self.calls_in_flight]);
        left
    }
}

impl From<Snapshot> for OracleSnapshot {
    fn from(snapshot: Snapshot) -> OracleSnapshot {
        OracleSnapshot {
            spent: snapshot.spent,
            reserved: snapshot.reserved,
            calls_in_flight: snapshot.calls_in_flight,
            limits: snapshot.limits,
            closed: snapshot.closed,
        }
    }
}

/// An `f64` that is equal to itself alone, to the bit: NaN to NaN, and 0.0 not to -0.0.
#[derive(Clone, Copy)]
pub struct Bits(pub f64);

impl PartialEq for Bits {
    fn eq(&self, other: &Bits) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Bits {}

impl std::hash::Hash for Bits {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What any operation answered, of a pool or of the oracle, to be compared to the last
/// bit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Done,
    Totals {
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: Bits,
        calls: u64,
    },
    BudgetExceeded {
        cap: &'static str,
        limit: Bits,
        attempted: Bits,
    },
    Spent(Spent),
    Refused(Refusal),
    Counted(Counted),
    /// What a reservation or a call has reserved.
    Reserved(PublicAmounts),
    /// Whether the pool was open.
    Closed(bool),
    Limits(Limits),
    Caps {
        max_input_tokens: Option<u64>,
        max_output_tokens: Option<u64>,
        max_total_tokens: Option<u64>,
        max_cost_usd: Option<Bits>,
    },
    Snapshot(OracleSnapshot),
}

impl From<()> for Answer {
    fn from((): ()) -> Answer {
        Answer::Done
    }
}

impl From<Totals> for Answer {
    fn from(totals: Totals) -> Answer {
        Answer::Totals {
            input_tokens: totals.input_tokens,
            output_tokens: totals.output_tokens,
            cost_usd: Bits(totals.cost_usd),
            calls: totals.calls,
        }
    }
}

impl From<BudgetExceeded> for Answer {
    fn from(exceeded: BudgetExceeded) -> Answer {
        Answer::BudgetExceeded {
            cap: exceeded.cap,
            limit: Bits(exceeded.limit),
            attempted: Bits(exceeded.attempted),
        }
    }
}

impl From<Spent> for Answer {
    fn from(spent: Spent) -> Answer {
        Answer::Spent(spent)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Answer {
        Answer::Refused(refusal)
    }
}

impl From<Rejected> for Answer {
    fn from(rejected: Rejected) -> Answer {
        Answer::Refused(rejected.into())
    }
}

impl From<Counted> for Answer {
    fn from(counted: Counted) -> Answer {
        Answer::Counted(counted)
    }
}

impl From<Receipt> for Answer {
    fn from(receipt: Receipt) -> Answer {
        Answer::Counted(receipt.into())
    }
}

impl From<&OracleCall> for Answer {
    fn from(call: &OracleCall) -> Answer {
        Answer::Reserved(call.reserved_amounts())
    }
}

impl<P: Borrow<BudgetPool>> From<&Reservation<P>> for Answer {
    fn from(reservation: &Reservation<P>) -> Answer {
        Answer::Reserved(reservation.reserved())
    }
}

impl From<bool> for Answer {
    fn from(was_open: bool) -> Answer {
        Answer::Closed(was_open)
    }
}

impl From<Limits> for Answer {
    fn from(limits: Limits) -> Answer {
        Answer::Limits(limits)
    }
}

impl From<Caps> for Answer {
    fn from(caps: Caps) -> Answer {
        Answer::Caps {
            max_input_tokens: caps.max_input_tokens,
            max_output_tokens: caps.max_output_tokens,
            max_total_tokens: caps.max_total_tokens,
            max_cost_usd: caps.max_cost_usd.map(Bits),
        }
    }
}

impl From<OracleSnapshot> for Answer {
    fn from(snapshot: OracleSnapshot) -> Answer {
        Answer::Snapshot(snapshot)
    }
}

impl From<Snapshot> for Answer {
    fn from(snapshot: Snapshot) -> Answer {
        Answer::Snapshot(snapshot.into())
    }
}

impl<T: Into<Answer>, E: Into<Answer>> From<Result<T, E>> for Answer {
    fn from(result: Result<T, E>) -> Answer {
        result.map_or_else(Into::into, Into::into)
    }
}
