//! Threads that can be frozen: a signal catches them wherever they are, and its handler
//! does not return until they are thawed.
//!
//! The handler does only what a handler may: it looks at thread-locals that need no
//! initialisation, writes to a pipe and reads from another.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::thread::JoinHandleExt;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{sigaction, SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::{pipe, read, write};

use token_budget_pool::linger;
use token_budget_pool::place::{self, Place, Places};

const FREEZE: Signal = Signal::SIGUSR1;

/// The round of a thread that is in none.
pub const NO_ROUND: usize = usize::MAX;

/// Long enough for anybody who is not stopped. It decides nothing else: a test that would
/// hang fails instead.
pub const FOR_EVER: Duration = Duration::from_secs(60);

/// What a thread has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It can be frozen from now on.
    Ready,
    /// It is frozen.
    Frozen,
    /// It goes on.
    Thawed,
    /// It was caught where it may hold a lock that is not a pool's, and has gone on.
    LetGo,
    /// It has done what it was asked to.
    Done,
    /// It panicked.
    Failed,
}

impl Word {
    const ALL: [Word; 6] = [
        Word::Ready,
        Word::Frozen,
        Word::Thawed,
        Word::LetGo,
        Word::Done,
        Word::Failed,
    ];
}

/// Who says what, where, and in which round.
#[derive(Clone, Copy)]
pub struct Report {
    pub thread: usize,
    pub word: Word,
    pub places: Places,
    pub round: usize,
}

impl Report {
    /// One write of so little is one message: POSIX has it up to `PIPE_BUF` bytes.
    const LEN: usize = 10;

    pub fn is_at(&self, place: Place) -> bool {
        self.places.contains(place)
    }

    fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = self.thread as u8;
        bytes[1] = self.word as u8;
        bytes[2..6].copy_from_slice(&self.places.0.to_ne_bytes());
        bytes[6..].copy_from_slice(&(self.round as u32).to_ne_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [thread, word, places @ .., a, b, c, d] = bytes;
        Self {
            thread: thread.into(),
            word: Word::ALL[usize::from(word)],
            places: Places(u32::from_ne_bytes(places)),
            round: u32::from_ne_bytes([a, b, c, d]) as usize,
        }
    }
}

/// The pipes between the freezer and its threads.
struct Line {
    reports: (OwnedFd, OwnedFd),
    /// A byte thaws a thread, whichever reads it.
    thaws: (OwnedFd, OwnedFd),
}

/// What the handler knows of the thread that it interrupts.
#[derive(Clone, Copy)]
struct Post {
    thread: usize,
    line: &'static Line,
}

thread_local! {
    // Without initialisation and without a destructor, so that the handler may look.
    static POST: Cell<Option<Post>> = const { Cell::new(None) };
    static ROUND: AtomicUsize = const { AtomicUsize::new(NO_ROUND) };
}

/// What the calling thread does from now on is of this round.
pub fn enter_round(round: usize) {
    ROUND.with(|current| current.store(round, Ordering::Relaxed));
}

/// The round that the calling thread is in.
pub fn round() -> usize {
    ROUND.with(|current| current.load(Ordering::Relaxed))
}

/// Says a word to the freezer of the calling thread.
pub fn say(word: Word) {
    if let Some(post) = POST.get() {
        post.say(word);
    }
}

impl Post {
    fn say(self, word: Word) {
        let report = Report {
            thread: self.thread,
            word,
            places: place::here(),
            round: round(),
        };
        // A panic has no place in a signal handler.
        if write(&self.line.reports.1, &report.to_bytes()) != Ok(Report::LEN) {
            process::abort();
        }
    }

    fn freeze(self) {
        // A panic prints, and that locks too.
        if place::here().contains(Place::Allocator) || thread::panicking() {
            return self.say(Word::LetGo);
        }
        self.say(Word::Frozen);
        loop {
            match read(&self.line.thaws.0, &mut [0]) {
                Ok(1) => return self.say(Word::Thawed),
                Err(Errno::EINTR) => {}
                _ => process::abort(),
            }
        }
    }
}

extern "C" fn on_freeze(_: c_int) {
    let errno = Errno::last_raw();
    if let Some(post) = POST.get() {
        post.freeze();
    }
    Errno::set_raw(errno);
}

