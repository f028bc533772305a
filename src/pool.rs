//! The pool: its public face, a short method an operation.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::admit::{Charge, Record, Reserve, ReserveUpTo};
use crate::ask::Ask;
use crate::builder::Builder;
use crate::change::{Close, SetLimits};
use crate::count::{Clear, Count};
use crate::money::Dollars;
use crate::register::Operation;
use crate::rejection::Cap;
use crate::reservation::{excess, Hold, OwnedReservation, Reservation};
use crate::state::{self, Amounts, Register, State, Terms, AMOUNTS, TERMS};
use crate::this_thread::ThisThread;
use crate::{
    BudgetExceeded, Caps, InvalidCap, Limits, MicroUsd, Receipt, Rejected, Snapshot, Spent, Totals,
    Usage,
};

/// A budget of tokens and dollars that many threads spend from.
///
/// | when | method | past a limit |
/// |---|---|---|
/// | before the call, and settled after it | [`reserve`](Self::reserve), [`reserve_up_to`](Self::reserve_up_to), and [`_owned`](Self::reserve_owned) for spawned tasks | an error, nothing held |
/// | after the call, or for one whose usage is known before | [`try_charge`](Self::try_charge); [`record`](Self::record) is that of version 0.1, in `f64` | an error, nothing counted |
/// | after the call, whose money is gone in any case | [`charge`](Self::charge) | counted, and the receipt says so |
/// | just asking | [`check`](Self::check), [`snapshot`](Self::snapshot), [`totals`](Self::totals) | |
///
/// Every operation takes effect in one step, on all counts together: the order of
/// the steps explains every answer. None of them locks, blocks or awaits, so async code may
/// call them too ([the exceptions](crate#limits)); a thread that is suspended inside one
/// stops no other. For want of room a call is refused only if there was a moment
/// during it at which the pool really had too little; one that finds no room at its
/// first look writes nothing that is shared.
///
/// A fresh pool takes 640 bytes on x86-64. Once threads meet in it, or after about a
/// thousand updates, it takes 4 KiB for each 16 thread numbers (1 to 16, 17 to 32, ...) of
/// which a thread comes to need a place in it, and 4 KiB once if one is above 64. Numbers are
/// the process's, the lowest free one to whoever needs the first place in any pool. It keeps
/// that memory until it is dropped.
///
/// See the [crate's page](crate) for the everyday use and for the limits of all this.
pub struct BudgetPool {
    register: Register,
    assumed_cost: Option<MicroUsd>,
}

impl BudgetPool {
    pub(crate) fn new(spent: Spent, terms: Terms, assumed_cost: Option<MicroUsd>) -> Self {
        Self {
            register: state::new_register(spent, terms),
            assumed_cost,
        }
    }

    /// Build a pool with the given caps. A cap that is `None` is unenforced.
    ///
    /// # Panics
    ///
    /// If the cost cap is NaN or negative; the message names it.
    /// [`try_with_caps`](Self::try_with_caps) returns an error instead.
    #[track_caller]
    pub fn with_caps(caps: Caps) -> Self {
        match Self::try_with_caps(caps) {
            Ok(pool) => pool,
            Err(invalid) => panic!("{invalid}"),
        }
    }

    /// Build a pool with the given caps, unless one of them makes no sense.
    ///
    /// # Errors
    ///
    /// If the cost cap is NaN or negative.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Caps};
    ///
    /// let caps = Caps { max_cost_usd: Some(-1.0), ..Caps::default() };
    /// let invalid = BudgetPool::try_with_caps(caps).unwrap_err();
    /// assert_eq!((invalid.field(), invalid.value()), ("max_cost_usd", -1.0));
    /// ```
    pub fn try_with_caps(caps: Caps) -> Result<Self, InvalidCap> {
        let terms = Terms::new(Limits::try_from(caps)?).with_cost_cap(caps.max_cost_usd);
        Ok(Self::new(Spent::default(), terms, None))
    }

    /// Build an unconstrained pool (no caps).
    pub fn unconstrained() -> Self {
        Self::with_limits(Limits::none())
    }

