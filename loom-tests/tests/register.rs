//! The register itself, with as few words as it takes.
//!
//! loom tries for each load each store that it may read, so what is explored grows with
//! two to the power of the words that a slow reader reads. A pool reads twenty; here are
//! two amounts and one term. It is the register that has the orderings, and this is where
//! they are checked; the other files check that what stands on it is right.

#[path = "../../src/register.rs"]
#[allow(dead_code)]
mod register;
#[path = "../src/sync.rs"]
#[allow(dead_code, unreachable_pub)]
mod sync;
#[path = "../src/this_thread.rs"]
#[allow(dead_code, unreachable_pub)]
mod this_thread;
#[path = "../../src/thread_number.rs"]
#[allow(dead_code)]
mod thread_number;

use std::sync::{Arc, Mutex};

use register::{Operation, Register, Scratch, View};
use sync::{AtomicU64, Event};
use this_thread::{ThisThread, Whose};
use thread_number::Numbers;
use token_budget_pool::exhaust::orders;

const AMOUNTS: usize = 2;
const TERMS: usize = 1;
const GHOST: bool = cfg!(feature = "ghost");

/// All that the register holds: two sums, and a limit on the first.
type State = [u64; 3];

fn state(view: View<'_, AMOUNTS, TERMS>) -> State {
    [view.amount(0), view.amount(1), view.term(0)]
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Adds to both sums, if the limit allows.
    Add(u64, u64),
    /// The same, but whether it does takes a second look.
    Late(u64, u64),
    Limit(u64),
    /// Raises the limit by so much.
    Raise(u64),
    /// Lowers the limit to this, if it is higher.
    Lower(u64),
    /// An update that leaves everything as it is.
    Read,
    /// Not an update at all.
    Peek,
}

use Step::{Add, Late, Limit, Lower, Peek, Raise, Read};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Now(State),
    Refused(State),
}

impl Step {
    /// On the plain state: the oracle.
    fn apply(self, state: &mut State) -> Answer {
        match self {
            Add(a, b) | Late(a, b) if state[0] + a <= state[2] => {
                state[0] += a;
                state[1] += b;
            }
            Add(..) | Late(..) => return Answer::Refused(*state),
            Limit(limit) => state[2] = limit,
            Raise(by) => state[2] += by,
            Lower(limit) if limit < state[2] => state[2] = limit,
            Lower(_) => return Answer::Refused(*state),
            Read | Peek => {}
        }
        Answer::Now(*state)
    }

    /// On the register, by the calling thread.
    fn run(self, register: &Register<AMOUNTS, TERMS>) -> Answer {
        match self {
            Peek => Answer::Now(register.read(state)),
            _ => register.update(&ThisThread, self),
        }
    }
}

impl Operation<AMOUNTS, TERMS> for Step {
    type New = State;
    /// What it left as it was.
    type Why = State;
    type Out = Answer;

    fn decide(&self, view: View<'_, AMOUNTS, TERMS>) -> Result<State, State> {
        let [a, b, limit] = state(view);
        match *self {
            Add(more, too) | Late(more, too) if a.wrapping_add(more) <= limit => {
                Ok([a.wrapping_add(more), b.wrapping_add(too), limit])
            }
            Limit(limit) => Ok([a, b, limit]),
            Raise(by) => Ok([a, b, limit.wrapping_add(by)]),
            Lower(to) if to < limit => Ok([a, b, to]),
            _ => Err([a, b, limit]),
        }
    }

    fn decide_at_once(&self, view: View<'_, AMOUNTS, TERMS>) -> Option<State> {
        match self {
            Late(..) => None,
            _ => self.decide(view).ok(),
        }
    }

    fn fill(&self, new: &State, _: View<'_, AMOUNTS, TERMS>, scratch: Scratch<'_, AMOUNTS, TERMS>) {
        scratch.set(0, new[0]);
        scratch.set(1, new[1]);
    }

    fn terms(&self, new: &State, _: View<'_, AMOUNTS, TERMS>) -> Option<([u64; TERMS], u64)> {
        matches!(self, Limit(_) | Raise(_) | Lower(_)).then_some(([new[2]], 0))
    }

    fn accepted(&self, new: State) -> Answer {
        Answer::Now(new)
    }

    fn kept(&self, left: State) -> Answer {
        match self {
            Read => Answer::Now(left),
            _ => Answer::Refused(left),
        }
    }
}

