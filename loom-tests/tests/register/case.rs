//! A scenario: what is explored, and whether some order of the steps explains it.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use token_budget_pool::exhaust::{loom, orders};

use crate::register::Claim;
use crate::step::{Answer, State, Step, Subject, TERMS};
use crate::sync::{self, Event, Setting};

pub(crate) const GHOST: bool = cfg!(feature = "ghost");

/// What is done before the roles start, by a thread that is none of them if not said otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setup {
    Do(Step),
    /// By this role, which remembers what hint that left it with.
    DoAs(usize, Step),
    /// Claims lane 0, and is suspended there.
    Hold,
    /// Gives back what is held, once it has seen the current head.
    Free,
    /// Gives it back at once.
    FreeAtOnce,
    /// This role begins a step: it claims a lane as any update does, and is suspended there.
    Begin(usize, Step),
    /// This role starts with a hint that it was refused here.
    Refused(usize),
    /// With a hint that it took a detour here.
    Detoured(usize),
    /// With a hint that it was refused by another register.
    RefusedElsewhere(usize),
}

pub(crate) use Setup::{
    Begin, Detoured, Do, DoAs, Free, FreeAtOnce, Hold, Refused, RefusedElsewhere,
};

#[derive(Clone)]
pub(crate) struct Case {
    amounts: usize,
    limit: u64,
    patience: u32,
    looks: u32,
    room: usize,
    exactly: bool,
    setup: Vec<Setup>,
    roles: Vec<Vec<Step>>,
    preemptions: Option<[Option<usize>; 2]>,
}

/// Two amounts, and a limit that nothing reaches.
pub(crate) fn case() -> Case {
    Case {
        amounts: 2,
        limit: 1_000,
        patience: 0,
        looks: 16,
        room: 0,
        exactly: false,
        setup: vec![],
        roles: vec![],
        preemptions: None,
    }
}

type Outcome = (Vec<Vec<Answer>>, State);

/// In place of what a scenario says itself.
#[derive(Clone, Copy)]
struct Further {
    preemptions: usize,
    least: &'static [u64],
}

thread_local! {
    /// For the next scenario that this thread checks.
    static FURTHER: Cell<Option<Further>> = const { Cell::new(None) };
}

/// Checks a scenario at this many preemptions, and with these least numbers of executions.
#[track_caller]
pub(crate) fn further(preemptions: usize, least: &'static [u64], scenario: fn()) {
    FURTHER.set(Some(Further { preemptions, least }));
    scenario();
}

impl Case {
    pub(crate) fn limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// The register has one amount only.
    pub(crate) fn one_amount(self) -> Self {
        Self { amounts: 1, ..self }
    }

    /// A thread that finds its lane held looks at it and at the head once more before it takes a
    /// detour.
    pub(crate) fn patient(self) -> Self {
        Self {
            patience: 1,
            ..self
        }
    }

    /// How often a reader looks before it claims a lane.
    pub(crate) fn looks(self, looks: u32) -> Self {
        Self { looks, ..self }
    }

    /// The register has this many lanes from the start.
    pub(crate) fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// It is never plain to see that an operation is not refused, so all of them go the long
    /// way.
    pub(crate) fn exactly(self) -> Self {
        Self {
            exactly: true,
            ..self
        }
    }

    pub(crate) fn setup(self, setup: impl Into<Vec<Setup>>) -> Self {
        Self {
            setup: setup.into(),
            ..self
        }
    }

    /// A thread with this program, after what it began in the setup.
    pub(crate) fn role(mut self, program: impl Into<Vec<Step>>) -> Self {
        self.roles.push(program.into());
        self
    }

    /// How far loom preempts, under each shim: if nothing is said, 2, and 1 for three roles under
    /// the ghost shim.
    pub(crate) fn preemptions(self, plain: usize, ghost: usize) -> Self {
        Self {
            preemptions: Some([Some(plain), Some(ghost)]),
            ..self
        }
    }

    /// Under the plain shim loom preempts wherever it can.
    pub(crate) fn unbounded(self) -> Self {
        Self {
            preemptions: Some([None, Some(2)]),
            ..self
        }
    }