    /// Build a pool with the given limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self::new(Spent::default(), Terms::new(limits), None)
    }

    /// Start building a pool: limits, an assumed cost, room for threads, a saved state.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Record one call's usage: tokens in, tokens out, and dollars. Returns the
    /// updated totals on success.
    ///
    /// The dollars are taken to the nearest nano-dollar, half away from zero, but an
    /// amount above zero never becomes zero. [`try_charge`](Self::try_charge) is the same without
    /// floating point.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`], with the totals unchanged, if a cap leaves too little room
    /// for it, if a total would pass what can be counted (`u64::MAX`), if the pool is
    /// closed, or if the cost is NaN, infinite or negative (which is looked at first).
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Caps};
    ///
    /// let pool = BudgetPool::with_caps(Caps { max_cost_usd: Some(0.3), ..Caps::default() });
    /// for _ in 0..3 {
    ///     pool.record(1_000, 500, 0.1)?; // three times 0.1 is 0.3, here
    /// }
    /// assert_eq!(pool.record(1, 0, 0.1).unwrap_err().cap, "cost_usd");
    /// assert_eq!(pool.totals().calls, 3);
    /// # Ok::<(), token_budget_pool::BudgetExceeded>(())
    /// ```
    // Always, as `try_charge`.
    #[inline(always)]
    pub fn record(
        &self,
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: f64,
    ) -> Result<Totals, BudgetExceeded> {
        match Dollars::nearest(cost_usd) {
            Dollars::Fits(cost) => self.update(Record {
                ask: Ask::from(Usage::tokens(input_tokens, output_tokens).cost(cost)),
                dollars: cost_usd,
            }),
            Dollars::TooLarge => self.record_too_much(input_tokens, output_tokens, cost_usd),
            Dollars::Invalid => Err(self.invalid_cost(cost_usd)),
        }
    }

    /// A cost that no count can hold: which cap to name is for the pool to say.
    #[cold]
    fn record_too_much(
        &self,
        input_tokens: u64,
        output_tokens: u64,
        cost_usd: f64,
    ) -> Result<Totals, BudgetExceeded> {
        self.update(Record {
            ask: Ask {
                cost: Ask::TOO_MUCH,
                ..Ask::from(Usage::tokens(input_tokens, output_tokens).cost(MicroUsd::ZERO)).wide()
            },
            dollars: cost_usd,
        })
    }

    #[cold]
    fn invalid_cost(&self, cost_usd: f64) -> BudgetExceeded {
        BudgetExceeded {
            cap: Cap::Cost.as_str(),
            limit: self.register.read(state::cost_cap).unwrap_or(f64::INFINITY),
            attempted: cost_usd,
        }
    }

    /// Count one call's usage as spent, if it fits; returns all that is spent now.
    ///
    /// What [`record`](Self::record) does, in exact numbers. A cost that is unknown
    /// counts as the pool's [assumed cost](Builder::assumed_cost), if it has one, and
    /// as zero otherwise, and the call is counted as unpriced.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the pool unchanged: it is closed, or limits cost and the
    /// call's is unknown with nothing assumed for it, or a limit leaves too little room.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("0.03".parse()?));
    /// let dime_a_dozen = Usage::tokens(100, 20).cost("0.01".parse()?);
    /// for calls in 1..=3 {
    ///     assert_eq!(pool.try_charge(dime_a_dozen)?.calls, calls);
    /// }
    /// assert!(pool.try_charge(dime_a_dozen).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // Always, since else usage and answer go through memory, which costs half as much again.
    #[inline(always)]
    pub fn try_charge(&self, usage: Usage) -> Result<Spent, Rejected> {
        match usage.cost {
            Some(_) => self.update(Charge {
                ask: Ask::from(usage),
                unpriced: false,
            }),
            None => self.try_charge_unpriced(usage),
        }
    }

    #[cold]
    fn try_charge_unpriced(&self, usage: Usage) -> Result<Spent, Rejected> {
        self.update(Charge {
            ask: self.ask(usage),
            unpriced: true,
        })
    }

    /// Count one call's usage that is spent already. It never fails: it counts also
    /// past a limit, and in a closed pool; the receipt says what was passed. From then
    /// on every call that asks for more of a dimension that was passed is refused, until a
    /// reset or a raised limit makes room.
    ///
    /// A cost that is unknown counts as the pool's [assumed cost](Builder::assumed_cost),
    /// if it has one, and as zero otherwise, and the call is counted as unpriced.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("1".parse()?));
    /// let receipt = pool.charge(Usage::tokens(1_000, 500).cost("1.25".parse()?));
    /// assert_eq!(receipt.over_cap.cost, "0.25".parse()?);
    /// assert!(pool.try_charge(Usage::tokens(1, 0).cost("0.01".parse()?)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn charge(&self, usage: Usage) -> Receipt {
        let spend = self.ask(usage).amounts();
        let counted = self.update(Count {
            spend,
            call: true,
            unpriced: usage.cost.is_none(),
            ..Count::default()
        });
        Receipt {
            spent: counted.spent,
            overrun: excess(spend, Amounts::default()),
            told_more: Default::default(),
            over_cap: counted.over_cap,
            saturated: counted.saturated,
        }
    }

    /// Whether this usage would be admitted now. Writes nothing.
    ///
    /// That is advice, not a hold: another call may take the room before the next line
    /// runs. To check and spend in one step is what [`reserve`](Self::reserve) and
    /// [`try_charge`](Self::try_charge) are for.
    ///
    /// # Errors
    ///
    /// The [`Rejected`] that [`reserve`](Self::reserve) would return now.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().input_tokens(100));
    /// let tokens = |input| Usage::tokens(input, 0).cost(MicroUsd::ZERO);
    /// assert!(pool.check(tokens(100)).is_ok());
    /// println!("{}", pool.check(tokens(101)).unwrap_err());
    /// ```
    pub fn check(&self, usage: Usage) -> Result<(), Rejected> {
        let ask = self.ask(usage);
        match self.register.read(|view| ask.refusal(view)) {
            None => Ok(()),
            Some(rejected) => Err(rejected),
        }
    }

    /// Hold an estimate for a call that is about to be made, if it fits.
    ///
    /// What is held counts against every limit until the reservation ends: see
    /// [`Hold`] for the ways in which it can.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with the pool unchanged: it is closed, or limits cost and the
    /// estimate has none with nothing [assumed](Builder::assumed_cost) for it, or a limit
    /// leaves too little room. If only what others hold is in the way,
    /// [`Rejected::is_busy`] says so: that is what to try again on.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("0.05".parse()?));
    /// let estimate = Usage::tokens(1_000, 500).cost("0.03".parse()?);
    ///
    /// let mut hold = pool.reserve(estimate)?;
    /// assert!(pool.reserve(estimate).unwrap_err().is_busy());
    /// hold.sent();
    /// hold.settle(Usage::tokens(1_000, 120).cost("0.01".parse()?));
    /// assert!(pool.reserve(estimate).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn reserve(&self, estimate: Usage) -> Result<Reservation<'_>, Rejected> {
        let held = self.hold(estimate)?;
        Ok(Hold::new(self, held, estimate.cost.is_none()))
    }

    /// [`reserve`](Self::reserve) for a spawned task: the reservation keeps the pool
    /// alive. The `Arc` is cloned only once the call is admitted.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use token_budget_pool::{BudgetPool, MicroUsd, Usage};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let pool = Arc::new(BudgetPool::unconstrained());
    /// let usage = Usage::tokens(1_000, 500).cost(MicroUsd::ZERO);
    /// let mut hold = pool.reserve_owned(usage).unwrap();
    /// let call = tokio::spawn(async move {
    ///     hold.sent();
    ///     hold.settle(usage)
    /// });
    /// assert_eq!(call.await.unwrap().spent.calls, 1);
    /// # }
    /// ```
    pub fn reserve_owned(self: &Arc<Self>, estimate: Usage) -> Result<OwnedReservation, Rejected> {
        let held = self.hold(estimate)?;
        Ok(Hold::new(Arc::clone(self), held, estimate.cost.is_none()))
    }

    /// Hold `fixed` and, beside it, the most output tokens that fit every limit, in
    /// one step. What was granted is in [`held`](Hold::held): ask the model for
    /// no more than that, instead of failing.
    ///
    /// `output` goes from the least worth having to the most wanted; of an empty range, its
    /// start is both. Output tokens of `fixed` are in [`held`](Hold::held) too. An output token
    /// costs `per_million` dollars a million, their sum rounded up to a nano-dollar, on top of
    /// the cost of `fixed`.
    ///
    /// # Errors
    ///
    /// As [`reserve`](Self::reserve), for `fixed` and the least output.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, Price, Usage};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("0.01".parse()?));
    /// let prompt = Usage::tokens(1_000, 0).cost("0.003".parse()?);
    /// let price = Price::per_million("3", "15", "0.3", "3.75")?;
    /// let hold = pool.reserve_up_to(prompt, 100..=4_096, price.output_per_million())?;
    /// assert_eq!(hold.held().output_tokens, 466); // 0.007 dollars' worth
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<Reservation<'_>, Rejected> {
        let held = self.hold_up_to(fixed, output, per_million)?;
        Ok(Hold::new(self, held, fixed.cost.is_none()))
    }

    /// [`reserve_up_to`](Self::reserve_up_to) for a spawned task: the reservation keeps the
    /// pool alive.
    ///
    /// # Errors
    ///
    /// As [`reserve_up_to`](Self::reserve_up_to).
    pub fn reserve_up_to_owned(
        self: &Arc<Self>,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<OwnedReservation, Rejected> {
        let held = self.hold_up_to(fixed, output, per_million)?;
        Ok(Hold::new(Arc::clone(self), held, fixed.cost.is_none()))
    }

    /// Read current totals: what was spent, all of one moment. Reservations are not in
    /// it, see [`snapshot`](Self::snapshot).
    #[inline]
    pub fn totals(&self) -> Totals {
        self.register
            .read(|view| State::read(view).spent.spent(0))
            .into()
    }

    /// The whole state of the pool at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.register.read(state::snapshot)
    }

    /// Read the caps: the cost cap to the bit as it was given to
    /// [`with_caps`](Self::with_caps), as long as its limit is not changed. A limit on calls
    /// is no cap.
    pub fn caps(&self) -> Caps {
        self.register.read(Terms::read).caps()
    }

    /// Read the limits.
    pub fn limits(&self) -> Limits {
        self.register.read(Terms::read).limits()
    }

    /// Replace all limits, while others record. Returns the old ones. What `limits` leaves at
    /// `None` is unlimited from then on; to change one and keep the others, there is
    /// [`update_limits`](Self::update_limits).
    ///
    /// Once this has returned, no call that comes after is judged by the old limits; none is
    /// ever judged by a mixture. Limits below what is spent are legal: they change no totals and undo
    /// no reservation, and refuse calls until there is room.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().calls(100));
    /// let old = pool.set_limits(Limits::none().calls(50));
    /// assert_eq!((old.calls, pool.limits().calls), (Some(100), Some(50)));
    /// ```
    pub fn set_limits(&self, limits: Limits) -> Limits {
        let terms = Terms::new(limits);
        let old = self.update(SetLimits { terms, over: None });
        // With no limits to go by, there are always old ones.
        old.map_or(limits, Terms::limits)
    }

    /// Change the limits from what they are, while others record and change them too.
    /// Returns the new ones.
    ///
    /// `change` runs outside the pool and may use it. It runs again, on the newer limits,
    /// when another change came between: two operators who each add ten dollars add
    /// twenty. One that each time sets this pool other limits than it was given never
    /// returns; one that panics leaves them as they were.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, Limits, MicroUsd};
    ///
    /// let pool = BudgetPool::with_limits(Limits::none().cost("10".parse()?));
    /// let ten: MicroUsd = "10".parse()?;
    /// pool.update_limits(|limits| {
    ///     limits.cost = limits.cost.map(|cost| cost.saturating_add(ten));
    /// });
    /// assert_eq!(pool.limits().cost, Some("20".parse()?));
    /// # Ok::<(), token_budget_pool::ParseUsdError>(())
    /// ```
    pub fn update_limits(&self, mut change: impl FnMut(&mut Limits)) -> Limits {
        loop {
            let old = self.register.read(Terms::read);
            let mut limits = old.limits();
            change(&mut limits);
            let changed = SetLimits {
                terms: Terms::new(limits),
                over: Some(old),
            };
            if self.update(changed).is_some() {
                return limits;
            }
        }
    }

    /// Reset the pool to zero totals. Caps stay, and what is reserved stays reserved:
    /// those calls are still in flight, and count when they settle. A closed pool stays
    /// closed.
    pub fn reset(&self) {
        self.update(Clear);
    }

    /// [`reset`](Self::reset), and return what was cleared, in the same step: the
    /// periods add up.
    ///
    /// # Examples
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// pool.charge(Usage::tokens(100, 20).cost(MicroUsd::ZERO));
    /// let yesterday = pool.take();
    /// assert_eq!((yesterday.input_tokens, pool.totals().input_tokens), (100, 0));
    /// ```
    #[must_use = "what was spent is nowhere else any more; `reset` discards it"]
    pub fn take(&self) -> Spent {
        self.update(Clear)
    }

    /// Close the pool, for good: every admission is refused from then on, even of a
    /// zero amount, and [`extend`](Hold::extend) too. What is spent already still
    /// counts.
    ///
    /// # Examples
    ///
    /// A drain: close, wait until no call is in flight, read what it came to.
    ///
    /// ```
    /// use token_budget_pool::{BudgetPool, MicroUsd, Usage};
    ///
    /// let pool = BudgetPool::unconstrained();
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| {
    ///             let usage = Usage::tokens(10, 5).cost(MicroUsd::ZERO);
    ///             while let Ok(hold) = pool.reserve(usage) {
    ///                 hold.settle(usage);
    ///             }
    ///         });
    ///     }
    ///     pool.close();
    ///     while pool.snapshot().calls_in_flight > 0 {
    ///         std::thread::yield_now();
    ///     }
    ///     let spent = pool.snapshot().spent;
    ///     assert_eq!(spent.input_tokens, 10 * spent.calls);
    /// });
    /// ```
    pub fn close(&self) {
        self.update(Close);
    }

    #[inline(always)]
    pub(crate) fn update<O: Operation<AMOUNTS, TERMS>>(&self, operation: O) -> O::Out {
        self.register.update(&ThisThread, operation)
    }

    pub(crate) fn make_room(&self, threads: usize) {
        self.register.make_room(threads);
    }

    /// In nano-dollars.
    pub(crate) fn assumed_cost(&self) -> Option<u64> {
        self.assumed_cost.map(MicroUsd::as_nanos)
    }

    /// What one call of this usage asks for here.
    #[inline]
    fn ask(&self, usage: Usage) -> Ask {
        match (usage.cost, self.assumed_cost) {
            (None, Some(assumed)) => Ask::from(usage.cost(assumed)),
            _ => Ask::from(usage),
        }
    }

    fn hold_up_to(
        &self,
        fixed: Usage,
        output: RangeInclusive<u64>,
        per_million: MicroUsd,
    ) -> Result<Amounts, Rejected> {
        self.update(ReserveUpTo {
            fixed: self.ask(fixed).wide(),
            least: *output.start(),
            most: *output.end(),
            per_million,
        })
    }

    #[inline]
    fn hold(&self, estimate: Usage) -> Result<Amounts, Rejected> {
        let ask = self.ask(estimate);
        self.update(Reserve { ask }).map(|()| ask.amounts())
    }
}

impl Default for BudgetPool {
    /// An unconstrained pool.
    fn default() -> Self {
        Self::unconstrained()
    }
}

impl fmt::Debug for BudgetPool {
    /// The caps and one snapshot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (terms, snapshot) = self
            .register
            .read(|view| (Terms::read(view), state::snapshot(view)));
        f.debug_struct("BudgetPool")
            .field("caps", &terms.caps())
            .field("spent", &snapshot.spent)
            .field("reserved", &snapshot.reserved)
            .field("calls_in_flight", &snapshot.calls_in_flight)
            .field("limits", &snapshot.limits)
            .field("closed", &snapshot.closed)
            .field("assumed_cost", &self.assumed_cost)
            .finish()
    }
}
