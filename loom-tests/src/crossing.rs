//! Threads that cross a threshold together: of all of them, one reports it in each period.

use std::sync::{Arc, Mutex};

use crate::layout::{AMOUNTS, TERMS};
use crate::model::thread;
use crate::sync::{self, Setting};
use crate::{BudgetPool, Limits, Threshold, Usage, Usd};

/// The limit of the root, in input tokens. The threshold is at half of it.
const LIMIT: u64 = 10;

/// A step of a thread's program.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// So many tokens. It counts in any case, and has a receipt.
    Charge(u64),
    /// The same, if it fits. It has none.
    TryCharge(u64),
    /// A period of the root ends.
    Take,
}

/// With a cost, so that the terms stay as they are.
fn input(tokens: u64) -> Usage {
    Usage::tokens(tokens, 0).cost(Usd::ZERO)
}

/// Runs one program on each thread, in this order, and checks what was reported. With `below`, each thread
/// spends from a child of its own, and otherwise all spend from the root.
pub fn run(programs: &[Vec<Op>], order: &[usize], below: bool) {
    sync::begin(Setting {
        amounts: AMOUNTS,
        terms: TERMS,
        patience: 0,
        looks: 16,
    });
    let told = Arc::new(Mutex::new(vec![]));
    let to = told.clone();
    let root = BudgetPool::builder()
        .limits(Limits::unlimited().input_tokens(LIMIT))
        .warn_at(Threshold::percent(50).expect("a share"))
        // As many lanes as threads, so that none is appended.
        .threads(programs.len())
        // No thread is suspended while it holds this lock: it is not one of the model's.
        .on_crossed(move |crossed| to.lock().unwrap().push(*crossed))
        .build();
    let root = Arc::new(root);
    let spender = |thread: usize| {
        let pool = if below {
            root.child_owned(Limits::unlimited()).expect("a child")
        } else {
            root.clone()
        };
        let (root, program) = (root.clone(), programs[thread].clone());
        move || {
            let (mut receipts, mut periods) = (vec![], vec![]);
            for op in program {
                match op {
                    Op::Charge(tokens) => {
                        receipts.extend(pool.charge(input(tokens)).crossed);
                    }
                    Op::TryCharge(tokens) => drop(pool.try_charge(input(tokens))),
                    Op::Take => periods.push(root.take().input_tokens),
                }
            }
            (receipts, periods, pool)
        }
    };
    let mut spenders: Vec<_> = order.iter().map(|&thread| spender(thread)).collect();
    sync::set_hint(0);
    sync::start();
    let main = spenders.remove(0);
    let spawned: Vec<_> = spenders.into_iter().map(thread::spawn).collect();
    let mut ended = vec![main()];
    ended.extend(spawned.into_iter().map(|thread| thread.join().unwrap()));
    sync::end();

    let reached = |&spent: &u64| spent >= LIMIT / 2;
    let last = [root.spent().input_tokens];
    let periods = ended.iter().flat_map(|(_, periods, _)| periods);
    let periods: Vec<_> = periods.chain(&last).copied().filter(reached).collect();
    let told = told.lock().unwrap();
    assert_eq!(told.len(), periods.len(), "{told:?} of {periods:?}");
    for (receipts, ..) in &ended {
        assert!(receipts.iter().all(|crossed| told.contains(crossed)));
    }
    let charges = programs.iter().flatten();
    if charges.clone().all(|op| !matches!(op, Op::TryCharge(_))) {
        let receipts: usize = ended.iter().map(|(receipts, ..)| receipts.len()).sum();
        assert_eq!(receipts, told.len());
    }
}
