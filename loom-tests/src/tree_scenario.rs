//! Scenarios of pools below pools: a tree, threads with a program each, and whether some order of their
//! operations explains what was seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::layout::{AMOUNTS, TERMS};
use crate::model::thread;
use crate::sync::{self, Event, Setting};
use crate::tree_oracle::PlainTree;
use crate::{BudgetPool, Child, Limits, OwnedReservation, TreeSnapshot, Usage};

/// A step of a thread's program. Nodes have names. The root is 0. Amounts are of input tokens.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    TryCharge(u64, u64),
    Charge(u64, u64),
    /// A thread has one reservation at a time.
    Reserve(u64, u64),
    /// Skipped if it was refused.
    Settle(u64),
    Reset(u64),
    Close(u64),
    /// The name, the parent, and the limit.
    Make(u64, u64, Option<u64>),
    Drop(u64),
    /// A snapshot of the whole tree.
    Look,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    Refused,
    Skipped,
    Tree(Vec<Seen>),
}

/// What a snapshot says of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub name: u64,
    pub parent: Option<u64>,
    pub spent: u64,
    pub reserved: u64,
    pub closed: bool,
}

/// What was answered to each thread, and the tree at last.
type Outcome = (Vec<Vec<Answer>>, Vec<Seen>);

#[derive(Clone)]
pub struct TreeScenario {
    limit: Option<u64>,
    before: Vec<Op>,
    programs: Vec<Vec<Op>>,
    looks: u32,
}

impl TreeScenario {
    /// A root with this limit.
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            before: vec![],
            programs: vec![],
            looks: 16,
        }
    }

    /// Done before the threads start. What it reserves is handed to the first thread.
    pub fn before(mut self, ops: impl Into<Vec<Op>>) -> Self {
        self.before = ops.into();
        self
    }

    pub fn thread(mut self, program: impl Into<Vec<Op>>) -> Self {
        self.programs.push(program.into());
        self
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.programs.len()
    }

    /// Runs everything once, the programs on the model's threads in this order, and explains what was
    /// seen.
    pub fn run(&self, order: &[usize], known: &Mutex<Explained>) {
        let outcome = self.execute(order);
        let mut known = known.lock().unwrap();
        known.executions += 1;
        if !known.outcomes.contains(&outcome) {
            assert!(self.explains(&outcome), "NO ORDER EXPLAINS {outcome:#?}");
            known.outcomes.push(outcome);
        }
    }

    fn execute(&self, order: &[usize]) -> Outcome {
        sync::begin(Setting {
            amounts: AMOUNTS,
            terms: TERMS,
            patience: 0,
            looks: self.looks,
        });
        let root = Arc::new(BudgetPool::new(limits(self.limit)));
        let mut first = Thread {
            pools: HashMap::from([(0, root.clone())]),
            held: None,
        };
        for &op in &self.before {
            first.apply(op);
        }
        sync::set_hint(0);
        sync::start();
        let mut run = |program: usize| {
            let held = if program == 0 {
                first.held.take()
            } else {
                None
            };
            let program = self.programs[program].clone();
            // What one thread drops the others do not know.
            let dropped = |name: &u64| {
                let others = self.programs.iter().flatten();
                others
                    .clone()
                    .any(|op| matches!(op, Op::Drop(other) if other == name))
                    && !program
                        .iter()
                        .any(|op| matches!(op, Op::Drop(other) if other == name))
            };
            let pools = first.pools.iter().filter(|(name, _)| !dropped(name));
            let mut thread = Thread {
                pools: pools.map(|(&name, pool)| (name, pool.clone())).collect(),
                held,
            };
            move || {
                let answers = program.into_iter().map(|op| thread.apply(op));
                let answers: Vec<_> = answers.collect();
                (answers, thread)
            }
        };
        let runs: Vec<_> = order.iter().map(|&program| run(program)).collect();
        first.pools.clear();
        let mut runs = runs.into_iter();
        let main = runs.next().expect("a thread");
        let spawned: Vec<_> = order[1..]
            .iter()
            .zip(runs)
            .map(|(&program, run)| (program, thread::spawn(run)))
            .collect();
        let mut ended = vec![(order[0], main())];
        for (program, thread) in spawned {
            ended.push((program, thread.join().unwrap()));
        }
        sync::end();
        let last = seen(&root.tree_snapshot());
        ended.sort_by_key(|&(program, _)| program);
        let answers = ended.into_iter().map(|(_, (answers, _))| answers);
        (answers.collect(), last)
    }

    fn explains(&self, outcome: &Outcome) -> bool {
        let mut tree = PlainTree::new(self.limit);
        let mut held = vec![None; self.programs.len()];
        for &op in &self.before {
            tree.apply(op, &mut held[0]);
        }
        self.explains_rest(&tree, &held, outcome, &mut vec![0; self.programs.len()])
    }

    fn explains_rest(
        &self,
        tree: &PlainTree,
        held: &[Option<(u64, u64)>],
        outcome: &Outcome,
        done: &mut [usize],
    ) -> bool {
        let mut ended = true;
        for thread in 0..done.len() {
            let Some(&op) = self.programs[thread].get(done[thread]) else {
                continue;
            };
            ended = false;
            let (mut next, mut held) = (tree.clone(), held.to_vec());
            if next.apply(op, &mut held[thread]) == outcome.0[thread][done[thread]] {
                done[thread] += 1;
                let explained = self.explains_rest(&next, &held, outcome, done);
                done[thread] -= 1;
                if explained {
                    return true;
                }
            }
        }
        ended && tree.seen() == outcome.1
    }
}