    /// In all role orders: how many executions there are at least in each, under each
    /// shim, and what has to happen in some of them.
    #[track_caller]
    pub(crate) fn check<const N: usize>(self, plain: [u64; N], ghost: [u64; N], events: &[Event]) {
        let least = if GHOST { &ghost[..] } else { &plain[..] };
        let explore = |order: &[usize], bound| match self.amounts {
            1 => self.explore::<1>(order, bound),
            _ => self.explore::<2>(order, bound),
        };
        check_orders(self.roles.len(), least, self.bound(), events, explore);
    }

    /// How far loom preempts, if nothing else says so.
    fn bound(&self) -> Option<usize> {
        let ghost = if self.roles.len() > 2 { 1 } else { 2 };
        self.preemptions.unwrap_or([Some(2), Some(ghost)])[usize::from(GHOST)]
    }

    fn explore<const A: usize>(&self, order: &[usize], preemptions: Option<usize>) -> u64 {
        let executions = Arc::new(Mutex::new((0, Vec::<Outcome>::new())));
        let (case, order, seen) = (self.clone(), order.to_vec(), executions.clone());
        loom(preemptions).check(move || {
            let outcome = case.execute::<A>(&order);
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            if !seen.1.contains(&outcome) {
                assert!(case.explains(&outcome), "no order explains {outcome:?}");
                seen.1.push(outcome);
            }
        });
        let executions = executions.lock().unwrap().0;
        executions
    }

    fn execute<const A: usize>(&self, order: &[usize]) -> Outcome {
        sync::begin(Setting {
            amounts: A,
            terms: TERMS,
            patience: self.patience,
            looks: self.looks,
        });
        let subject = Arc::new(Subject::<A>::new(self.limit, self.exactly));
        subject.register.make_lanes(self.room);
        let mut roles: Vec<_> = self.roles.iter().map(|_| Role::default()).collect();
        self.set_up(&subject, &mut roles);
        sync::start();
        let mut run = |role: usize| {
            let (subject, program) = (subject.clone(), self.roles[role].clone());
            let Role { hint, begun } = std::mem::take(&mut roles[role]);
            move || {
                sync::set_hint(hint);
                let begun = begun
                    .into_iter()
                    .map(|(step, claim)| subject.run_claimed(step, claim));
                let begun: Vec<_> = begun.collect();
                let program = program.into_iter().map(|step| subject.run(step));
                begun.into_iter().chain(program).collect()
            }
        };
        let mut answers: Vec<Vec<_>> = vec![vec![]; self.roles.len()];
        let spawned: Vec<_> = order[1..]
            .iter()
            .map(|&role| (role, loom::thread::spawn(run(role))))
            .collect();
        answers[order[0]] = run(order[0])();
        for (role, thread) in spawned {
            answers[role] = thread.join().unwrap();
        }
        sync::end();
        let held_for_ever = self.setup.iter().rev().find_map(|setup| match setup {
            Hold => Some(true),
            Free | FreeAtOnce => Some(false),
            _ => None,
        });
        if held_for_ever != Some(true) {
            let found_held = sync::found_held();
            drop(subject.register.claim());
            assert_eq!(sync::found_held(), found_held, "lane 0 was not released");
        }
        (answers, subject.peek())
    }

    fn set_up<const A: usize>(&self, subject: &Arc<Subject<A>>, roles: &mut [Role<A>]) {
        let address = std::ptr::from_ref(&subject.register) as usize;
        let mut held = None;
        for setup in &self.setup {
            match *setup {
                Do(step) => {
                    subject.run(step);
                }
                DoAs(role, step) => {
                    sync::set_hint(roles[role].hint);
                    subject.run(step);
                    roles[role].hint = sync::hint();
                }
                Hold => held = Some(claim(subject)),
                Free => subject.free(held.take().expect("a lane that is held")),
                FreeAtOnce => drop(held.take()),
                Begin(role, step) => {
                    roles[role].begun.push((step, claim(subject)));
                    roles[role].hint = sync::hint();
                }
                Refused(role) => roles[role].hint = address | 1,
                Detoured(role) => roles[role].hint = address | 2,
                RefusedElsewhere(role) => roles[role].hint = 4096 | 1,
            }
            // The next is done by another thread, which does not know what this one has noted.
            sync::set_hint(0);
        }
        // It is never given back.
        std::mem::forget(held);
    }

