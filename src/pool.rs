//! The public pool type. Each method runs one operation.
//!
//! Its other methods are where they belong: `try_reserve` and the like in `reservation.rs`, those that wait in
//! `wait.rs`, `child` in
//! `child.rs`, `tree_snapshot` in `tree_snapshot.rs`, the face of version 0.1 in `record.rs`, `builder` in
//! `builder.rs`.

use std::convert::Infallible;
use std::fmt;

use crate::child::Node;
use crate::crossed::{Crossed, Watch};
use crate::dimension::{Guesses, Tally};
use crate::layout::{self, Fixed, Register, State, AMOUNTS, TERMS};
use crate::level::Level;
use crate::limits::Limits;
use crate::ops::admit::{Charge, Charged, Reserve};
use crate::ops::configure::{Close, Reset, SetLimits};
use crate::ops::request::Request;
use crate::ops::settle::{Settle, Settled};
use crate::ops::watched::{Spends, Steps, Watched};
use crate::queue;
use crate::receipt::{Excess, Receipt};
use crate::register::{Answer, Operation, Path};
use crate::rejection::Rejected;
use crate::snapshot::Snapshot;
use crate::usage::{Spent, Usage};

/// A budget of tokens and dollars that many threads spend from.
///
/// | when | method | past a limit |
/// |---|---|---|
/// | before the call, and settled after it | [`try_reserve`](Self::try_reserve), [`try_reserve_up_to`](Self::try_reserve_up_to), and [`_owned`](Self::try_reserve_owned) for spawned tasks | an error, nothing reserved |
/// | the same, as soon as there is room | [`reserve`](Self::reserve), [`reserve_up_to`](Self::reserve_up_to), and [`_owned`](Self::reserve_owned) | it waits for what others have reserved to come back; an error if waiting cannot help |
/// | for a call whose usage is known before | [`try_charge`](Self::try_charge); [`record`](Self::record) is that of version 0.1, in `f64` | an error, nothing counted: not for money that is spent already |
/// | after the call, whose money is gone in any case | [`charge`](Self::charge) | counted, and the receipt says so |
/// | just asking | [`check`](Self::check), [`spent`](Self::spent), [`remaining`](Self::remaining), [`snapshot`](Self::snapshot); [`totals`](Self::totals) is that of version 0.1 | |
///
/// Every operation takes effect in one step, on all counts together: the order of the steps explains
/// every answer. None of them waits for a lock or awaits, except those that [wait](Self::reserve). One that
/// meets another may spin and yield for some tens of microseconds, which is short enough for async code
/// ([the exceptions](crate#limitations)). A thread that is suspended inside one stops no other. (While
/// others wait for room, one that makes room also reserves it for them and wakes them. That takes longer.)
/// For want of room a call is refused only if there was a moment during it at which the pool really had
/// too little.
///
/// A pool takes 320 bytes on x86-64. Where a thread is suspended inside a call (by the system's
/// scheduler, usually) and others need to go on, it takes 384 bytes more for each thread that is
/// suspended so at the same time, and keeps them until it is dropped.
///
/// See the [crate's page](crate) for the everyday use and for what it does not do.
///
/// A pool can have [children](Self::child): pools with limits of their own, whose spending counts in
/// this one too. The methods work on a child as on a pool. Which of them are about one level, and which about
/// all levels up to the root, is in a [table](Self::child).
pub struct BudgetPool {
    place: Place,
}

// A pool is made in its place and stays there, so its size is not copied.
#[allow(clippy::large_enum_variant)]
enum Place {
    /// It is the root of a tree, or in none.
    Root(Register),
    /// It is a child of another pool.
    Child(Node),
}

