//! Records and reads of the totals, under limits that all bind.

use token_budget_pool::{BudgetPool, Limits, Totals, Usd};

use crate::checker::{check, Explained, Flaw};
use crate::gate::together;
use crate::mixed::Mixed;
use crate::naive::{AddThenUndo, Pool};
use crate::operation::Op;
use crate::overlap::until_enough_overlap;
use crate::recorder::{Event, Recorder, Stamps};
use crate::THREADS;

/// Limits that all bind in a history of that many events of [`record_and_read`].
fn binding(events: u64) -> Limits {
    Limits::unlimited()
        .input_tokens(events * 50 / 100)
        .output_tokens(events * 110 / 100)
        .total_tokens(events * 115 / 100)
        .cost(Usd::from_nanos(events * 75 / 100))
        .calls(events * 36 / 100)
}

/// One token more than was left at these totals, or one nano-dollar: refused in every
/// state from there on.
fn too_much(limits: Limits, seen: Totals, dimension: u64) -> [u64; 3] {
    let room = |limit: Option<u64>, taken| limit.expect("a limit").saturating_sub(taken);
    let input = room(limits.input_tokens, seen.input_tokens);
    let cost = limits.cost.map(Usd::as_nanos);
    match dimension {
        0 => [input + 1, 0, 0],
        1 => [0, room(limits.output_tokens, seen.output_tokens) + 1, 0],
        2 => {
            let total = room(limits.total_tokens, seen.total_tokens()) + 1;
            let input = input.min(total);
            [input, total - input, 0]
        }
        _ => [0, 0, room(cost, (seen.cost_usd * 1e9).round() as u64) + 1],
    }
}

/// Threads that record and read the totals.
fn record_and_read(
    pool: &impl Pool,
    limits: Limits,
    threads: usize,
    events: usize,
    stamps: &Stamps,
) -> Vec<Vec<Event>> {
    together(threads, |number, _| {
        let mut recorder = Recorder::new(stamps, events);
        let mut mixed = Mixed(number as u64 + 1);
        let mut seen = Totals::default();
        for _ in 0..events {
            let mut request = [0; 3];
            match mixed.below(8) {
                0 | 1 => {
                    let totals = || pool.totals();
                    seen = recorder.record(Op::Totals, totals, |&totals| totals.into());
                    continue;
                }
                2 => request = too_much(limits, seen, mixed.below(4)),
                _ => {
                    // Much of one dimension, and now and then a little of another.
                    request[mixed.below(3) as usize] += 1 + mixed.below(8);
                    request[mixed.below(3) as usize] += mixed.below(2);
                }
            }
            let [input, output, nanos] = request;
            let op = Op::Record(input, output, nanos);
            let record = || pool.record(input, output, nanos);
            if let Ok(totals) = recorder.record(op, record, |&answer| answer.into()) {
                seen = totals;
            }
        }
        recorder.finish()
    })
}

fn are_in_order(threads: usize, events: usize, stamps: fn() -> Stamps) {
    let limits = binding((threads * events) as u64);
    until_enough_overlap(|| {
        let pool = BudgetPool::new(limits);
        let history = record_and_read(&pool, limits, threads, events, &stamps());
        let explained = check(limits, &history);
        let Explained {
            accepted,
            overtook,
            reads,
            refused_by,
            refused_between,
        } = explained.unwrap_or_else(|flaw| panic!("{threads} threads: {flaw}"));
        assert_eq!(refused_by.len(), 5, "not every limit refused");
        assert!(accepted > 0 && refused_between > 0);
        let description = format!(
            "{} of {threads} threads: {accepted} accepted ({overtook} overtook), {reads} reads, \
             refused by {refused_by:?}, {refused_between} between accepted ones",
            threads * events,
        );
        (history, description)
    });
}

#[test]
fn records_and_totals_are_linearizable() {
    for threads in THREADS {
        are_in_order(threads, 128_000 / threads, Stamps::native);
    }
}

#[test]
fn records_and_totals_are_linearizable_by_a_count_too() {
    for threads in [2, 8] {
        are_in_order(threads, 32_000 / threads, Stamps::counter);
    }
}

#[test]
fn a_pool_that_adds_and_takes_back_is_caught() {
    let limits = binding(16_000);
    let caught = (1..=50).find_map(|history| {
        let pool = AddThenUndo::new(limits);
        let events = record_and_read(&pool, limits, 4, 4_000, &Stamps::native());
        Some((history, check(limits, &events).err()?))
    });
    let (history, flaw) = caught.expect("one of them is wrong");
    println!("caught in history {history}: {flaw}");
}

/// The same without luck: what has to happen between the two steps does.
#[test]
fn a_refusal_for_what_is_taken_back_is_caught() {
    let limits = Limits::unlimited().input_tokens(10);
    let pool = AddThenUndo::new(limits);
    let stamps = Stamps::native();
    let (mut one, mut another) = (Recorder::new(&stamps, 1), Recorder::new(&stamps, 1));
    let record = |input, between: &mut dyn FnMut()| pool.record_with(input, 0, 0, between);
    let mut refused = None;
    let mut fits = || {
        let record = || record(4, &mut || ());
        refused = another
            .record(Op::Record(4, 0, 0), record, |&answer| answer.into())
            .err();
    };
    let answer = one.record(
        Op::Record(11, 0, 0),
        || record(11, &mut fits),
        |&answer| answer.into(),
    );
    assert!(answer.is_err());
    let flaw = check(limits, &[one.finish(), another.finish()]).unwrap_err();
    let Flaw::NoState { states, event } = *flaw else {
        panic!("{flaw}");
    };
    // It counts 11 tokens that nobody spent.
    assert_eq!((states, event.answer), (0..=0, refused.unwrap().into()));
}
