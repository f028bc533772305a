//! Scenarios: a pool, threads with a program each, and what is seen of an execution.

use std::sync::Arc;

use crate::explain::{explain, Outcome, Seen, Sequential};
use crate::layout::{AMOUNTS, TERMS};
use crate::model::atomic::{AtomicBool, Ordering};
use crate::model::{self, thread};
use crate::oracle::{self, OracleSnapshot};
use crate::sequence::Sequence;
use crate::sync::{self, Setting};
use crate::{BudgetPool, Limits, OwnedCall, OwnedReservation, Rejected, Usage, Usd};

pub use crate::sync::Event;

/// A step of a thread's program.
///
/// Each reservation of a thread has a number, counted from 0 in the order in which the
/// program asks for them, and so has the call that it becomes. What is about one that was
/// refused is skipped. What only a call can do starts a reservation.
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
    ShrinkTo(usize, Usage),
    Start(usize),
    Report(usize, Usage),
    Settle(usize, Usage),
    SettleAtLeast(usize, Usage),
    Forfeit(usize),
    Release(usize),
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
    /// Which of the thread's reservations and calls it is about.
    pub(crate) fn about(&self) -> Option<usize> {
        match *self {
            Op::Extend(index, _)
            | Op::ShrinkTo(index, _)
            | Op::Start(index)
            | Op::Report(index, _)
            | Op::Settle(index, _)
            | Op::SettleAtLeast(index, _)
            | Op::Forfeit(index)
            | Op::Release(index)
            | Op::Drop(index) => Some(index),
            _ => None,
        }
    }
}

/// What a step answered.
#[derive(Debug, Clone, PartialEq)]
// Nearly all of them are the largest.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Answer {
    Pool(oracle::Answer),
    Saw(bool),
    /// It was about a reservation that had been refused.
    Skipped,
}

/// This usage at a cost of that many nano-dollars.
pub fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(Usd::from_nanos(nanos))
}

/// A thread of a scenario.
#[derive(Debug, Clone)]
pub struct Role {
    pub(crate) before: Vec<Op>,
    pub(crate) program: Vec<Op>,
}

impl Role {
    pub fn new(program: impl Into<Vec<Op>>) -> Self {
        Self {
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

/// What is to be run in many orders, and what must come of it.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) limits: Limits,
    room: usize,
    patience: u32,
    looks: u32,
    stuck: bool,
    pub(crate) roles: Vec<Role>,
    pub(crate) events: Vec<Event>,
    pub(crate) preemptions: usize,
}

impl Scenario {
    /// With a fresh pool.
    pub fn new(name: &'static str, limits: Limits) -> Self {
        Self {
            name,
            limits,
            room: 0,
            patience: 0,
            looks: 16,
            stuck: false,
            roles: vec![],
            events: vec![],
            preemptions: 2,
        }
    }

    /// The pool has room for this many threads from the start.
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

    pub fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self
    }

    /// A thread that runs this program.
    pub fn thread(self, program: impl Into<Vec<Op>>) -> Self {
        self.role(Role::new(program))
    }

    /// These happen in some of the executions, or else the scenario is not about what
    /// it says.
    pub fn meets(mut self, events: impl Into<Vec<Event>>) -> Self {
        self.events = events.into();
        self
    }

    /// Runs everything once, and returns what was seen.
    pub(crate) fn execute(self: &Arc<Self>, order: &[usize]) -> Outcome<Answer, OracleSnapshot> {
        sync::begin(Setting {
            amounts: AMOUNTS,
            terms: TERMS,
            patience: self.patience,
            looks: self.looks,
        });
        let builder = BudgetPool::builder().limits(self.limits);
        let pool = Arc::new(builder.threads(self.room).build());
        if self.stuck {
            // Nothing is spent, so it changes nothing.
            sync::lose_next_release();
            pool.reset();
        }
        let flag = Arc::new(AtomicBool::new(false));
        let mut threads = vec![];
        for role in 0..self.roles.len() {
            let mut thread = Thread {
                pool: pool.clone(),
                flag: flag.clone(),
                in_hand: vec![],
                seen: vec![],
            };
            thread.run(&self.roles[role].before);
            // The next role is another thread, which does not know what this one has noted.
            let hint = sync::hint();
            sync::set_hint(0);
            threads.push(Some((thread, hint)));
        }
        sync::start();
        let mut run = |role: usize| {
            let scenario = self.clone();
            let (mut thread, hint) = threads[role].take().unwrap();
            move || {
                sync::set_hint(hint);
                thread.run(&scenario.roles[role].program);
                thread
            }
        };
        let mut ended: Vec<_> = order.iter().map(|_| None).collect();
        let spawned: Vec<_> = order[1..]
            .iter()
            .map(|&role| (role, thread::spawn(run(role))))
            .collect();
        ended[order[0]] = Some(run(order[0])());
        for (role, thread) in spawned {
            ended[role] = Some(thread.join().unwrap());
        }
        sync::end();
        let last = pool.snapshot().into();
        // Reservations and calls that the programs leave are dropped from here on, like the pool.
        let threads = ended.into_iter().flatten().map(|thread| thread.seen);
        Outcome {
            threads: threads.collect(),
            last,
        }
    }

    /// Finds an order of the operations that explains what was seen, and returns how many
    /// steps that took.
    pub(crate) fn explain(&self, outcome: &Outcome<Answer, OracleSnapshot>) -> Result<u64, String> {
        let mut start = Sequence::new(self.limits, self.roles.len());
        let mut threads = outcome.threads.clone();
        for (thread, role) in self.roles.iter().enumerate() {
            let seen = threads[thread].drain(..role.before.len());
            for (op, seen) in role.before.iter().zip(seen) {
                let answer = start.apply(thread, op);
                if answer != seen.answer {
                    let seen = seen.answer;
                    return Err(format!("BEFORE: {op:?} -> {seen:?}, and not {answer:?}"));
                }
            }
        }
        let programs: Vec<_> = self.roles.iter().map(|role| &role.program[..]).collect();
        let last = outcome.last;
        explain(start, &programs, &Outcome { threads, last })
    }
}

/// Of these events, those that never happened.
pub(crate) fn missed(events: &[Event], counts: &[u64]) -> Vec<Event> {
    let mut missed = events.to_vec();
    missed.retain(|&event| counts[event as usize] == 0);
    missed
}

/// What a thread has in hand for a call.
enum InHand {
    Reservation(OwnedReservation),
    Call(OwnedCall),
}

impl InHand {
    /// The call that it becomes, or is.
    fn started(self) -> OwnedCall {
        match self {
            InHand::Reservation(reservation) => reservation.start(),
            InHand::Call(call) => call,
        }
    }
}

/// A thread of a scenario while it runs.
struct Thread {
    pool: Arc<BudgetPool>,
    flag: Arc<AtomicBool>,
    in_hand: Vec<Option<InHand>>,
    seen: Vec<Seen<Answer>>,
}

impl Thread {
    fn run(&mut self, program: &[Op]) {
        for op in program {
            let claims_tried = sync::claims_tried();
            let began = model::now();
            let answer = self.apply(op);
            let ended = model::now();
            let claimed = sync::claims_tried() != claims_tried;
            if let Answer::Pool(
                oracle::Answer::BudgetExceeded { .. } | oracle::Answer::Refused(_),
            ) = answer
            {
                sync::count(Event::Refused);
                if !claimed && !matches!(op, Op::Check(_)) {
                    sync::count(Event::LookedFirst);
                }
            }
            if claimed && matches!(op, Op::Check(_) | Op::Snapshot | Op::Totals | Op::Limits) {
                sync::count(Event::ReaderClaimed);
            }
            self.seen.push(Seen {
                answer,
                began,
                ended,
            });
        }
    }

