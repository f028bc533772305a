//! How long everything runs.

use std::time::Duration;

use crate::machine;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Rounds: each contestant runs once in each, on a budget of its own.
    pub(crate) rounds: usize,
    /// Rounds of what takes long.
    pub(crate) long_rounds: usize,
    /// Of a hundred runs, so many may be repeated because other programs disturbed them.
    pub(crate) repeats: usize,
    /// How long one runs on a core, in a round.
    slice: Duration,
    pub(crate) tail: Duration,
    pub(crate) fairness: Duration,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 25,
        long_rounds: 5,
        repeats: 10,
        slice: Duration::from_millis(4),
        tail: Duration::from_millis(500),
        fairness: Duration::from_secs(1),
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        long_rounds: 1,
        repeats: 0,
        slice: Duration::from_millis(2),
        tail: Duration::from_millis(200),
        fairness: Duration::from_millis(400),
    };

    /// The time of one run with so many threads: for each of them to have its turn, so
    /// that some are suspended in the middle of a call, as in real life.
    pub(crate) fn time(self, threads: usize) -> Duration {
        let turns = threads as f64 / machine::cores() as f64;
        self.slice.mul_f64((turns * 0.75).max(1.0))
    }
}