/// The executions so far, and what was seen in them.
#[derive(Default)]
pub struct Explained {
    pub executions: u64,
    outcomes: Vec<Outcome>,
}

/// The pools that a thread has.
struct Thread {
    pools: HashMap<u64, Arc<BudgetPool>>,
    held: Option<OwnedReservation>,
}

impl Thread {
    fn apply(&mut self, op: Op) -> Answer {
        let usage = |tokens| Usage::tokens(tokens, 0);
        let pool = |name: u64| &self.pools[&name];
        let admitted = |ok: bool| {
            if !ok {
                sync::count(Event::Refused);
            }
            [Answer::Refused, Answer::Done][usize::from(ok)].clone()
        };
        match op {
            Op::TryCharge(name, tokens) => {
                return admitted(pool(name).try_charge(usage(tokens)).is_ok());
            }
            Op::Charge(name, tokens) => drop(pool(name).charge(usage(tokens))),
            Op::Reserve(name, tokens) => {
                self.held = pool(name).try_reserve_owned(usage(tokens)).ok();
                return admitted(self.held.is_some());
            }
            Op::Settle(tokens) => {
                let Some(held) = self.held.take() else {
                    return Answer::Skipped;
                };
                let _ = held.start().settle(usage(tokens));
            }
            Op::Reset(name) => pool(name).reset(),
            Op::Close(name) => drop(pool(name).close()),
            Op::Make(name, parent, limit) => {
                let child = Child::new(limits(limit)).label(&name.to_string());
                let child = pool(parent).child_owned(child).expect("a child");
                self.pools.insert(name, child);
            }
            Op::Drop(name) => drop(self.pools.remove(&name)),
            Op::Look => return Answer::Tree(seen(&pool(0).tree_snapshot())),
        }
        Answer::Done
    }
}

fn limits(input: Option<u64>) -> Limits {
    input.map_or(Limits::unlimited(), |limit| {
        Limits::unlimited().input_tokens(limit)
    })
}

/// All nodes, by name.
fn seen(tree: &TreeSnapshot) -> Vec<Seen> {
    fn add(node: &TreeSnapshot, parent: Option<u64>, all: &mut Vec<Seen>) {
        let name = node.label.as_str().parse().unwrap_or(0);
        all.push(Seen {
            name,
            parent,
            spent: node.snapshot.spent.input_tokens,
            reserved: node.snapshot.reserved.input_tokens,
            closed: node.snapshot.closed,
        });
        for child in &node.children {
            add(child, Some(name), all);
        }
    }
    let mut all = vec![];
    add(tree, None, &mut all);
    all.sort_by_key(|seen| seen.name);
    all
}
