//! Native threads against one pool: exact sums, and every single answer explained.
//!
//! The model checks show small scenarios in every interleaving; here large ones run in
//! those that the machine comes up with. Nothing is taken on trust for that: accepted
//! operations carry their place in the order, so the whole history is put back in order
//! and replayed, and every refusal and every snapshot has to be of a state in it.
//!
//! No test waits for a time to pass. Where one has to see something happen it goes on
//! until it did.

#[path = "support/mixed.rs"]
mod mixed;
#[path = "support/oracle.rs"]
mod oracle;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, LazyLock, Mutex};
use std::thread::{self, ScopedJoinHandle};

use mixed::Mixed;
use oracle::Oracle;
use token_budget_pool::{
    BudgetPool, Cap, Limits, MicroUsd, Rejected, Snapshot, Spent, Totals, Usage,
};

fn usage(input: u64, output: u64, nanos: u64) -> Usage {
    Usage::tokens(input, output).cost(MicroUsd::from_nanos(nanos))
}

/// Amounts in a ratio of their own: a state of two states shows.
fn in_ratio(amount: u64) -> Usage {
    usage(amount, 2 * amount, 3 * amount)
}

fn is_in_ratio(spent: Spent) -> bool {
    let amount = spent.input_tokens;
    spent.output_tokens == 2 * amount && spent.cost.as_nanos() == 3 * amount
}

thread_local! {
    /// Whether one of the threads that run with this one has failed.
    static PEERS: RefCell<Arc<AtomicBool>> = RefCell::default();
}

/// Tells the peers, when its thread fails.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            PEERS.with_borrow(|failed| failed.store(true, Ordering::Relaxed));
        }
    }
}

/// For loops that go on until a peer has done something: a test that fails must not hang.
fn all_well() -> bool {
    PEERS.with_borrow(|failed| assert!(!failed.load(Ordering::Relaxed), "a peer has failed"));
    true
}

/// Runs one thread for each number below `threads`, all begun before the first goes on, and
/// returns what they made, in order.
fn together<R: Send>(threads: u64, work: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let begin = Barrier::new(threads as usize);
    let failed = Arc::new(AtomicBool::new(false));
    let (begin, work, failed) = (&begin, &work, &failed);
    thread::scope(|scope| {
        let run = |number| {
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, move || {
                    PEERS.set(Arc::clone(failed));
                    let _alarm = Alarm;
                    begin.wait();
                    work(number)
                })
                .expect("a thread")
        };
        let threads: Vec<_> = (0..threads).map(run).collect();
        join(threads)
    })
}

/// By hand, since a scope alone does not wait for destructors of thread-locals.
fn join<R>(threads: Vec<ScopedJoinHandle<'_, R>>) -> Vec<R> {
    threads
        .into_iter()
        .map(|thread| thread.join().expect("no thread panics"))
        .collect()
}

/// A call, and what came of it.
type Event = (Usage, Result<Spent, Rejected>);

/// The states of a pool in order, from what the accepted calls returned: each of them is the
/// one before and exactly its own call.
fn in_order(histories: &[Vec<Event>]) -> Vec<Spent> {
    let mut accepted: Vec<(Usage, Spent)> = histories
        .iter()
        .flatten()
        .filter_map(|&(usage, answer)| Some((usage, answer.ok()?)))
        .collect();
    accepted.sort_by_key(|(_, spent)| spent.calls);
    let mut states = vec![Spent::default()];
    let mut oracle = Oracle::new(Limits::none(), None);
    for (usage, spent) in accepted {
        oracle.charge(usage);
        // The first difference is an update that was lost, or one that was counted twice.
        assert_eq!(spent, oracle.spent());
        states.push(spent);
    }
    states
}

fn amount(spent: Spent, cap: Cap) -> u64 {
    match cap {
        Cap::InputTokens => spent.input_tokens,
        Cap::OutputTokens => spent.output_tokens,
        Cap::TotalTokens => spent.input_tokens + spent.output_tokens,
        Cap::Cost => spent.cost.as_nanos(),
        Cap::Calls => spent.calls,
        other => panic!("a cap that this test does not know: {other}"),
    }
}

