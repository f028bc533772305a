//! What else one would write by hand with atomics, and the floor: what one word costs.

use std::sync::atomic::{fence, AtomicU64, Ordering};

use crossbeam_utils::Backoff;

use super::{Budget, Call, Limits, Readable, Room};

/// Four counters, one after the other. What goes past a limit is taken back.
pub(crate) struct AddThenUndo {
    input: AtomicU64,
    output: AtomicU64,
    nanos: AtomicU64,
    calls: AtomicU64,
    limits: Limits,
}

impl Budget for AddThenUndo {
    const NAME: &'static str = "add, then undo";
    const LACKS: &'static str = "WRONG: refuses calls that fit, because of calls that do not; \
                                 totals of no one moment; overflows";

    fn new(room: Room) -> Self {
        Self {
            input: AtomicU64::new(0),
            output: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            limits: Limits::of(room),
        }
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        let add = |counter: &AtomicU64, amount| counter.fetch_add(amount, Ordering::Relaxed);
        let undo = |counter: &AtomicU64, amount| counter.fetch_sub(amount, Ordering::Relaxed);
        let input = add(&self.input, call.input) + call.input;
        if input > self.limits.input {
            undo(&self.input, call.input);
            return input;
        }
        let output = add(&self.output, call.output) + call.output;
        if output > self.limits.output || input + output > self.limits.total {
            undo(&self.input, call.input);
            undo(&self.output, call.output);
            return output;
        }
        let nanos = add(&self.nanos, call.nanos) + call.nanos;
        if nanos > self.limits.nanos {
            undo(&self.input, call.input);
            undo(&self.output, call.output);
            undo(&self.nanos, call.nanos);
            return nanos;
        }
        add(&self.calls, 1) + 1
    }

    fn calls(&self) -> Option<u64> {
        Some(self.calls.load(Ordering::Relaxed))
    }
}

/// The counts in place, behind a counter that is odd while a thread writes.
pub(crate) struct Seqlock {
    sequence: AtomicU64,
    words: [AtomicU64; 4],
    limits: Limits,
}

impl Seqlock {
    #[inline]
    fn read(&self) -> (u64, [u64; 4]) {
        let backoff = Backoff::new();
        loop {
            let sequence = self.sequence.load(Ordering::Acquire);
            if sequence & 1 == 0 {
                let words = self.words.each_ref();
                let words = words.map(|word| word.load(Ordering::Relaxed));
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == sequence {
                    return (sequence, words);
                }
            }
            // Sleeps at last: a writer may have been suspended.
            backoff.snooze();
        }
    }

    #[inline]
    fn fits(&self, [input, output, nanos, _]: [u64; 4]) -> bool {
        let total = input.checked_add(output);
        input <= self.limits.input
            && output <= self.limits.output
            && total.is_some_and(|total| total <= self.limits.total)
            && nanos <= self.limits.nanos
    }
}

impl Budget for Seqlock {
    const NAME: &'static str = "seqlock";
    const LACKS: &'static str = "BLOCKS: a suspended writer stops everybody, readers too";

    fn new(room: Room) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            words: [const { AtomicU64::new(0) }; 4],
            limits: Limits::of(room),
        }
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        let backoff = Backoff::new();
        loop {
            let (sequence, [input, output, nanos, calls]) = self.read();
            let new = [
                input.saturating_add(call.input),
                output.saturating_add(call.output),
                nanos.saturating_add(call.nanos),
                calls + 1,
            ];
            if !self.fits(new) {
                return 0;
            }
            let odd = sequence + 1;
            let taken =
                self.sequence
                    .compare_exchange(sequence, odd, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                fence(Ordering::Release);
                for (word, new) in self.words.iter().zip(new) {
                    word.store(new, Ordering::Relaxed);
                }
                self.sequence.store(odd + 1, Ordering::Release);
                return calls + 1;
            }
            backoff.spin();
        }
    }

    fn calls(&self) -> Option<u64> {
        Some(self.totals())
    }
}

