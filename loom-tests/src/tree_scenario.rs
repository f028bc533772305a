//! Scenarios of pools below pools: a tree, threads with a program each, and what is seen of an execution.

use std::collections::HashMap;
use std::sync::Arc;

use crate::explain::{explain, Outcome, Seen, Sequential};
use crate::layout::{AMOUNTS, TERMS};
use crate::model::{self, thread};
use crate::sync::{self, Event, Setting};
use crate::tree_oracle::PlainTree;
use crate::{BudgetPool, Child, Limits, OwnedReservation, TreeSnapshot, Usage, Usd};

/// A step of a thread's program. Nodes have names. The root is 0. Amounts are of input tokens.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    TryCharge(u64, u64),
    Charge(u64, u64),
    Check(u64, u64),
    /// A thread has one reservation at a time.
    Reserve(u64, u64),
    /// Skipped if it was refused.
    Settle(u64),
    /// Drops the reservation. Skipped if it was refused.
    Release,
    SetLimit(u64, Option<u64>),
    Reset(u64),
    Close(u64),
    /// The name, the parent, and the limit.
    Make(u64, u64, Option<u64>),
    /// The node is given back by the last thread that has it. A thread drops no node below which it has
    /// another one, or a reservation.
    Drop(u64),
    /// A snapshot of the whole tree.
    Look,
}

impl Op {
    /// Which nodes it is about.
    fn names(&self) -> Vec<u64> {
        match *self {
            Op::TryCharge(name, _)
            | Op::Charge(name, _)
            | Op::Check(name, _)
            | Op::Reserve(name, _)
            | Op::SetLimit(name, _)
            | Op::Reset(name)
            | Op::Close(name)
            | Op::Drop(name) => vec![name],
            Op::Make(name, parent, _) => vec![name, parent],
            Op::Settle(_) | Op::Release | Op::Look => vec![],
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Done,
    /// What is spent at the node now.
    Spent(u64),
    /// The old limit.
    Limit(Option<u64>),
    WasOpen(bool),
    Refused,
    Skipped,
    Tree(Vec<SeenNode>),
}

/// What a snapshot says of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeenNode {
    pub(crate) name: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) spent: u64,
    pub(crate) reserved: u64,
    pub(crate) closed: bool,
}

/// What was answered to each thread, and the tree at last.
pub(crate) type TreeOutcome = Outcome<Answer, Vec<SeenNode>>;

#[derive(Clone)]
pub struct TreeScenario {
    limit: Option<u64>,
    before: Vec<Op>,
    pub(crate) programs: Vec<Vec<Op>>,
    room: usize,
    patience: u32,
    looks: u32,
    stuck: bool,
    priced: bool,
    pub(crate) events: Vec<Event>,
}

impl TreeScenario {
    /// A root with this limit.
    pub fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            before: vec![],
            programs: vec![],
            room: 0,
            patience: 0,
            looks: 16,
            stuck: false,
            priced: false,
            events: vec![],
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

    /// The tree has room for this many threads from the start.
    pub fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// How long a thread waits for a lane that is held (see `src/sync.rs`), if at all.
    pub fn patience(self, patience: u32) -> Self {
        Self { patience, ..self }
    }

    /// How often a reader looks before it claims a lane.
    pub fn looks(self, looks: u32) -> Self {
        Self { looks, ..self }
    }

    /// A thread that is not one of the scenario's holds lane 0 for ever.
    pub fn stuck(self) -> Self {
        Self {
            stuck: true,
            ..self
        }
    }

    /// A token costs [`NANOS`], so that a state of two states shows. Otherwise the cost of each call is
    /// unknown. Then each call changes the terms.
    pub fn priced(self) -> Self {
        Self {
            priced: true,
            ..self
        }
    }

    /// These happen in some of the executions.
    pub fn meets(mut self, events: impl Into<Vec<Event>>) -> Self {
        self.events = events.into();
        self
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.programs.len()
    }