#[test]
fn every_answer_of_a_contended_pool_is_explained_by_one_order() {
    let limits = Limits::none()
        .input_tokens(20_000)
        .total_tokens(60_000)
        .cost(MicroUsd::from_nanos(25_000));
    for (threads, room) in [(2, 0), (4, 64), (8, 0)] {
        let pool = BudgetPool::builder().limits(limits).threads(room).build();
        let histories = together(threads, |number| {
            let mut mixed = Mixed(number + 1);
            let mut history: Vec<Event> = Vec::new();
            for _ in 0..24_000 / threads {
                // Much of one dimension, and now and then a little of another.
                let mut call = [0; 3];
                call[mixed.below(3) as usize] += 1 + mixed.below(40);
                call[mixed.below(3) as usize] += mixed.below(2);
                let call = usage(call[0], call[1], call[2]);
                history.push((call, pool.try_charge(call)));
            }
            history
        });

        let states = in_order(&histories);
        assert_eq!(states.last(), Some(&pool.snapshot().spent));
        let mut refused_by = HashMap::new();
        for history in &histories {
            // What a thread saw never runs backwards: a refusal is of a state between its
            // own accepted calls around it, and no older than that of the refusal before.
            let mut seen = 0;
            for (index, &(call, answer)) in history.iter().enumerate() {
                let rejected = match answer {
                    Ok(spent) => {
                        assert!(spent.calls as usize > seen);
                        seen = spent.calls as usize;
                        continue;
                    }
                    Err(rejected) => rejected,
                };
                let Rejected::Exceeded(exceeded) = rejected else {
                    panic!("{rejected}");
                };
                let next = history[index..].iter().find_map(|(_, next)| next.ok());
                let end = next.map_or(states.len(), |next| next.calls as usize);
                // Of the states with that much spent the first will do, if any does: what a
                // cap refuses there, it refuses in the later ones too.
                let spent = |state: &Spent| amount(*state, exceeded.cap);
                seen += states[seen..end].partition_point(|state| spent(state) < exceeded.spent);
                assert!(seen < end, "{exceeded:?} is of no state");
                assert_eq!(
                    at(limits, states[seen]).check(call),
                    Err(rejected.into()),
                    "{call:?} at {seen}"
                );
                *refused_by.entry(exceeded.cap).or_insert(0) += 1;
            }
        }
        assert_eq!(refused_by.len(), 3, "every cap bound: {refused_by:?}");
    }
}

/// The oracle in this state.
fn at(limits: Limits, state: Spent) -> Oracle {
    let mut oracle = Oracle::new(limits, None);
    let nanos = state.cost.as_nanos();
    oracle.charge(usage(state.input_tokens, state.output_tokens, nanos));
    oracle
}

#[test]
fn the_calls_of_accepted_records_are_every_number_once() {
    const CAP: u64 = 30_000;
    let pool = BudgetPool::with_limits(Limits::none().input_tokens(CAP));
    let totals: Vec<Vec<Totals>> = together(8, |number| {
        let mut accepted = Vec::new();
        let amount = 1 + number % 3;
        while let Ok(totals) = pool.record(amount, 1, 2e-9) {
            accepted.push(totals);
        }
        accepted
    });
    let mut calls: Vec<u64> = totals.iter().flatten().map(|totals| totals.calls).collect();
    calls.sort_unstable();
    assert!(calls.iter().copied().eq(1..=calls.len() as u64));
    let mut inputs: Vec<u64> = totals
        .iter()
        .flatten()
        .map(|totals| totals.input_tokens)
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    assert_eq!(inputs.len(), calls.len(), "no two returned the same totals");
    // Threads that ask for one token go on until there is none left.
    assert_eq!(pool.totals().input_tokens, CAP);
    for totals in totals.iter().flatten() {
        assert_eq!(totals.output_tokens, totals.calls);
        assert_eq!((totals.cost_usd * 1e9).round() as u64, 2 * totals.calls);
    }
}

