//! What the threads of a scenario do: on the register, and on a plain state.

use loom::sync::atomic::{AtomicBool, Ordering};

use crate::register::{self, Change, Operation, Register};
use crate::sync::{self, Doing, Event};

pub(crate) const TERMS: usize = 1;

/// All that the register holds: one or two sums, and a limit on the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    pub(crate) sums: [u64; 2],
    pub(crate) limit: u64,
}

impl State {
    fn of<const A: usize>(words: &register::State<'_, A, TERMS>) -> Self {
        Self {
            sums: std::array::from_fn(|index| words.amounts.get(index).copied().unwrap_or(0)),
            limit: words.term(0),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Adds so much to the first sum and ten times that to the second, if the limit allows.
    Add(u64),
    /// The same, whatever the limit is.
    Put(u64),
    /// As `Put`, but it unwinds instead if it sees that much in the first sum.
    Unwind(u64, u64),
    Reset,
    Limit(u64),
    /// Raises the limit by so much.
    Raise(u64),
    /// As `Raise`, but it unwinds instead.
    UnwindRaise,
    /// Not an update.
    Peek,
    /// Raises a flag outside the register, with Release.
    Signal,
    /// Looks at that flag, with Acquire: once it is up, what its raiser did before has
    /// happened before all that the thread does next.
    Look,
}

pub(crate) use Step::{Add, Limit, Look, Peek, Put, Raise, Reset, Signal, Unwind, UnwindRaise};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Answer {
    Now(State),
    Refused(State),
    Unwound,
    Saw(bool),
}

/// A register, and the flag beside it.
pub(crate) struct Subject<const A: usize> {
    pub(crate) register: Register<A, TERMS, ()>,
    flag: AtomicBool,
    exactly: bool,
}

impl<const A: usize> Subject<A> {
    pub(crate) fn new(limit: u64, exactly: bool) -> Self {
        Self {
            register: Register::new([0; A], 0, [limit], ()),
            flag: AtomicBool::new(false),
            exactly,
        }
    }

    pub(crate) fn peek(&self) -> State {
        self.register.read(State::of)
    }

    /// Runs `step` by the calling thread.
    pub(crate) fn run(&self, step: Step) -> Answer {
        let claims_tried = sync::claims_tried();
        let claimed = || sync::claims_tried() != claims_tried;
        sync::doing(step.doing());
        match step {
            Signal => {
                self.flag.store(true, Ordering::Release);
                Answer::Saw(true)
            }
            Look => Answer::Saw(self.flag.load(Ordering::Acquire)),
            Peek => {
                let state = self.peek();
                if claimed() {
                    sync::count(Event::ReaderClaimed);
                }
                Answer::Now(state)
            }
            Unwind(..) | UnwindRaise => {
                match sync::catch(|| self.register.update(self.operation(step))) {
                    Some(Ok(now)) => Answer::Now(now),
                    Some(Err(_)) => unreachable!("{step:?} is never refused"),
                    None => Answer::Unwound,
                }
            }
            _ => {
                let answer = match self.register.update(self.operation(step)) {
                    Ok(now) => Answer::Now(now),
                    Err(now) => Answer::Refused(now),
                };
                if let Answer::Refused(_) = answer {
                    sync::count(Event::Refused);
                    if !claimed() {
                        sync::count(Event::LookedFirst);
                    }
                }
                answer
            }
        }
    }

    /// Runs `step` from a lane that is held.
    pub(crate) fn run_claimed(&self, step: Step, claim: register::Claim<'_, A, TERMS>) -> Answer {
        sync::doing(step.doing());
        match self
            .register
            .update_claimed(claim, &register::Path::ROOT, &self.operation(step))
        {
            register::Answer::Done(now) => Answer::Now(now),
            register::Answer::Refused(now) => {
                sync::count(Event::Refused);
                Answer::Refused(now)
            }
        }
    }

    /// Gives back a lane that is held. Its claim will have the head that is current.
    pub(crate) fn free(&self, claim: register::Claim<'_, A, TERMS>) {
        self.register
            .update_claimed(claim, &register::Path::ROOT, &Never);
        sync::set_hint(0);
    }

    fn operation(&self, step: Step) -> Update {
        Update {
            step,
            exactly: self.exactly,
        }
    }
}

impl Step {
    fn doing(self) -> Doing {
        match self {
            Limit(_) | Raise(_) | UnwindRaise => Doing::SetsTerms,
            _ => Doing::KeepsTerms,
        }
    }

    /// What it makes of a state, if it is not refused. Total: the words may be of two states.
    pub(crate) fn decide(self, mut now: State, amounts: usize) -> Option<State> {
        match self {
            Add(more) if now.sums[0].wrapping_add(more) > now.limit => return None,
            Add(more) | Put(more) | Unwind(more, _) => {
                for (index, sum) in now.sums[..amounts].iter_mut().enumerate() {
                    *sum = sum.wrapping_add(more * 10_u64.pow(index as u32));
                }
            }
            Reset => now.sums = [0; 2],
            Limit(limit) => now.limit = limit,
            Raise(by) => now.limit = now.limit.wrapping_add(by),
            UnwindRaise | Peek | Signal | Look => {}
        }
        Some(now)
    }

    /// On the plain state: the oracle. Whether it can have answered `seen` there, and then
    /// does so.
    pub(crate) fn explains(
        self,
        seen: Answer,
        state: &mut State,
        flag: &mut bool,
        amounts: usize,
    ) -> bool {
        match (self, seen) {
            // It never took effect, so it had no need of a state that existed.
            (Unwind(..) | UnwindRaise, Answer::Unwound) => return true,
            (UnwindRaise, _) => return false,
            (Signal, Answer::Saw(_)) => *flag = true,
            // A flag that is not seen yet says nothing.
            (Look, Answer::Saw(saw)) => return !saw || *flag,
            _ => {
                return match self.decide(*state, amounts) {
                    Some(next) => {
                        *state = next;
                        seen == Answer::Now(next)
                    }
                    None => seen == Answer::Refused(*state),
                }
            }
        }
        true
    }
}

/// A step as an operation of the register.
#[derive(Clone, Copy)]
struct Update {
    step: Step,
    /// It is never plain to see that it is not refused.
    exactly: bool,
}

impl<const A: usize> Operation<A, TERMS> for Update {
    /// What it made of the state.
    type Done = State;
    /// What it left as it was.
    type Refusal = State;

    fn is_plain(&self, now: &register::State<'_, A, TERMS>) -> bool {
        match self.step {
            _ if self.exactly => false,
            Add(_) => self.step.decide(State::of(now), A).is_some(),
            Limit(_) => false,
            // Only the change shows that it takes new terms.
            Raise(_) => true,
            _ => true,
        }
    }

    fn refusal(&self, now: &register::State<'_, A, TERMS>) -> Option<State> {
        let Add(_) = self.step else {
            return None;
        };
        let now = State::of(now);
        self.step.decide(now, A).is_none().then_some(now)
    }

    fn change(&self, now: &register::State<'_, A, TERMS>) -> Change<A, TERMS, State> {
        let now = State::of(now);
        match self.step {
            Unwind(_, from) if now.sums[0] >= from => sync::unwind_on_purpose(),
            UnwindRaise => sync::unwind_on_purpose(),
            _ => {}
        }
        // It fits, or else the words are of two states.
        let next = self.step.decide(now, A).unwrap_or(now);
        Change {
            amounts: std::array::from_fn(|index| next.sums[index]),
            marks: 0,
            terms: (self.step.doing() == Doing::SetsTerms).then_some([next.limit]),
            done: next,
        }
    }
}

/// An operation that is always refused.
#[derive(Clone, Copy)]
struct Never;

impl<const A: usize> Operation<A, TERMS> for Never {
    type Done = ();
    type Refusal = ();

    fn is_plain(&self, _: &register::State<'_, A, TERMS>) -> bool {
        false
    }

    fn refusal(&self, _: &register::State<'_, A, TERMS>) -> Option<()> {
        Some(())
    }

    fn change(&self, now: &register::State<'_, A, TERMS>) -> Change<A, TERMS, ()> {
        Change {
            amounts: now.amounts,
            marks: 0,
            terms: None,
            done: (),
        }
    }
}
