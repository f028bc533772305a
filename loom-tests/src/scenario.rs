//! Scenarios: a pool, threads with a program each, and whether some sequential order of
//! these programs explains what loom saw.
//!
//! # The oracle
//!
//! After each execution the answers of all threads and the last state of the pool must
//! be those of a plain sequential pool (`sequence.rs`) that runs the operations one after
//! the other, in some order that keeps the order of each program.
//!
//! That is all that the pool promises, and no more. Of operations that change it: they
//! are linearizable. Of those that only read it (snapshots, refusals): they see one state
//! that existed, never older than what happened before, and never backwards in one
//! thread. Such a read can be put into the order of the others where the state that it
//! saw was in force, and its program's order says the rest. It is right that no clock is
//! asked: in the C11 model a read may be older than what another thread did before in
//! time, if nothing ordered it after that. [`Op::Raise`] and [`Op::Look`] are there to
//! order it.

use std::cell::RefCell;
use std::io::Write;
use std::panic;
use std::sync::{Arc, Mutex, Once};

use loom::sync::atomic::{AtomicBool, Ordering};

use crate::oracle::{self, OracleSnapshot};
use crate::sequence::Sequence;
use crate::state::{AMOUNTS, TERMS};
use crate::{sync, this_thread};
use crate::{BudgetPool, Limits, MicroUsd, OwnedReservation, Rejected, Usage};

pub use crate::sync::Event;
pub use crate::this_thread::Whose;

/// A step of a thread's program.
///
/// Each reservation of a thread has a number, counted from 0 in the order in which the
/// program asks for them. What is about one that was refused is skipped.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// Tokens in, tokens out, nano-dollars.
    Record(u64, u64, u64),
    TryCharge(Usage),
    Charge(Usage),
    Check(Usage),
    Reserve(Usage),
    /// The fixed part, the least and the most output; an output token costs nothing.
    ReserveUpTo(Usage, u64, u64),
    Extend(usize, Usage),
    Sent(usize),
    SettleSoFar(usize, Usage),
    Settle(usize, Usage),
    SettleAtLeast(usize, Usage),
    Forfeit(usize),
    Drop(usize),
    SetLimits(Limits),
    /// `update_limits` with that many output tokens more.
    RaiseOutput(u64),
    Reset,
    Take,
    Close,
    Snapshot,
    Totals,
    Limits,
    /// Raises a flag outside the pool, with Release.
    Raise,
    /// Looks at that flag, with Acquire: once it is up, what its raiser did before has
    /// happened before all that the thread does next.
    Look,
}

impl Op {
    /// Which of the thread's reservations it is about.
    pub(crate) fn hold(&self) -> Option<usize> {
        match *self {
            Op::Extend(hold, _)
            | Op::Sent(hold)
            | Op::SettleSoFar(hold, _)
            | Op::Settle(hold, _)
            | Op::SettleAtLeast(hold, _)
            | Op::Forfeit(hold)
            | Op::Drop(hold) => Some(hold),
            _ => None,
        }
    }
}

/// What a step answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Pool(oracle::Answer),
    Saw(bool),
    /// It was about a reservation that had been refused.
    Skipped,
}

/// This usage at a cost of that many nano-dollars.
pub fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(MicroUsd::from_nanos(nanos))
}

/// A thread of a scenario.
#[derive(Debug, Clone)]
pub struct Role {
    whose: Whose,
    before: Vec<Op>,
    program: Vec<Op>,
}

impl Role {
    pub fn new(whose: Whose, program: impl Into<Vec<Op>>) -> Self {
        Self {
            whose,
            before: vec![],
            program: program.into(),
        }
    }

    /// Of its program, what is done before any other thread starts.
    pub fn before(self, before: impl Into<Vec<Op>>) -> Self {
        Self {
            before: before.into(),
            ..self
        }
    }
}

/// What loom is to explore, and what must come of it.
#[derive(Debug, Clone)]
pub struct Scenario {
    name: &'static str,
    limits: Limits,
    room: usize,
    version: Option<u64>,
    numbers: usize,
    roles: Vec<Role>,
    events: Vec<Event>,
    least: Vec<u64>,
    preemptions: usize,
}

const GHOST: bool = cfg!(feature = "ghost");