    fn explains(&self, outcome: &Outcome) -> bool {
        let mut state = State {
            sums: [0; 2],
            limit: self.limit,
        };
        let mut programs = vec![vec![]; self.roles.len()];
        for setup in &self.setup {
            match *setup {
                Do(step) | DoAs(_, step) => {
                    state = step.decide(state, self.amounts).unwrap_or(state);
                }
                Begin(role, step) => programs[role].push(step),
                _ => {}
            }
        }
        for (program, role) in programs.iter_mut().zip(&self.roles) {
            program.extend(role);
        }
        let mut done = vec![0; programs.len()];
        self.explains_rest(&programs, state, false, outcome, &mut done)
    }

    /// Whether some order of what is not done yet explains the outcome.
    fn explains_rest(
        &self,
        programs: &[Vec<Step>],
        state: State,
        flag: bool,
        outcome: &Outcome,
        done: &mut [usize],
    ) -> bool {
        let mut ended = true;
        for thread in 0..done.len() {
            let Some(step) = programs[thread].get(done[thread]) else {
                continue;
            };
            ended = false;
            let (mut next, mut flag) = (state, flag);
            let seen = outcome.0[thread][done[thread]];
            if step.explains(seen, &mut next, &mut flag, self.amounts) {
                done[thread] += 1;
                let explained = self.explains_rest(programs, next, flag, outcome, done);
                done[thread] -= 1;
                if explained {
                    return true;
                }
            }
        }
        ended && state == outcome.1
    }
}

/// Explores something with so many roles in all their orders, each with `explore`, which returns the
/// number of executions. `least` is how many there are at least in each order, and `events` is what has
/// to happen in some of them.
#[track_caller]
pub(crate) fn check_orders(
    roles: usize,
    least: &[u64],
    bound: Option<usize>,
    events: &[Event],
    explore: impl Fn(&[usize], Option<usize>) -> u64,
) {
    let test = std::thread::current();
    let name = test.name().unwrap_or("?").to_owned();
    let shim = if GHOST { "ghost" } else { "plain" };
    let further = FURTHER.take();
    let least = further.map_or(least, |further| further.least);
    let preemptions = match std::env::var("LOOM_TESTS_PREEMPTIONS") {
        Ok(number) => Some(number.parse().expect("LOOM_TESTS_PREEMPTIONS is a number")),
        Err(_) => match further {
            Some(further) => Some(further.preemptions),
            None => bound,
        },
    };
    let orders = orders(roles);
    assert_eq!(orders.len(), least.len(), "a least number for each order");
    sync::take_counts();
    let started = std::time::Instant::now();
    let executions = orders.iter().map(|order| explore(order, preemptions));
    let executions: Vec<_> = executions.collect();
    let counts = sync::take_counts();
    let mut met = Event::ALL.to_vec();
    met.retain(|&event| counts[event as usize] > 0);
    println!(
        "SUMMARY {name} {shim} {executions:?} {} ms {met:?}",
        started.elapsed().as_millis()
    );
    for (executions, &least) in executions.into_iter().zip(least) {
        assert!(
            executions >= least,
            "TOO LITTLE EXPLORED: {name}: only {executions} executions"
        );
    }
    for event in events {
        assert!(
            met.contains(event),
            "TOO LITTLE EXPLORED: {name}: {event:?} never happened"
        );
    }
}

/// What a role brings from the setup.
struct Role<const A: usize> {
    hint: usize,
    begun: Vec<(Step, Claim<'static, A, TERMS>)>,
}

impl<const A: usize> Default for Role<A> {
    fn default() -> Self {
        Self {
            hint: 0,
            begun: vec![],
        }
    }
}

/// Claims a lane for one of the roles, to be gone on with in its thread.
fn claim<const A: usize>(subject: &Arc<Subject<A>>) -> Claim<'static, A, TERMS> {
    let claim = subject.register.claim();
    // SAFETY: it borrows from the register, which lies in the `Arc`. The claim is dropped, or
    // forgotten, by `Case::execute` or by one of the threads that it joins, each of which has a
    // clone of the `Arc` that is dropped later.
    unsafe { std::mem::transmute::<Claim<'_, A, TERMS>, Claim<'static, A, TERMS>>(claim) }
}