    /// Runs everything once, the programs on the model's threads in this order, and returns what was seen.
    pub(crate) fn execute(&self, order: &[usize]) -> TreeOutcome {
        sync::begin(Setting {
            amounts: AMOUNTS,
            terms: TERMS,
            patience: self.patience,
            looks: self.looks,
        });
        let builder = BudgetPool::builder().limits(limits(self.limit));
        let root = Arc::new(builder.threads(self.room).build());
        let mut first = Thread {
            pools: HashMap::from([(0, root.clone())]),
            held: None,
            priced: self.priced,
        };
        first.run(&self.before);
        if self.stuck {
            // Nothing is spent, so it changes nothing.
            sync::lose_next_release();
            root.reset();
        }
        sync::set_hint(0);
        sync::start();
        let mut run = |program: usize| {
            let pools = first.pools.iter();
            let has = |name: u64| self.has(program, name);
            let mut thread = Thread {
                pools: pools
                    .filter(|(&name, _)| has(name))
                    .map(|(&name, pool)| (name, pool.clone()))
                    .collect(),
                held: if program == 0 {
                    first.held.take()
                } else {
                    None
                },
                priced: self.priced,
            };
            let program = self.programs[program].clone();
            move || (thread.run(&program), thread)
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
        let last = seen(&root.tree_snapshot(), self.priced);
        ended.sort_by_key(|&(program, _)| program);
        // What the threads still have is dropped from here on.
        let threads = ended.into_iter().map(|(_, (seen, _))| seen);
        Outcome {
            threads: threads.collect(),
            last,
        }
    }

    /// Whether a thread has a node that was there before. What one thread drops, those threads do not know
    /// whose programs say nothing of it.
    fn has(&self, program: usize, name: u64) -> bool {
        let mut all = self.programs.iter().flatten();
        let mut own = self.programs[program].iter();
        let drops = |op: &Op| matches!(op, Op::Drop(dropped) if *dropped == name);
        own.any(|op| op.names().contains(&name)) || !all.any(drops)
    }

    /// Finds an order of the operations that explains what was seen, and returns how many steps that took.
    pub(crate) fn explain(&self, outcome: &TreeOutcome) -> Result<u64, String> {
        let threads = self.threads();
        let mut start = PlainTree::new(self.limit, threads);
        for op in &self.before {
            start.apply(0, op);
        }
        start.share(|name| {
            let have = (0..threads).filter(|&program| self.has(program, name));
            have.count()
        });
        let programs: Vec<_> = self.programs.iter().map(|program| &program[..]).collect();
        explain(start, &programs, outcome)
    }
}

/// What a token costs in a scenario whose calls are priced.
const NANOS: u64 = 3;

/// The pools that a thread has.
struct Thread {
    pools: HashMap<u64, Arc<BudgetPool>>,
    held: Option<OwnedReservation>,
    priced: bool,
}

impl Thread {
    fn run(&mut self, program: &[Op]) -> Vec<Seen<Answer>> {
        let run = |op: &Op| {
            let claims_tried = sync::claims_tried();
            let began = model::now();
            let answer = self.apply(op);
            let ended = model::now();
            let claimed = sync::claims_tried() != claims_tried;
            let reads = matches!(op, Op::Check(..) | Op::Look);
            if answer == Answer::Refused {
                sync::count(Event::Refused);
                if !claimed && !reads {
                    sync::count(Event::LookedFirst);
                }
            }
            if claimed && reads {
                sync::count(Event::ReaderClaimed);
            }
            Seen {
                answer,
                began,
                ended,
            }
        };
        program.iter().map(run).collect()
    }

    fn apply(&mut self, op: &Op) -> Answer {
        let usage = |tokens| {
            let usage = Usage::tokens(tokens, 0);
            if self.priced {
                usage.cost(Usd::from_nanos(NANOS * tokens))
            } else {
                usage
            }
        };
        let pool = |name: u64| &self.pools[&name];
        match *op {
            Op::TryCharge(name, tokens) => {
                let charged = pool(name).try_charge(usage(tokens));
                charged.map_or(Answer::Refused, |spent| Answer::Spent(spent.input_tokens))
            }
            Op::Charge(name, tokens) => {
                let receipt = pool(name).charge(usage(tokens));
                Answer::Spent(receipt.spent.input_tokens)
            }
            Op::Check(name, tokens) => match pool(name).check(usage(tokens)) {
                Ok(()) => Answer::Done,
                Err(_) => Answer::Refused,
            },
            Op::Reserve(name, tokens) => {
                self.held = pool(name).try_reserve_owned(usage(tokens)).ok();
                match self.held {
                    Some(_) => Answer::Done,
                    None => Answer::Refused,
                }
            }
            Op::Settle(tokens) => {
                let usage = usage(tokens);
                let Some(held) = self.held.take() else {
                    return Answer::Skipped;
                };
                Answer::Spent(held.start().settle(usage).spent.input_tokens)
            }
            Op::Release => match self.held.take() {
                Some(held) => done(drop(held)),
                None => Answer::Skipped,
            },
            Op::SetLimit(name, limit) => {
                Answer::Limit(pool(name).set_limits(limits(limit)).input_tokens)
            }
            Op::Reset(name) => done(pool(name).reset()),
            Op::Close(name) => Answer::WasOpen(pool(name).close()),
            Op::Make(name, parent, limit) => {
                let child = Child::new(limits(limit)).label(&name.to_string());
                let child = pool(parent).child_owned(child).expect("a child");
                done(drop(self.pools.insert(name, child)))
            }
            Op::Drop(name) => done(drop(self.pools.remove(&name))),
            Op::Look => Answer::Tree(seen(&pool(0).tree_snapshot(), self.priced)),
        }
    }
}

fn done(_: ()) -> Answer {
    Answer::Done
}

fn limits(input: Option<u64>) -> Limits {
    input.map_or(Limits::unlimited(), |limit| {
        Limits::unlimited().input_tokens(limit)
    })
}

/// All nodes, by name.
fn seen(tree: &TreeSnapshot, priced: bool) -> Vec<SeenNode> {
    fn add(node: &TreeSnapshot, parent: Option<u64>, all: &mut Vec<SeenNode>) {
        let name = node.label.as_str().parse().unwrap_or(0);
        all.push(SeenNode {
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
    if priced {
        for node in tree.iter() {
            let (spent, reserved) = (node.snapshot.spent, node.snapshot.reserved);
            let cost = |tokens| Usd::from_nanos(NANOS * tokens);
            assert_eq!(spent.cost, cost(spent.input_tokens), "{tree}");
            assert_eq!(reserved.cost, cost(reserved.input_tokens), "{tree}");
        }
    }
    let mut all = vec![];
    add(tree, None, &mut all);
    all.sort_by_key(|seen| seen.name);
    all
}