impl Scenario {
    /// With a fresh pool.
    pub fn new(name: &'static str, limits: Limits) -> Self {
        Self {
            name,
            limits,
            room: 0,
            version: None,
            numbers: 0,
            roles: vec![],
            events: vec![],
            least: vec![],
            preemptions: 2,
        }
    }

    /// The pool has room for this many threads from the start.
    pub fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// The pool has been updated so often.
    pub fn version(self, version: u64) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    /// There are so many numbers to take.
    pub fn numbers(self, numbers: usize) -> Self {
        Self { numbers, ..self }
    }

    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// A thread that has this number from the start.
    pub fn thread(self, whose: Whose, program: impl Into<Vec<Op>>) -> Self {
        self.role(Role::new(whose, program))
    }

    /// These happen in some of the executions, or else the scenario is not about what
    /// it says.
    pub fn meets(mut self, events: impl Into<Vec<Event>>) -> Self {
        self.events = events.into();
        self
    }

    /// How far loom preempts, where that is not told by the environment.
    pub fn preemptions(self, plain: usize, ghost: usize) -> Self {
        Self {
            preemptions: if GHOST { ghost } else { plain },
            ..self
        }
    }

    /// Explores it in all role orders: whose program the main thread runs, and in what
    /// order the other threads start. In the order of [`orders`], there are at least that
    /// many executions under each shim.
    #[track_caller]
    pub fn check<const N: usize>(mut self, plain: [u64; N], ghost: [u64; N]) {
        self.least = if GHOST { ghost } else { plain }.into();
        self.check_all();
    }

    #[track_caller]
    fn check_all(self) {
        tell_the_scenario_of_a_panic();
        let shim = if GHOST { "ghost" } else { "plain" };
        let preemptions = match std::env::var("LOOM_TESTS_PREEMPTIONS") {
            Ok(told) => told.parse().expect("LOOM_TESTS_PREEMPTIONS is a number"),
            Err(_) => self.preemptions,
        };
        let orders = orders(self.roles.len());
        let scenario = Arc::new(self);
        let mut complaints = vec![];
        let mut counts = [0; Event::ALL.len()];
        let mut all_executions = vec![];
        sync::take_counts();
        for order in &orders {
            let what = format!("{} ({shim}, roles {order:?})", scenario.name);
            RUNNING.set(what.clone());
            let started = std::time::Instant::now();
            let executions = scenario.explore(order, preemptions);
            println!(
                "{what}: {executions} executions at {preemptions} preemptions, {} ms",
                started.elapsed().as_millis()
            );
            all_executions.push(executions);
            for (sum, count) in counts.iter_mut().zip(sync::take_counts()) {
                *sum += count;
            }
        }
        println!(
            "SUMMARY {} {shim} {all_executions:?} {:?}",
            scenario.name,
            Event::ALL.map(|event| (event, counts[event as usize]))
        );
        RUNNING.set(format!("{} ({shim})", scenario.name));
        assert_eq!(
            scenario.least.len(),
            orders.len(),
            "a least number for each order"
        );
        for ((order, executions), &least) in orders.iter().zip(all_executions).zip(&scenario.least)
        {
            if executions < least {
                complaints.push(format!(
                    "roles {order:?}: {executions} executions, not {least}"
                ));
            }
        }
        for &event in &scenario.events {
            if counts[event as usize] == 0 {
                complaints.push(format!("never met: {event:?}"));
            }
        }
        assert!(complaints.is_empty(), "TOO LITTLE EXPLORED: {complaints:?}");
    }

    /// Lets loom explore it with the programs on its threads in this order, the first on
    /// the main thread, and returns the number of executions.
    fn explore(self: &Arc<Self>, order: &[usize], preemptions: usize) -> u64 {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut loom = loom::model::Builder::new();
        loom.preemption_bound = Some(preemptions);
        loom.max_branches = 100_000;
        // What would end an exploration early, and call it a success.
        loom.max_permutations = None;
        loom.max_duration = None;
        let (scenario, order, seen_by_model) = (self.clone(), order.to_vec(), seen.clone());
        loom.check(move || {
            let outcome = scenario.execute(&order);
            let mut seen = seen_by_model.lock().unwrap();
            seen.executions += 1;
            // Few outcomes are distinct.
            if seen.explained.contains(&outcome) {
                return;
            }
            // The stacks of a model are small.
            let explained = std::thread::scope(|scope| {
                scope.spawn(|| scenario.explain(&outcome)).join().unwrap()
            });
            if let Err(told) = explained {
                panic!("NO ORDER EXPLAINS\n{told}");
            }
            seen.explained.push(outcome);
        });
        let executions = seen.lock().unwrap().executions;
        executions
    }