/// Where what is spent in a pool is counted.
pub(crate) enum Spender<'p> {
    /// In a root without thresholds.
    Root(&'p Register),
    /// In a child without thresholds, and above it.
    Child(&'p Node),
    /// Where there are thresholds.
    Watched(&'p Watch),
}

impl BudgetPool {
    pub(crate) fn from_parts(spent: Spent, limits: Limits, fixed: Fixed) -> Self {
        Self {
            place: Place::Root(layout::new_register(spent, limits, fixed)),
        }
    }

    pub(crate) fn from_node(node: Node) -> Self {
        Self {
            place: Place::Child(node),
        }
    }

    /// Build an unconstrained pool (no caps).
    pub fn unconstrained() -> Self {
        Self::new(Limits::unlimited())
    }

    /// Build a pool with these limits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::LazyLock;
    /// use token_budget_pool::{BudgetPool, Limits, Usd};
    ///
    /// const LIMITS: Limits = Limits::unlimited().cost(Usd::dollars(25)).calls(10_000);
    /// static POOL: LazyLock<BudgetPool> = LazyLock::new(|| BudgetPool::new(LIMITS));
    ///
    /// assert_eq!(POOL.remaining(), LIMITS);
    /// ```
    pub fn new(limits: Limits) -> Self {
        Self::from_parts(Spent::default(), limits, Fixed::default())
    }

    /// Count one call's usage as spent, if it fits; returns all that is spent now.
    ///
    /// What [`record`](Self::record) does, in exact numbers. If the call was made already, its money is
    /// gone: where this refuses, count it with [`charge`](Self::charge). A cost that is unknown
    /// counts as the pool's [assumed cost](crate::Builder::assumed_cost), if it has one, and
    /// as zero otherwise, and the call is counted as unpriced.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the pool unchanged: it is closed, or limits cost and the
    /// call's is unknown with nothing assumed for it, or a limit leaves too little room, or a count
    /// would pass `u64::MAX`.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost("0.03".parse()?));
    /// let dime_a_dozen = Usage::tokens(100, 20).cost("0.01".parse()?);
    /// for calls in 1..=3 {
    ///     assert_eq!(pool.try_charge(dime_a_dozen)?.calls, calls);
    /// }
    /// assert!(pool.try_charge(dime_a_dozen).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // `inline(always)`: otherwise arguments and result go through memory (+50 %).
    #[inline(always)]
    pub fn try_charge(&self, usage: Usage) -> Result<Spent, Rejected> {
        if usage.cost.is_none() {
            return self.try_charge_unpriced(usage);
        }
        self.try_spend(Charge {
            request: Request::call(usage),
            unpriced: false,
        })
    }

    #[cold]
    #[inline(never)]
    fn try_charge_unpriced(&self, usage: Usage) -> Result<Spent, Rejected> {
        self.try_spend(Charge {
            request: self.request(usage),
            unpriced: true,
        })
    }

    #[inline(always)]
    fn try_spend(&self, charge: Charge) -> Result<Spent, Rejected> {
        let charged = match self.spender() {
            Spender::Root(register) => register.update(charge)?,
            Spender::Child(node) => Result::from(node.admit(apart(&charge)))?,
            Spender::Watched(watch) => {
                let charged = Result::from(self.try_spend_watched(watch, apart(&charge)));
                return charged.map(|charged| charged.spent);
            }
        };
        Ok(self.charged(charged))
    }

    #[cold]
    #[inline(never)]
    fn try_spend_watched(&self, watch: &Watch, charge: Charge) -> Answer<Charged, Rejected> {
        self.watched(watch, |steps| self.admit(Watched::new(charge, steps)))
            .0
    }

    /// Count one call's usage that is spent already. It never fails: it counts also
    /// past a limit, and in a closed pool; the receipt says what was passed. From then
    /// on every call that asks for more of a dimension that was passed is refused, until a
    /// reset or a raised limit makes room.
    ///
    /// A cost that is unknown counts as the pool's [assumed cost](crate::Builder::assumed_cost).
    /// Without one it counts as zero, so that a limit on cost does not see this call: assume a cost
    /// wherever cost is limited. The call is counted as unpriced, and [`Receipt::is_guess`] says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost("1".parse()?));
    /// let receipt = pool.charge(Usage::tokens(1_000, 500).cost("1.25".parse()?));
    /// assert_eq!(receipt.over_limit.cost, "0.25".parse()?);
    /// assert!(pool.try_charge(Usage::tokens(1, 0).cost("0.01".parse()?)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn charge(&self, usage: Usage) -> Receipt {
        let spend = self.request(usage).asked;
        let settle = Settle {
            spend,
            guesses: Guesses {
                unpriced_calls: usage.cost.is_none().into(),
                ..Guesses::default()
            },
            ..Settle::default()
        };
        self.settle(&settle, Excess::default(), Excess::default())
    }

    /// Whether this usage would be admitted now. Changes nothing.
    ///
    /// That is advice, not a reservation: another call may take the room before the next line
    /// runs. To check and spend in one step is what [`try_reserve`](Self::try_reserve) and
    /// [`try_charge`](Self::try_charge) are for.
    ///
    /// # Errors
    ///
    /// The [`Rejected`] that [`try_reserve`](Self::try_reserve) would return now.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usd, Usage};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().input_tokens(100));
    /// let tokens = |input| Usage::tokens(input, 0).cost(Usd::ZERO);
    /// assert!(pool.check(tokens(100)).is_ok());
    /// println!("{}", pool.check(tokens(101)).unwrap_err());
    /// ```
    pub fn check(&self, usage: Usage) -> Result<(), Rejected> {
        let request = self.request(usage);
        let reserve = Reserve {
            request,
            own: Tally::default(),
        };
        match self.refusal(&reserve) {
            Some(rejected) => Err(self.labelled(rejected)),
            None => Ok(()),
        }
    }

    /// What is spent, all of one moment.
    pub fn spent(&self) -> Spent {
        self.read(|now| Spent::of(now.spent(), now.guesses()))
    }

    /// The room left in each dimension at one moment: see [`Snapshot::remaining`]. On a child it is the
    /// least room of all levels up to the root. (The child's own is in its `snapshot().remaining()`.)
    ///
    /// That is advice: another call may take the room before the next line runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let team = BudgetPool::new(Limits::unlimited().calls(1));
    /// let run = team.child(Limits::unlimited().output_tokens(500))?;
    /// run.try_charge(Usage::ZERO)?;
    /// assert_eq!(run.remaining(), Limits::unlimited().calls(0).output_tokens(500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remaining(&self) -> Limits {
        match &self.place {
            Place::Root(_) => self.snapshot().remaining(),
            Place::Child(node) => node.remaining(),
        }
    }

    /// Whether the pool, or one above it, was [closed](Self::close).
    pub fn is_closed(&self) -> bool {
        self.any_level(|now| now.is_closed())
    }

    /// Where in its tree it is, and what it is called. A pool that is not a child is
    /// [the root](Level::ROOT).
    pub fn level(&self) -> Level {
        self.level_at(self.path().length() as u8)
    }

    /// The whole state of the pool at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.read(|now| now.snapshot())
    }

    /// Read the limits.
    pub fn limits(&self) -> Limits {
        self.read(|now| now.limits())
    }

    /// Replaces all limits of this pool, while others record, and returns the old ones.
    ///
    /// Pools above and below keep theirs. What `limits` leaves at `None` is unlimited from then on. To change
    /// one and keep the others, there is [`update_limits`](Self::update_limits).
    ///
    /// Once this has returned, no call that comes after is judged by the old limits; none is
    /// ever judged by a mixture. Limits below what is spent are legal: they change no totals and undo
    /// no reservation, and refuse calls until there is room.
    ///
    /// Those that [wait](Self::reserve) are judged by the new limits at once: they get the room that is there
    /// now, or the error if they no longer have a chance.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().calls(100));
    /// let old = pool.set_limits(Limits::unlimited().calls(50));
    /// assert_eq!((old.calls, pool.limits().calls), (Some(100), Some(50)));
    /// ```
    pub fn set_limits(&self, limits: Limits) -> Limits {
        let set = SetLimits { limits, over: None };
        // It is never refused, since it asks for no limits in particular.
        let old = self.update(set).unwrap_or(limits);
        self.note_everything();
        old
    }

    /// Change the limits from what they are, while others record and change them too.
    /// Returns the new ones.
    ///
    /// `change` runs outside the pool and may use it. It runs again, on the newer limits,
    /// when another change came between: two operators who each add ten dollars add
    /// twenty. This loops for ever if `change` itself keeps changing this pool's limits. If
    /// `change` panics, the limits stay as they were.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usd};
    ///
    /// let pool = BudgetPool::new(Limits::unlimited().cost("10".parse()?));
    /// let ten: Usd = "10".parse()?;
    /// pool.update_limits(|limits| {
    ///     limits.cost = limits.cost.map(|cost| cost.saturating_add(ten));
    /// });
    /// assert_eq!(pool.limits().cost, Some("20".parse()?));
    /// # Ok::<(), token_budget_pool::ParseUsdError>(())
    /// ```
    pub fn update_limits(&self, mut change: impl FnMut(&mut Limits)) -> Limits {
        loop {
            let old = self.limits();
            let mut limits = old;
            change(&mut limits);
            let set = SetLimits {
                limits,
                over: Some(old),
            };
            if self.update(set).is_ok() {
                self.note_everything();
                return limits;
            }
        }
    }

    /// Reset the pool to zero totals. Limits stay, and what is reserved stays reserved:
    /// those calls are still in flight, and count when they settle. A closed pool stays
    /// closed. Those that [wait](Self::reserve) get the room. [Thresholds](crate::Builder::warn_at) can be
    /// crossed again.
    ///
    /// In a tree this is about this pool alone: those above keep what was spent, and so do those below. So a
    /// child that a timer resets is a limit per minute or per day.
    pub fn reset(&self) {
        let _ = self.take();
    }

    /// [`reset`](Self::reset), and return what was cleared, in the same step: the
    /// periods add up.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usd, Usage};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// let _ = pool.charge(Usage::tokens(100, 20).cost(Usd::ZERO));
    /// let yesterday = pool.take();
    /// assert_eq!((yesterday.input_tokens, pool.totals().input_tokens), (100, 0));
    /// ```
    #[must_use = "what was spent is nowhere else any more; `reset` discards it"]
    pub fn take(&self) -> Spent {
        let spent = self.update_always(Reset);
        self.note_everything();
        spent
    }

    /// Close the pool, for good: every admission is refused from then on, even of a zero amount, and
    /// [`extend`](crate::Reservation::extend) too. So is every admission to a pool below this one. Those that
    /// [wait](Self::reserve) for a reservation get the error now. What is spent already still counts, and
    /// calls in flight settle as before. Returns whether the pool was open. (A pool above may be closed all
    /// the same.)
    ///
    /// # Examples
    ///
    /// A drain: close, wait until no call is in flight, read what it came to. (In async code
    /// [`idle`](Self::idle) waits.)
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Usd, Usage};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| {
    ///             let usage = Usage::tokens(10, 5).cost(Usd::ZERO);
    ///             while let Ok(reservation) = pool.try_reserve(usage) {
    ///                 let _ = reservation.start().settle(usage);
    ///             }
    ///         });
    ///     }
    ///     assert!(pool.close());
    ///     while pool.snapshot().calls_in_flight > 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     let spent = pool.spent();
    ///     assert_eq!(spent.input_tokens, 10 * spent.calls);
    /// });
    /// ```
    pub fn close(&self) -> bool {
        let was_open = self.update(Close).is_ok();
        self.note_everything();
        was_open
    }

    #[inline(always)]
    pub(crate) fn update<O>(&self, operation: O) -> Result<O::Done, O::Refusal>
    where
        O: Operation<AMOUNTS, TERMS>,
    {
        match &self.place {
            Place::Root(register) => register.update(operation),
            Place::Child(node) => node.update(apart(&operation)).into(),
        }
    }

    /// An update whose refusal names a level.
    #[inline(always)]
    pub(crate) fn admit<O>(&self, operation: O) -> Result<O::Done, Rejected>
    where
        O: Operation<AMOUNTS, TERMS, Refusal = Rejected>,
    {
        match &self.place {
            Place::Root(register) => register.update(operation),
            Place::Child(node) => node.admit(apart(&operation)).into(),
        }
    }

    /// Counts what has happened already. The caller knows `overrun` and `over_reported`.
    #[inline(always)]
    pub(crate) fn settle(
        &self,
        settle: &Settle,
        overrun: Excess,
        over_reported: Excess,
    ) -> Receipt {
        // The receipt is made here, for all, so that the compiler leaves out what the caller does not use.
        let (settled, over_limit_at, crossed) = match self.spender() {
            Spender::Root(register) => match register.update(*settle) {
                Ok(settled) => (settled, Level::ROOT, None),
                Err(never) => match never {},
            },
            Spender::Child(node) => {
                let (settled, level) = node.settle(apart(settle));
                (settled, level, None)
            }
            Spender::Watched(watch) => self.settle_watched(watch, apart(settle)),
        };
        if settled.waited_for != 0 {
            self.note_room(settled.waited_for);
        }
        Receipt {
            counted: Spent::of(settle.spend, settle.guesses),
            spent: settled.spent,
            overrun,
            over_reported,
            over_limit: settled.judged.over_limit(),
            over_limit_at,
            crossed,
            saturated: settled.saturated,
        }
    }

    /// Changes what is reserved. Counts nothing.
    pub(crate) fn change_reserved(&self, settle: Settle) {
        let _ = self.settle(&settle, Excess::default(), Excess::default());
    }

    /// All that is spent after a charge.
    #[inline(always)]
    pub(crate) fn charged(&self, charged: Charged) -> Spent {
        if charged.waited_for != 0 {
            self.note_room(charged.waited_for);
        }
        charged.spent
    }

    /// Sees to those that wait at these levels, one bit for each depth: there is more room, or less.
    #[cold]
    #[inline(never)]
    fn note_room(&self, levels: u8) {
        let path = self.path();
        let about = (0..=path.length())
            .filter(|depth| levels >> depth & 1 == 1)
            .fold(0, |about, depth| about | queue::about(&path.up_to(depth)));
        self.note(about);
    }

    /// Sees to all that wait, after a change that may be for better or worse.
    // Who has waited before this change took effect has made the queue before, so it is visible here.
    fn note_everything(&self) {
        self.note(queue::EVERYTHING);
    }

    fn note(&self, about: u64) {
        if let Some(queue) = self.fixed().queue.get() {
            queue.note(self.root(), about);
        }
    }

    /// Whether somebody waits for this pool or for one above it.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.fixed().queue.get().is_some() && self.any_level(|now| now.is_waited_for())
    }

    /// Whether this holds of the pool, or of one above it.
    fn any_level(&self, holds: impl Fn(&State<'_>) -> bool) -> bool {
        match &self.place {
            Place::Root(_) => self.read(holds),
            Place::Child(node) => node.any_level(holds),
        }
    }

    /// A refusal with the label of its level.
    pub(crate) fn labelled(&self, rejected: Rejected) -> Rejected {
        rejected.labelled(|depth| self.level_at(depth))
    }

    #[cold]
    #[inline(never)]
    fn settle_watched(&self, watch: &Watch, settle: Settle) -> (Settled, Level, Option<Crossed>) {
        match self.watched(watch, |steps| self.update(Watched::new(settle, steps))) {
            (Answer::Done(settled), crossed) => {
                let over_limit_at = self.level_at(settled.judged.depth);
                // Those that wait were seen to already.
                let settled = Settled {
                    waited_for: 0,
                    ..settled
                };
                (settled, over_limit_at, crossed)
            }
            (Answer::Refused(never), _) => match never {},
        }
    }

    /// How what is spent here is counted.
    #[inline(always)]
    pub(crate) fn spender(&self) -> Spender<'_> {
        match (&self.place, &self.fixed().watch) {
            (_, Some(watch)) => Spender::Watched(watch),
            (Place::Root(register), None) => Spender::Root(register),
            (Place::Child(node), None) => Spender::Child(node),
        }
    }

    /// Runs a [`Watched`] update. Then gives turns to those that wait, and reports the thresholds that were
    /// crossed. Also returns the highest of them.
    #[inline(always)]
    pub(crate) fn watched<D: Spends, R>(
        &self,
        watch: &Watch,
        update: impl FnOnce(&Steps) -> Result<D, R>,
    ) -> (Answer<D, R>, Option<Crossed>) {
        let steps = Steps::default();
        match update(&steps) {
            Ok(done) => {
                // First: the hook may panic.
                if done.waited_for() != 0 {
                    self.note_room(done.waited_for());
                }
                let crossed = watch.tell(&steps, |depth| self.level_at(depth));
                (Answer::Done(done), crossed)
            }
            Err(refusal) => (Answer::Refused(refusal), None),
        }
    }

    /// Why `operation` would be refused now, if it would be.
    pub(crate) fn refusal<O>(&self, operation: &O) -> Option<O::Refusal>
    where
        O: Operation<AMOUNTS, TERMS>,
    {
        match &self.place {
            Place::Root(register) => register.read(|now| operation.refusal(now)),
            Place::Child(node) => node.root().refusal_at(node.path(), operation),
        }
    }

    #[cold]
    fn level_at(&self, depth: u8) -> Level {
        match &self.place {
            Place::Root(_) => Level::ROOT,
            Place::Child(node) => node.level(depth),
        }
    }

    #[inline(always)]
    pub(crate) fn root(&self) -> &Register {
        match &self.place {
            Place::Root(register) => register,
            Place::Child(node) => node.root(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.place {
            Place::Root(_) => &Path::ROOT,
            Place::Child(node) => node.path(),
        }
    }

    #[inline(always)]
    pub(crate) fn update_always<O>(&self, operation: O) -> O::Done
    where
        O: Operation<AMOUNTS, TERMS, Refusal = Infallible>,
    {
        match self.update(operation) {
            Ok(done) => done,
            Err(never) => match never {},
        }
    }

    #[inline(always)]
    pub(crate) fn read<R>(&self, look: impl Fn(&State<'_>) -> R) -> R {
        match &self.place {
            Place::Root(register) => register.read(|words| look(&State::of(words))),
            Place::Child(node) => node.read(look),
        }
    }

    pub(crate) fn make_lanes(&self, lanes: usize) {
        self.root().make_lanes(lanes);
    }

    #[inline(always)]
    pub(crate) fn fixed(&self) -> &Fixed {
        self.root().fixed()
    }

    /// What one call of this usage asks for here.
    #[inline]
    pub(crate) fn request(&self, usage: Usage) -> Request {
        match (usage.cost, self.fixed().assumed_cost) {
            (None, Some(assumed)) => Request::call(usage.cost(assumed)),
            _ => Request::call(usage),
        }
    }
}

/// A copy of an operation. If the operation itself were passed to a function that is not inlined, it would be
/// in memory on the everyday path too.
#[inline(always)]
pub(crate) fn apart<O: Copy>(operation: &O) -> O {
    *operation
}

impl Default for BudgetPool {
    /// An unconstrained pool.
    fn default() -> Self {
        Self::unconstrained()
    }
}

impl fmt::Debug for BudgetPool {
    /// One snapshot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.snapshot();
        f.debug_struct("BudgetPool")
            .field("level", &self.level())
            .field("spent", &snapshot.spent)
            .field("reserved", &snapshot.reserved)
            .field("calls_in_flight", &snapshot.calls_in_flight)
            .field("limits", &snapshot.limits)
            .field("closed", &snapshot.closed)
            .field("assumed_cost", &self.fixed().assumed_cost)
            .finish()
    }
}
