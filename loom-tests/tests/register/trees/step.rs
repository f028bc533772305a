//! What the threads of a scenario do: on a register with nodes below it, and on plain states.

use loom::sync::atomic::{AtomicBool, Ordering};

use crate::register::{self, Change, Operation, Path, Register};
use crate::sync::{self, Doing, Event};

pub(crate) const TERMS: usize = 1;

/// The most levels that a path has here, the root included.
const LEVELS: usize = 4;

/// All that a node holds: a sum, and a limit on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct State {
    pub(crate) sum: u64,
    pub(crate) limit: u64,
    /// Which node it is. 0 is the root, and a node that is not in use.
    pub(crate) name: usize,
}

impl State {
    fn of(words: &register::State<'_, 1, TERMS>) -> Self {
        Self {
            sum: words.amounts[0],
            limit: words.term(0),
            name: words.marks as usize,
        }
    }
}

/// The names of the nodes on a path, from the root's child on. Each node has a name of its own, from 1.
pub(crate) type Names = &'static [usize];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Adds so much to the sums of all nodes on the path, if their limits allow.
    Add(Names, u64),
    /// The same, but it unwinds instead when it comes to the last node.
    Unwind(Names, u64),
    /// Whether `Add` would be refused.
    Ask(Names, u64),
    // These are about the last node alone.
    Reset(Names),
    Limit(Names, u64),
    /// A reset to another limit, in one step.
    Renew(Names, u64),
    /// A new node with this limit.
    Make(Names, u64),
    /// The first half of it: takes a node. In a setup, for a role that does the other half.
    Take(Names),
    Open(Names, u64),
    /// Gives it back.
    Give(Names),
    Peek(Names),
    /// Reads all nodes.
    PeekAll,
    /// Raises a flag outside the register, with Release.
    Signal,
    /// Looks at that flag, with Acquire: once it is up, what its raiser did before has happened before all
    /// that the thread does next.
    Look,
}

pub(crate) use Step::{
    Add, Ask, Give, Limit, Look, Make, Open, Peek, PeekAll, Renew, Reset, Signal, Take, Unwind,
};

/// The states of the levels of a path that an operation was about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    levels: [Option<State>; LEVELS],
    /// The last of them was another node, or none.
    gone: bool,
}

impl Seen {
    fn one(depth: usize, state: State) -> Self {
        let mut levels = [None; LEVELS];
        levels[depth] = Some(state);
        Self {
            levels,
            gone: false,
        }
    }

    fn and(mut self, other: Self) -> Self {
        for (level, state) in self.levels.iter_mut().zip(other.levels) {
            *level = level.or(state);
        }
        self.gone |= other.gone;
        self
    }
}

/// A node as it is seen from outside: its state, and its parent's name.
pub(crate) type Placed = (State, usize);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// What it made of the levels.
    Now(Seen),
    /// The levels that refused.
    Refused(Seen),
    Fits,
    /// The node is not in use any more.
    Gone,
    Read(State),
    /// By name.
    All(Vec<Placed>),
    Unwound,
    Saw(bool),
}

/// Where nodes are, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(Vec<(usize, Path)>);

impl Known {
    pub(crate) fn path(&self, names: Names) -> Path {
        let Some(&last) = names.last() else {
            return Path::ROOT;
        };
        let known = self.0.iter().find(|&&(name, _)| name == last);
        known.expect("a node that this thread knows").1
    }
}

/// A register, and the flag beside it.
pub(crate) struct Subject {
    pub(crate) register: Register<1, TERMS, ()>,
    flag: AtomicBool,
    exactly: bool,
}

impl Subject {
    pub(crate) fn new(limit: u64, exactly: bool) -> Self {
        Self {
            register: Register::new([0], 0, [limit], ()),
            flag: AtomicBool::new(false),
            exactly,
        }
    }

    pub(crate) fn peek_all(&self) -> Vec<Placed> {
        let nodes = self.register.read_tree(|state| state.marks != 0, State::of);
        let name_of = |number| {
            let node = nodes.iter().find(|node| node.number == number);
            node.map_or(usize::MAX, |node| node.label[0] as usize)
        };
        let placed = nodes.iter().map(|node| {
            assert_eq!(node.state.name as u64, node.label[0], "another one's label");
            (node.state, name_of(node.parent))
        });
        let mut placed: Vec<_> = placed.collect();
        placed.sort_by_key(|(state, _)| state.name);
        placed
    }