    fn apply(&mut self, op: &Op) -> Answer {
        if let Some(index) = op.about() {
            return match self.in_hand[index].take() {
                Some(in_hand) => Answer::Pool(self.apply_to(index, in_hand, op)),
                None => Answer::Skipped,
            };
        }
        let pool = &self.pool;
        Answer::Pool(match *op {
            Op::Record(input, output, nanos) => pool
                .record(input, output, Usd::from_nanos(nanos).to_f64())
                .into(),
            Op::TryCharge(usage) => pool.try_charge(usage).into(),
            Op::Charge(usage) => pool.charge(usage).into(),
            Op::Check(usage) => pool.check(usage).into(),
            Op::Reserve(usage) => {
                let reservation = pool.try_reserve_owned(usage);
                self.keep(reservation)
            }
            Op::ReserveUpTo(fixed, least, most) => {
                let reservation = pool.try_reserve_up_to_owned(fixed, least..=most, Usd::ZERO);
                self.keep(reservation)
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
            _ => unreachable!("{op:?} is about a reservation or a call"),
        })
    }

    fn keep(&mut self, reservation: Result<OwnedReservation, Rejected>) -> oracle::Answer {
        let answer = reservation.as_ref().map_err(|rejected| *rejected).into();
        self.in_hand.push(reservation.ok().map(InHand::Reservation));
        answer
    }

    fn apply_to(&mut self, index: usize, mut in_hand: InHand, op: &Op) -> oracle::Answer {
        let answer = match (*op, &mut in_hand) {
            (Op::Extend(_, more), InHand::Reservation(reservation)) => {
                reservation.extend(more).into()
            }
            (Op::Extend(_, more), InHand::Call(call)) => call.extend(more).into(),
            (Op::ShrinkTo(_, most), InHand::Reservation(reservation)) => {
                reservation.shrink_to(most).into()
            }
            (Op::ShrinkTo(_, most), InHand::Call(call)) => call.shrink_to(most).into(),
            (Op::Drop(_), _) => return drop(in_hand).into(),
            _ => return self.apply_to_call(index, in_hand.started(), op),
        };
        self.in_hand[index] = Some(in_hand);
        answer
    }

    fn apply_to_call(&mut self, index: usize, mut call: OwnedCall, op: &Op) -> oracle::Answer {
        let answer = match *op {
            Op::Start(_) => oracle::Answer::Done,
            Op::Report(_, total) => call.report(total).into(),
            Op::Settle(_, total) => return call.settle(total).into(),
            Op::SettleAtLeast(_, total) => return call.settle_at_least(total).into(),
            Op::Forfeit(_) => return call.forfeit().into(),
            Op::Release(_) => return call.release().into(),
            _ => unreachable!("{op:?} is not about a call"),
        };
        self.in_hand[index] = Some(InHand::Call(call));
        answer
    }
}
