//! Where the threads meet: all hammer one pool, until one is asked to go on alone.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use token_budget_pool::place::Met;
use token_budget_pool::{linger, place};

use crate::freezer::{self, Word, NO_ROUND};
use crate::subjects::{At, Calls, State, Subject};

const NOBODY: usize = usize::MAX;

/// What all threads see.
pub struct Field<S> {
    /// A pool a round.
    pools: Vec<S>,
    /// How many steps were done in each round before its threads were frozen.
    steps_before: Vec<AtomicU64>,
    round: AtomicUsize,
    alone: AtomicUsize,
    steps: AtomicU64,
    /// What the threads that went on alone have met.
    turned_away: AtomicU64,
    detours: AtomicU64,
    appends: AtomicU64,
    /// How often one did all steps from another lane than 0.
    all_by_detour: AtomicU64,
}

/// Calls at each pool of a subject.
type CallsAt = [Calls; At::ALL.len()];

/// What each of a thread's calls was, in tokens in.
fn amount(thread: usize) -> u64 {
    thread as u64 + 1
}

impl<S: Subject> Field<S> {
    pub fn new(rounds: usize) -> Self {
        Self {
            pools: (0..rounds).map(|_| S::fresh()).collect(),
            steps_before: (0..rounds).map(|_| AtomicU64::new(0)).collect(),
            round: AtomicUsize::new(0),
            alone: AtomicUsize::new(NOBODY),
            steps: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            detours: AtomicU64::new(0),
            appends: AtomicU64::new(0),
            all_by_detour: AtomicU64::new(0),
        }
    }

    /// From now on the threads hammer this round's pool.
    pub fn begin(&self, round: usize) {
        self.round.store(round, Ordering::Release);
    }

    /// How many steps the threads have done in this round, besides those that one did alone.
    pub fn steps_before(&self, round: usize) -> u64 {
        self.steps_before[round].load(Ordering::Relaxed)
    }

    /// Lets the threads end.
    pub fn end(&self) {
        self.begin(self.pools.len());
    }

    /// Asks `thread` to go on alone, now that the others are frozen. It says when it is done.
    pub fn ask(&self, thread: usize) {
        self.steps.store(0, Ordering::Relaxed);
        self.alone.store(thread, Ordering::Release);
    }

    /// Asks it no longer; whether it was not done yet.
    pub fn call_off(&self, thread: usize) -> bool {
        let asked =
            self.alone
                .compare_exchange(thread, NOBODY, Ordering::AcqRel, Ordering::Relaxed);
        asked.is_ok()
    }

    fn is_asked(&self, thread: usize) -> bool {
        self.alone.load(Ordering::Acquire) == thread
    }

    /// What has been done of the steps.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// What the threads that went on alone have met.
    pub fn met_alone(&self) -> Met {
        Met {
            turned_away: self.turned_away.load(Ordering::Relaxed),
            detours: self.detours.load(Ordering::Relaxed),
            appends: self.appends.load(Ordering::Relaxed),
        }
    }

    /// How often one of them did all steps from another lane than 0. A thread does so only where it
    /// finds lane 0 held.
    pub fn all_by_detour(&self) -> u64 {
        self.all_by_detour.load(Ordering::Relaxed)
    }

    /// What a thread does. Returns which of its calls each pool has counted.
    pub fn hammer(&self, thread: usize) -> Vec<CallsAt> {
        let mut calls = vec![CallsAt::default(); self.pools.len()];
        let mut turn = 0;
        loop {
            let round = self.round.load(Ordering::Acquire);
            let Some(pool) = self.pools.get(round) else {
                freezer::enter_round(NO_ROUND);
                return calls;
            };
            freezer::enter_round(round);
            if let Some(pool) = pool.pool() {
                place::set_pool(pool);
            }
            if self.is_asked(thread) {
                linger::set(false);
                self.go_on_alone(thread, pool, &mut calls[round]);
                linger::set(true);
            } else {
                let stepped = pool.step(amount(thread), turn);
                calls[round][stepped.at as usize] += stepped.calls;
                self.steps_before[round].fetch_add(1, Ordering::Relaxed);
                pool.look(turn);
                turn += 1;
            }
        }
    }

    /// With all others frozen, every answer is known.
    fn go_on_alone(&self, thread: usize, pool: &S, calls: &mut CallsAt) {
        let before = place::met();
        let mut expected = pool.snapshot();
        for turn in 0..S::STEPS {
            let stepped = pool.step(amount(thread), turn);
            let now = pool.snapshot();
            calls[stepped.at as usize] += stepped.calls;
            expected.spend(stepped.at, amount(thread), stepped.calls);
            if !self.is_asked(thread) {
                return;
            }
            assert_eq!(now, expected);
            now.assert_is_one_state();
            if let Some(answer) = stepped.answer {
                assert_eq!(answer, now.totals(stepped.at));
            }
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        let met = place::met();
        let add = |to: &AtomicU64, more| to.fetch_add(more, Ordering::Relaxed);
        add(&self.turned_away, met.turned_away - before.turned_away);
        add(&self.detours, met.detours - before.detours);
        add(&self.appends, met.appends - before.appends);
        let all = met.detours - before.detours >= S::STEPS;
        add(&self.all_by_detour, all.into());
        if self.call_off(thread) {
            freezer::say(Word::Done);
        }
    }

    /// This round's pool.
    pub fn pool(&self, round: usize) -> &S {
        &self.pools[round]
    }

    /// That each pool has counted what the threads say, and nothing is reserved any more.
    pub fn assert_adds_up(&self, calls: &[Vec<CallsAt>]) {
        for (round, pool) in self.pools.iter().enumerate() {
            let mut expected = S::fresh().snapshot();
            for (thread, calls) in calls.iter().enumerate() {
                for at in At::ALL {
                    expected.spend(at, amount(thread), calls[round][at as usize]);
                }
            }
            assert_eq!(pool.snapshot(), expected, "in round {round}");
        }
    }
}
