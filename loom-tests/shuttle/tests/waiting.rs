//! Those that wait, in random schedules of random programs. At the end nobody is forgotten.

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use rand::Rng;
use shuttle::rand::thread_rng;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use token_budget_pool::wait_scenario::{idle, input, pool, reserve, Reserving, Waiting};
use token_budget_pool::{BudgetPool, Child, Limits, OwnedReservation};

const EXECUTIONS: usize = 700;
const SEED: u64 = 0;
const THREADS: usize = 3;
const STEPS: usize = 10;
const LIMIT: u64 = 20;

/// What a thread has in hand.
#[derive(Default)]
struct Hands {
    waiting: Vec<Reserving>,
    for_idle: Vec<Waiting<()>>,
    held: Vec<OwnedReservation>,
}

impl Hands {
    /// Asks those that were woken.
    fn ask(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        for one in waiting {
            if one.ended.is_some() || one.is_woken() {
                self.held.extend(one.end().expect("it was woken").ok());
            } else {
                self.waiting.push(one);
            }
        }
        self.for_idle.retain(|one| !one.is_woken());
    }

    fn step(&mut self, pools: &[Arc<BudgetPool>]) {
        let mut rng = thread_rng();
        let pool = &pools[rng.gen_range(0..pools.len())];
        let tokens = rng.gen_range(1..LIMIT);
        match rng.gen_range(0..20) {
            0..=7 => self.waiting.push(reserve(pool, tokens).poll()),
            8 if !self.waiting.is_empty() => {
                let index = rng.gen_range(0..self.waiting.len());
                drop(self.waiting.swap_remove(index));
            }
            9 if !self.waiting.is_empty() => {
                let index = rng.gen_range(0..self.waiting.len());
                let one = self.waiting.swap_remove(index);
                self.waiting.push(one.poll());
            }
            10 => self.held.extend(pool.try_reserve_owned(input(tokens)).ok()),
            11..=14 if !self.held.is_empty() => {
                let index = rng.gen_range(0..self.held.len());
                drop(self.held.swap_remove(index));
            }
            15..=16 if !self.held.is_empty() => {
                let index = rng.gen_range(0..self.held.len());
                let call = self.held.swap_remove(index).start();
                let _ = call.settle(input(rng.gen_range(0..3)));
            }
            17 => {
                let _ = pool.charge(input(1));
            }
            18 => {
                let limit = rng.gen_range(LIMIT - 5..LIMIT + 5);
                pool.set_limits(Limits::unlimited().input_tokens(limit));
            }
            19 if rng.gen_bool(0.5) => pool.reset(),
            _ => self.for_idle.push(idle(pool).poll()),
        }
        self.ask();
    }
}

fn run(below: usize) {
    let root = pool(LIMIT);
    let mut pools = vec![root.clone()];
    for child in 0..below {
        // The last one is a child of a child.
        let parent = pools[child / 2].clone();
        let limits = Limits::unlimited().input_tokens(LIMIT - 2);
        pools.push(parent.child_owned(Child::new(limits)).unwrap());
    }
    let all: Arc<Mutex<Vec<Hands>>> = Arc::default();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (all, pools) = (all.clone(), pools.clone());
            shuttle::thread::spawn(move || {
                let mut hands = Hands::default();
                for _ in 0..STEPS {
                    hands.step(&pools);
                }
                all.lock().unwrap().push(hands);
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut rest = Hands::default();
    for hands in std::mem::take(&mut *all.lock().unwrap()) {
        rest.waiting.extend(hands.waiting);
        rest.for_idle.extend(hands.for_idle);
        rest.held.extend(hands.held);
    }
    rest.ask();
    while !rest.held.is_empty() {
        drop(rest.held.swap_remove(0));
        rest.ask();
    }
    assert!(rest.waiting.is_empty(), "FORGOTTEN: {}", rest.waiting.len());
    // Those that found the pool idle at once were not woken.
    rest.for_idle.retain(|one| one.ended.is_none());
    assert!(rest.for_idle.is_empty(), "FORGOTTEN");
    let now = root.tree_snapshot();
    assert!(now.iter().all(|node| node.snapshot.calls_in_flight == 0));
}

fn sample(run: impl Fn() + Copy + Send + Sync + 'static) {
    let run_with = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = Config::new();
        // That it takes every ordering for the strongest.
        config.silence_warnings = true;
        Runner::new(scheduler, config).run(run);
    };
    run_with(Box::new(RandomScheduler::new_from_seed(SEED, EXECUTIONS)));
    for changes in [3, 40] {
        run_with(Box::new(PctScheduler::new_from_seed(
            SEED,
            changes + 1,
            EXECUTIONS,
        )));
    }
}

#[test]
fn at_one_pool() {
    sample(|| run(0));
}

#[test]
fn in_a_tree() {
    sample(|| run(3));
}

/// The first in a line hears that it waits in vain. Then the next has its turn, also if what made it vain was
/// spent at a level where nobody waits, and came while the line was served.
fn turned_away() {
    let team = pool(20);
    let run = team
        .child_owned(Child::new(Limits::unlimited().input_tokens(6)))
        .unwrap();
    let leaves = run.try_reserve_owned(input(3)).unwrap();
    let _stays = run.try_reserve_owned(input(2)).unwrap();
    let first = reserve(&run, 5).poll();
    let next = reserve(&run, 2).poll();
    let spender = team.clone();
    let spender = shuttle::thread::spawn(move || {
        let _ = spender.charge(input(16));
    });
    drop(leaves);
    spender.join().unwrap();
    assert!(!first.is_woken() || next.is_woken(), "FORGOTTEN");
}

#[test]
fn one_that_is_turned_away_lets_the_next_come() {
    sample(turned_away);
}

/// One hears how its waiting ended while another has its turn whose waker panics.
fn panics() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let pool = pool(9);
    let leaves = pool.try_reserve_owned(input(9)).unwrap();
    let first = reserve(&pool, 2).poll();
    drop(leaves);
    let leaves = pool.try_reserve_owned(input(7)).unwrap();
    let mut other = Box::pin(pool.reserve_owned(input(3)));
    let waker = Waker::from(Arc::new(Panics));
    let polled = other.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let dropper = shuttle::thread::spawn(move || {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(leaves)));
    });
    let _ = catch_unwind(AssertUnwindSafe(|| drop(first.end())));
    dropper.join().unwrap();
    drop(other);
    assert_eq!(pool.snapshot().calls_in_flight, 0, "LEFT BEHIND");
}

#[test]
fn a_waker_that_panics_leaves_nothing_behind() {
    sample(panics);
}
