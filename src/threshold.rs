//! Thresholds: shares of a limit at which to warn.

use std::error::Error;
use std::fmt;

use crate::dimension::Dimension;

/// A share of a limit at which to warn, for [`Builder::warn_at`](crate::Builder::warn_at). It is about every
/// limit of a pool, or about [one dimension](Self::of) alone.
///
/// The share is rounded up to a whole token, call or nano-dollar: 50 percent of three calls are two.
///
/// # Examples
///
/// ```
/// use token_budget_pool::{Dimension, Threshold};
///
/// let early = Threshold::percent(80)?;
/// let late = Threshold::per_mille(995)?.of(Dimension::Cost);
/// assert_eq!(Threshold::per_mille(800)?, early);
/// assert!(Threshold::percent(0).is_err());
/// # let _ = late;
/// # Ok::<(), token_budget_pool::InvalidThreshold>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Threshold {
    pub(crate) share: Share,
    pub(crate) dimension: Option<Dimension>,
}

impl Threshold {
    /// A share in percent of each limit, from 1 to 100.
    ///
    /// # Errors
    ///
    /// [`InvalidThreshold`] if it is zero or more than 100.
    pub const fn percent(percent: u32) -> Result<Threshold, InvalidThreshold> {
        match percent {
            1..=100 => Ok(Threshold::of_each_limit(percent as u16 * 10)),
            _ => Err(InvalidThreshold {
                value: percent,
                most: 100,
            }),
        }
    }

    /// A share in thousandths of each limit, from 1 to 1,000.
    ///
    /// # Errors
    ///
    /// [`InvalidThreshold`] if it is zero or more than 1,000.
    pub const fn per_mille(per_mille: u32) -> Result<Threshold, InvalidThreshold> {
        match per_mille {
            1..=1_000 => Ok(Threshold::of_each_limit(per_mille as u16)),
            _ => Err(InvalidThreshold {
                value: per_mille,
                most: 1_000,
            }),
        }
    }

    const fn of_each_limit(per_mille: u16) -> Threshold {
        Threshold {
            share: Share { per_mille },
            dimension: None,
        }
    }

    /// The same share, but only of the limit on this dimension.
    #[must_use]
    pub const fn of(self, dimension: Dimension) -> Threshold {
        Threshold {
            dimension: Some(dimension),
            ..self
        }
    }
}

/// From 1 to 1,000 thousandths of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Share {
    pub(crate) per_mille: u16,
}

impl Share {
    /// The amount at which so much of `limit` is reached. A limit of zero has nothing to warn of.
    pub(crate) fn reached_at(self, limit: u64) -> Option<u128> {
        let amount = (u128::from(limit) * u128::from(self.per_mille)).div_ceil(1_000);
        (amount > 0).then_some(amount)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.per_mille / 10, self.per_mille % 10) {
            (percent, 0) => write!(f, "{percent}%"),
            (percent, tenths) => write!(f, "{percent}.{tenths}%"),
        }
    }
}

/// Why a share is no [`Threshold`]: it is zero, or more than the whole limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvalidThreshold {
    value: u32,
    /// The whole, in the unit of the value.
    most: u32,
}

impl InvalidThreshold {
    /// The value that was refused, as it was given: in percent or in thousandths.
    pub const fn value(&self) -> u32 {
        self.value
    }
}

impl fmt::Display for InvalidThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.most == 100 {
            "percent"
        } else {
            "per mille"
        };
        write!(
            f,
            "invalid threshold: {} {unit} of a limit is not between 1 and {}",
            self.value, self.most
        )
    }
}

impl Error for InvalidThreshold {}
