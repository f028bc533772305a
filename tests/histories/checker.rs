//! Whether one order explains a whole history of records and reads, exactly and in n log n.
//!
//! An accepted record returns how many calls are counted, itself included: its place in
//! the order of all accepted ones. So there is no order of them to search for. The sequential
//! pool runs them in that order, and its states are the ones that existed.
//!
//! A read or a refusal is of one of these states. The accepted records that were over
//! before it began bound the state from below. Those that began when it was over bound it
//! from above. A read that was over before it began was of no later state. Each is
//! taken for the earliest state that gives its answer: a later one would be no better for
//! any of those that follow. Within a state, reads are in the order of their beginning.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::ops::RangeInclusive;

use token_budget_pool::Limits;

use crate::operation::{answer, Op};
use crate::oracle::{Answer, Oracle};
use crate::recorder::Event;

/// What no order explains.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// The accepted records do not count 1, 2, 3 and so on: this one comes where there
    /// should be another.
    Gap { place: u64, event: Event },
    /// At its place in the order, the sequential pool answers otherwise.
    Answer { expected: Answer, event: Event },
    /// It was over before one began that is ahead of it in the order.
    Time { event: Event, ahead: Event },
    /// A read or a refusal that is of none of the states that it can be of.
    NoState {
        states: RangeInclusive<usize>,
        event: Event,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Gap { place, event } => {
                write!(f, "accepted in place of number {place}: {event:?}")
            }
            Flaw::Answer { expected, event } => {
                write!(f, "instead of {expected:?} the answer to {event:?}")
            }
            Flaw::Time { event, ahead } => {
                write!(
                    f,
                    "counted after one that began later: {event:?} after {ahead:?}"
                )
            }
            Flaw::NoState { states, event } => {
                write!(
                    f,
                    "in none of the states after {states:?} accepted: {event:?}"
                )
            }
        }
    }
}

/// What was in a history that an order explains.
#[derive(Debug, Default)]
pub(crate) struct Explained {
    pub(crate) accepted: usize,
    /// Accepted records that began after the next in the order did: they overtook it.
    pub(crate) overtook: usize,
    pub(crate) reads: usize,
    pub(crate) refused_by: BTreeMap<&'static str, usize>,
    /// Refusals of a state with accepted records before it and after it.
    pub(crate) refused_between: usize,
}

/// Checks a history of [`Op::Record`] and [`Op::Totals`] against a pool that began with
/// nothing spent and has these limits.
pub(crate) fn check(limits: Limits, history: &[Vec<Event>]) -> Result<Explained, Box<Flaw>> {
    let mut accepted: Vec<(u64, &Event)> = Vec::new();
    let mut others: Vec<&Event> = Vec::new();
    for event in history.iter().flatten() {
        match (&event.op, &event.answer) {
            (Op::Record(..), Answer::Totals { calls, .. }) => accepted.push((*calls, event)),
            (Op::Record(..) | Op::Totals, _) => others.push(event),
            (op, _) => panic!("not a record, not a read of the totals: {op:?}"),
        }
    }
    accepted.sort_by_key(|&(calls, _)| calls);
    let states = states(limits, &accepted)?;
    let accepted: Vec<&Event> = accepted.into_iter().map(|(_, event)| event).collect();
    in_order_of_time(&accepted)?;
    let mut explained = Explained {
        accepted: accepted.len(),
        overtook: overtook(&accepted),
        ..Explained::default()
    };

    let bounds = Bounds::new(&accepted);
    others.sort_by_key(|event| event.start);
    // Those that may not be over yet, with their states; and the latest state of the others.
    let mut running = BinaryHeap::new();
    let mut seen = 0;
    for event in others {
        while let Some(&Reverse((end, state))) = running.peek() {
            if end >= event.start {
                break;
            }
            seen = seen.max(state);
            running.pop();
        }
        let possible = bounds.least(event.start).max(seen)..=bounds.most(event.end);
        // At most one step for each accepted record that overlaps it.
        let state = possible
            .clone()
            .find(|&state| answer_in(&states[state], &event.op) == event.answer)
            .ok_or_else(|| Flaw::NoState {
                states: possible,
                event: event.clone(),
            })?;
        running.push(Reverse((event.end, state)));
        match event.answer {
            Answer::BudgetExceeded { cap, .. } => {
                *explained.refused_by.entry(cap).or_default() += 1;
                let between = 0 < state && state < accepted.len();
                explained.refused_between += usize::from(between);
            }
            _ => explained.reads += 1,
        }
    }
    Ok(explained)
}

fn answer_in(state: &Oracle, op: &Op) -> Answer {
    answer(&mut state.clone(), &mut None, op).expect("needs no reservation")
}

/// The states from no accepted record to all of them.
fn states(limits: Limits, accepted: &[(u64, &Event)]) -> Result<Vec<Oracle>, Box<Flaw>> {
    let mut now = Oracle::new(limits, None);
    let mut states = vec![now.clone()];
    for (place, &(calls, event)) in (1..).zip(accepted) {
        if calls != place {
            return Err(Box::new(Flaw::Gap {
                place,
                event: event.clone(),
            }));
        }
        let expected = answer(&mut now, &mut None, &event.op).expect("needs no reservation");
        if expected != event.answer {
            let event = event.clone();
            return Err(Box::new(Flaw::Answer { expected, event }));
        }
        states.push(now.clone());
    }
    Ok(states)
}

fn in_order_of_time(accepted: &[&Event]) -> Result<(), Box<Flaw>> {
    let mut begun_last: Option<&Event> = None;
    for &event in accepted {
        match begun_last {
            Some(ahead) if event.precedes(ahead) => {
                return Err(Box::new(Flaw::Time {
                    event: event.clone(),
                    ahead: ahead.clone(),
                }))
            }
            Some(ahead) if ahead.start > event.start => {}
            _ => begun_last = Some(event),
        }
    }
    Ok(())
}

fn overtook(accepted: &[&Event]) -> usize {
    let pairs = accepted.windows(2);
    pairs.filter(|pair| pair[0].start > pair[1].start).count()
}

/// How many accepted records come before an event, going by the time alone.
struct Bounds {
    accepted: usize,
    /// By their end: how many there are up to the last of those that have ended.
    ended: Vec<(u64, usize)>,
    /// By their start: how many there are before the first of those still to start.
    to_start: Vec<(u64, usize)>,
}

impl Bounds {
    fn new(accepted: &[&Event]) -> Bounds {
        let mut ended: Vec<_> = accepted.iter().map(|event| event.end).zip(1..).collect();
        ended.sort_unstable();
        let mut most = 0;
        for (_, place) in &mut ended {
            most = most.max(*place);
            *place = most;
        }
        let mut to_start: Vec<_> = accepted.iter().map(|event| event.start).zip(0..).collect();
        to_start.sort_unstable();
        let mut least = accepted.len();
        for (_, place) in to_start.iter_mut().rev() {
            least = least.min(*place);
            *place = least;
        }
        Bounds {
            accepted: accepted.len(),
            ended,
            to_start,
        }
    }

    fn least(&self, start: u64) -> usize {
        let ended = self.ended.partition_point(|&(end, _)| end < start);
        ended.checked_sub(1).map_or(0, |last| self.ended[last].1)
    }

    fn most(&self, end: u64) -> usize {
        let started = self.to_start.partition_point(|&(start, _)| start <= end);
        let next = self.to_start.get(started);
        next.map_or(self.accepted, |&(_, before)| before)
    }
}
