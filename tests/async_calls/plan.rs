//! What a task is going to do, drawn from a seed.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use token_budget_pool::{Usage, Usd};

pub(crate) fn usage(input: u64, output: u64) -> Usage {
    Usage::tokens(input, output).cost(Usd::from_nanos(3 * input + 15 * output))
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Replies,
    Streams,
    /// A stream that breaks off, and is settled with at least what came.
    BreaksOff,
    Fails,
    Panics,
    TimesOut,
    /// Fails while it is still being prepared.
    FailsBeforeStart,
    PanicsBeforeStart,
    /// Fails, and the caller knows no better than to count all that was reserved.
    Forfeited,
    /// Too many requests, and not billed.
    TurnedAway,
}

pub(crate) const FATES: [Fate; 10] = [
    Fate::Replies,
    Fate::Streams,
    Fate::BreaksOff,
    Fate::Fails,
    Fate::Panics,
    Fate::TimesOut,
    Fate::FailsBeforeStart,
    Fate::PanicsBeforeStart,
    Fate::Forfeited,
    Fate::TurnedAway,
];

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) fate: Fate,
    pub(crate) estimate: Usage,
    pub(crate) actual: Usage,
    /// How often a stream reports.
    pub(crate) reports: u64,
    /// Turns given away at every await.
    pub(crate) latency: u64,
    /// At which of its turns it is aborted, if it gets as far.
    pub(crate) aborted_at: Option<u64>,
}

impl Plan {
    pub(crate) fn draw(drawn: &mut Drawn, fates: &[Fate], overrun: u64) -> Plan {
        let estimate = usage(1 + drawn.below(200), 1 + drawn.below(100));
        let within = |drawn: &mut Drawn, most: u64| drawn.below(most + 1);
        let actual = usage(
            within(drawn, estimate.input_tokens + overrun),
            within(drawn, estimate.output_tokens + overrun),
        );
        Plan {
            fate: fates[drawn.below(fates.len() as u64) as usize],
            estimate,
            actual,
            reports: 1 + drawn.below(4),
            latency: drawn.below(4),
            aborted_at: (drawn.below(3) == 0).then(|| drawn.below(24)),
        }
    }

    /// The total that a stream has reported after so many reports.
    pub(crate) fn so_far(&self, report: u64) -> Usage {
        let share = |amount: u64| amount * report / self.reports;
        usage(
            share(self.actual.input_tokens),
            share(self.actual.output_tokens),
        )
    }
}

pub(crate) struct Drawn(pub(crate) u64);

impl Drawn {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // splitmix64: neighbouring seeds draw nothing alike.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }
}

pub(crate) fn seed() -> u64 {
    let seed = match env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64),
    };
    println!("SEED={seed}");
    seed
}