    /// Runs `step` by the calling thread.
    pub(crate) fn run(&self, step: Step, known: &mut Known) -> Answer {
        let claims_tried = sync::claims_tried();
        let claimed = || sync::claims_tried() != claims_tried;
        sync::doing(step.doing());
        let answer = match step {
            Signal => {
                self.flag.store(true, Ordering::Release);
                Answer::Saw(true)
            }
            Look => Answer::Saw(self.flag.load(Ordering::Acquire)),
            Peek(names) => {
                let state =
                    self.register
                        .read_below(&known.path(names), false, State::of, |above, _| above);
                if claimed() {
                    sync::count(Event::ReaderClaimed);
                }
                match state.name == last(names) {
                    true => Answer::Read(state),
                    false => Answer::Gone,
                }
            }
            PeekAll => Answer::All(self.peek_all()),
            Ask(names, more) => {
                let operation = self.on_path(Add(names, more));
                match self.register.refusal_at(&known.path(names), &operation) {
                    None => Answer::Fits,
                    Some(seen) => refused(seen),
                }
            }
            Make(names, _) => {
                self.take(names, known);
                self.update(step, known)
            }
            Take(names) => {
                self.take(names, known);
                Answer::Fits
            }
            Give(names) => {
                let answer = self.update(step, known);
                if let Answer::Now(_) = answer {
                    self.register.give_back_node(&known.path(names));
                }
                answer
            }
            Unwind(..) => sync::catch(|| self.update(step, known)).unwrap_or(Answer::Unwound),
            Add(..) | Reset(_) | Limit(..) | Renew(..) | Open(..) => self.update(step, known),
        };
        if let Answer::Refused(_) = answer {
            sync::count(Event::Refused);
            if !claimed() {
                sync::count(Event::LookedFirst);
            }
        }
        answer
    }

    fn take(&self, names: Names, known: &mut Known) {
        let (&name, above) = names.split_last().expect("not the root");
        let label = [name as u64, 0, 0, 0];
        let path = self.register.take_node(&known.path(above), label);
        known.0.push((name, path.expect("one more node")));
    }

    fn update(&self, step: Step, known: &Known) -> Answer {
        let path = &known.path(step.names());
        answered(if step.on_whole_path() {
            self.register.update_at(path, self.on_path(step))
        } else {
            self.register.update_at(path, self.on_node(step))
        })
    }

    /// Runs `step` from a lane that is held.
    pub(crate) fn run_claimed(
        &self,
        step: Step,
        known: &Known,
        claim: register::Claim<'_, 1, TERMS>,
    ) -> Answer {
        sync::doing(step.doing());
        let path = &known.path(step.names());
        let register = &self.register;
        answered(if step.on_whole_path() {
            register.update_claimed(claim, path, &self.on_path(step))
        } else {
            register.update_claimed(claim, path, &self.on_node(step))
        })
    }

    /// Gives back a lane that is held. Its claim will have the head that is current.
    pub(crate) fn free(&self, claim: register::Claim<'_, 1, TERMS>) {
        self.register.update_claimed(claim, &Path::ROOT, &Never);
        sync::set_hint(0);
    }

    fn on_path(&self, step: Step) -> OnPath {
        OnPath(self.on_node(step))
    }

    fn on_node(&self, step: Step) -> OnNode {
        OnNode {
            step,
            exactly: self.exactly,
        }
    }
}

fn answered(answer: register::Answer<Seen, Seen>) -> Answer {
    match answer {
        register::Answer::Done(seen) => Answer::Now(seen),
        register::Answer::Refused(seen) => refused(seen),
    }
}

fn refused(seen: Seen) -> Answer {
    match seen.gone {
        true => Answer::Gone,
        false => Answer::Refused(seen),
    }
}

fn last(names: Names) -> usize {
    names.last().copied().unwrap_or(0)
}

