//! Whether some order explains a history of any calls: a search, window by window.
//!
//! What Wing and Gong (1993) and Lowe (2017) do, by breadth: from every state of the
//! sequential pool that so many calls can have led to, all calls that may come next and
//! that answer as they did. Two orders of the same calls that lead to the same state count
//! as one. Going by breadth finds all states that a window can have ended in, and the next
//! window begins with them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

use token_budget_pool::Limits;

use crate::operation::{answer, Op};
use crate::oracle::{Answer, Oracle, OracleHold};
use crate::recorder::Call;

/// No order explains a window.
#[derive(Debug)]
pub(crate) struct NoOrder {
    /// How many of its calls can be put in order, at most.
    explained: usize,
    /// A state of the pool in which that comes to a stop.
    pool: Oracle,
    /// What the threads called next there.
    next: Vec<Call>,
}

impl fmt::Display for NoOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (explained, pool) = (self.explained, &self.pool);
        write!(
            f,
            "no order of more than {explained} calls; then {pool:?} and"
        )?;
        let mut next = self.next.iter();
        next.try_for_each(|call| write!(f, "\n  {call:?}"))
    }
}

/// A pool whose history comes in windows, one after the other, with no call across.
pub(crate) struct Search {
    /// The states that it may be in.
    pools: HashSet<Oracle>,
    /// The threads' reservations. What was called and answered tells them, in any order.
    holds: Vec<Option<OracleHold>>,
}

/// How many calls of each thread are in order, and the pool after them.
type Place = (Vec<usize>, Oracle);
type Places = HashMap<Place, Vec<Option<OracleHold>>>;

impl Search {
    pub(crate) fn new(limits: Limits, threads: usize) -> Search {
        Search {
            pools: HashSet::from([Oracle::new(limits, None)]),
            holds: vec![None; threads],
        }
    }

    /// Goes on with the next window, of each thread's calls in its order. Returns how many
    /// places the search came to.
    pub(crate) fn window(&mut self, window: &[&[Call]]) -> Result<usize, Box<NoOrder>> {
        let begin = |pool| ((vec![0; window.len()], pool), self.holds.clone());
        let mut places: Places = self.pools.drain().map(begin).collect();
        let mut visited = places.len();
        for explained in 0..window.iter().map(|calls| calls.len()).sum() {
            let mut next = Places::new();
            for (place, holds) in &places {
                expand(window, place, holds, &mut next);
            }
            if next.is_empty() {
                let (done, pool) = places.into_keys().next().expect("never empty");
                let calls = window.iter().zip(done);
                let next = calls.filter_map(|(calls, done)| calls.get(done).cloned());
                return Err(Box::new(NoOrder {
                    explained,
                    pool,
                    next: next.collect(),
                }));
            }
            visited += next.len();
            places = next;
        }
        for ((_, pool), holds) in places {
            self.pools.insert(pool);
            self.holds = holds;
        }
        Ok(visited)
    }
}

/// Adds the places that are one call further.
fn expand(
    window: &[&[Call]],
    (done, pool): &Place,
    holds: &[Option<OracleHold>],
    next: &mut Places,
) {
    let left = || {
        let calls = window.iter().zip(done).enumerate();
        calls.filter_map(|(thread, (calls, &done))| Some((thread, calls.get(done)?)))
    };
    let first_over = left().map(|(_, call)| call.end).min();
    let mut further = Vec::new();
    for (thread, call) in left() {
        // Another one has to come first.
        if first_over < Some(call.start) {
            continue;
        }
        let (mut pool_then, mut hold) = (pool.clone(), holds[thread]);
        if answer(&mut pool_then, &mut hold, &call.op).as_ref() != Some(&call.answer) {
            continue;
        }
        if only_looks(call) {
            further = vec![(thread, pool_then, hold)];
            break;
        }
        further.push((thread, pool_then, hold));
    }
    for (thread, pool, hold) in further {
        let mut done = done.clone();
        done[thread] += 1;
        if let Entry::Vacant(vacant) = next.entry((done, pool)) {
            let mut holds = holds.to_vec();
            holds[thread] = hold;
            vacant.insert(holds);
        }
    }
}

/// Whether it changed nothing, wherever it comes. Then it can as well come now as later, and
/// those that wait for it are free the sooner: no other has to be tried.
fn only_looks(call: &Call) -> bool {
    matches!(call.op, Op::Totals | Op::Snapshot | Op::Check(_))
        || matches!(
            call.answer,
            Answer::BudgetExceeded { .. } | Answer::Refused(_)
        )
}
