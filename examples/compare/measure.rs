//! Threads that do one thing over and over until they are told to stop.
//!
//! The clock runs from the first that starts to the last that ends, and is read inside the
//! threads: a coordinator that waits for a core would add its wait. All run until the end,
//! so that none finishes early and leaves the budget to the others.
//!
//! And how far apart two cores are.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::machine;

/// How many calls are made between two looks at whether to stop.
const BATCH: u64 = 32;

/// What the threads of one run came to.
pub(crate) struct Run {
    /// Calls, by thread.
    pub(crate) counts: Vec<u64>,
    pub(crate) wall: Duration,
    /// Where the system reports it.
    pub(crate) share: Option<Share>,
}

/// What the threads had of the machine.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    /// How many cores, on average.
    pub(crate) cores: f64,
    /// How many threads waited for one although they had something to do, on average.
    pub(crate) waiting: f64,
}

impl Share {
    /// Whether other programs took cores that the threads would have used. (Threads that
    /// wait for a lock want none.)
    fn is_disturbed(self, threads: usize) -> bool {
        let most = threads.min(machine::cores()) as f64;
        self.cores < 0.85 * most && self.waiting > 0.1
    }
}

impl Run {
    pub(crate) fn calls(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// Told to all threads at once.
#[derive(Default)]
pub(crate) struct Stop(CachePadded<AtomicBool>);

impl Stop {
    /// Calls `work` until told to stop. Returns how often.
    #[inline(always)]
    pub(crate) fn repeat(&self, mut work: impl FnMut() -> u64) -> u64 {
        let (mut calls, mut sum) = (0, 0_u64);
        // Relaxed: nothing goes with it.
        while !self.0.load(Ordering::Relaxed) {
            for _ in 0..BATCH {
                sum = sum.wrapping_add(work());
            }
            calls += BATCH;
        }
        black_box(sum);
        calls
    }

    fn tell(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many more runs may be repeated because other programs disturbed them.
pub(crate) struct Repeats(Cell<usize>);

impl Repeats {
    pub(crate) fn at_most(repeats: usize) -> Self {
        Self(Cell::new(repeats))
    }

    /// What `attempt` comes to when nothing else runs on the machine; or, where it is
    /// never quiet, at the last try.
    pub(crate) fn undisturbed(&self, threads: usize, mut attempt: impl FnMut() -> Run) -> Run {
        const TRIES: usize = 4;
        for _ in 1..TRIES {
            let run = attempt();
            let disturbed = run.share.is_some_and(|share| share.is_disturbed(threads));
            if !disturbed || self.0.get() == 0 {
                return run;
            }
            self.0.set(self.0.get() - 1);
        }
        attempt()
    }
}

/// Runs `work` in this many threads for about this long. It gets the thread's index and
/// returns how many calls it made.
pub(crate) fn run(
    threads: usize,
    time: Duration,
    work: impl Fn(usize, &Stop) -> u64 + Sync,
) -> Run {
    let (stop, line) = (Stop::default(), Line::of(threads));
    let one = |index| {
        let kept = cores::keep_to(index);
        line.wait();
        if threads > machine::cores() {
            // From here on they go where the system moves them.
            drop(kept);
        }
        let before = Scheduled::up_to_now();
        let start = Instant::now();
        let calls = work(index, &stop);
        let end = Instant::now();
        // How long it waited, before it may wait once more to report how long it ran.
        let waited = Scheduled::so_far();
        let ran = Scheduled::up_to_now();
        let share = (|| {
            let before = before?;
            Some([
                ran?.on_core - before.on_core,
                waited?.waiting - before.waiting,
            ])
        })();
        (calls, start, end, share)
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || one(index)))
            .collect();
        line.wait_as_onlooker();
        thread::sleep(time);
        stop.tell();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("no panic");
        threads.into_iter().map(join).collect()
    });
    let start = ended.iter().map(|ended| ended.1).min();
    let end = ended.iter().map(|ended| ended.2).max();
    let wall = end
        .zip(start)
        .map_or(Duration::ZERO, |(to, from)| to - from);
    let mean = |which: usize| {
        let seconds: Option<f64> = ended.iter().map(|ended| Some(ended.3?[which])).sum();
        seconds.map(|seconds| seconds / wall.as_secs_f64())
    };
    Run {
        counts: ended.iter().map(|ended| ended.0).collect(),
        wall,
        share: Option::zip(mean(0), mean(1)).map(|(cores, waiting)| Share { cores, waiting }),
    }
}

/// Where threads wait for each other without going to sleep: the system wakes sleepers one
/// after the other, often on one core, and short runs would be over before they part.
struct Line {
    missing: AtomicUsize,
}

impl Line {
    fn of(threads: usize) -> Self {
        Self {
            missing: AtomicUsize::new(threads),
        }
    }