impl Step {
    fn doing(self) -> Doing {
        match self {
            Limit(..) | Renew(..) | Make(..) | Open(..) => Doing::SetsTerms,
            _ => Doing::KeepsTerms,
        }
    }

    fn on_whole_path(self) -> bool {
        matches!(self, Add(..) | Unwind(..) | Ask(..))
    }

    fn names(self) -> Names {
        match self {
            Add(names, _)
            | Unwind(names, _)
            | Ask(names, _)
            | Reset(names)
            | Limit(names, _)
            | Renew(names, _)
            | Make(names, _)
            | Open(names, _)
            | Take(names)
            | Give(names)
            | Peek(names) => names,
            PeekAll | Signal | Look => &[],
        }
    }

    /// What it makes of one level, if that does not refuse. Total: the words may be of two states.
    fn decide(self, mut now: State) -> Option<State> {
        match self {
            Add(_, more) | Ask(_, more) if now.sum.wrapping_add(more) > now.limit => return None,
            Add(_, more) | Unwind(_, more) => now.sum = now.sum.wrapping_add(more),
            Reset(_) => now.sum = 0,
            Limit(_, limit) => now.limit = limit,
            Renew(_, limit) => (now.sum, now.limit) = (0, limit),
            Make(names, limit) | Open(names, limit) => {
                now = State {
                    sum: 0,
                    limit,
                    name: last(names),
                };
            }
            Give(_) => (now.sum, now.name) = (0, 0),
            Ask(..) | Take(_) | Peek(_) | PeekAll | Signal | Look => {}
        }
        Some(now)
    }
}

/// A plain tree: the oracle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plain {
    /// The root first.
    nodes: Vec<Placed>,
    flag: bool,
}

impl Plain {
    pub(crate) fn new(limit: u64) -> Self {
        let root = State {
            sum: 0,
            limit,
            name: 0,
        };
        Self {
            nodes: vec![(root, 0)],
            flag: false,
        }
    }

    /// All nodes, by name.
    pub(crate) fn all(&self) -> Vec<Placed> {
        let mut nodes = self.nodes.clone();
        nodes.sort_by_key(|(state, _)| state.name);
        nodes
    }

    fn index(&self, name: usize) -> Option<usize> {
        self.nodes.iter().position(|(state, _)| state.name == name)
    }

    pub(crate) fn apply(&mut self, step: Step) -> Answer {
        match step {
            Signal => {
                self.flag = true;
                return Answer::Saw(true);
            }
            Look => return Answer::Saw(self.flag),
            PeekAll => return Answer::All(self.all()),
            Make(names, limit) | Open(names, limit) => {
                let (&name, above) = names.split_last().expect("not the root");
                let state = State {
                    sum: 0,
                    limit,
                    name,
                };
                self.nodes.push((state, last(above)));
                return Answer::Now(Seen::one(names.len(), state));
            }
            _ => {}
        }
        let names = step.names();
        let Some(index) = self.index(last(names)) else {
            return Answer::Gone;
        };
        if let Peek(_) = step {
            return Answer::Read(self.nodes[index].0);
        }
        if !step.on_whole_path() {
            let state = &mut self.nodes[index].0;
            *state = step.decide(*state).expect("it is never refused");
            let now = Seen::one(names.len(), *state);
            if let Give(_) = step {
                self.nodes.remove(index);
            }
            return Answer::Now(now);
        }
        let path = std::iter::once(0).chain(names.iter().copied());
        let path: Vec<_> = path.map(|name| self.index(name).expect("a node")).collect();
        let mut refused: Option<Seen> = None;
        let mut now: Option<Seen> = None;
        for (depth, &index) in path.iter().enumerate() {
            let state = self.nodes[index].0;
            let (seen, state) = match step.decide(state) {
                None => (&mut refused, state),
                Some(next) => (&mut now, next),
            };
            let one = Seen::one(depth, state);
            *seen = Some(seen.map_or(one, |seen| seen.and(one)));
        }
        match (refused, step) {
            (Some(refused), _) => Answer::Refused(refused),
            (None, Ask(..)) => Answer::Fits,
            (None, _) => {
                for index in path {
                    let state = &mut self.nodes[index].0;
                    *state = step.decide(*state).expect("it fits");
                }
                Answer::Now(now.expect("a path has a level"))
            }
        }
    }