#[test]
fn snapshots_are_of_one_state_and_never_run_backwards() {
    const STATES: u64 = 2_000;
    let pool = BudgetPool::unconstrained();
    let (readers, enough) = (2, AtomicU64::new(0));
    together(2 + readers, |number| {
        if number < 2 {
            let mut mixed = Mixed(number + 1);
            while all_well() && enough.load(Ordering::Relaxed) < readers {
                let amount = 1 + mixed.below(100);
                if mixed.below(2) == 0 {
                    pool.try_charge(in_ratio(amount)).unwrap();
                } else {
                    let hold = pool.reserve(in_ratio(amount)).unwrap();
                    hold.settle(in_ratio(amount + 1));
                }
            }
            return;
        }
        let (mut before, mut states) = (pool.snapshot(), 0);
        while all_well() && states < STATES {
            let now = pool.snapshot();
            consistent(now);
            assert!(before.spent.calls <= now.spent.calls);
            assert!(before.spent.input_tokens <= now.spent.input_tokens);
            let moved = now.spent != before.spent || now.reserved != before.reserved;
            states += u64::from(moved);
            let totals = pool.totals();
            assert_eq!(totals.output_tokens, 2 * totals.input_tokens);
            assert!(totals.calls >= now.spent.calls);
            before = now;
        }
        enough.fetch_add(1, Ordering::Relaxed);
    });
    let last = pool.snapshot();
    consistent(last);
    assert_eq!(last.reserved, Usage::default());
}

fn consistent(snapshot: Snapshot) {
    assert!(is_in_ratio(snapshot.spent), "{snapshot:?}");
    let reserved = snapshot.reserved;
    assert_eq!(reserved, in_ratio(reserved.input_tokens), "{snapshot:?}");
    assert_eq!(reserved.input_tokens > 0, snapshot.calls_in_flight > 0);
    assert!(snapshot.calls_in_flight <= 2);
}

#[test]
fn periods_add_up_to_what_was_recorded() {
    const RECORDS: u64 = 8_000;
    let pool = BudgetPool::unconstrained();
    let (writers, done) = (4, AtomicU64::new(0));
    let periods = together(writers + 2, |number| {
        let mut sum = [0; 5];
        if number < writers {
            for record in 0..RECORDS {
                match record % 4 {
                    0 => {
                        pool.charge(Usage::tokens(1, 2));
                    }
                    1 => {
                        let hold = pool.reserve(in_ratio(9)).unwrap();
                        hold.settle(in_ratio(1));
                    }
                    _ => {
                        pool.record(1, 2, 3e-9).unwrap();
                    }
                }
            }
            done.fetch_add(1, Ordering::Release);
            return sum;
        }
        while all_well() {
            let last = done.load(Ordering::Acquire) == writers;
            add(&mut sum, numbers(pool.take()));
            if last {
                break;
            }
        }
        sum
    });
    let mut sum = [0; 5];
    periods.iter().for_each(|&period| add(&mut sum, period));
    let calls = writers * RECORDS;
    let unpriced = calls / 4;
    let nanos = 3 * (calls - unpriced);
    assert_eq!(sum, [calls, 2 * calls, nanos, calls, unpriced]);
    assert_eq!(pool.take(), Spent::default());
}

fn numbers(spent: Spent) -> [u64; 5] {
    [
        spent.input_tokens,
        spent.output_tokens,
        spent.cost.as_nanos(),
        spent.calls,
        spent.unpriced_calls,
    ]
}

fn add(sum: &mut [u64; 5], period: [u64; 5]) {
    for (sum, amount) in sum.iter_mut().zip(period) {
        *sum += amount;
    }
}