    /// Runs everything once, and returns what was seen.
    fn execute(self: &Arc<Self>, order: &[usize]) -> Outcome {
        this_thread::begin(self.numbers);
        let pairs = self.roles.iter().map(|role| match role.whose {
            Whose::Number(number) => (number - 1) % 16 + 1,
            _ => self.numbers,
        });
        sync::begin(pairs.max().unwrap_or(0), AMOUNTS + TERMS + 1);
        let builder = BudgetPool::builder().limits(self.limits);
        let pool = Arc::new(builder.threads(self.room).build());
        sync::learn_head(|| {
            pool.totals();
        });
        if let Some(version) = self.version {
            // Nothing is spent: it changes nothing but the version.
            this_thread::start(Whose::None, 0);
            sync::stretch_next_update_to(version);
            pool.reset();
        }
        let flag = Arc::new(AtomicBool::new(false));
        let mut threads = vec![];
        for role in 0..self.roles.len() {
            let mut thread = Thread {
                pool: pool.clone(),
                flag: flag.clone(),
                holds: vec![],
                answers: vec![],
            };
            this_thread::start(self.roles[role].whose, 0);
            thread.run(&self.roles[role].before);
            threads.push(Some((thread, this_thread::stop())));
        }
        let mut run = |role: usize| {
            let scenario = self.clone();
            let (mut thread, kept) = threads[role].take().unwrap();
            move || {
                let Role { whose, program, .. } = &scenario.roles[role];
                this_thread::start(*whose, kept);
                thread.run(program);
                this_thread::end();
                thread
            }
        };
        let mut ended: Vec<_> = order.iter().map(|_| None).collect();
        let spawned: Vec<_> = order[1..]
            .iter()
            .map(|&role| (role, loom::thread::spawn(run(role))))
            .collect();
        ended[order[0]] = Some(run(order[0])());
        for (role, thread) in spawned {
            ended[role] = Some(thread.join().unwrap());
        }
        let last = pool.snapshot().into();
        // Reservations that the programs leave are dropped from here on, like the pool.
        let answers = ended.into_iter().flatten().map(|thread| thread.answers);
        Outcome {
            answers: answers.collect(),
            last,
        }
    }

    /// Finds an order of the operations that explains what was seen.
    fn explain(&self, outcome: &Outcome) -> Result<(), String> {
        let mut sequence = Sequence::new(self.limits, self.roles.len());
        let mut before = true;
        for (thread, role) in self.roles.iter().enumerate() {
            for (op, answer) in role.before.iter().zip(&outcome.answers[thread]) {
                before &= sequence.apply(thread, op) == *answer;
            }
        }
        if before && self.explains(&sequence, outcome, &mut vec![0; self.roles.len()]) {
            return Ok(());
        }
        let mut told = String::new();
        for (thread, role) in self.roles.iter().enumerate() {
            let ops = role.before.iter().chain(&role.program);
            for (op, answer) in ops.zip(&outcome.answers[thread]) {
                told += &format!("  thread {thread}: {op:?} -> {answer:?}\n");
            }
        }
        Err(format!("{told}  at last: {:?}", outcome.last))
    }

    fn explains(&self, so_far: &Sequence, outcome: &Outcome, done: &mut Vec<usize>) -> bool {
        let mut ended = true;
        for (thread, role) in self.roles.iter().enumerate() {
            let Some(op) = role.program.get(done[thread]) else {
                continue;
            };
            ended = false;
            let mut next = so_far.clone();
            let answer = next.apply(thread, op);
            let seen = &outcome.answers[thread][role.before.len() + done[thread]];
            // A flag that is not seen yet says nothing.
            if answer == *seen || *seen == Answer::Saw(false) {
                done[thread] += 1;
                let explained = self.explains(&next, outcome, done);
                done[thread] -= 1;
                if explained {
                    return true;
                }
            }
        }
        ended && so_far.snapshot() == outcome.last
    }
}

#[derive(Default)]
struct Seen {
    executions: u64,
    explained: Vec<Outcome>,
}

#[derive(PartialEq)]
struct Outcome {
    answers: Vec<Vec<Answer>>,
    last: OracleSnapshot,
}