#[derive(Clone)]
struct Role {
    whose: Whose,
    /// Of its program, how many steps it does before the others start.
    before: usize,
    program: Vec<Step>,
}

#[derive(Clone)]
struct Case {
    roles: Vec<Role>,
    limit: u64,
    room: usize,
    numbers: usize,
    hot: bool,
}

/// With a limit that nothing reaches.
fn case() -> Case {
    Case {
        roles: vec![],
        limit: 1_000,
        room: 0,
        numbers: 0,
        hot: false,
    }
}

type Outcome = (Vec<Vec<Answer>>, State);

impl Case {
    fn room(mut self, room: usize) -> Self {
        self.room = room;
        self
    }

    fn numbers(mut self, numbers: usize) -> Self {
        self.numbers = numbers;
        self
    }

    fn hot(mut self) -> Self {
        self.hot = true;
        self
    }

    fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    fn role(mut self, whose: Whose, before: &[Step], then: &[Step]) -> Self {
        self.roles.push(Role {
            whose,
            before: before.len(),
            program: [before, then].concat(),
        });
        self
    }

    /// In all role orders: how many executions there are at least in each, under each
    /// shim, and what has to happen in some of them.
    #[track_caller]
    fn check<const N: usize>(self, plain: [u64; N], ghost: [u64; N], events: &[Event]) {
        let least = if GHOST { ghost } else { plain };
        let test = std::thread::current();
        let name = test.name().unwrap_or("?");
        let told = std::env::var("LOOM_TESTS_PREEMPTIONS");
        // Three threads under the ghost shim are too many for more.
        let many = self.roles.len() > 2 && GHOST;
        let default = if many { 1 } else { 2 };
        let preemptions = told.map_or(default, |told| told.parse().expect("a number"));
        let orders = orders(self.roles.len());
        assert_eq!(orders.len(), N, "a least number for each order");
        sync::take_counts();
        let executions: Vec<_> = orders
            .iter()
            .map(|order| self.explore(order, preemptions))
            .collect();
        let counts = sync::take_counts();
        let shim = if GHOST { "ghost" } else { "plain" };
        println!("SUMMARY {name} {shim} {executions:?} {counts:?}");
        for (executions, least) in executions.into_iter().zip(least) {
            assert!(
                executions >= least,
                "TOO LITTLE EXPLORED: {name}: only {executions} executions"
            );
        }
        for &event in events {
            assert!(
                counts[event as usize] > 0,
                "TOO LITTLE EXPLORED: {name}: {event:?} never happened"
            );
        }
    }

    fn explore(&self, order: &[usize], preemptions: usize) -> u64 {
        let executions = Arc::new(Mutex::new((0, Vec::<Outcome>::new())));
        let mut loom = loom::model::Builder::new();
        loom.preemption_bound = Some(preemptions);
        loom.max_branches = 100_000;
        loom.max_permutations = None;
        loom.max_duration = None;
        let (case, order, seen) = (self.clone(), order.to_vec(), executions.clone());
        loom.check(move || {
            let outcome = case.execute(&order);
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            if !seen.1.contains(&outcome) {
                let mut done: Vec<_> = case.roles.iter().map(|role| role.before).collect();
                let mut start = [0, 0, case.limit];
                for role in &case.roles {
                    for step in &role.program[..role.before] {
                        step.apply(&mut start);
                    }
                }
                assert!(
                    case.explains(start, &outcome, &mut done),
                    "no order explains {outcome:?}"
                );
                seen.1.push(outcome);
            }
        });
        let executions = executions.lock().unwrap().0;
        executions
    }

