//! What the checkers are worth: on small histories, right and wrong ones, they say what
//! trying every order says.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use token_budget_pool::{Limits, Usd};

use crate::checker::check;
use crate::operation::{answer, usage, Op};
use crate::oracle::{Oracle, OracleCall};
use crate::recorder::Event;
use crate::search::Search;

/// Whether some order of all events that keeps the order of time explains them.
pub(crate) fn some_order_explains(limits: Limits, history: &[Vec<Event>]) -> bool {
    let events = history.iter().enumerate();
    let left = events.flat_map(|(thread, events)| events.iter().map(move |event| (thread, event)));
    explains(
        &Oracle::new(limits, None),
        &vec![None; history.len()],
        &left.collect::<Vec<_>>(),
    )
}

fn explains(pool: &Oracle, hands: &[Option<OracleCall>], left: &[(usize, &Event)]) -> bool {
    left.is_empty()
        || left.iter().enumerate().any(|(index, &(thread, event))| {
            if left.iter().any(|(_, earlier)| earlier.precedes(event)) {
                return false;
            }
            let (mut pool, mut hands) = (pool.clone(), hands.to_vec());
            let answer = answer(&mut pool, &mut hands[thread], &event.op);
            let mut left = left.to_vec();
            left.remove(index);
            answer.as_ref() == Some(&event.answer) && explains(&pool, &hands, &left)
        })
}

const THREADS: usize = 3;

/// An event, as chance has it.
#[derive(Clone, Debug)]
struct Chance {
    thread: usize,
    /// After the thread's last event, and then around the moment at which it takes effect.
    pauses: [u64; 3],
    choice: u8,
    amounts: [u64; 3],
    /// Answered as after so many events of the window, not as at its own moment.
    stray: Option<usize>,
    /// Said to have taken less time, at either end.
    narrowed: [u64; 2],
}

fn window() -> impl Strategy<Value = Vec<Chance>> {
    let narrowed = prop_oneof![3 => Just([0, 0]), 1 => [0..3_u64, 0..3_u64]];
    let event = (
        0..THREADS,
        [0..3_u64, 0..5_u64, 0..5_u64],
        any::<u8>(),
        [0..4_u64, 0..4_u64, 0..4_u64],
        prop::option::weighted(0.35, 0..5_usize),
        narrowed,
    );
    let event = event.prop_map(
        |(thread, pauses, choice, amounts, stray, narrowed)| Chance {
            thread,
            pauses,
            choice,
            amounts,
            stray,
            narrowed,
        },
    );
    prop::collection::vec(event, 1..7)
}

fn limits() -> impl Strategy<Value = Limits> {
    let limit = || prop::option::weighted(0.4, 0..8_u64);
    (limit(), limit(), limit(), limit(), limit()).prop_map(|(input, output, total, cost, calls)| {
        let mut limits = Limits::unlimited();
        limits.input_tokens = input;
        limits.output_tokens = output;
        limits.total_tokens = total;
        limits.cost = cost.map(Usd::from_nanos);
        limits.calls = calls;
        limits
    })
}

/// A history that is put together from an order that explains it, except for what is astray
/// or narrowed.
struct Made {
    pool: Oracle,
    hands: Vec<Option<OracleCall>>,
    now: u64,
    history: Vec<Vec<Event>>,
}

impl Made {
    fn new(limits: Limits) -> Made {
        Made {
            pool: Oracle::new(limits, None),
            hands: vec![None; THREADS],
            now: 0,
            history: vec![vec![]; THREADS],
        }
    }

