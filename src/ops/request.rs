//! What a call asks to be admitted for, whether it fits, and if not, why.

use crate::dimension::{Dimension, Tally};
use crate::layout::{State, MOST_IN_FLIGHT};
use crate::level::Level;
use crate::money::Usd;
use crate::rejection::{Exceeded, Reason, Rejected};
use crate::usage::Usage;

/// What a call asks to be admitted for, with amounts of type `N`. Only what a `u64` can count can fit.
/// A larger request is counted in `u128`, for the answer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Request<N = u64> {
    pub(crate) asked: Tally<N>,
    /// Whether the call's cost is unknown and no cost was assumed for it.
    pub(crate) unpriced: bool,
}

impl Request {
    /// A request for one call of this usage. An unknown cost counts as zero, and makes it unpriced.
    #[inline(always)]
    pub(crate) fn call(usage: Usage) -> Self {
        Self {
            asked: Tally {
                calls: 1,
                ..usage.tally()
            },
            unpriced: usage.cost.is_none(),
        }
    }

    #[inline(always)]
    pub(crate) fn wide(self) -> Request<u128> {
        Request {
            asked: self.asked.wide(),
            unpriced: self.unpriced,
        }
    }

    /// Whether it plainly fits. The sums are of `u64`s: with the top three bits of all amounts clear,
    /// no sum of six of them overflows. This is `false` also if somebody waits, and if some limit is passed
    /// already. (Such a limit refuses only requests for more of its dimension.)
    #[inline(always)]
    pub(crate) fn fits_plainly(&self, now: &State<'_>) -> bool {
        let (spent, reserved) = (now.spent(), now.reserved());
        let bits = spent.bits() | reserved.bits() | self.asked.bits();
        if (bits | now.word_with_rare_bits()) >> 61 != 0 || self.is_unpriced(now) {
            return false;
        }
        let sums = spent
            .zip(self.asked, u64::wrapping_add)
            .zip(reserved, u64::wrapping_add);
        let mut all = Dimension::ALL.into_iter();
        all.all(|dimension| dimension.wrapping_of(&sums) <= now.limit(dimension))
    }
}

impl<N: Copy + Default + Into<u128>> Request<N> {
    #[inline(always)]
    fn is_unpriced(&self, now: &State<'_>) -> bool {
        self.unpriced && now.is_limited(Dimension::Cost)
    }

    /// The first dimension whose limit refuses it, in the order of [`Dimension::ALL`].
    pub(crate) fn first_refusing(&self, now: &State<'_>) -> Option<Dimension> {
        let mut all = Dimension::ALL.into_iter();
        all.find(|&dimension| {
            let line = self.line(dimension, &Tally::default(), now);
            line.reason().is_some()
        })
    }

    /// Why it does not fit, if it does not. Names the first limit with the worst reason, of those that
    /// refuse it.
    ///
    /// `own` is what the call has reserved already.
    // Inlined: to return a refusal through memory costs as much as the check itself.
    #[inline(always)]
    pub(crate) fn refusal(&self, own: &Tally, now: &State<'_>) -> Option<Rejected> {
        if now.is_closed() {
            return Some(Rejected::Closed {
                level: Level::at(now.depth()),
            });
        }
        if self.is_unpriced(now) {
            return Some(Rejected::Unpriced {
                level: Level::at(now.depth()),
                limit: Usd::from_nanos(now.limit(Dimension::Cost)),
            });
        }
        let mut worst: Option<(Reason, Dimension)> = None;
        for dimension in Dimension::ALL {
            if let Some(reason) = self.line(dimension, own, now).reason() {
                if worst.map_or(true, |(worst, _)| worst < reason) {
                    worst = Some((reason, dimension));
                }
            }
        }
        let (reason, dimension) = worst?;
        Some(
            self.line(dimension, own, now)
                .rejected(dimension, reason, now),
        )
    }

    /// The same for a reservation, which has one more limit: the calls in flight that can be counted.
    #[inline(always)]
    pub(crate) fn reservation_refusal(&self, own: &Tally, now: &State<'_>) -> Option<Rejected> {
        let refusal = self.refusal(own, now);
        let too_many = self.asked.calls.into() > 0 && now.reserved().calls == MOST_IN_FLIGHT;
        if refusal.is_none() && too_many {
            let line = Line {
                limit: MOST_IN_FLIGHT,
                // What is spent does not count against it.
                spent: 0,
                ..self.line(Dimension::Calls, own, now)
            };
            return Some(line.rejected(Dimension::Calls, Reason::Busy, now));
        }
        refusal
    }

    #[inline(always)]
    fn line(&self, dimension: Dimension, own: &Tally, now: &State<'_>) -> Line {
        Line {
            limit: now.limit(dimension),
            spent: dimension.saturating_of(&now.spent()),
            reserved: dimension.saturating_of(&now.reserved()),
            own: dimension.saturating_of(own),
            asked: dimension.of(&self.asked),
        }
    }
}

/// The numbers of one dimension. `spent`, `reserved` and `own` saturate, since a sum above `u64::MAX`
/// leaves no room, and neither does `u64::MAX`. `asked` is exact. Otherwise a request that is too large
/// would seem to fit where there is no limit.
struct Line {
    limit: u64,
    spent: u64,
    /// For all calls, including this one.
    reserved: u64,
    own: u64,
    asked: u128,
}

impl Line {
    /// Why the limit leaves too little room, if it does. A request for zero of a dimension is never
    /// refused by its limit.
    #[inline(always)]
    fn reason(&self) -> Option<Reason> {
        let unspent = self.limit.saturating_sub(self.spent);
        if self.asked <= unspent.saturating_sub(self.reserved).into() {
            return None;
        }
        let requested = self.asked + u128::from(self.own);
        Some(if requested > self.limit.into() {
            Reason::NeverFits
        } else if requested > unspent.into() {
            Reason::Exhausted
        } else {
            Reason::Busy
        })
    }

    #[inline(always)]
    fn rejected(&self, dimension: Dimension, reason: Reason, now: &State<'_>) -> Rejected {
        let requested = self.asked + u128::from(self.own);
        Rejected::Exceeded(Exceeded {
            level: Level::at(now.depth()),
            dimension,
            limit: self.limit,
            spent: self.spent,
            reserved: self.reserved.saturating_sub(self.own),
            requested: u64::try_from(requested).unwrap_or(u64::MAX),
            reason,
        })
    }
}
