//! Admission: operations that happen only if everything fits. Record, charge, reserve.

use crate::dimension::{Dimension, Guesses, Tally};
use crate::layout::{Change, State, Words, AMOUNTS, MOST_IN_FLIGHT, TERMS};
use crate::money::Usd;
use crate::ops::request::Request;
use crate::register::Operation;
use crate::rejection::Rejected;
use crate::usage::Spent;

/// Counts a call as spent.
#[derive(Clone, Copy)]
pub(crate) struct Charge {
    pub(crate) request: Request,
    /// Whether the call's cost is unknown, even if one was assumed for it.
    pub(crate) unpriced: bool,
}

/// The pool after a [`Charge`].
#[derive(Clone, Copy)]
pub(crate) struct Charged {
    pub(crate) spent: Spent,
    /// The levels at which somebody waits, one bit for each depth.
    pub(crate) waited_for: u8,
}

impl Operation<AMOUNTS, TERMS> for Charge {
    type Done = Charged;
    type Refusal = Rejected;

    const ON_WHOLE_PATH: bool = true;

    #[inline(always)]
    fn is_plain(&self, now: &Words<'_>) -> bool {
        self.request.fits_plainly(&State::of(now))
    }

    #[inline(always)]
    fn refusal(&self, now: &Words<'_>) -> Option<Rejected> {
        self.request.refusal(&Tally::default(), &State::of(now))
    }

    #[inline(always)]
    fn change(&self, now: &Words<'_>) -> Change<Charged> {
        let now = State::of(now);
        // Either it fits, or the words are of two states. So the sums may wrap.
        let spent = now.spent().zip(self.request.asked, u64::wrapping_add);
        let charged = |guesses| Charged {
            spent: Spent::of(spent, guesses),
            waited_for: now.waited_for(),
        };
        if self.unpriced {
            let guesses = now.guesses().plus(Guesses {
                unpriced_calls: 1,
                ..Guesses::default()
            });
            return now.to_guesses(spent, now.reserved(), guesses, charged(guesses));
        }
        now.to(spent, now.reserved(), charged(now.guesses()))
    }

    fn both(above: Charged, below: Charged) -> Charged {
        Charged {
            waited_for: above.waited_for | below.waited_for,
            ..below
        }
    }

    fn worse(above: Rejected, below: Rejected) -> Rejected {
        Rejected::worse(above, below)
    }
}

/// Reserves what is requested.
#[derive(Clone, Copy)]
pub(crate) struct Reserve {
    pub(crate) request: Request,
    /// What the call has reserved already.
    pub(crate) own: Tally,
}

impl Operation<AMOUNTS, TERMS> for Reserve {
    type Done = ();
    type Refusal = Rejected;

    const ON_WHOLE_PATH: bool = true;

    #[inline(always)]
    fn is_plain(&self, now: &Words<'_>) -> bool {
        let now = State::of(now);
        self.request.fits_plainly(&now) && now.reserved().calls < MOST_IN_FLIGHT
    }

    #[inline(always)]
    fn refusal(&self, now: &Words<'_>) -> Option<Rejected> {
        let now = State::of(now);
        self.request.reservation_refusal(&self.own, &now)
    }

    #[inline(always)]
    fn change(&self, now: &Words<'_>) -> Change<()> {
        let now = State::of(now);
        // As in `Charge`.
        let reserved = now.reserved().zip(self.request.asked, u64::wrapping_add);
        now.to(now.spent(), reserved, ())
    }

    fn worse(above: Rejected, below: Rejected) -> Rejected {
        Rejected::worse(above, below)
    }
}

/// Reserves a fixed part and as many output tokens as fit.
#[derive(Clone, Copy)]
pub(crate) struct ReserveUpTo {
    pub(crate) fixed: Request,
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// The price of a million output tokens.
    pub(crate) per_million: Usd,
}

impl ReserveUpTo {
    /// The same as a [`Reserve`], which has a short path, if no output is wanted beside the fixed part.
    pub(crate) fn alone(&self) -> Option<Reserve> {
        (self.most.max(self.least) == 0).then_some(Reserve {
            request: self.fixed,
            own: Tally::default(),
        })
    }

    /// A request that is at least as large as this one and as `other`, if there is one.
    pub(crate) fn or_more(self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        Self {
            fixed: Request {
                asked: self.fixed.asked.zip(other.fixed.asked, u64::max),
                unpriced: self.fixed.unpriced | other.fixed.unpriced,
            },
            least: self.least.max(other.least),
            most: self.most.max(other.most),
            per_million: self.per_million.max(other.per_million),
        }
    }

    /// The request with the most output tokens that fit beside the fixed part. If fewer fit than the
    /// least that is wanted, the request with the least.
    fn request(&self, now: &State<'_>) -> Request<u128> {
        let fixed = self.fixed.wide();
        let output = self.output(now);
        let per_million = u128::from(self.per_million.as_nanos());
        // At most 2^64 tokens at 2^64 nano-dollars per million: near 2^108.
        let cost = (output * per_million).div_ceil(1_000_000);
        Request {
            asked: Tally {
                output: fixed.asked.output + output,
                cost: fixed.asked.cost + cost,
                ..fixed.asked
            },
            ..fixed
        }
    }

    /// The most output tokens that fit beside the fixed part, or the least that is wanted.
    fn output(&self, now: &State<'_>) -> u128 {
        let fixed = self.fixed.wide();
        let room = |dimension: Dimension| {
            let taken = dimension.of(&now.spent())
                + dimension.of(&now.reserved())
                + dimension.of(&fixed.asked);
            u128::from(now.limit(dimension)).saturating_sub(taken)
        };
        let output = u128::from(self.most.max(self.least))
            .min(room(Dimension::OutputTokens))
            .min(room(Dimension::TotalTokens));
        let per_million = u128::from(self.per_million.as_nanos());
        // ceil(n * price / 10^6) <= room, solved for n. The room is below 2^64, so the product fits.
        let affordable = (room(Dimension::Cost) * 1_000_000).checked_div(per_million);
        let output = output.min(affordable.unwrap_or(u128::MAX));
        output.max(self.least.into())
    }
}

impl Operation<AMOUNTS, TERMS> for ReserveUpTo {
    /// What was reserved, the fixed part included.
    type Done = Tally;
    type Refusal = Rejected;

    const ON_WHOLE_PATH: bool = true;

    fn is_plain(&self, _: &Words<'_>) -> bool {
        false
    }

    fn refusal(&self, now: &Words<'_>) -> Option<Rejected> {
        let now = State::of(now);
        let request = self.request(&now);
        request.reservation_refusal(&Tally::default(), &now)
    }

    fn change(&self, now: &Words<'_>) -> Change<Tally> {
        let now = State::of(now);
        let asked = self.request(&now).asked;
        // Either it fits, and is at most `u64::MAX`, or the words are of two states.
        let asked = asked.zip(Tally::default(), |amount, ()| amount as u64);
        let reserved = now.reserved().zip(asked, u64::wrapping_add);
        now.to(now.spent(), reserved, asked)
    }

    fn narrowed_by(self, now: &Words<'_>) -> Self {
        let output = self.output(&State::of(now));
        // It is at most what was wanted before, or the least.
        let most = u64::try_from(output).unwrap_or(self.most);
        Self { most, ..self }
    }

    fn worse(above: Rejected, below: Rejected) -> Rejected {
        Rejected::worse(above, below)
    }
}
