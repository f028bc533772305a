//! Every single answer is explained by one order of all accepted calls.

use std::collections::HashMap;

use token_budget_pool::{BudgetPool, Dimension, Limits, Rejected, Spent, Totals, Usage, Usd};

use crate::mixed::Mixed;
use crate::oracle::{count, Oracle};
use crate::ratio::{in_ratio, usage};
use crate::together::together;

/// A call, and what came of it.
type Event = (Usage, Result<Spent, Rejected>);

/// The states of a pool in order, from what the accepted calls returned. Each of them is the
/// one before and exactly its own call.
fn in_order(histories: &[Vec<Event>]) -> Vec<Spent> {
    let mut accepted: Vec<(Usage, Spent)> = histories
        .iter()
        .flatten()
        .filter_map(|&(usage, answer)| Some((usage, answer.ok()?)))
        .collect();
    accepted.sort_by_key(|(_, spent)| spent.calls);
    let mut states = vec![Spent::default()];
    let mut oracle = Oracle::new(Limits::unlimited(), None);
    for (usage, spent) in accepted {
        oracle.charge(usage);
        // The first difference is an update that was lost, or one that was counted twice.
        assert_eq!(spent, oracle.spent());
        states.push(spent);
    }
    states
}

fn amount(spent: Spent, dimension: Dimension) -> u64 {
    match dimension {
        Dimension::InputTokens => spent.input_tokens,
        Dimension::OutputTokens => spent.output_tokens,
        Dimension::TotalTokens => spent.input_tokens + spent.output_tokens,
        Dimension::Cost => spent.cost.as_nanos(),
        Dimension::Calls => spent.calls,
        other => panic!("a dimension that this test does not know: {other}"),
    }
}

#[test]
fn every_answer_of_a_contended_pool_is_explained_by_one_order() {
    let limits = Limits::unlimited()
        .input_tokens(20_000)
        .total_tokens(60_000)
        .cost(Usd::from_nanos(25_000));
    for (threads, room) in [(2, 0), (4, 64), (8, 0)] {
        let pool = BudgetPool::builder().limits(limits).threads(room).build();
        let histories = together(threads, |number| {
            let mut mixed = Mixed(number + 1);
            let mut history: Vec<Event> = Vec::new();
            for _ in 0..24_000 / threads {
                // Much of one dimension, and now and then a little of another.
                let mut call = [0; 3];
                call[mixed.below(3) as usize] += 1 + mixed.below(40);
                call[mixed.below(3) as usize] += mixed.below(2);
                let call = usage(call[0], call[1], call[2]);
                history.push((call, pool.try_charge(call)));
            }
            history
        });

        let states = in_order(&histories);
        assert_eq!(states.last(), Some(&pool.snapshot().spent));
        let mut refused_by = HashMap::new();
        for history in &histories {
            // What a thread saw never runs backwards: a refusal is of a state between its
            // own accepted calls around it, and no older than that of the refusal before.
            let mut seen = 0;
            for (index, &(call, answer)) in history.iter().enumerate() {
                let rejected = match answer {
                    Ok(spent) => {
                        assert!(spent.calls as usize > seen);
                        seen = spent.calls as usize;
                        continue;
                    }
                    Err(rejected) => rejected,
                };
                let Rejected::Exceeded(exceeded) = rejected else {
                    panic!("{rejected}");
                };
                let next = history[index..].iter().find_map(|(_, next)| next.ok());
                let end = next.map_or(states.len(), |next| next.calls as usize);
                // Of the states with that much spent the first will do, if any does: what a
                // limit refuses there, it refuses in the later ones too.
                let spent = |state: &Spent| amount(*state, exceeded.dimension());
                let refused_at = count(exceeded.spent());
                seen += states[seen..end].partition_point(|state| spent(state) < refused_at);
                assert!(seen < end, "{exceeded:?} is of no state");
                assert_eq!(
                    at(limits, states[seen]).check(call),
                    Err(rejected.into()),
                    "{call:?} at {seen}"
                );
                *refused_by.entry(exceeded.dimension()).or_insert(0) += 1;
            }
        }
        assert_eq!(refused_by.len(), 3, "every limit bound: {refused_by:?}");
    }
}

/// The oracle in this state.
fn at(limits: Limits, state: Spent) -> Oracle {
    let mut oracle = Oracle::new(limits, None);
    let nanos = state.cost.as_nanos();
    oracle.charge(usage(state.input_tokens, state.output_tokens, nanos));
    oracle
}

#[test]
fn the_calls_of_accepted_records_are_every_number_once() {
    const LIMIT: u64 = 30_000;
    let pool = BudgetPool::new(Limits::unlimited().input_tokens(LIMIT));
    let totals: Vec<Vec<Totals>> = together(8, |number| {
        let mut accepted = Vec::new();
        let amount = 1 + number % 3;
        while let Ok(totals) = pool.record(amount, 1, 2e-9) {
            accepted.push(totals);
        }
        accepted
    });
    let mut calls: Vec<u64> = totals.iter().flatten().map(|totals| totals.calls).collect();
    calls.sort_unstable();
    assert!(calls.iter().copied().eq(1..=calls.len() as u64));
    let mut inputs: Vec<u64> = totals
        .iter()
        .flatten()
        .map(|totals| totals.input_tokens)
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    assert_eq!(inputs.len(), calls.len(), "no two returned the same totals");
    // Threads that ask for one token go on until there is none left.
    assert_eq!(pool.totals().input_tokens, LIMIT);
    for totals in totals.iter().flatten() {
        assert_eq!(totals.output_tokens, totals.calls);
        assert_eq!((totals.cost_usd * 1e9).round() as u64, 2 * totals.calls);
    }
}

#[test]
fn the_history_check_can_fail() {
    // A history in which an update was lost.
    let call = in_ratio(1);
    let oracle = |calls| {
        let mut oracle = Oracle::new(Limits::unlimited(), None);
        for _ in 0..calls {
            oracle.charge(call);
        }
        oracle.spent()
    };
    let good = vec![vec![(call, Ok(oracle(1)))], vec![(call, Ok(oracle(2)))]];
    assert_eq!(in_order(&good), [oracle(0), oracle(1), oracle(2)]);
    let lost = vec![vec![(call, Ok(oracle(1)))], vec![(call, Ok(oracle(1)))]];
    assert!(std::panic::catch_unwind(|| in_order(&lost)).is_err());
}
