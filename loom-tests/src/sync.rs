//! The atomics that the library is checked with: the model checker's, in the shape of the
//! library's own `sync`.
//!
//! # The ghost shim
//!
//! loom explores two accesses of an atomic in both orders only if it finds them
//! dependent, and it remembers only the last access of each atomic. A compare-and-swap
//! loop loads, then exchanges: its load hides the loads of other threads from its
//! exchange, and the order in which those come after is never tried (tokio-rs/loom #166,
//! #392). A suite can be green because it explored one execution.
//!
//! With the feature `ghost` every atomic has a second one that gets a `fetch_add(0)`
//! before each operation, so that any two operations are dependent, while the load of
//! the first may still read an old value. It costs many more executions, and where
//! fences are used it adds synchronisation that the code does not have. So it can miss
//! what the plain shim finds, and the other way round: both are run.
//!
//! # What is counted
//!
//! A green scenario proves nothing if what it is about never happened in it. So the
//! atomics count some [`Event`]s, and scenarios say which ones they must have met.
//!
//! # Inert atomics
//!
//! A page has 16 pairs, and loom walks all atomics in each acquire fence. Those that no
//! thread of a scenario can have a use for are inert: no atomic at all, and a panic for
//! whoever touches one. See [`begin`].

use std::cell::RefCell;

use token_budget_pool::model::atomic as real;
use token_budget_pool::model::thread::{self, ThreadId};

pub(crate) use token_budget_pool::model::atomic::{fence, Ordering};
pub(crate) use token_budget_pool::model::thread::yield_now;

/// Nothing: a lost exchange ends by itself, and a yield here would hide orders.
pub(crate) fn spin_loop() {}

/// What a scenario can require to have happened in some of its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An operation was refused.
    Refused,
    /// An update lost its exchange of the head.
    Lost,
    /// A thread found the shared pair claimed by another.
    SharedTaken,
    /// A slot was written again while a suspended reader was reading it.
    OverwrittenWhileRead,
    /// A thread took a number that another had given back.
    NumberReused,
    /// A thread made a page and found another's installed.
    PageLost,
}

impl Event {
    pub const ALL: [Event; 6] = [
        Event::Refused,
        Event::Lost,
        Event::SharedTaken,
        Event::OverwrittenWhileRead,
        Event::NumberReused,
        Event::PageLost,
    ];
}

/// What goes on in one execution. All threads of a model run on one thread of the
/// system, so a `std` thread-local is what they share unseen by the model.
#[derive(Default)]
struct Watch {
    counts: [u64; Event::ALL.len()],
    /// Pairs that the scenario uses, of each page.
    pairs: usize,
    words_a_pair: usize,
    words_made: usize,
    pointers_made: usize,
    /// The address of the head, once it is known.
    head: Option<usize>,
    learning: bool,
    /// What the next exchange of the head makes of its version, if not the next.
    version: Option<u64>,
    /// Words read since their reader last looked at the head, and whether they
    /// were written since.
    reading: Vec<(ThreadId, usize, bool)>,
    /// Bits of the numbers that were given back, and by whom.
    given: Vec<(u64, ThreadId)>,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

fn watch<R>(look: impl FnOnce(&mut Watch) -> R) -> R {
    WATCH.with_borrow_mut(look)
}

fn me() -> ThreadId {
    thread::current().id()
}

/// Starts an execution in which only the first `pairs` pairs of a page are used, of a
/// register whose slots have so many words.
pub(crate) fn begin(pairs: usize, words_a_slot: usize) {
    watch(|watch| {
        *watch = Watch {
            counts: watch.counts,
            pairs,
            words_a_pair: 2 * words_a_slot,
            ..Watch::default()
        }
    });
}

/// Ends an execution: what takes a number from now on is not the scenario.
pub(crate) fn end() {
    watch(|watch| watch.given.clear());
}

/// Takes the first atomic that `load` loads for the head.
pub(crate) fn learn_head(load: impl FnOnce()) {
    watch(|watch| watch.learning = true);
    load();
    assert!(watch(|watch| watch.head.is_some()), "no load of the head");
}

/// Makes the next update the one that ends with this version: a pool that was updated
/// as often as that, without a thousand updates in each execution.
pub(crate) fn stretch_next_update_to(version: u64) {
    watch(|watch| watch.version = Some(version));
}

/// What was counted since the last call.
pub(crate) fn take_counts() -> [u64; Event::ALL.len()] {
    watch(|watch| std::mem::take(&mut watch.counts))
}

pub(crate) fn count(event: Event) {
    watch(|watch| watch.count(event));
}

impl Watch {
    // The layout of `register.rs`. Were it another one, an inert atomic would be
    // touched, and say so.
    const PAIRS_A_PAGE: usize = 16;
    const POINTERS_BEFORE_TABLES: usize = 5;
    const POINTERS_A_TABLE: usize = 508;

    /// Whether the atomic word that is made now is one that the scenario can use.
    fn makes_used_word(&mut self) -> bool {
        let index = self.words_made;
        self.words_made += 1;
        index
            .checked_sub(self.words_a_pair + 1)
            .map_or(true, |index| {
                index / self.words_a_pair % Self::PAIRS_A_PAGE < self.pairs
            })
    }

    /// The same of pointers: of a table of far pages only the first is used.
    fn makes_used_pointer(&mut self) -> bool {
        let index = self.pointers_made;
        self.pointers_made += 1;
        index
            .checked_sub(Self::POINTERS_BEFORE_TABLES)
            .map_or(true, |index| index % Self::POINTERS_A_TABLE == 0)
    }

    fn count(&mut self, event: Event) {
        self.counts[event as usize] += 1;
    }

