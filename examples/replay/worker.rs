//! What one worker does with the calls it takes: record them, or reserve and settle them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use token_budget_pool::{BudgetPool, Call};

use crate::latency::{Step, Stopwatch};
use crate::replay::{Plan, Reserve};
use crate::tally::Tally;

/// How many calls a worker takes at a time: enough that taking them costs little beside recording them.
const CHUNK: u64 = 64;

/// How many times, at most, a run with reservations looks at what is reserved.
const MOST_LOOKS: u64 = 10_000;

/// The calls of a run, handed out in order: to each worker the next ones when it has done its last.
pub(crate) struct Cursor {
    next: AtomicU64,
    calls: u64,
}

impl Cursor {
    pub(crate) fn over(calls: u64) -> Cursor {
        Cursor {
            next: AtomicU64::new(0),
            calls,
        }
    }

    // Relaxed: each call has to go to one worker, and no data goes with it.
    fn take(&self) -> Option<Range<u64>> {
        let from = self.next.fetch_add(CHUNK, Relaxed);
        (from < self.calls).then(|| from..self.calls.min(from + CHUNK))
    }

    /// How many calls have been handed out.
    pub(crate) fn taken(&self) -> u64 {
        // Relaxed: only for show.
        self.next.load(Relaxed).min(self.calls)
    }
}

pub(crate) struct Worker<'a, S> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) pool: &'a BudgetPool,
    pub(crate) branches: Option<&'a Branches<'a>>,
    pub(crate) tally: Tally,
    pub(crate) stopwatch: S,
}

/// For a tree: what there is for each call of the trace.
pub(crate) struct Branches<'a> {
    /// Where it is charged.
    pub(crate) pools: Vec<&'a BudgetPool>,
    /// How often it was accepted. Only the check reads it, when all workers have ended.
    pub(crate) accepted: Vec<AtomicU64>,
}

impl<'a, S: Stopwatch> Worker<'a, S> {
    pub(crate) fn run(&mut self, cursor: &Cursor) {
        match &self.plan.reserve {
            None => self.record(cursor),
            Some(reserve) => self.reserve(cursor, reserve),
        }
    }

    fn record(&mut self, cursor: &Cursor) {
        let calls = self.plan.calls;
        while let Some(taken) = cursor.take() {
            for index in indices(taken, calls.len()) {
                let (usage, pool) = (calls[index], self.pool_of(index));
                match self.stopwatch.time(Step::Admit, || pool.try_charge(usage)) {
                    Ok(_) => self.accept(index),
                    Err(rejected) => self.tally.reject(&rejected),
                }
            }
        }
    }

    /// A replay has no waiting, so its clock is the calls themselves: a call is settled when its worker has come
    /// `in_flight` calls further, whether those were admitted or not.
    fn reserve(&mut self, cursor: &Cursor, reserve: &Reserve) {
        let calls = self.plan.calls;
        let look_each = cursor.calls.div_ceil(CHUNK).div_ceil(MOST_LOOKS);
        let mut in_flight = VecDeque::with_capacity(reserve.in_flight);
        while let Some(taken) = cursor.take() {
            if taken.start / CHUNK % look_each == 0 {
                self.tally.look_at(&self.pool.snapshot(), self.plan.limits);
            }
            for index in indices(taken, calls.len()) {
                if in_flight.len() == reserve.in_flight {
                    self.settle(in_flight.pop_front().flatten());
                }
                let pool = self.pool_of(index);
                let worst_case = reserve.worst_cases[index];
                let call = match self
                    .stopwatch
                    .time(Step::Admit, || pool.try_reserve(worst_case))
                {
                    Ok(reservation) => Some((reservation.start(), index)),
                    Err(rejected) => {
                        self.tally.reject(&rejected);
                        // Among several workers this is a moment later, and others may have settled in it.
                        let fits = pool.check(calls[index]).is_ok();
                        self.tally.turned_away += u64::from(fits);
                        None
                    }
                };
                in_flight.push_back(call);
            }
        }
        for call in in_flight {
            self.settle(call);
        }
    }

    // `None`: the call that would be settled now was not admitted.
    fn settle(&mut self, call: Option<(Call<&'a BudgetPool>, usize)>) {
        if let Some((call, index)) = call {
            let actual = self.plan.calls[index];
            // What it counted is in the totals, and these are checked at the end.
            let _ = self.stopwatch.time(Step::Settle, || call.settle(actual));
            self.accept(index);
        }
    }

    #[inline]
    fn pool_of(&self, index: usize) -> &'a BudgetPool {
        self.branches
            .map_or(self.pool, |branches| branches.pools[index])
    }

    #[inline]
    fn accept(&mut self, index: usize) {
        self.tally.accept(self.plan.calls[index]);
        if let Some(branches) = self.branches {
            branches.accepted[index].fetch_add(1, Relaxed);
        }
    }
}

/// Where in the trace the calls of these numbers are, round after round, without a division for each.
fn indices(taken: Range<u64>, length: usize) -> impl Iterator<Item = usize> {
    let mut next = (taken.start % length as u64) as usize;
    taken.map(move |_| {
        let index = next;
        next = if index + 1 == length { 0 } else { index + 1 };
        index
    })
}