/// A thread of a scenario while it runs.
struct Thread {
    pool: Arc<BudgetPool>,
    flag: Arc<AtomicBool>,
    holds: Vec<Option<OwnedReservation>>,
    answers: Vec<Answer>,
}

impl Thread {
    fn run(&mut self, program: &[Op]) {
        for op in program {
            let answer = self.apply(op);
            if let Answer::Pool(
                oracle::Answer::BudgetExceeded { .. } | oracle::Answer::Refused(_),
            ) = answer
            {
                sync::count(Event::Refused);
            }
            self.answers.push(answer);
        }
    }

    fn apply(&mut self, op: &Op) -> Answer {
        if let Some(index) = op.hold() {
            return match self.holds[index].take() {
                Some(hold) => self.apply_to_hold(index, hold, op),
                None => Answer::Skipped,
            };
        }
        let pool = &self.pool;
        Answer::Pool(match *op {
            Op::Record(input, output, nanos) => pool
                .record(input, output, MicroUsd::from_nanos(nanos).as_usd())
                .into(),
            Op::TryCharge(usage) => pool.try_charge(usage).into(),
            Op::Charge(usage) => pool.charge(usage).into(),
            Op::Check(usage) => pool.check(usage).into(),
            Op::Reserve(usage) => {
                let hold = pool.reserve_owned(usage);
                self.keep(hold)
            }
            Op::ReserveUpTo(fixed, least, most) => {
                let hold = pool.reserve_up_to_owned(fixed, least..=most, MicroUsd::ZERO);
                self.keep(hold)
            }
            Op::SetLimits(limits) => pool.set_limits(limits).into(),
            Op::RaiseOutput(more) => pool
                .update_limits(|limits| {
                    limits.output_tokens = limits.output_tokens.map(|limit| limit + more);
                })
                .into(),
            Op::Reset => pool.reset().into(),
            Op::Take => pool.take().into(),
            Op::Close => pool.close().into(),
            Op::Snapshot => pool.snapshot().into(),
            Op::Totals => pool.totals().into(),
            Op::Limits => pool.limits().into(),
            Op::Raise => {
                self.flag.store(true, Ordering::Release);
                return Answer::Saw(true);
            }
            Op::Look => return Answer::Saw(self.flag.load(Ordering::Acquire)),
            _ => unreachable!("{op:?} is about a hold"),
        })
    }

    fn keep(&mut self, hold: Result<OwnedReservation, Rejected>) -> oracle::Answer {
        let answer = hold.as_ref().map_err(|rejected| *rejected).into();
        self.holds.push(hold.ok());
        answer
    }

    fn apply_to_hold(&mut self, index: usize, mut hold: OwnedReservation, op: &Op) -> Answer {
        let answer = match *op {
            Op::Sent(_) => hold.sent().into(),
            Op::Extend(_, more) => hold.extend(more).into(),
            Op::SettleSoFar(_, total) => hold.settle_so_far(total).into(),
            Op::Settle(_, total) => return Answer::Pool(hold.settle(total).into()),
            Op::SettleAtLeast(_, total) => return Answer::Pool(hold.settle_at_least(total).into()),
            Op::Forfeit(_) => return Answer::Pool(hold.forfeit().into()),
            Op::Drop(_) => return Answer::Pool(drop(hold).into()),
            _ => unreachable!("{op:?} is about no hold"),
        };
        self.holds[index] = Some(hold);
        Answer::Pool(answer)
    }
}

/// All orders of that many roles, the first ascending.
pub fn orders(roles: usize) -> Vec<Vec<usize>> {
    fn extend(order: &mut Vec<usize>, roles: usize, orders: &mut Vec<Vec<usize>>) {
        if order.len() == roles {
            orders.push(order.clone());
        }
        for role in 0..roles {
            if !order.contains(&role) {
                order.push(role);
                extend(order, roles, orders);
                order.pop();
            }
        }
    }
    let mut orders = vec![];
    extend(&mut vec![], roles, &mut orders);
    orders
}

thread_local! {
    /// The scenario that runs on this thread of the system.
    static RUNNING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// loom aborts the process after some failures, and what the test harness captured is
/// lost then. So the first panic says at once, past the harness, where it happened.
fn tell_the_scenario_of_a_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let scenario = RUNNING.with_borrow(String::clone);
            let _ = writeln!(std::io::stderr(), "FAILED {scenario}: {info}");
            hook(info);
        }));
    });
}