/// Tells the freezer, when its thread fails.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            say(Word::Failed);
        }
    }
}

/// Some threads, and the means to freeze them.
pub struct Freezer<R> {
    line: &'static Line,
    threads: Vec<JoinHandle<R>>,
    frozen: usize,
}

impl<R> Freezer<R> {
    /// Starts so many threads, which can be frozen from the start of `work` on.
    pub fn start(threads: usize, work: impl Fn(usize) -> R + Clone + Send + 'static) -> Self
    where
        R: Send + 'static,
    {
        let handler = SigHandler::Handler(on_freeze);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: `on_freeze` does only what is safe in a signal handler: atomics and
        // plain cells of the thread, `write`, `read` and `abort`; it keeps `errno`.
        unsafe { sigaction(FREEZE, &action) }.expect("a handler for the signal");
        // For good: a thread that is never thawed is at the end of it until the process ends.
        let line: &'static Line = Box::leak(Box::new(Line {
            reports: pipe().expect("a pipe"),
            thaws: pipe().expect("a pipe"),
        }));
        let run = |thread| {
            let work = work.clone();
            thread::spawn(move || {
                POST.set(Some(Post { thread, line }));
                let _alarm = Alarm;
                linger::set(true);
                say(Word::Ready);
                work(thread)
            })
        };
        let freezer = Self {
            line,
            threads: (0..threads).map(run).collect(),
            frozen: 0,
        };
        for _ in 0..threads {
            freezer.expect(&[Word::Ready]);
        }
        freezer
    }

    /// Freezes these threads, and tells where each was caught.
    pub fn freeze(&mut self, threads: impl IntoIterator<Item = usize>) -> Vec<Report> {
        let mut caught = Vec::new();
        let mut asked = 0;
        for thread in threads {
            self.signal(thread);
            asked += 1;
        }
        while caught.len() < asked {
            let report = self.expect(&[Word::Frozen, Word::LetGo]);
            if report.word == Word::LetGo {
                thread::yield_now();
                self.signal(report.thread);
                continue;
            }
            self.frozen += 1;
            caught.push(report);
        }
        caught
    }

    fn signal(&self, thread: usize) {
        pthread_kill(self.threads[thread].as_pthread_t(), FREEZE).expect("a thread to signal");
    }

    /// What a thread says next, if it does so in time; it has to be one of these words.
    pub fn hear(&self, words: &[Word], patience: Duration) -> Option<Report> {
        let reports = &self.line.reports.0;
        let patience = PollTimeout::try_from(patience).expect("a time that poll can count");
        let mut polled = [PollFd::new(reports.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, patience).expect("a pipe to wait for") == 0 {
            return None;
        }
        let mut bytes = [0; Report::LEN];
        assert_eq!(read(reports, &mut bytes), Ok(Report::LEN), "a report");
        let report = Report::from_bytes(bytes);
        let (thread, word) = (report.thread, report.word);
        assert!(
            words.contains(&word),
            "thread {thread}: {word:?}, and not {words:?}"
        );
        Some(report)
    }

    /// The same of a thread that nobody stops.
    pub fn expect(&self, words: &[Word]) -> Report {
        let report = self.hear(words, FOR_EVER);
        report.unwrap_or_else(|| panic!("no thread says any of {words:?}"))
    }

    /// Lets all that are frozen go on. Returns once they do, or one that is frozen anew
    /// could take the byte of one that has yet to wake.
    pub fn thaw(&mut self) {
        for _ in 0..self.release() {
            self.expect(&[Word::Thawed]);
        }
    }

    fn release(&mut self) -> usize {
        let thaws = vec![0; mem::take(&mut self.frozen)];
        let written = write(&self.line.thaws.1, &thaws);
        assert_eq!(written, Ok(thaws.len()), "a pipe to thaw by");
        thaws.len()
    }

    /// What the threads return.
    pub fn join(mut self) -> Vec<R> {
        let join = |thread: JoinHandle<R>| thread.join().expect("no thread panics");
        self.threads.drain(..).map(join).collect()
    }
}

impl<R> Drop for Freezer<R> {
    fn drop(&mut self) {
        self.release();
    }
}
