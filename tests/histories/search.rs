//! Whether some order explains a history of any operations: a search, window by window.
//!
//! It is the search of Wing and Gong (1993) and Lowe (2017), by breadth. From every state of the
//! sequential pool that so many events can have led to, it tries all events that may come next
//! and that answer as they did. Two orders of the same events that lead to the same state count
//! as one. Going by breadth finds all states that a window can have ended in, and the next
//! window begins with them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Debug};
use std::hash::Hash;

use token_budget_pool::Limits;

use crate::operation::{answer, Op};
use crate::oracle::{Answer, Oracle, OracleCall};
use crate::recorder::Event;

/// What a history is explained by: a sequential pool, or a sequential tree of pools.
pub(crate) trait Sequential: Clone + Eq + Hash + Debug {
    type Op: Clone + Debug;
    type Answer: Clone + Eq + Debug;
    /// What a thread has in hand.
    type InHand: Copy + Debug;

    /// What it answers to a thread that has this in hand. `None` if the operation needs a reservation and
    /// there is none.
    fn answer(&mut self, in_hand: &mut Option<Self::InHand>, op: &Self::Op)
        -> Option<Self::Answer>;

    /// Whether an operation with this answer changed nothing.
    fn only_looked(op: &Self::Op, answer: &Self::Answer) -> bool;
}

impl Sequential for Oracle {
    type Op = Op;
    type Answer = Answer;
    type InHand = OracleCall;

    fn answer(&mut self, in_hand: &mut Option<OracleCall>, op: &Op) -> Option<Answer> {
        answer(self, in_hand, op)
    }

    fn only_looked(op: &Op, answer: &Answer) -> bool {
        matches!(op, Op::Totals | Op::Snapshot | Op::Check(_))
            || matches!(answer, Answer::BudgetExceeded { .. } | Answer::Refused(_))
    }
}

/// An event of a history that `S` is to explain.
pub(crate) type EventOf<S> = Event<<S as Sequential>::Op, <S as Sequential>::Answer>;

/// No order explains a window.
#[derive(Debug)]
pub(crate) struct NoOrder<S: Sequential> {
    /// How many of its events can be put in order, at most.
    explained: usize,
    /// A state of the pool in which that comes to a stop.
    pool: S,
    /// What the threads did next there.
    next: Vec<EventOf<S>>,
}

impl<S: Sequential> fmt::Display for NoOrder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (explained, pool) = (self.explained, &self.pool);
        write!(
            f,
            "no order of more than {explained} events; then {pool:?} and"
        )?;
        let mut next = self.next.iter();
        next.try_for_each(|event| write!(f, "\n  {event:?}"))
    }
}

/// A pool whose history comes in windows, one after the other, with no event across.
pub(crate) struct Search<S: Sequential> {
    /// The states that it may be in.
    pools: HashSet<S>,
    /// What each thread has in hand. The order of all threads' events makes no difference to it.
    hands: Vec<Option<S::InHand>>,
}

/// How many events of each thread are in order, and the pool after them.
type Place<S> = (Vec<usize>, S);
type Places<S> = HashMap<Place<S>, Vec<Option<<S as Sequential>::InHand>>>;

impl Search<Oracle> {
    pub(crate) fn new(limits: Limits, threads: usize) -> Self {
        Search::of(Oracle::new(limits, None), threads)
    }
}

impl<S: Sequential> Search<S> {
    /// It begins as `pool`.
    pub(crate) fn of(pool: S, threads: usize) -> Self {
        Search {
            pools: HashSet::from([pool]),
            hands: vec![None; threads],
        }
    }

    /// Goes on with the next window, which has each thread's events in its order. Returns how
    /// many places the search came to.
    pub(crate) fn window(&mut self, window: &[&[EventOf<S>]]) -> Result<usize, Box<NoOrder<S>>> {
        let begin = |pool| ((vec![0; window.len()], pool), self.hands.clone());
        let mut places: Places<S> = self.pools.drain().map(begin).collect();
        let mut visited = places.len();
        for explained in 0..window.iter().map(|events| events.len()).sum() {
            let mut next = Places::<S>::new();
            for (place, hands) in &places {
                expand(window, place, hands, &mut next);
            }
            if next.is_empty() {
                let (done, pool) = places.into_keys().next().expect("never empty");
                let events = window.iter().zip(done);
                let next = events.filter_map(|(events, done)| events.get(done).cloned());
                return Err(Box::new(NoOrder {
                    explained,
                    pool,
                    next: next.collect(),
                }));
            }
            visited += next.len();
            places = next;
        }
        for ((_, pool), hands) in places {
            self.pools.insert(pool);
            self.hands = hands;
        }
        Ok(visited)
    }
}

/// Adds the places that are one event further.
fn expand<S: Sequential>(
    window: &[&[EventOf<S>]],
    (done, pool): &Place<S>,
    hands: &[Option<S::InHand>],
    next: &mut Places<S>,
) {
    let left = || {
        let events = window.iter().zip(done).enumerate();
        events.filter_map(|(thread, (events, &done))| Some((thread, events.get(done)?)))
    };
    let first_over = left().map(|(_, event)| event.end).min();
    let mut further = Vec::new();
    for (thread, event) in left() {
        // Another one has to come first.
        if first_over < Some(event.start) {
            continue;
        }
        let (mut pool_then, mut in_hand) = (pool.clone(), hands[thread]);
        if pool_then.answer(&mut in_hand, &event.op).as_ref() != Some(&event.answer) {
            continue;
        }
        // If it changed nothing, it can as well come now as later, and those that wait for it are free
        // sooner. So no other has to be tried.
        if S::only_looked(&event.op, &event.answer) {
            further = vec![(thread, pool_then, in_hand)];
            break;
        }
        further.push((thread, pool_then, in_hand));
    }
    for (thread, pool, in_hand) in further {
        let mut done = done.clone();
        done[thread] += 1;
        if let Entry::Vacant(vacant) = next.entry((done, pool)) {
            let mut hands = hands.to_vec();
            hands[thread] = in_hand;
            vacant.insert(hands);
        }
    }
}