    fn window(&mut self, chances: &[Chance], op: impl Fn(&Chance, bool) -> Op) {
        let mut free = [self.now; THREADS];
        let mut moments: Vec<_> = chances
            .iter()
            .map(|chance| {
                let [idle, before, after] = chance.pauses;
                let start = free[chance.thread] + 1 + idle;
                let end = start + before + after;
                free[chance.thread] = end;
                self.now = self.now.max(end);
                (start + before, start, end, chance)
            })
            .collect();
        moments.sort_by_key(|&(moment, ..)| moment);
        let mut states = vec![self.pool.clone()];
        let mut made = Vec::new();
        for (_, start, end, chance) in moments {
            let in_hand = &mut self.hands[chance.thread];
            let op = op(chance, in_hand.is_some());
            let answer = answer(&mut self.pool, in_hand, &op).expect("it has what it is about");
            states.push(self.pool.clone());
            let start = (start + chance.narrowed[0]).min(end);
            let end = (end - chance.narrowed[1].min(end)).max(start);
            made.push((
                chance,
                Event {
                    start,
                    end,
                    op,
                    answer,
                },
            ));
        }
        for (chance, mut event) in made {
            let about_a_reservation =
                answer(&mut self.pool.clone(), &mut None, &event.op).is_none();
            if let (Some(after), false) = (chance.stray, about_a_reservation) {
                let mut state = states[after % states.len()].clone();
                event.answer =
                    answer(&mut state, &mut None, &event.op).expect("about no reservation");
            }
            self.history[chance.thread].push(event);
        }
    }
}

fn record_or_read(chance: &Chance, _: bool) -> Op {
    let [input, output, nanos] = chance.amounts;
    match chance.choice % 3 {
        0 => Op::Totals,
        _ => Op::Record(input, output, nanos),
    }
}

fn any_op(chance: &Chance, has_reserved: bool) -> Op {
    let [input, output, nanos] = chance.amounts;
    let usage = usage(input, output, nanos);
    match (chance.choice % 24, has_reserved) {
        (0, _) => Op::Record(input, output, nanos),
        (1, _) => Op::TryCharge(usage),
        (2, _) => Op::Charge(usage),
        (3, _) => Op::Check(usage),
        (4, _) => Op::Totals,
        (5, _) => Op::Snapshot,
        (6 | 7, _) => Op::Reset,
        (8, _) => Op::Take,
        (9, _) => Op::SetLimits(Limits::unlimited().input_tokens(input).calls(output)),
        (10, _) => Op::RaiseInput(input),
        (_, false) => Op::Reserve(usage),
        (11, _) => Op::Extend(usage),
        (12, _) => Op::ShrinkTo(usage),
        (13, _) => Op::Report(usage),
        (14 | 15, _) => Op::Settle(usage),
        (16, _) => Op::SettleAtLeast(usage),
        (17, _) => Op::Forfeit,
        (18, _) => Op::Release,
        (_, true) => Op::Drop,
    }
}

/// Compares a checker with the brute force on random histories, of which enough are right
/// and enough are wrong.
fn agree(
    windows: usize,
    op: impl Fn(&Chance, bool) -> Op + Copy,
    checker: impl Fn(Limits, &[Vec<usize>], &[Vec<Event>]) -> bool,
) {
    let (right, wrong) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig {
        cases: 2_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    };
    let histories = (limits(), prop::collection::vec(window(), 1..=windows));
    let outcome = TestRunner::new(config).run(&histories, |(limits, windows)| {
        let mut made = Made::new(limits);
        // How many events of each thread there are up to the end of each window.
        let mut ends = vec![vec![0; THREADS]];
        for window in &windows {
            made.window(window, op);
            ends.push(made.history.iter().map(Vec::len).collect());
        }
        let explained = some_order_explains(limits, &made.history);
        let count = if explained { &right } else { &wrong };
        count.set(count.get() + 1);
        prop_assert_eq!(
            checker(limits, &ends, &made.history),
            explained,
            "{:#?}",
            made.history
        );
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
    let (right, wrong) = (right.get(), wrong.get());
    println!("{right} histories are right, {wrong} wrong");
    assert!(right > 200 && wrong > 200);
}

fn search(limits: Limits, ends: &[Vec<usize>], history: &[Vec<Event>]) -> bool {
    let mut search = Search::new(limits, THREADS);
    ends.windows(2).all(|ends| {
        let window: Vec<&[Event]> = (0..THREADS)
            .map(|thread| &history[thread][ends[0][thread]..ends[1][thread]])
            .collect();
        search.window(&window).is_ok()
    })
}

#[test]
fn the_checker_of_records_says_what_every_order_says() {
    agree(1, record_or_read, |limits, _, history| {
        check(limits, history).is_ok()
    });
}

#[test]
fn the_search_says_what_every_order_says() {
    agree(1, record_or_read, search);
    agree(2, any_op, search);
}