    fn wait(&self) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
        let mut looks = 0_u32;
        while self.missing.load(Ordering::Acquire) > 0 {
            looks += 1;
            match looks % 64 {
                // For those that have no core.
                0 => thread::yield_now(),
                _ => spin_loop(),
            }
        }
    }

    /// Not one of those waited for, and leaving the cores to them.
    fn wait_as_onlooker(&self) {
        while self.missing.load(Ordering::Acquire) > 0 {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// The nanoseconds of a round trip between two cores: a word goes there and back. `None` where
/// there is one core only.
pub(crate) fn round_trip() -> Option<f64> {
    const TRIPS: u64 = 100;
    const TIME: Duration = Duration::from_millis(1);
    /// Ends the game. Even, so that it is no word to answer.
    const END: u64 = u64::MAX - 1;
    if machine::cores() < 2 {
        return None;
    }
    let (word, line) = (CachePadded::new(AtomicU64::new(0)), Line::of(2));
    // Waits until the word is this one, or the end.
    let wait = |wanted: u64| {
        let mut looks = 0_u32;
        loop {
            let now = word.load(Ordering::Acquire);
            if now == wanted || now == END {
                return now;
            }
            looks += 1;
            if looks % 4_096 == 0 {
                // The system may have put both on one core.
                thread::yield_now();
            }
        }
    };
    let answer = || {
        let _kept = cores::keep_to(1);
        line.wait();
        let mut odd = 1;
        while wait(odd) == odd {
            word.store(odd + 1, Ordering::Release);
            odd += 2;
        }
    };
    let ask = || {
        let _kept = cores::keep_to(0);
        line.wait();
        let (start, mut even, mut batches) = (Instant::now(), 0, Vec::new());
        while start.elapsed() < TIME {
            let start = Instant::now();
            for _ in 0..TRIPS {
                word.store(even + 1, Ordering::Release);
                even += 2;
                wait(even);
            }
            batches.push(start.elapsed().as_secs_f64() * 1e9 / TRIPS as f64);
        }
        word.store(END, Ordering::Release);
        // The median: in some, other programs took a core.
        batches.sort_unstable_by(f64::total_cmp);
        batches.get(batches.len() / 2).copied()
    };
    thread::scope(|scope| {
        scope.spawn(answer);
        scope.spawn(ask).join().expect("no panic")
    })
}

#[cfg(target_os = "linux")]
mod cores {
    use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

    /// This thread is kept to one core until this is dropped.
    pub(super) struct Kept(Option<CpuSet>);

    /// Keeps it to the `index`th of those that it may use, round and round. So threads start
    /// spread over all cores, and as many as there are cores run at once from the first
    /// moment on.
    pub(super) fn keep_to(index: usize) -> Kept {
        let Ok(all) = sched_getaffinity(None) else {
            return Kept(None);
        };
        let usable: Vec<_> = (0..CpuSet::MAX_CPU)
            .filter(|&core| all.is_set(core))
            .collect();
        let mut only = CpuSet::new();
        only.set(usable[index % usable.len()]);
        Kept(sched_setaffinity(None, &only).is_ok().then_some(all))
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            if let Some(all) = &self.0 {
                // Refused: then it stays where it is.
                let _ = sched_setaffinity(None, all);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod cores {
    /// The system places it.
    pub(super) fn keep_to(_: usize) {}
}

/// For how many seconds this thread has run on a core, and waited for one. Linux reports it.
struct Scheduled {
    on_core: f64,
    waiting: f64,
}

impl Scheduled {
    /// As the kernel last took account of it.
    fn so_far() -> Option<Self> {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        let mut nanos = text.split_whitespace().map(str::parse::<f64>);
        let mut seconds = || Some(nanos.next()?.ok()? / 1e9);
        Some(Self {
            on_core: seconds()?,
            waiting: seconds()?,
        })
    }

    fn up_to_now() -> Option<Self> {
        // Which makes the kernel take account.
        thread::yield_now();
        Self::so_far()
    }
}

/// Where the budgets are put: each at an address of its own, on cache lines of its own. How
/// fast contended threads are depends on the address, so every run gets another one.
#[derive(Default)]
pub(crate) struct Places {
    kept: RefCell<VecDeque<Box<dyn std::any::Any>>>,
    random: RefCell<Random>,
}

impl Places {
    /// How many runs there are until an address may come again.
    const KEPT: usize = 256;

    pub(crate) fn put<B: 'static>(&self, budget: B) -> Arc<CachePadded<B>> {
        let mut kept = self.kept.borrow_mut();
        let gap = self.random.borrow_mut().below(16 * 1024) as usize;
        kept.push_back(Box::new(Vec::<u8>::with_capacity(gap)));
        let budget = Arc::new(CachePadded::new(budget));
        kept.push_back(Box::new(Arc::clone(&budget)));
        while kept.len() > 2 * Self::KEPT {
            kept.pop_front();
        }
        budget
    }
}

/// Xorshift: quick, and the same in every run.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((self.next() >> 32) * bound) >> 32
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}