    fn execute(&self, order: &[usize]) -> Outcome {
        this_thread::begin(self.numbers);
        let pairs = self.roles.iter().map(|role| match role.whose {
            Whose::Number(number) => (number - 1) % 16 + 1,
            _ => self.numbers,
        });
        sync::begin(pairs.max().unwrap_or(0), AMOUNTS + TERMS + 1);
        let register = Arc::new(Register::<AMOUNTS, TERMS>::new([0, 0], [self.limit], 0));
        register.make_room(self.room);
        sync::learn_head(|| {
            register.read(|_| ());
        });
        if self.hot {
            this_thread::start(Whose::None, 0);
            sync::stretch_next_update_to(2_000);
            register.update(&ThisThread, Limit(self.limit));
        }
        let mut answers: Vec<_> = vec![vec![]; self.roles.len()];
        let mut kept = vec![];
        for (role, answers) in self.roles.iter().zip(&mut answers) {
            this_thread::start(role.whose, 0);
            for step in &role.program[..role.before] {
                answers.push(step.run(&register));
            }
            kept.push(this_thread::stop());
        }
        let run = |role: usize| {
            let (register, kept) = (register.clone(), kept[role]);
            let Role {
                whose,
                before,
                program,
            } = self.roles[role].clone();
            move || {
                this_thread::start(whose, kept);
                let steps = program[before..].iter();
                let answers: Vec<_> = steps
                    .map(|step| step.run(&register))
                    .inspect(|answer| {
                        if let Answer::Refused(_) = answer {
                            sync::count(Event::Refused);
                        }
                    })
                    .collect();
                this_thread::end();
                answers
            }
        };
        let spawned: Vec<_> = order[1..]
            .iter()
            .map(|&role| (role, loom::thread::spawn(run(role))))
            .collect();
        answers[order[0]].extend(run(order[0])());
        for (role, thread) in spawned {
            answers[role].extend(thread.join().unwrap());
        }
        sync::end();
        assert!(this_thread::all_given_back(), "a number is lost");
        (answers, register.read(state))
    }

    fn explains(&self, state: State, outcome: &Outcome, done: &mut [usize]) -> bool {
        let mut ended = true;
        for thread in 0..done.len() {
            let Some(step) = self.roles[thread].program.get(done[thread]) else {
                continue;
            };
            ended = false;
            let mut next = state;
            if step.apply(&mut next) == outcome.0[thread][done[thread]] {
                done[thread] += 1;
                let explained = self.explains(next, outcome, done);
                done[thread] -= 1;
                if explained {
                    return true;
                }
            }
        }
        ended && state == outcome.1
    }
}

const ONE: Whose = Whose::Number(1);
const TWO: Whose = Whose::Number(2);
const THREE: Whose = Whose::Number(3);

#[test]
fn two_writers_twice() {
    case()
        .room(2)
        .limit(9)
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(TWO, &[], &[Add(4, 40), Add(3, 80)])
        .check([15, 15], [411, 411], &[Event::Refused, Event::Lost]);
}

#[test]
fn three_writers() {
    case()
        .room(3)
        .role(ONE, &[], &[Add(1, 10)])
        .role(TWO, &[], &[Add(2, 20)])
        .role(THREE, &[], &[Add(4, 40)])
        .check(
            [87, 87, 87, 87, 87, 87],
            [111, 111, 111, 111, 111, 111],
            &[Event::Lost],
        );
}

/// One slot of the owner is current, and it writes the other and then this one again,
/// which a slow reader still reads.
#[test]
fn an_owner_and_a_reader() {
    case()
        .room(1)
        .role(ONE, &[Add(1, 10)], &[Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Read])
        .check([304, 1], [2646, 404], &[Event::OverwrittenWhileRead]);
}

/// The same with one who never updates: `Register::read` has a loop of its own.
#[test]
fn an_owner_and_one_who_peeks() {
    case()
        .room(1)
        .role(ONE, &[Add(1, 10)], &[Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Peek])
        .check([274, 1], [2048, 307], &[Event::OverwrittenWhileRead]);
}

#[test]
fn an_owner_and_two_reads() {
    case()
        .room(1)
        .role(ONE, &[], &[Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Read, Read])
        .check([76, 1], [1300, 451], &[]);
}

/// In place of the reader one who is refused.
#[test]
fn an_owner_and_one_who_is_refused() {
    case()
        .room(2)
        .limit(9)
        .role(ONE, &[Add(1, 10)], &[Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Add(9, 80)])
        .check(
            [304, 1],
            [2646, 404],
            &[Event::OverwrittenWhileRead, Event::Refused],
        );
}

/// In place of the reader a second writer.
#[test]
fn an_owner_and_a_writer() {
    case()
        .room(2)
        .role(ONE, &[Add(1, 10)], &[Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Add(8, 80)])
        .check(
            [50, 5],
            [487, 189],
            &[Event::OverwrittenWhileRead, Event::Lost],
        );
}

#[test]
fn two_writers_and_a_reader() {
    case()
        .room(2)
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(TWO, &[], &[Add(4, 40)])
        .role(THREE, &[], &[Read])
        .check(
            [1512, 1364, 537, 369, 20, 20],
            [1214, 1214, 397, 397, 121, 121],
            &[Event::Lost],
        );
}

