//! Operations of every kind, in windows with nothing under way between one and the next.

use token_budget_pool::{BudgetPool, Limits, Usd};

use crate::gate::together;
use crate::mixed::Mixed;
use crate::operation::{usage, Caller, Op};
use crate::overlap::until_enough_overlap;
use crate::recorder::{Event, Stamps};
use crate::search::Search;

/// Not as many as for records alone. An operation that waits gives way to others, so that with
/// 16 threads most events of a window overlap, and the search takes minutes.
const THREADS: [usize; 3] = [2, 4, 8];

/// Threads that go on from window to window together, in each with so many operations.
fn in_windows(
    pool: &BudgetPool,
    threads: usize,
    windows: &[usize],
    stamps: &Stamps,
    next: impl Fn(&mut Mixed, bool) -> Op + Sync,
) -> Vec<Vec<Event>> {
    together(threads, |number, gate| {
        let mut caller = Caller::new(pool, stamps, windows.iter().sum());
        let mut mixed = Mixed(number as u64 + 1);
        for &events in windows {
            gate.pass();
            for _ in 0..events {
                let op = next(&mut mixed, caller.has_reserved());
                caller.run(op);
            }
        }
        // Past the last window: what is left in hand is dropped, and that is not recorded.
        gate.pass();
        caller.finish()
    })
}

fn are_in_order(
    limits: Limits,
    threads: usize,
    next: impl Fn(&mut Mixed, bool) -> Op + Sync + Copy,
) {
    // In short ones, threads meet that run on cores of their own. In long ones, some are
    // preempted in the middle of an operation for as long as others take to run thousands.
    let windows = [vec![10; 1_000 / threads], vec![30_000 / threads; 4]].concat();
    until_enough_overlap(|| {
        let pool = BudgetPool::new(limits);
        let history = in_windows(&pool, threads, &windows, &Stamps::native(), next);
        let mut search = Search::new(limits, threads);
        let (mut begin, mut places) = (0, 0);
        for events in &windows {
            let end = begin + events;
            let window: Vec<&[Event]> = history.iter().map(|events| &events[begin..end]).collect();
            let searched = search.window(&window);
            places += searched.unwrap_or_else(|no_order| panic!("{threads} threads: {no_order}"));
            begin = end;
        }
        let description = format!(
            "{} of {threads} threads in {} windows, {places} places searched",
            threads * begin,
            windows.len()
        );
        (history, description)
    });
}

#[test]
fn resets_are_linearizable() {
    // Two or three records between two resets fill it.
    let limits = Limits::unlimited()
        .input_tokens(12)
        .total_tokens(20)
        .cost(Usd::from_nanos(12));
    for threads in THREADS {
        are_in_order(limits, threads, |mixed, _| {
            let mut amount = || mixed.below(9);
            let record = Op::Record(amount(), amount(), amount());
            match mixed.below(12) {
                0 => Op::Reset,
                1 => Op::Take,
                2 | 3 => Op::Totals,
                4 => Op::Snapshot,
                _ => record,
            }
        });
    }
}

#[test]
fn reservations_under_limits_that_change_are_linearizable() {
    let limits = |mixed: &mut Mixed| {
        let mut limits = Limits::unlimited();
        match mixed.below(4) {
            0 => limits.input_tokens = Some(mixed.below(40)),
            1 => limits.output_tokens = Some(mixed.below(40)),
            2 => limits.cost = Some(Usd::from_nanos(mixed.below(40))),
            _ => limits.calls = Some(mixed.below(20)),
        }
        limits
    };
    for threads in THREADS {
        let begin = Limits::unlimited().input_tokens(20);
        are_in_order(begin, threads, |mixed, has_reserved| {
            let mut amount = || mixed.below(6);
            let usage = usage(amount(), amount(), amount());
            match (mixed.below(20), has_reserved) {
                (0, _) => Op::SetLimits(limits(mixed)),
                (1, _) => Op::RaiseInput(usage.input_tokens),
                (2, _) => Op::Take,
                (3 | 4, _) => Op::Snapshot,
                (5, _) => Op::Check(usage),
                (6, _) => Op::Charge(usage),
                (7, _) => Op::TryCharge(usage),
                (_, false) => Op::Reserve(usage),
                (8, true) => Op::Extend(usage),
                (9, true) => Op::ShrinkTo(usage),
                (10, true) => Op::Report(usage),
                (11, true) => Op::SettleAtLeast(usage),
                (12, true) => Op::Forfeit,
                (13, true) => Op::Release,
                (14 | 15, true) => Op::Drop,
                (_, true) => Op::Settle(usage),
            }
        });
    }
}