    fn loaded(&mut self, address: usize, me: ThreadId) {
        if self.learning {
            self.learning = false;
            self.head = Some(address);
        }
        if self.head != Some(address) {
            self.reading.push((me, address, false));
            return;
        }
        self.looked_at_head(me);
    }

    fn stored(&mut self, address: usize, me: ThreadId) {
        for (reader, word, written) in &mut self.reading {
            *written |= *word == address && *reader != me;
        }
    }

    fn exchanged(&mut self, address: usize, me: ThreadId, won: bool) {
        if self.head == Some(address) {
            self.looked_at_head(me);
            if !won {
                self.count(Event::Lost);
            }
        }
    }

    /// A reader's reading ends with its next look at the head.
    fn looked_at_head(&mut self, me: ThreadId) {
        let mut overwritten = false;
        self.reading.retain(|&(reader, _, written)| {
            overwritten |= reader == me && written;
            reader != me
        });
        if overwritten {
            self.count(Event::OverwrittenWhileRead);
        }
    }
}

/// The second atomic of the ghost shim; nothing in the plain one.
struct Ghost(#[cfg(feature = "ghost")] real::AtomicUsize);

impl Ghost {
    fn new() -> Self {
        Self(
            #[cfg(feature = "ghost")]
            real::AtomicUsize::new(0),
        )
    }

    fn touch(&self) {
        #[cfg(feature = "ghost")]
        self.0.fetch_add(0, Ordering::Relaxed);
    }
}

/// An atomic with its ghost, or an inert one. Boxed, since a page of them passes through
/// the stack of a model thread, which is small.
struct Watched<A>(Option<Box<(A, Ghost)>>);

impl<A> Watched<A> {
    fn new(atomic: A) -> Self {
        Self(Some(Box::new((atomic, Ghost::new()))))
    }

    /// For an operation.
    fn touch(&self) -> &A {
        let (atomic, ghost) = self
            .0
            .as_deref()
            .expect("an atomic that the scenario has no use for");
        ghost.touch();
        atomic
    }
}

pub(crate) struct AtomicU64(Watched<real::AtomicU64>);

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self(if watch(Watch::makes_used_word) {
            Watched::new(real::AtomicU64::new(value))
        } else {
            Watched(None)
        })
    }

    pub(crate) fn inert() -> Self {
        Self(Watched(None))
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        let value = self.0.touch().load(ordering);
        watch(|watch| watch.loaded(self.address(), me()));
        value
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        self.0.touch().store(value, ordering);
        watch(|watch| watch.stored(self.address(), me()));
    }

    /// Only the head is exchanged so.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let new = match watch(|watch| watch.version.take()) {
            Some(version) => version << 14 | new & ((1 << 14) - 1),
            None => new,
        };
        let swung = self
            .0
            .touch()
            .compare_exchange(current, new, success, failure);
        watch(|watch| watch.exchanged(self.address(), me(), swung.is_ok()));
        swung
    }

    /// Only the bitmap of numbers is exchanged so, by whoever takes one. The
    /// model's never fails for no reason.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let taken = self
            .0
            .touch()
            .compare_exchange_weak(current, new, success, failure);
        if taken.is_ok() {
            let me = me();
            watch(|watch| {
                let bits = current ^ new;
                if watch
                    .given
                    .iter()
                    .any(|&(given, by)| given & bits != 0 && by != me)
                {
                    watch.count(Event::NumberReused);
                }
            });
        }
        taken
    }

    /// Only the bitmap of numbers has this done to it, by whoever gives one back.
    pub(crate) fn fetch_and(&self, value: u64, ordering: Ordering) -> u64 {
        let old = self.0.touch().fetch_and(value, ordering);
        watch(|watch| watch.given.push((!value, me())));
        old
    }
}

pub(crate) struct AtomicBool(Watched<real::AtomicBool>);

impl AtomicBool {
    pub(crate) fn new(value: bool) -> Self {
        Self(Watched::new(real::AtomicBool::new(value)))
    }

    pub(crate) fn store(&self, value: bool, ordering: Ordering) {
        self.0.touch().store(value, ordering);
    }

    /// Only the shared pair's flag is exchanged.
    pub(crate) fn compare_exchange(
        &self,
        current: bool,
        new: bool,
        success: Ordering,
        failure: Ordering,
    ) -> Result<bool, bool> {
        let claimed = self
            .0
            .touch()
            .compare_exchange(current, new, success, failure);
        if claimed.is_err() {
            count(Event::SharedTaken);
        }
        claimed
    }
}

pub(crate) struct AtomicPtr<T>(Watched<real::AtomicPtr<T>>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(pointer: *mut T) -> Self {
        Self(if watch(Watch::makes_used_pointer) {
            Watched::new(real::AtomicPtr::new(pointer))
        } else {
            Watched(None)
        })
    }

    pub(crate) fn load(&self, ordering: Ordering) -> *mut T {
        // The drop of a pool loads every pointer. Inert ones were never installed; and
        // in a model that has failed, a page more is lost, but the failure is told.
        if self.0 .0.is_none() || std::thread::panicking() {
            return std::ptr::null_mut();
        }
        self.0.touch().load(ordering)
    }

    /// Only an installation is exchanged.
    pub(crate) fn compare_exchange(
        &self,
        current: *mut T,
        new: *mut T,
        success: Ordering,
        failure: Ordering,
    ) -> Result<*mut T, *mut T> {
        let installed = self
            .0
            .touch()
            .compare_exchange(current, new, success, failure);
        if installed.is_err() {
            count(Event::PageLost);
        }
        installed
    }
}