#[test]
fn own_against_shared() {
    case()
        .room(1)
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(Whose::None, &[], &[Add(4, 40), Add(8, 80)])
        .check([50, 67], [1145, 1187], &[Event::Lost]);
}

/// The second holder of the shared pair must load a head no older than the last one that
/// the first set.
#[test]
fn the_shared_pair_is_handed_over() {
    case()
        .role(Whose::None, &[], &[Add(1, 10)])
        .role(Whose::None, &[], &[Add(2, 20), Add(4, 40)])
        .check([10, 72], [228, 758], &[Event::SharedTaken]);
}

/// The same where the head that counts is the one of a second look.
#[test]
fn the_shared_pair_after_a_second_look() {
    case()
        .role(Whose::None, &[], &[Late(1, 10)])
        .role(Whose::None, &[], &[Late(2, 20), Add(4, 40)])
        .check([27, 225], [607, 1971], &[Event::SharedTaken]);
}

/// The same with the reader that would see the current slot being written.
#[test]
fn the_shared_pair_is_handed_over_beside_a_reader() {
    case()
        .role(Whose::None, &[], &[Add(1, 10)])
        .role(Whose::None, &[], &[Add(2, 20)])
        .role(THREE, &[], &[Read])
        .check(
            [1519, 1228, 1519, 1228, 25, 25],
            [690, 690, 690, 690, 60, 60],
            &[],
        );
}

#[test]
fn two_meet_in_a_fresh_register() {
    case()
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(TWO, &[], &[Add(4, 40), Add(8, 80)])
        .check([434, 434], [5850, 5850], &[Event::SharedTaken]);
}

#[test]
fn one_is_refused_in_a_fresh_register() {
    case()
        .limit(6)
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(TWO, &[], &[Add(5, 40)])
        .check([400, 42], [3898, 1010], &[Event::Refused]);
}

/// There is one number. Who has it gives it back at its end; the other, who finds the
/// register hot, takes it then, and with it the pair: both its slots.
#[test]
fn a_number_is_handed_over() {
    case()
        .numbers(1)
        .room(1)
        .hot()
        .role(Whose::Taken, &[Add(1, 10)], &[Add(2, 20), Add(4, 40)])
        .role(Whose::Taken, &[], &[Add(8, 80), Add(16, 160)])
        .check([159, 139], [3071, 1672], &[Event::NumberReused]);
}

#[test]
fn a_number_is_lent() {
    case()
        .numbers(1)
        .role(Whose::Lent, &[], &[Add(1, 10), Add(2, 20)])
        .role(Whose::Lent, &[], &[Add(4, 40)])
        .check([259, 58], [1925, 1140], &[Event::SharedTaken]);
}

fn three_in_a_fresh_register(numbers: usize) -> Case {
    case()
        .numbers(numbers)
        .role(Whose::Taken, &[], &[Add(1, 10)])
        .role(Whose::Taken, &[], &[Add(2, 20)])
        .role(Whose::Taken, &[], &[Add(4, 40)])
}

#[test]
fn three_and_two_numbers() {
    three_in_a_fresh_register(2).check(
        [272, 272, 272, 272, 272, 272],
        [862, 862, 862, 862, 862, 862],
        &[Event::SharedTaken],
    );
}

#[test]
fn three_and_one_number() {
    three_in_a_fresh_register(1).check(
        [272, 272, 272, 272, 272, 272],
        [862, 862, 862, 862, 862, 862],
        &[Event::SharedTaken],
    );
}

/// Both need the first page.
#[test]
fn two_install_one_page() {
    case()
        .hot()
        .role(ONE, &[], &[Add(1, 10), Add(2, 20)])
        .role(TWO, &[], &[Add(4, 40), Add(8, 80)])
        .check([156, 156], [2923, 2923], &[Event::PageLost]);
}

/// Both need the table of the far pages, and a page of it.
#[test]
fn two_install_one_far_page() {
    case()
        .hot()
        .role(Whose::Number(65), &[], &[Add(1, 10), Add(2, 20)])
        .role(Whose::Number(66), &[], &[Add(4, 40), Add(8, 80)])
        .check([417, 417], [8523, 8523], &[Event::PageLost]);
}

