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
//! # Waiting
//!
//! In a model a thread that waits only repeats itself. So how long it waits is part of the
//! scenario, and it is not long: see [`Setting`].
//!
//! # What is counted
//!
//! A green scenario proves nothing if what it is about never happened in it. So the
//! atomics count some [`Event`]s, and scenarios say which ones they must have met. For that
//! an atomic knows which word of a lane it is, by the order in which `Lane::new` makes them.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use token_budget_pool::model::atomic as real;
use token_budget_pool::model::thread::{self, ThreadId};

pub(crate) use token_budget_pool::model::atomic::Ordering;
pub(crate) use token_budget_pool::model::thread::yield_now;
pub(crate) use token_budget_pool::model::{Mutex, MutexGuard};

/// Nothing: a lost CAS ends by itself, and a yield here would hide orders.
pub(crate) fn spin_loop() {}

/// What a scenario can require to have happened in some of its executions. Only what its
/// roles do is counted, not what comes before they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An operation was refused.
    Refused,
    /// One was refused without a claim.
    LookedFirst,
    /// The CAS of the head failed.
    Lost,
    /// A claim was found held.
    Held,
    /// A thread tried to claim the further lane that the head named.
    Followed,
    /// An update brought the head to a further lane.
    Detour,
    /// A lane was appended, or a part of a tree.
    Appended,
    /// A thread made a lane or a part of a tree, and found another's appended.
    AppendLost,
    /// Two threads committed from lane 0, one after the other.
    HandedOver,
    /// The same in a further lane.
    DetourHandedOver,
    /// A slot was written again while a suspended thread was reading it.
    OverwrittenWhileRead,
    /// The same of a line of terms.
    TermsReused,
    /// A thread read a reference to a lane that it did not know yet.
    NullReference,
    /// A validation found that the head had moved.
    Moved,
    /// The same by an operation that was about to store new terms.
    TermsMoved,
    /// Terms that stay the same were stored at home.
    CopiedHome,
    /// The same, and then the CAS of the head failed.
    CopyLost,
    /// A reader claimed a lane.
    ReaderClaimed,
    /// An operation unwound while it held a lane.
    Unwound,
    /// The head of a node was raised.
    Raised,
    /// Another thread raised it first.
    RaiseLost,
    /// A node's head was newer than the head that the thread had started from.
    NodeNewer,
    /// A node that was given back was taken again.
    NodeReused,
}

impl Event {
    pub const ALL: [Event; 23] = [
        Event::Refused,
        Event::LookedFirst,
        Event::Lost,
        Event::Held,
        Event::Followed,
        Event::Detour,
        Event::Appended,
        Event::AppendLost,
        Event::HandedOver,
        Event::DetourHandedOver,
        Event::OverwrittenWhileRead,
        Event::TermsReused,
        Event::NullReference,
        Event::Moved,
        Event::TermsMoved,
        Event::CopiedHome,
        Event::CopyLost,
        Event::ReaderClaimed,
        Event::Unwound,
        Event::Raised,
        Event::RaiseLost,
        Event::NodeNewer,
        Event::NodeReused,
    ];
}

pub(crate) type Counts = [u64; Event::ALL.len()];

/// What an execution is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// Of the register that is made next.
    pub(crate) amounts: usize,
    pub(crate) terms: usize,
    /// 0: a thread that finds lane 0 held tries the lane that the head names, if that is another
    /// one, and then takes a detour. 1: it tries once more.
    pub(crate) patience: u32,
    /// How often a reader looks before it claims a lane.
    pub(crate) looks: u32,
}

/// What the thread's operation does with the terms, so far as the test knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Doing {
    #[default]
    Unknown,
    KeepsTerms,
    SetsTerms,
}

/// What is watched of an execution. All threads of a model run on one thread of the
/// system, so a `std` thread-local is what they share unseen by the model.
#[derive(Default)]
struct Watch {
    counts: Counts,
    counting: bool,
    setting: Setting,
    words_made: usize,
    threads: Vec<(ThreadId, Thread)>,
    /// Of each lane, who committed from it last.
    committed: Vec<(u64, ThreadId)>,
    /// How many threads unwind on purpose.
    unwinding: usize,
    lose_next_release: bool,
}

/// What is watched of a thread of the model.
#[derive(Default)]
struct Thread {
    hint: usize,
    doing: Doing,
    claims_tried: u64,
    found_held: u64,
    /// The last head that it loaded with Acquire, or got with a claim, or set.
    head: u64,
    /// Whether the last thing that it loaded was a null pointer.
    null: bool,
    /// Whether it has stored at home terms that stay the same.
    copied: bool,
    /// Words read since it last looked at the head, and whether another thread wrote them
    /// since.
    reading: Vec<(usize, Kind, bool)>,
}