    /// Runs `step`, if it can have answered `seen` here.
    pub(crate) fn explains(&mut self, step: Step, seen: &Answer) -> bool {
        match (step, seen) {
            // It never took effect, so it had no need of a state that existed.
            (Unwind(..), Answer::Unwound) => true,
            // A flag that is not seen yet says nothing.
            (Look, Answer::Saw(false)) => true,
            _ => self.apply(step) == *seen,
        }
    }
}

/// A step on one level.
#[derive(Clone, Copy)]
struct OnNode {
    step: Step,
    /// It is never plain to see that it is not refused.
    exactly: bool,
}

impl OnNode {
    /// Whether this is the last level, and no longer the node that it was.
    fn gone(&self, now: &register::State<'_, 1, TERMS>) -> bool {
        let names = self.step.names();
        let is_last = usize::from(now.depth()) == names.len();
        let makes = matches!(self.step, Make(..) | Open(..));
        is_last && !makes && now.marks as usize != last(names)
    }
}

impl Operation<1, TERMS> for OnNode {
    /// What it made of the level.
    type Done = Seen;
    /// What it left as it was.
    type Refusal = Seen;

    fn is_plain(&self, now: &register::State<'_, 1, TERMS>) -> bool {
        !self.exactly && !self.gone(now) && self.step.decide(State::of(now)).is_some()
    }

    fn refusal(&self, now: &register::State<'_, 1, TERMS>) -> Option<Seen> {
        let gone = self.gone(now);
        let state = State::of(now);
        (gone || self.step.decide(state).is_none()).then_some(Seen {
            gone,
            ..Seen::one(usize::from(now.depth()), state)
        })
    }

    fn change(&self, now: &register::State<'_, 1, TERMS>) -> Change<1, TERMS, Seen> {
        let depth = usize::from(now.depth());
        if let Unwind(names, _) = self.step {
            if depth == names.len() {
                sync::unwind_on_purpose();
            }
        }
        let now = State::of(now);
        // It fits, or else the words are of two states.
        let next = self.step.decide(now).unwrap_or(now);
        Change {
            amounts: [next.sum],
            marks: next.name as u64,
            terms: (self.step.doing() == Doing::SetsTerms).then_some([next.limit]),
            done: Seen::one(depth, next),
        }
    }

    fn worse(above: Seen, below: Seen) -> Seen {
        above.and(below)
    }

    fn both(above: Seen, below: Seen) -> Seen {
        above.and(below)
    }
}

/// The same on all levels of a path.
#[derive(Clone, Copy)]
struct OnPath(OnNode);

impl Operation<1, TERMS> for OnPath {
    type Done = Seen;
    type Refusal = Seen;

    const ON_WHOLE_PATH: bool = true;

    fn is_plain(&self, now: &register::State<'_, 1, TERMS>) -> bool {
        self.0.is_plain(now)
    }

    fn refusal(&self, now: &register::State<'_, 1, TERMS>) -> Option<Seen> {
        self.0.refusal(now)
    }

    fn change(&self, now: &register::State<'_, 1, TERMS>) -> Change<1, TERMS, Seen> {
        self.0.change(now)
    }

    fn worse(above: Seen, below: Seen) -> Seen {
        OnNode::worse(above, below)
    }

    fn both(above: Seen, below: Seen) -> Seen {
        OnNode::both(above, below)
    }
}

/// An operation that is always refused.
#[derive(Clone, Copy)]
struct Never;

impl Operation<1, TERMS> for Never {
    type Done = ();
    type Refusal = ();

    fn is_plain(&self, _: &register::State<'_, 1, TERMS>) -> bool {
        false
    }

    fn refusal(&self, _: &register::State<'_, 1, TERMS>) -> Option<()> {
        Some(())
    }

    fn change(&self, now: &register::State<'_, 1, TERMS>) -> Change<1, TERMS, ()> {
        Change {
            amounts: now.amounts,
            marks: now.marks,
            terms: None,
            done: (),
        }
    }
}