/// A copy of the terms that lost its CAS must not be taken for good later.
#[test]
fn terms_change_between_writes() {
    case()
        .room(2)
        .role(ONE, &[], &[Add(1, 10), Add(2, 20), Add(4, 40)])
        .role(TWO, &[], &[Limit(6), Limit(2)])
        .check([92, 23], [1075, 662], &[Event::Lost, Event::Refused]);
}

#[test]
fn two_change_terms() {
    case()
        .room(2)
        .role(ONE, &[], &[Limit(5), Add(1, 10)])
        .role(TWO, &[], &[Limit(6), Add(6, 20)])
        .check([16, 14], [344, 301], &[Event::Lost, Event::Refused]);
}

#[test]
fn terms_and_a_reader() {
    case()
        .room(1)
        .role(ONE, &[Limit(5)], &[Limit(6), Limit(7)])
        .role(TWO, &[], &[Read])
        .check([849, 1], [5794, 785], &[Event::OverwrittenWhileRead]);
}

/// A slow writer copies the terms of a slot whose owner is writing other ones into it, which
/// the owner then does not get to publish. If the copy were trusted later, by its tag, then
/// the limit would be raised twice.
#[test]
fn a_copy_of_terms_that_never_were() {
    case()
        .room(3)
        .role(ONE, &[], &[Add(4, 40)])
        .role(TWO, &[Limit(50)], &[Raise(7)])
        .role(THREE, &[], &[Add(1, 10)])
        .check(
            [1000, 900, 250, 250, 900, 1000],
            [400, 400, 300, 300, 400, 400],
            &[Event::Lost, Event::OverwrittenWhileRead],
        );
}

/// Both find the register hot and take a number, each one of its own.
#[test]
fn two_take_numbers() {
    case()
        .numbers(2)
        .room(2)
        .hot()
        .role(Whose::Taken, &[], &[Add(1, 10), Add(2, 20)])
        .role(Whose::Taken, &[], &[Add(4, 40), Add(8, 80)])
        .check([169; 2], [2813; 2], &[Event::Lost]);
}

/// Where the shared pair is claimed, a number changes hands: its new holder must load a
/// head no older than the last that its old holder set.
#[test]
fn a_number_is_handed_over_in_a_crowd() {
    case()
        .numbers(1)
        .room(1)
        .hot()
        .role(Whose::Taken, &[Add(1, 10)], &[Add(2, 20)])
        .role(Whose::Taken, &[], &[Add(4, 40)])
        .role(Whose::None, &[], &[Add(8, 80)])
        .check(
            [1800, 1800, 770, 780, 900, 850],
            [820, 820, 330, 330, 430, 430],
            &[Event::SharedTaken, Event::NumberReused],
        );
}

/// The same of a number that is lent for a call: it is another's only after that.
#[test]
fn a_number_is_lent_in_a_crowd() {
    case()
        .numbers(1)
        .room(1)
        .role(Whose::Lent, &[], &[Add(1, 10)])
        .role(Whose::Lent, &[], &[Add(2, 20)])
        .role(Whose::None, &[], &[Add(4, 40)])
        .check(
            [1200, 1200, 1200, 1200, 2000, 2000],
            [460, 460, 460, 460, 800, 800],
            &[Event::SharedTaken, Event::NumberReused],
        );
}

/// The first update of all sets terms: their tag must not be that of the first ones.
#[test]
fn the_first_update_sets_terms() {
    case()
        .role(Whose::None, &[Limit(5)], &[Add(1, 10), Add(6, 20)])
        .role(THREE, &[], &[Read])
        .check([5, 1], [200, 130], &[Event::Refused]);
}

/// Terms that lost their CAS have the tag of those that won it, if these are new too. Were
/// they trusted later, the higher limit would be in force again.
#[test]
fn terms_that_lost_to_others() {
    case()
        .room(2)
        .role(ONE, &[], &[Lower(5), Add(1, 10), Add(4, 40)])
        .role(TWO, &[], &[Lower(4)])
        .check([74, 6], [690, 160], &[Event::Lost, Event::Refused]);
}

/// All numbers of the bitmap's first word are taken.
#[test]
fn numbers_go_on_in_the_next_word() {
    loom::model(|| {
        sync::begin(0, 1);
        let words = std::array::from_fn(|index| match index {
            0 => AtomicU64::new(u64::MAX),
            1 => AtomicU64::new(0),
            _ => AtomicU64::inert(),
        });
        let numbers = Numbers::new(words, 64);
        assert_eq!((numbers.take(), numbers.take()), (Some(64), None));
    });
}
