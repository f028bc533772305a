//! How long a thread pauses before it looks again. (How long it does so before it takes a detour is
//! `patience` in `src/sync.rs`.)

use crate::sync::{spin_loop, yield_now};

/// A yield counts as this many pause instructions.
const YIELD: u32 = 100;

/// First pauses, then yields.
///
/// A pause is long enough for the holder of a cache line to do several updates before it loses the
/// line. (Shorter pauses were slower wherever threads compete.) Its length is jittered, so that
/// threads in step drift apart. If some pauses did not help, the holder is probably not running, and a
/// yield may give it this core.
pub(super) struct Backoff {
    steps: u32,
}

impl Backoff {
    const PAUSES: u32 = 5;

    pub(super) fn new() -> Self {
        Self { steps: 0 }
    }

    /// Waits, and returns roughly how long, in pause instructions.
    pub(super) fn wait(&mut self) -> u32 {
        if self.steps == Self::PAUSES {
            yield_now();
            return YIELD;
        }
        let turns = 60 + self.jitter() % 31;
        self.steps += 1;
        pause(turns);
        turns
    }

    /// A number that differs between threads (each has its stack elsewhere) and between steps.
    fn jitter(&self) -> u32 {
        let stack = std::ptr::from_ref(self) as usize >> 6;
        (stack as u32 ^ self.steps).wrapping_mul(0x9E37_79B9) >> 16
    }
}

/// Runs the pause instruction `turns` times.
pub(super) fn pause(turns: u32) {
    for _ in 0..turns {
        spin_loop();
    }
}