impl Readable for Seqlock {
    #[inline]
    fn totals(&self) -> u64 {
        self.read().1[3]
    }
}

/// The floor of a checked record: one word, one limit.
pub(crate) struct CasLoop {
    nanos: AtomicU64,
    limit: u64,
}

impl Budget for CasLoop {
    const NAME: &'static str = "one-word CAS loop";
    const LACKS: &'static str = "one dimension: the floor, not a budget";

    fn new(room: Room) -> Self {
        let limit = match room {
            Room::Plenty => Limits::of(room).nanos,
            Room::TooLittle => 0,
        };
        Self {
            nanos: AtomicU64::new(0),
            limit,
        }
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        let mut now = self.nanos.load(Ordering::Relaxed);
        loop {
            let new = now.saturating_add(call.nanos);
            if new > self.limit {
                return now;
            }
            let order = (Ordering::Release, Ordering::Relaxed);
            match self.nanos.compare_exchange_weak(now, new, order.0, order.1) {
                Ok(_) => return new,
                Err(other) => now = other,
            }
        }
    }
}

/// The floor of a shared counter: it refuses nothing.
pub(crate) struct FetchAdd(AtomicU64);

impl Budget for FetchAdd {
    const NAME: &'static str = "fetch_add";
    const LACKS: &'static str = "no limit at all: the floor, not a budget";

    fn new(_: Room) -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        self.0.fetch_add(call.nanos, Ordering::Release)
    }
}

/// The loop around the others: what is measured beside them.
pub(crate) struct Nothing;

impl Budget for Nothing {
    const NAME: &'static str = "nothing";
    const LACKS: &'static str = "what is measured beside the budget: the loop, the work, the clock";

    fn new(_: Room) -> Self {
        Self
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        call.nanos
    }
}

/// What this crate stores and exchanges for a record, and nothing more: the claim is taken by a
/// swap, seven words go from one slot to the other, a CAS moves the head, and the claim is released.
/// Nothing is decided. The words lie where they lie in the register (`src/register/lane.rs`).
#[repr(C, align(64))]
pub(crate) struct LaneAlone {
    claim: AtomicU64,
    first: [AtomicU64; 7],
    head: AtomicU64,
    second: [AtomicU64; 7],
}

impl LaneAlone {
    /// From the slot `from` to the slot `to`. Returns the new head.
    #[inline(always)]
    fn update(&self, head: u64, from: &[AtomicU64; 7], to: &[AtomicU64; 7], call: &Call) -> u64 {
        let more = [call.input, call.output, call.nanos, 0, 0, 0, 1];
        for ((from, to), more) in from.iter().zip(to).zip(more) {
            to.store(
                from.load(Ordering::Relaxed).wrapping_add(more),
                Ordering::Relaxed,
            );
        }
        let next = (head + 2) ^ 1;
        let (success, failure) = (Ordering::Release, Ordering::Relaxed);
        let updated = self.head.compare_exchange(head, next, success, failure);
        updated.map_or_else(|now| now, |_| next)
    }
}

impl Budget for LaneAlone {
    const NAME: &'static str = "a lane alone (floor)";
    const LACKS: &'static str = "no limits; one thread only";

    fn new(_: Room) -> Self {
        let zeros = || [(); 7].map(|()| AtomicU64::new(0));
        Self {
            claim: AtomicU64::new(2),
            first: zeros(),
            head: AtomicU64::new(2),
            second: zeros(),
        }
    }

    #[inline]
    fn record(&self, call: &Call) -> u64 {
        let head = self.claim.swap(0, Ordering::Acquire);
        // Two copies, as in the register: the slot is known by a branch.
        let next = if head & 1 == 0 {
            self.update(head, &self.first, &self.second, call)
        } else {
            self.update(head, &self.second, &self.first, call)
        };
        self.claim.store(next, Ordering::Release);
        next
    }

    fn calls(&self) -> Option<u64> {
        Some(self.head.load(Ordering::Relaxed) / 2 - 1)
    }
}
