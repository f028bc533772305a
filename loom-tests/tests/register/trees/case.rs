//! A scenario: what is explored, and whether some order of the steps explains it.

use std::sync::{Arc, Mutex};

use token_budget_pool::exhaust::loom;

use super::step::{Answer, Known, Placed, Plain, Step, Subject, TERMS};
use crate::case::{check_orders, GHOST};
use crate::register::Claim;
use crate::sync::{self, Event, Setting};

/// What is done before the roles start, by a thread that is none of them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setup {
    Do(Step),
    /// Claims a lane, and is suspended there.
    Hold,
    /// Gives back the lane that was held first, once it has seen the current head.
    Free,
    /// This role begins a step: it claims a lane as any update does, and is suspended there.
    Begin(usize, Step),
    /// This role starts with a hint that it was refused here.
    Refused(usize),
}

pub(crate) use Setup::{Begin, Do, Free, Hold, Refused};

#[derive(Clone)]
pub(crate) struct TreeCase {
    limit: u64,
    looks: u32,
    exactly: bool,
    setup: Vec<Setup>,
    roles: Vec<Vec<Step>>,
    preemptions: Option<[usize; 2]>,
}

/// A root with a limit that nothing reaches.
pub(crate) fn tree() -> TreeCase {
    TreeCase {
        limit: 1_000,
        looks: 16,
        exactly: false,
        setup: vec![],
        roles: vec![],
        preemptions: None,
    }
}

type Outcome = (Vec<Vec<Answer>>, Vec<Placed>);

impl TreeCase {
    /// The root's.
    pub(crate) fn limit(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// How often a reader looks before it claims a lane.
    pub(crate) fn looks(self, looks: u32) -> Self {
        Self { looks, ..self }
    }

    /// It is never plain to see that an operation is not refused, so all of them go the long
    /// way.
    pub(crate) fn exactly(self) -> Self {
        Self {
            exactly: true,
            ..self
        }
    }

    pub(crate) fn setup(mut self, setup: impl Into<Vec<Setup>>) -> Self {
        self.setup.extend(setup.into());
        self
    }

    /// A thread with this program, after what it began in the setup.
    pub(crate) fn role(mut self, program: impl Into<Vec<Step>>) -> Self {
        self.roles.push(program.into());
        self
    }

    /// How far loom preempts, under each shim. If nothing is said, it is 1.
    pub(crate) fn preemptions(self, plain: usize, ghost: usize) -> Self {
        Self {
            preemptions: Some([plain, ghost]),
            ..self
        }
    }

    /// In all role orders: how many executions there are at least in each, under each shim, and what
    /// has to happen in some of them.
    #[track_caller]
    pub(crate) fn check<const N: usize>(self, plain: [u64; N], ghost: [u64; N], events: &[Event]) {
        let least = if GHOST { &ghost[..] } else { &plain[..] };
        let bound = Some(self.preemptions.unwrap_or([1, 1])[usize::from(GHOST)]);
        let explore = |order: &[usize], bound| self.explore(order, bound);
        check_orders(self.roles.len(), least, bound, events, explore);
    }

    fn explore(&self, order: &[usize], preemptions: Option<usize>) -> u64 {
        let executions = Arc::new(Mutex::new((0, Vec::<Outcome>::new())));
        let (case, order, seen) = (self.clone(), order.to_vec(), executions.clone());
        loom(preemptions).check(move || {
            let outcome = case.execute(&order);
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            if !seen.1.contains(&outcome) {
                assert!(case.explains(&outcome), "no order explains {outcome:#?}");
                seen.1.push(outcome);
            }
        });
        let executions = executions.lock().unwrap().0;
        executions
    }

    fn execute(&self, order: &[usize]) -> Outcome {
        sync::begin(Setting {
            amounts: 1,
            terms: TERMS,
            patience: 0,
            looks: self.looks,
        });
        let subject = Arc::new(Subject::new(self.limit, self.exactly));
        let mut roles: Vec<_> = self.roles.iter().map(|_| Role::default()).collect();
        let (known, held) = self.set_up(&subject, &mut roles);
        let held_for_ever = !held.is_empty();
        // They are never given back.
        held.into_iter().for_each(std::mem::forget);
        sync::start();
        let mut run = |role: usize| {
            let (subject, program) = (subject.clone(), self.roles[role].clone());
            let Role { hint, begun } = std::mem::take(&mut roles[role]);
            let mut known = known.clone();
            move || {
                sync::set_hint(hint);
                let mut answers = vec![];
                for (step, claim) in begun {
                    answers.push(subject.run_claimed(step, &known, claim));
                }
                for step in program {
                    answers.push(subject.run(step, &mut known));
                }
                answers
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
        if !held_for_ever {
            let found_held = sync::found_held();
            drop(subject.register.claim());
            assert_eq!(sync::found_held(), found_held, "lane 0 was not released");
        }
        (answers, subject.peek_all())
    }

    fn set_up(&self, subject: &Arc<Subject>, roles: &mut [Role]) -> (Known, Vec<Held>) {
        let address = std::ptr::from_ref(&subject.register) as usize;
        let mut known = Known::default();
        let mut held = vec![];
        for setup in &self.setup {
            match *setup {
                Do(step) => {
                    subject.run(step, &mut known);
                }
                Hold => held.push(claim(subject)),
                Free => subject.free(held.remove(0)),
                Begin(role, step) => {
                    roles[role].begun.push((step, claim(subject)));
                    roles[role].hint = sync::hint();
                }
                Refused(role) => roles[role].hint = address | 1,
            }
            // The next is done by another thread, which does not know what this one has noted.
            sync::set_hint(0);
        }
        (known, held)
    }

    fn explains(&self, outcome: &Outcome) -> bool {
        let mut plain = Plain::new(self.limit);
        let mut programs = vec![vec![]; self.roles.len()];
        for setup in &self.setup {
            match *setup {
                Do(step) => {
                    plain.apply(step);
                }
                Begin(role, step) => programs[role].push(step),
                Hold | Free | Refused(_) => {}
            }
        }
        for (program, role) in programs.iter_mut().zip(&self.roles) {
            program.extend(role);
        }
        let mut done = vec![0; programs.len()];
        explains_rest(&programs, &plain, outcome, &mut done)
    }
}

/// Whether some order of what is not done yet explains the outcome.
fn explains_rest(
    programs: &[Vec<Step>],
    plain: &Plain,
    outcome: &Outcome,
    done: &mut [usize],
) -> bool {
    let mut ended = true;
    for thread in 0..done.len() {
        let Some(&step) = programs[thread].get(done[thread]) else {
            continue;
        };
        ended = false;
        let mut next = plain.clone();
        if next.explains(step, &outcome.0[thread][done[thread]]) {
            done[thread] += 1;
            let explained = explains_rest(programs, &next, outcome, done);
            done[thread] -= 1;
            if explained {
                return true;
            }
        }
    }
    ended && plain.all() == outcome.1
}

type Held = Claim<'static, 1, TERMS>;

/// What a role brings from the setup.
#[derive(Default)]
struct Role {
    hint: usize,
    begun: Vec<(Step, Held)>,
}

/// Claims a lane for one of the roles, to be gone on with in its thread.
fn claim(subject: &Arc<Subject>) -> Held {
    let claim = subject.register.claim();
    // SAFETY: it borrows from the register, which lies in the `Arc`. The claim is dropped, or
    // forgotten, by `TreeCase::execute` or by one of the threads that it joins, each of which has a
    // clone of the `Arc` that is dropped later.
    unsafe { std::mem::transmute::<Claim<'_, 1, TERMS>, Held>(claim) }
}