/// Which word of a lane an atomic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Claim,
    Slot,
    Head,
    Terms,
}

thread_local! {
    static WATCH: RefCell<Watch> = RefCell::default();
}

fn watch<R>(look: impl FnOnce(&mut Watch) -> R) -> R {
    WATCH.with_borrow_mut(look)
}

/// Starts an execution.
pub(crate) fn begin(setting: Setting) {
    watch(|watch| {
        *watch = Watch {
            counts: watch.counts,
            setting,
            ..Watch::default()
        }
    });
}

/// Starts the roles: from now on events count.
pub(crate) fn start() {
    watch(|watch| {
        watch.counting = true;
        watch.committed.clear();
    });
}

/// Ends what `start` started.
pub(crate) fn end() {
    watch(|watch| watch.counting = false);
}

/// What was counted since the last call.
pub(crate) fn take_counts() -> Counts {
    watch(|watch| std::mem::take(&mut watch.counts))
}

pub(crate) fn count(event: Event) {
    watch(|watch| watch.count(event));
}

/// Says what the calling thread does next.
pub(crate) fn doing(doing: Doing) {
    watch(|watch| watch.me().doing = doing);
}

/// How often the calling thread has written to a claim to get it.
pub(crate) fn claims_tried() -> u64 {
    watch(|watch| watch.me().claims_tried)
}

/// How often the calling thread has found a claim held.
pub(crate) fn found_held() -> u64 {
    watch(|watch| watch.me().found_held)
}

/// Does not carry out the next release of a claim: its holder is suspended there for ever.
pub(crate) fn lose_next_release() {
    watch(|watch| watch.lose_next_release = true);
}