#[test]
fn a_thousand_threads_at_once_are_all_counted() {
    const THREADS: u64 = 1_000;
    let pool = BudgetPool::unconstrained();
    together(THREADS, |number| {
        for _ in 0..5 {
            pool.record(number, 2 * number, 1e-9).unwrap();
        }
        pool.reserve(in_ratio(number)).unwrap().forfeit();
    });
    let sum = THREADS * (THREADS - 1) / 2;
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.spent.calls, 6 * THREADS);
    assert_eq!(snapshot.spent.input_tokens, 6 * sum);
    assert_eq!(snapshot.spent.output_tokens, 12 * sum);
    assert_eq!(snapshot.spent.cost.as_nanos(), 5 * THREADS + 3 * sum);
    assert_eq!(snapshot.calls_in_flight, 0);
}

#[test]
fn a_thousand_calls_of_a_dime_against_five_dollars_make_fifty() {
    let limits = Limits::none().cost("5".parse().unwrap());
    let dime = Usage::tokens(1, 1).cost("0.10".parse().unwrap());

    let recorded = BudgetPool::with_limits(limits);
    let made = together(1_000, |_| recorded.record(1, 1, 0.1).is_ok());
    assert_eq!(made.iter().filter(|&&made| made).count(), 50);
    assert_eq!(recorded.totals().cost_usd, 5.0);

    let reserved = BudgetPool::with_limits(limits);
    let made = together(1_000, |_| match reserved.reserve(dime) {
        Ok(mut hold) => {
            hold.sent();
            assert!(!hold.settle(dime).over_cap.any());
            true
        }
        Err(rejected) => {
            assert_eq!(rejected.cap(), Some(Cap::Cost));
            false
        }
    });
    assert_eq!(made.iter().filter(|&&made| made).count(), 50);
    assert_eq!(reserved.snapshot().spent.calls, 50);
    assert_eq!(reserved.snapshot().spent.cost, "5".parse().unwrap());
}

