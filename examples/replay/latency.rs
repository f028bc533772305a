//! Stopwatches for the steps of a replay: one that costs nothing, and one that takes the time of every step.
//!
//! A reading of the clock takes about as long as a record. So the throughput run has the first, and a second run has
//! the other. The second run also times the clock itself, in the same threads and at the same moments, so that a
//! reader can tell how much of a latency is the clock's.
//!
//! With several threads, one divided by the latency is not the rate. Reading the clock between the records lets
//! another thread in, and nearly every record finds the pool in another core's cache. Without it a thread gets
//! hundreds of records in before the other has its turn.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// A record, or a reserve.
    Admit,
    Settle,
}

pub(crate) trait Stopwatch: Send {
    fn new() -> Self;
    fn time<R>(&mut self, step: Step, work: impl FnOnce() -> R) -> R;
    fn merge(&mut self, other: Self);
}

pub(crate) struct Untimed;

impl Stopwatch for Untimed {
    fn new() -> Untimed {
        Untimed
    }

    #[inline]
    fn time<R>(&mut self, _: Step, work: impl FnOnce() -> R) -> R {
        work()
    }

    fn merge(&mut self, _: Untimed) {}
}

pub(crate) struct Timed {
    admit: Histogram<u64>,
    settle: Histogram<u64>,
    clock: Histogram<u64>,
}

impl Stopwatch for Timed {
    fn new() -> Timed {
        // Up to a minute at three digits. What takes longer counts as a minute.
        let empty = || Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("valid bounds");
        Timed {
            admit: empty(),
            settle: empty(),
            clock: empty(),
        }
    }

    #[inline]
    fn time<R>(&mut self, step: Step, work: impl FnOnce() -> R) -> R {
        let before = Instant::now();
        let start = Instant::now();
        let result = work();
        let end = Instant::now();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.clock.saturating_record(nanos(start - before));
        match step {
            Step::Admit => self.admit.saturating_record(nanos(end - start)),
            Step::Settle => self.settle.saturating_record(nanos(end - start)),
        }
        result
    }

    fn merge(&mut self, other: Timed) {
        let merged = "histograms of the same bounds";
        self.admit.add(other.admit).expect(merged);
        self.settle.add(other.settle).expect(merged);
        self.clock.add(other.clock).expect(merged);
    }
}

impl Timed {
    pub(crate) fn admit(&self) -> Latency {
        Latency::of(&self.admit)
    }

    pub(crate) fn settle(&self) -> Latency {
        Latency::of(&self.settle)
    }

    /// Two readings with nothing between them.
    pub(crate) fn clock(&self) -> Latency {
        Latency::of(&self.clock)
    }
}

/// Nanoseconds at the usual percentiles.
#[derive(Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
    pub(crate) samples: u64,
}

impl Latency {
    fn of(times: &Histogram<u64>) -> Latency {
        Latency {
            p50: times.value_at_quantile(0.5),
            p99: times.value_at_quantile(0.99),
            p999: times.value_at_quantile(0.999),
            max: times.max(),
            samples: times.len(),
        }
    }
}
