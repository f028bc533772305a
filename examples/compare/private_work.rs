//! What threads do between two records: nobody only records.

use std::hint::black_box;
use std::time::Instant;

/// Work on nothing but registers, for a time that varies by half either way: threads that
/// all take equally long fall into step, which programs do not.
#[derive(Clone, Copy)]
pub(crate) struct PrivateWork {
    steps: u64,
}

impl PrivateWork {
    pub(crate) fn of_nanos(nanos: f64) -> Self {
        const STEPS: u64 = 100_000;
        // The shortest of many: the others were disturbed.
        let step = (0..50)
            .map(|_| {
                let start = Instant::now();
                black_box(steps(black_box(1), STEPS));
                start.elapsed().as_secs_f64() * 1e9 / STEPS as f64
            })
            .fold(f64::INFINITY, f64::min);
        Self {
            steps: (nanos / step) as u64,
        }
    }

    /// Works on from `state`.
    #[inline]
    pub(crate) fn run(self, state: u64) -> u64 {
        let jitter = ((state >> 32) * self.steps) >> 32;
        steps(state, self.steps / 2 + jitter)
    }
}

#[inline]
fn steps(mut state: u64, steps: u64) -> u64 {
    for _ in 0..steps {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
    }
    state
}