#[test]
fn what_is_held_and_spent_never_passes_a_cap_and_adds_up_in_the_end() {
    const CAP: u64 = 1_000;
    let pool = BudgetPool::with_limits(Limits::none().input_tokens(CAP));
    let (writers, done) = (4, AtomicU64::new(0));
    let settled = together(writers + 1, |number| {
        if number == writers {
            let mut sampled = 0;
            while all_well() && (done.load(Ordering::Relaxed) < writers || sampled < 100) {
                let snapshot = pool.snapshot();
                let taken = snapshot.spent.input_tokens + snapshot.reserved.input_tokens;
                assert!(taken <= CAP, "{snapshot:?}");
                sampled += 1;
            }
            return (0, 0);
        }
        let mut mixed = Mixed(number + 1);
        let (mut tokens, mut calls) = (0, 0);
        for _ in 0..6_000 {
            let Ok(mut hold) = pool.reserve(in_ratio(50)) else {
                continue;
            };
            // Never more than was held, and mostly nothing: there is room until the end.
            match mixed.below(40) {
                0 => {
                    hold.settle(in_ratio(2));
                    (tokens, calls) = (tokens + 2, calls + 1);
                }
                1 => {
                    hold.settle_so_far(in_ratio(1));
                    hold.settle_so_far(in_ratio(3));
                    hold.settle(in_ratio(3));
                    (tokens, calls) = (tokens + 3, calls + 1);
                }
                2 => {
                    if hold.extend(in_ratio(7)).is_ok() {
                        assert_eq!(hold.held(), in_ratio(57));
                    }
                    hold.settle(in_ratio(1));
                    (tokens, calls) = (tokens + 1, calls + 1);
                }
                _ => drop(hold),
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        (tokens, calls)
    });
    let tokens: u64 = settled.iter().map(|(tokens, _)| tokens).sum();
    let calls: u64 = settled.iter().map(|(_, calls)| calls).sum();
    let snapshot = pool.snapshot();
    assert!(is_in_ratio(snapshot.spent));
    assert_eq!(snapshot.spent.input_tokens, tokens);
    assert_eq!(snapshot.spent.calls, calls);
    assert_eq!(snapshot.reserved, Usage::default());
    assert_eq!(snapshot.calls_in_flight, 0);
}

/// Records in its pool when its thread is torn down.
struct Late(&'static BudgetPool);

impl Late {
    const RECORDS: u64 = 200;
}

impl Drop for Late {
    fn drop(&mut self) {
        for _ in 0..Late::RECORDS {
            self.0.record(1, 2, 3e-9).unwrap();
            drop(self.0.reserve(in_ratio(5)).unwrap());
        }
    }
}

thread_local! {
    static BEFORE: Cell<Option<Late>> = const { Cell::new(None) };
    static AFTER: RefCell<Vec<Late>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn destructors_of_thread_locals_record_before_and_after_the_crates_own() {
    const THREADS: u64 = 16;
    const ROUNDS: u64 = 20;
    static POOL: LazyLock<BudgetPool> = LazyLock::new(BudgetPool::default);
    let pool = &*POOL;
    for _ in 0..ROUNDS {
        together(THREADS, |_| {
            // Destructors run in the order of a stack or of a queue: the crate's own, set up
            // by the records, is between these two in both.
            AFTER.with(|late| late.borrow_mut().push(Late(pool)));
            for _ in 0..Late::RECORDS {
                pool.record(1, 2, 3e-9).unwrap();
            }
            BEFORE.set(Some(Late(pool)));
        });
    }
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.spent.calls, 3 * THREADS * ROUNDS * Late::RECORDS);
    assert_eq!(snapshot.spent.input_tokens, snapshot.spent.calls);
    assert!(is_in_ratio(snapshot.spent));
    assert_eq!(snapshot.reserved, Usage::default());
}

#[test]
fn threads_that_end_hand_on_what_they_wrote_with() {
    const GENERATIONS: u64 = 150;
    const RECORDS: u64 = 100;
    // A dozen pools at a time, of which each thread uses some: a number is handed over in
    // all of them at once.
    let pools: Vec<_> = (0..12).map(|_| BudgetPool::unconstrained()).collect();
    let recorded = together(4, |lane| {
        let mut recorded = [0; 12];
        for generation in 0..GENERATIONS {
            let seed = 1 + lane * GENERATIONS + generation;
            let short_lived = || {
                let mut mixed = Mixed(seed);
                let mut recorded = [0; 12];
                for _ in 0..RECORDS {
                    let (pool, amount) = (mixed.below(12) as usize, mixed.below(9));
                    pools[pool].try_charge(in_ratio(amount)).unwrap();
                    recorded[pool] += amount;
                }
                recorded
            };
            let thread = thread::scope(|scope| scope.spawn(short_lived).join().unwrap());
            for (sum, amount) in recorded.iter_mut().zip(thread) {
                *sum += amount;
            }
        }
        recorded
    });
    for (index, pool) in pools.iter().enumerate() {
        let sum: u64 = recorded.iter().map(|lane| lane[index]).sum();
        let spent = pool.snapshot().spent;
        assert!(is_in_ratio(spent));
        assert_eq!(spent.input_tokens, sum);
    }
}

fn charge(pool: &BudgetPool, times: u64, usage: Usage) {
    for _ in 0..times {
        pool.charge(usage);
    }
}

#[test]
fn many_pools_made_and_dropped_under_many_threads_keep_apart() {
    together(4, |number| {
        let mut mixed = Mixed(number + 1);
        for _ in 0..300 {
            let pool = Arc::new(BudgetPool::unconstrained());
            let owned = pool.reserve_owned(in_ratio(1)).unwrap();
            let mine = mixed.below(50);
            let other = thread::scope(|scope| {
                let other = scope.spawn(|| {
                    charge(&pool, mine, in_ratio(2));
                    owned.settle(in_ratio(3))
                });
                charge(&pool, 50, in_ratio(1));
                other.join().unwrap()
            });
            assert!(is_in_ratio(other.spent));
            let spent = pool.snapshot().spent;
            assert!(is_in_ratio(spent));
            assert_eq!(spent.input_tokens, 50 + 2 * mine + 3);
            assert_eq!(Arc::strong_count(&pool), 1);
        }
    });
}

#[test]
fn a_closed_pool_drains_to_what_was_settled() {
    for _ in 0..20 {
        let pool = BudgetPool::unconstrained();
        let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        let closed = AtomicBool::new(false);
        let answers = together(5, |number| {
            if number == 4 {
                while all_well() && begun.load(Ordering::Relaxed) < 200 {
                    thread::yield_now();
                }
                pool.close();
                closed.store(true, Ordering::Release);
                let drained = |snapshot: Snapshot| snapshot.calls_in_flight == 0;
                while all_well() && !drained(pool.snapshot()) {
                    if ended.load(Ordering::Acquire) == 4 {
                        break;
                    }
                    thread::yield_now();
                }
                let snapshot = pool.snapshot();
                assert!(drained(snapshot) && snapshot.closed, "{snapshot:?}");
                return (snapshot.spent.calls, snapshot.spent.input_tokens);
            }
            let (mut calls, mut tokens) = (0, 0);
            while all_well() {
                let was_closed = closed.load(Ordering::Acquire);
                match pool.reserve(in_ratio(10)) {
                    Ok(hold) => {
                        assert!(!was_closed, "admitted after it was closed");
                        begun.fetch_add(1, Ordering::Relaxed);
                        hold.settle(in_ratio(number + 1));
                        calls += 1;
                        tokens += number + 1;
                    }
                    Err(rejected) => {
                        assert_eq!(rejected, Rejected::Closed);
                        // It never opens again.
                        assert_eq!(pool.record(0, 0, 0.0).unwrap_err().cap, "closed");
                        break;
                    }
                }
            }
            ended.fetch_add(1, Ordering::Release);
            (calls, tokens)
        });
        let (settled, drained) = answers.split_at(4);
        let calls: u64 = settled.iter().map(|(calls, _)| calls).sum();
        let tokens: u64 = settled.iter().map(|(_, tokens)| tokens).sum();
        assert_eq!(drained, [(calls, tokens)]);
        assert!(is_in_ratio(pool.snapshot().spent));
    }
}

#[test]
fn once_limits_are_lowered_nothing_is_admitted_past_them() {
    let pool = BudgetPool::with_limits(Limits::none().input_tokens(0));
    let (writers, stop, refused) = (3, AtomicBool::new(false), AtomicU64::new(0));
    together(writers + 1, |number| {
        if number < writers {
            while all_well() && !stop.load(Ordering::Relaxed) {
                let refusal = match number {
                    0 => pool.record(1, 2, 3e-9).err().map(|exceeded| exceeded.cap),
                    _ => match pool.reserve(in_ratio(1)) {
                        Ok(hold) => {
                            hold.settle(in_ratio(1));
                            None
                        }
                        Err(rejected) => rejected.cap().map(Cap::as_str),
                    },
                };
                if let Some(cap) = refusal {
                    assert_eq!(cap, "input_tokens");
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
            return;
        }
        for round in 0..200 {
            let spent = pool.totals().input_tokens;
            pool.set_limits(Limits::none().input_tokens(spent + 1_000));
            while all_well() && pool.totals().input_tokens < spent + 100 {
                thread::yield_now();
            }
            // Below what is spent, so that everything is refused from here on.
            let lowered = Limits::none()
                .input_tokens(spent + 50)
                .calls(u64::MAX - round);
            let old = pool.set_limits(lowered);
            assert_eq!(old, Limits::none().input_tokens(spent + 1_000));
            let then = pool.snapshot();
            assert_eq!(then.limits, lowered);
            // What was held then may be settled, and nothing else moves.
            let taken =
                |snapshot: Snapshot| snapshot.spent.input_tokens + snapshot.reserved.input_tokens;
            let before = refused.load(Ordering::Relaxed);
            while all_well() && refused.load(Ordering::Relaxed) < before + 50 {
                assert_eq!(taken(pool.snapshot()), taken(then));
                thread::yield_now();
            }
            assert_eq!(taken(pool.snapshot()), taken(then));
            assert!(taken(then) <= spent + 1_000);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(is_in_ratio(pool.snapshot().spent));
}

#[test]
fn operators_who_each_add_ten_add_ten_each() {
    const OPERATORS: u64 = 4;
    const TIMES: u64 = 500;
    let pool = BudgetPool::with_limits(Limits::none().calls(0).cost(MicroUsd::ZERO));
    let ten = MicroUsd::from_nanos(10);
    together(OPERATORS + 1, |number| {
        for _ in 0..TIMES {
            if number == OPERATORS {
                // The calls that they pay for, some of unknown cost: those change the terms too.
                pool.charge(Usage::tokens(1, 1));
                let _ = pool.record(1, 1, 1e-9);
                continue;
            }
            pool.update_limits(|limits| {
                limits.calls = limits.calls.map(|calls| calls + 10);
                limits.cost = limits.cost.map(|cost| cost.saturating_add(ten));
            });
        }
    });
    let sum = 10 * OPERATORS * TIMES;
    let expected = Limits::none().calls(sum).cost(MicroUsd::from_nanos(sum));
    assert_eq!(pool.limits(), expected);
    let spent = pool.snapshot().spent;
    assert_eq!(spent.unpriced_calls, TIMES);
    assert_eq!(spent.calls, TIMES + spent.cost.as_nanos());
}

#[test]
fn terms_and_amounts_change_together_or_not_at_all() {
    // Limits that depend on each other, in two versions; and calls that each version would
    // refuse by another cap. A mixture of the two would admit all of them, or name a limit
    // that no version has.
    let versions = [
        Limits::none().input_tokens(1_000_000_000).output_tokens(0),
        Limits::none().input_tokens(0).output_tokens(1_000_000_000),
    ];
    let pool = BudgetPool::with_limits(versions[0]);
    let (stop, answers) = (AtomicBool::new(false), Mutex::new([0_u64; 3]));
    together(4, |number| {
        if number == 0 {
            // Until both versions were met often enough.
            let mut version = 0;
            while all_well() {
                version ^= 1;
                let old = pool.set_limits(versions[version]);
                assert_eq!(old, versions[version ^ 1]);
                if answers.lock().unwrap().iter().all(|&times| times > 500) {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            return;
        }
        while all_well() && !stop.load(Ordering::Relaxed) {
            for _ in 0..64 {
                let both = pool.check(usage(1, 1, 0)).unwrap_err();
                let which = match both.cap() {
                    Some(Cap::InputTokens) => 0,
                    Some(Cap::OutputTokens) => 1,
                    other => panic!("{other:?}"),
                };
                let Rejected::Exceeded(exceeded) = both else {
                    panic!("{both}");
                };
                assert_eq!(exceeded.limit, 0);
                let unpriced = pool.charge(Usage::tokens(0, 0)).spent;
                assert_eq!(unpriced.calls, unpriced.unpriced_calls);
                assert!([versions[0], versions[1]].contains(&pool.snapshot().limits));
                let mut answers = answers.lock().unwrap();
                answers[which] += 1;
                answers[2] += 1;
            }
        }
    });
    let answers = answers.into_inner().unwrap();
    let spent = pool.snapshot().spent;
    assert_eq!(
        (spent.calls, spent.unpriced_calls),
        (answers[2], answers[2])
    );
    assert_eq!((spent.input_tokens, spent.output_tokens), (0, 0));
}

#[test]
fn the_history_check_can_fail() {
    // What `in_order` is worth: a history in which an update was lost.
    let call = in_ratio(1);
    let oracle = |calls| {
        let mut oracle = Oracle::new(Limits::none(), None);
        for _ in 0..calls {
            oracle.charge(call);
        }
        oracle.spent()
    };
    let good = vec![vec![(call, Ok(oracle(1)))], vec![(call, Ok(oracle(2)))]];
    assert_eq!(in_order(&good), [oracle(0), oracle(1), oracle(2)]);
    let lost = vec![vec![(call, Ok(oracle(1)))], vec![(call, Ok(oracle(1)))]];
    assert!(std::panic::catch_unwind(|| in_order(&lost)).is_err());
}