/// Calls what may unwind on purpose, and catches it. Does not call the panic hook.
pub(crate) fn catch<R>(may_unwind: impl FnOnce() -> R) -> Option<R> {
    watch(|watch| watch.unwinding += 1);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(may_unwind));
    watch(|watch| watch.unwinding -= 1);
    match result {
        Ok(returned) => Some(returned),
        Err(payload) if payload.is::<OnPurpose>() => {
            count(Event::Unwound);
            None
        }
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

struct OnPurpose;

pub(crate) fn unwind_on_purpose() -> ! {
    std::panic::resume_unwind(Box::new(OnPurpose))
}

/// Of the calling thread of the model.
pub(crate) fn hint() -> usize {
    watch(|watch| watch.me().hint)
}

pub(crate) fn set_hint(hint: usize) {
    // As in the register.
    const HINTS: usize = 3;
    const DETOUR: usize = 2;
    watch(|watch| {
        if hint & HINTS == DETOUR {
            watch.count(Event::Followed);
        }
        watch.me().hint = hint;
    });
}

pub(crate) fn patience() -> u32 {
    watch(|watch| watch.setting.patience)
}

pub(crate) fn looks() -> u32 {
    watch(|watch| watch.setting.looks)
}

pub(crate) fn fence(ordering: Ordering) {
    // It is there for this thread alone, so it may be noted beforehand.
    watch(|watch| {
        if ordering == Ordering::Acquire && watch.me().null {
            watch.count(Event::NullReference);
        }
        watch.me().null = false;
    });
    real::fence(ordering);
}

impl Watch {
    fn me(&mut self) -> &mut Thread {
        let me = thread::current().id();
        let index = self.threads.iter().position(|&(id, _)| id == me);
        let index = index.unwrap_or_else(|| {
            self.threads.push((me, Thread::default()));
            self.threads.len() - 1
        });
        &mut self.threads[index].1
    }

    fn count(&mut self, event: Event) {
        self.counts[event as usize] += u64::from(self.counting);
    }

    /// Which word of a lane the atomic is that is made now: the fields of `Lane` are made in
    /// their order. Were it another one, an operation would meet a kind that it is not for.
    fn next_kind(&mut self) -> Kind {
        let slot = self.setting.amounts + 1;
        let lane = 2 + 2 * slot + 2 * self.setting.terms;
        let index = self.words_made % lane;
        self.words_made += 1;
        if index == 0 {
            Kind::Claim
        } else if index == 1 + slot {
            Kind::Head
        } else if index < 2 + 2 * slot {
            Kind::Slot
        } else {
            Kind::Terms
        }
    }

    fn loaded(&mut self, atomic: &AtomicU64, value: u64, ordering: Ordering) {
        self.me().null = false;
        match atomic.kind {
            Kind::Claim if value == 0 => self.found_held(),
            Kind::Claim => {}
            Kind::Slot | Kind::Terms => {
                let read = (atomic.address(), atomic.kind, false);
                self.me().reading.push(read);
            }
            Kind::Head => {
                self.looked_at_head();
                if ordering == Ordering::Acquire {
                    self.me().head = value;
                } else if self.me().head != value {
                    self.count(Event::Moved);
                    if self.me().doing == Doing::SetsTerms {
                        self.count(Event::TermsMoved);
                    }
                }
            }
        }
    }

    fn stored(&mut self, atomic: &AtomicU64) {
        self.me().null = false;
        if atomic.kind == Kind::Terms && self.me().doing == Doing::KeepsTerms {
            self.me().copied = true;
            self.count(Event::CopiedHome);
        }
        let me = thread::current().id();
        for (id, thread) in &mut self.threads {
            for (word, _, written) in &mut thread.reading {
                *written |= *word == atomic.address() && *id != me;
            }
        }
    }

    fn tried_to_claim(&mut self, was: u64) {
        if was == 0 {
            self.found_held();
        }
        let me = self.me();
        me.null = false;
        me.claims_tried += 1;
        if was != 0 {
            me.head = was;
        }
    }

    fn found_held(&mut self) {
        self.me().found_held += 1;
        self.count(Event::Held);
    }

    fn exchanged_head(&mut self, current: u64, new: u64, won: bool) {
        self.looked_at_head();
        let copied = std::mem::take(&mut self.me().copied);
        if !won {
            self.count(Event::Lost);
            if copied {
                self.count(Event::CopyLost);
            }
            return;
        }
        self.me().head = new;
        let (lane, old_lane) = (lane_of(new), lane_of(current));
        if lane != 0 && lane != old_lane {
            self.count(Event::Detour);
        }
        let me = thread::current().id();
        match self.committed.iter_mut().find(|(of, _)| *of == lane) {
            None => self.committed.push((lane, me)),
            Some((_, last)) => {
                let handed_over = std::mem::replace(last, me) != me;
                if handed_over && lane == 0 {
                    self.count(Event::HandedOver);
                } else if handed_over {
                    self.count(Event::DetourHandedOver);
                }
            }
        }
    }

    /// A thread's reading ends with its next look at the head.
    fn looked_at_head(&mut self) {
        let me = self.me();
        me.null = false;
        let mut overwritten = std::mem::take(&mut me.reading);
        overwritten.retain(|&(_, _, written)| written);
        if overwritten.iter().any(|&(_, kind, _)| kind == Kind::Slot) {
            self.count(Event::OverwrittenWhileRead);
        }
        if overwritten.iter().any(|&(_, kind, _)| kind == Kind::Terms) {
            self.count(Event::TermsReused);
        }
    }
}

/// As in the register's `Head`.
fn lane_of(head: u64) -> u64 {
    head >> 1 & ((1 << 12) - 1)
}

/// As in the register's `Head`.
fn version_of(head: u64) -> u64 {
    head >> 13
}

/// An atomic with its ghost. Boxed, since a lane of them passes through the stack of a model
/// thread, which is small.
struct Watched<A>(Box<(A, Ghost)>);

/// The second atomic of the ghost shim; nothing in the plain one.
struct Ghost(#[cfg(feature = "ghost")] real::AtomicUsize);

impl<A> Watched<A> {
    fn new(atomic: A) -> Self {
        let ghost = Ghost(
            #[cfg(feature = "ghost")]
            real::AtomicUsize::new(0),
        );
        Self(Box::new((atomic, ghost)))
    }

    /// For an operation.
    fn touch(&self) -> &A {
        #[cfg(feature = "ghost")]
        self.0 .1 .0.fetch_add(0, Ordering::Relaxed);
        &self.0 .0
    }
}

pub(crate) struct AtomicU64 {
    atomic: Watched<real::AtomicU64>,
    kind: Kind,
}

impl AtomicU64 {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            atomic: Watched::new(real::AtomicU64::new(value)),
            kind: watch(Watch::next_kind),
        }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        let value = self.atomic.touch().load(ordering);
        watch(|watch| watch.loaded(self, value, ordering));
        value
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        assert_ne!(self.kind, Kind::Head, "a head is only exchanged");
        if self.kind == Kind::Claim && watch(|watch| std::mem::take(&mut watch.lose_next_release)) {
            return;
        }
        self.atomic.touch().store(value, ordering);
        watch(|watch| watch.stored(self));
    }

    /// Only the head is exchanged so.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        assert_eq!(self.kind, Kind::Head);
        let exchanged = self
            .atomic
            .touch()
            .compare_exchange(current, new, success, failure);
        watch(|watch| watch.exchanged_head(current, new, exchanged.is_ok()));
        exchanged
    }

    /// Only a claim is swapped, by a thread that wants it.
    ///
    /// By a load and a compare-and-swap. A swap that finds the claim held stores 0 over 0, and
    /// loom does not conclude that this 0 is older than what the holder stores when it
    /// releases the claim: it lets a later swap find the 0 again, for ever. What finds the claim
    /// held writes nothing here.
    pub(crate) fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        assert_eq!(self.kind, Kind::Claim);
        let atomic = self.atomic.touch();
        let was = loop {
            let was = atomic.load(Ordering::Relaxed);
            if was == value {
                break was;
            }
            let swapped = atomic.compare_exchange(was, value, ordering, Ordering::Relaxed);
            if swapped.is_ok() {
                break was;
            }
        };
        watch(|watch| watch.tried_to_claim(was));
        was
    }
}

/// A word of a tree that is in no lane.
///
/// Most of them never change in a scenario: a list has seven entries, and a path has two nodes or three.
/// So a store of the value that a word has had from the start is left out. No load could tell the
/// difference, but loom would try each of these stores for each load. (A fence that such a store
/// would pass on is not passed on. So there is less order than in the code, not more.)
pub(crate) struct AtomicLink {
    atomic: Watched<real::AtomicU64>,
    first: u64,
    /// Not the model's: all threads of a model run on one thread of the system.
    changed: AtomicBool,
}

impl AtomicLink {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            atomic: Watched::new(real::AtomicU64::new(value)),
            first: value,
            changed: AtomicBool::new(false),
        }
    }

    fn touch(&self) -> &real::AtomicU64 {
        if self.changed.load(Ordering::Relaxed) {
            self.atomic.touch()
        } else {
            &self.atomic.0 .0
        }
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        self.touch().load(ordering)
    }

    pub(crate) fn store(&self, value: u64, ordering: Ordering) {
        if value != self.first || self.changed.load(Ordering::Relaxed) {
            self.changed.store(true, Ordering::Relaxed);
            self.touch().store(value, ordering);
        }
    }

    /// Only the free nodes are exchanged so: with Release by a thread that gives one back.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.changed.store(true, Ordering::Relaxed);
        let exchanged = self
            .touch()
            .compare_exchange(current, new, success, failure);
        if exchanged.is_ok() && success != Ordering::Release {
            count(Event::NodeReused);
        }
        exchanged
    }

    pub(crate) fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        self.changed.store(true, Ordering::Relaxed);
        self.touch().fetch_add(value, ordering)
    }

    pub(crate) fn fetch_or(&self, value: u64, ordering: Ordering) -> u64 {
        self.changed.store(true, Ordering::Relaxed);
        self.touch().fetch_or(value, ordering)
    }

    /// By a load and a compare-and-swap. A swap of loom's always sees the latest value. The load may see an older
    /// one, unless an ordering forbids it. So a model notices if that ordering is missing.
    pub(crate) fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        self.changed.store(true, Ordering::Relaxed);
        let atomic = self.touch();
        loop {
            let was = atomic.load(Ordering::Relaxed);
            if was == value {
                return was;
            }
            let swapped = atomic.compare_exchange(was, value, ordering, Ordering::Relaxed);
            if swapped.is_ok() {
                return was;
            }
        }
    }

    pub(crate) fn fetch_sub(&self, value: u64, ordering: Ordering) -> u64 {
        self.changed.store(true, Ordering::Relaxed);
        self.touch().fetch_sub(value, ordering)
    }
}

/// The head of a node.
pub(crate) struct AtomicNodeHead(Watched<real::AtomicU64>);

impl AtomicNodeHead {
    pub(crate) fn new(value: u64) -> Self {
        Self(Watched::new(real::AtomicU64::new(value)))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u64 {
        let value = self.0.touch().load(ordering);
        watch(|watch| {
            let head = watch.me().head;
            if head != 0 && version_of(value) > version_of(head) {
                watch.count(Event::NodeNewer);
            }
        });
        value
    }

    /// Only by a raise.
    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let atomic = self.0.touch();
        let raised = atomic.compare_exchange(current, new, success, failure);
        count(match raised {
            Ok(_) => Event::Raised,
            Err(_) => Event::RaiseLost,
        });
        raised
    }
}

pub(crate) struct AtomicPtr<T>(Watched<real::AtomicPtr<T>>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(pointer: *mut T) -> Self {
        Self(Watched::new(real::AtomicPtr::new(pointer)))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> *mut T {
        // The drop of a register loads every pointer. In a model that has failed, a lane is
        // lost instead, and the failure is still reported.
        if std::thread::panicking() && watch(|watch| watch.unwinding) == 0 {
            return std::ptr::null_mut();
        }
        let pointer = self.0.touch().load(ordering);
        watch(|watch| watch.me().null = pointer.is_null());
        pointer
    }

    /// Only what is appended is exchanged so.
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
        watch(|watch| {
            watch.me().null = false;
            watch.count(match installed {
                Ok(_) => Event::Appended,
                Err(_) => Event::AppendLost,
            });
        });
        installed
    }
}
