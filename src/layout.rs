//! What each word of a pool's register means.
//!
//! Everything that must change together is in the register, including the limits. So no operation
//! can see or use a mixture.

use crate::crossed::Watch;
use crate::dimension::{Dimension, Guesses, Tally};
use crate::limits::Limits;
use crate::money::Usd;
use crate::queue::Queue;
use crate::register::{self, OnceBox, MARK_BITS};
use crate::snapshot::Snapshot;
use crate::usage::{Amounts, Spent};

/// The words that most updates change: what is spent, then what is reserved. Each is input tokens,
/// output tokens and cost. (The calls are in the marks.)
pub(crate) const AMOUNTS: usize = 6;
/// The words that rarely change: the limits in the order of [`Dimension::ALL`], then the three below.
pub(crate) const TERMS: usize = LIMITS + 3;
const LIMITS: usize = Dimension::ALL.len();
/// How many calls were counted by a guess:
///
/// ```text
///    63    32 31     0
/// | forfeited | unpriced |
/// ```
const GUESSED_CALLS: usize = LIMITS;
/// The cost that was counted for the forfeited calls.
const FORFEITED_COST: usize = LIMITS + 1;
/// Flags, and the upper bits of the number of calls:
///
/// ```text
///    63         62           60       56      55      44           0
/// | closed | waited for |  | limited | in use |     | calls / 2^19 |
/// ```
///
/// `limited` has a bit for each dimension, which is set if the dimension has a limit. (The limit's own
/// word does not say so, since `u64::MAX` may be a limit.) A node of a tree is `in use` while a child is
/// there. A node that was never used has zeros, so it is not. A root does not need the bit. It is `waited for`
/// while somebody waits at this level: see `queue.rs`.
const FLAGS_AND_CALLS: usize = LIMITS + 2;

const UPPER_CALLS: u64 = (1 << (u64::BITS - CALL_BITS)) - 1;
const CLOSED: u64 = 1 << 63;
const WAITED_FOR: u64 = 1 << 62;
const IN_USE: u64 = 1 << 55;

// `State::word_with_rare_bits` promises that bit 61 is clear.
const _: () = assert!(limited(Dimension::ALL[LIMITS - 1]) < 1 << 61);

#[inline(always)]
const fn limited(dimension: Dimension) -> u64 {
    1 << 56 << dimension as u32
}

// The marks of a state. They hold the calls in flight and the lower bits of the number of calls. The
// upper bits are in the terms, which therefore change once in 2^19 calls. So seven words of a state
// change with most updates, and not eight.
//
// 49           31 30               0
// | calls % 2^19 |  calls in flight  |
const CALL_BITS: u32 = 19;
const LOWER_CALLS: u64 = (1 << CALL_BITS) - 1;
const IN_FLIGHT_BITS: u32 = MARK_BITS - CALL_BITS;

/// The most calls in flight that can be counted.
pub(crate) const MOST_IN_FLIGHT: u64 = (1 << IN_FLIGHT_BITS) - 1;

pub(crate) type Register = register::Register<AMOUNTS, TERMS, Fixed>;
pub(crate) type Words<'a> = register::State<'a, AMOUNTS, TERMS>;
pub(crate) type Change<D> = register::Change<AMOUNTS, TERMS, D>;

/// What is set once in a pool's life.
#[derive(Default)]
pub(crate) struct Fixed {
    pub(crate) assumed_cost: Option<Usd>,
    /// The cap on cost in dollars, as it was given to `with_caps`.
    pub(crate) cost_cap: Option<f64>,
    /// Those that wait, once somebody has waited.
    pub(crate) queue: OnceBox<Queue>,
    /// The thresholds, if there are any. They are apart, so that a pool without them is no larger.
    pub(crate) watch: Option<Box<Watch>>,
}

/// A register in which `spent` is spent and nothing is reserved.
pub(crate) fn new_register(spent: Spent, limits: Limits, fixed: Fixed) -> Register {
    let (limits, flags) = words_of(limits);
    let tally = spent.tally();
    let guesses = Guesses::default().plus(spent.guesses());
    let terms = terms(limits, guesses, tally.calls, flags);
    let (amounts, marks) = words(tally, Tally::default());
    Register::new(amounts, marks, terms, fixed)
}

/// The state of a pool, to decide from. Until the register has validated it, it may be of two states:
/// see [`register::State`].
#[derive(Clone, Copy)]
pub(crate) struct State<'a> {
    words: Words<'a>,
    flags_and_calls: u64,
}

impl<'a> State<'a> {
    #[inline(always)]
    pub(crate) fn of(words: &Words<'a>) -> Self {
        Self {
            words: *words,
            flags_and_calls: words.term(FLAGS_AND_CALLS),
        }
    }

    /// What is spent.
    #[inline(always)]
    pub(crate) fn spent(&self) -> Tally {
        Tally {
            input: self.words.amounts[0],
            output: self.words.amounts[1],
            cost: self.words.amounts[2],
            // The flags are shifted out.
            calls: self.flags_and_calls << CALL_BITS | self.words.marks >> IN_FLIGHT_BITS,
        }
    }

    /// What is reserved. Its calls are those in flight.
    #[inline(always)]
    pub(crate) fn reserved(&self) -> Tally {
        Tally {
            input: self.words.amounts[3],
            output: self.words.amounts[4],
            cost: self.words.amounts[5],
            calls: self.words.marks & MOST_IN_FLIGHT,
        }
    }

    #[inline(always)]
    fn flags(&self) -> u64 {
        self.flags_and_calls & !UPPER_CALLS
    }

    /// A word whose bit 63 is set if the pool is closed, and bit 62 if somebody waits. Bit 61 is clear. The
    /// other bits may be anything.
    #[inline(always)]
    pub(crate) fn word_with_rare_bits(&self) -> u64 {
        self.flags_and_calls
    }

    #[inline(always)]
    fn limit_words(&self) -> [u64; LIMITS] {
        Dimension::ALL.map(|dimension| self.limit(dimension))
    }

    /// The limit in force on a dimension. If none is set, it is `u64::MAX`, the most that can be
    /// counted.
    #[inline(always)]
    pub(crate) fn limit(&self, dimension: Dimension) -> u64 {
        self.words.term(dimension as usize)
    }

    #[inline(always)]
    pub(crate) fn is_limited(&self, dimension: Dimension) -> bool {
        self.flags() & limited(dimension) != 0
    }

    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.flags() & CLOSED != 0
    }

    /// Whether somebody waits at this level.
    #[inline(always)]
    pub(crate) fn is_waited_for(&self) -> bool {
        self.flags() & WAITED_FOR != 0
    }

    /// A set of levels, one bit for each depth: this level, if somebody waits there.
    #[inline(always)]
    pub(crate) fn waited_for(&self) -> u8 {
        u8::from(self.is_waited_for()) << self.depth()
    }

    /// Whether it is of a node that is in use.
    pub(crate) fn is_in_use(&self) -> bool {
        self.flags() & IN_USE != 0
    }

    /// How far below the root of its tree it is.
    #[inline(always)]
    pub(crate) fn depth(&self) -> u8 {
        self.words.depth()
    }

    #[inline(always)]
    pub(crate) fn guesses(&self) -> Guesses {
        let calls = self.words.term(GUESSED_CALLS);
        Guesses {
            unpriced_calls: calls & Guesses::MOST_CALLS,
            forfeited_calls: calls >> u32::BITS,
            forfeited_cost: self.words.term(FORFEITED_COST),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        let limit = |dimension| self.is_limited(dimension).then(|| self.limit(dimension));
        Limits::from_fn(limit)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let reserved = self.reserved();
        Snapshot {
            spent: Spent::of(self.spent(), self.guesses()),
            reserved: Amounts::of(reserved),
            calls_in_flight: reserved.calls,
            limits: self.limits(),
            closed: self.is_closed(),
        }
    }

    /// The change to other amounts.
    #[inline(always)]
    pub(crate) fn to<D>(self, spent: Tally, reserved: Tally, done: D) -> Change<D> {
        if (spent.calls ^ self.spent().calls) >> CALL_BITS != 0 {
            return self.to_guesses(spent, reserved, self.guesses(), done);
        }
        change(spent, reserved, None, done)
    }

    /// The change to other amounts and other guesses.
    #[inline(always)]
    pub(crate) fn to_guesses<D>(
        self,
        spent: Tally,
        reserved: Tally,
        guesses: Guesses,
        done: D,
    ) -> Change<D> {
        let terms = terms(self.limit_words(), guesses, spent.calls, self.flags());
        change(spent, reserved, Some(terms), done)
    }

    /// The change to other limits.
    pub(crate) fn to_limits<D>(self, limits: Limits, done: D) -> Change<D> {
        let (limits, limited) = words_of(limits);
        let flags = limited | self.flags() & (CLOSED | WAITED_FOR | IN_USE);
        self.to_terms(limits, flags, done)
    }

    /// The change to a closed pool.
    pub(crate) fn to_closed<D>(self, done: D) -> Change<D> {
        self.to_terms(self.limit_words(), self.flags() | CLOSED, done)
    }

    /// The change to the same state, with the mark or without it.
    pub(crate) fn to_waited_for<D>(self, waited_for: bool, done: D) -> Change<D> {
        let mark = if waited_for { WAITED_FOR } else { 0 };
        self.to_terms(self.limit_words(), self.flags() & !WAITED_FOR | mark, done)
    }

    /// The change to the same state.
    pub(crate) fn to_same<D>(self, done: D) -> Change<D> {
        change(self.spent(), self.reserved(), None, done)
    }

    /// The change to the state of a node in use in which `spent` is spent and nothing is reserved, whatever
    /// this state is.
    pub(crate) fn to_new<D>(
        self,
        spent: Spent,
        limits: Limits,
        closed: bool,
        done: D,
    ) -> Change<D> {
        let (limits, limited) = words_of(limits);
        let flags = limited | IN_USE | if closed { CLOSED } else { 0 };
        let tally = spent.tally();
        let guesses = Guesses::default().plus(spent.guesses());
        let terms = terms(limits, guesses, tally.calls, flags);
        change(tally, Tally::default(), Some(terms), done)
    }

    /// The change to a node that is not in use.
    pub(crate) fn to_retired<D>(self, done: D) -> Change<D> {
        let (limits, flags) = words_of(Limits::unlimited());
        let terms = terms(limits, Guesses::default(), 0, flags);
        change(Tally::default(), Tally::default(), Some(terms), done)
    }

    fn to_terms<D>(self, limits: [u64; LIMITS], flags: u64, done: D) -> Change<D> {
        let spent = self.spent();
        let terms = terms(limits, self.guesses(), spent.calls, flags);
        change(spent, self.reserved(), Some(terms), done)
    }
}

#[inline(always)]
fn change<D>(spent: Tally, reserved: Tally, terms: Option<[u64; TERMS]>, done: D) -> Change<D> {
    let (amounts, marks) = words(spent, reserved);
    Change {
        amounts,
        marks,
        terms,
        done,
    }
}

/// The amounts and the marks.
#[inline(always)]
fn words(spent: Tally, reserved: Tally) -> ([u64; AMOUNTS], u64) {
    let amounts = [
        spent.input,
        spent.output,
        spent.cost,
        reserved.input,
        reserved.output,
        reserved.cost,
    ];
    let marks = (spent.calls & LOWER_CALLS) << IN_FLIGHT_BITS | reserved.calls;
    (amounts, marks)
}

#[inline(always)]
fn terms(limits: [u64; LIMITS], guesses: Guesses, calls: u64, flags: u64) -> [u64; TERMS] {
    let mut terms = [0; TERMS];
    terms[..LIMITS].copy_from_slice(&limits);
    terms[GUESSED_CALLS] = guesses.forfeited_calls << u32::BITS | guesses.unpriced_calls;
    terms[FORFEITED_COST] = guesses.forfeited_cost;
    terms[FLAGS_AND_CALLS] = flags | calls >> CALL_BITS;
    terms
}

/// The words of these limits, and the flags of an open pool that has them.
fn words_of(limits: Limits) -> ([u64; LIMITS], u64) {
    let mut flags = 0;
    let words = Dimension::ALL.map(|dimension| {
        let limit = limits.get(dimension);
        if limit.is_some() {
            flags |= limited(dimension);
        }
        limit.unwrap_or(u64::MAX)
    });
    (words, flags)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::level::Level;
    use crate::ops::admit::{Charge, Reserve};
    use crate::ops::configure::Reset;
    use crate::ops::request::Request;
    use crate::ops::settle::Settle;
    use crate::register::Path;
    use crate::rejection::{Exceeded, Reason, Rejected};
    use crate::usage::Usage;

    fn charge() -> Charge {
        Charge {
            request: Request::call(Usage::tokens(1, 2).cost(Usd::from_nanos(3))),
            unpriced: false,
        }
    }

    fn snapshot(register: &Register) -> Snapshot {
        register.read(|words| State::of(words).snapshot())
    }

    #[test]
    fn the_number_of_calls_goes_on_where_its_lower_bits_end() {
        let limits = Limits::unlimited().input_tokens(5).cost(Usd::MAX);
        for calls in [LOWER_CALLS, u64::from(u32::MAX) << CALL_BITS | LOWER_CALLS] {
            let spent = Spent {
                calls: calls - 1,
                unpriced_calls: 7,
                forfeited_calls: 9,
                forfeited_cost: Usd::from_nanos(11),
                ..Spent::default()
            };
            let register = new_register(spent, limits, Fixed::default());
            for more in 0..5 {
                let charged = register.update(charge());
                let spent = charged.expect("there is room").spent;
                assert_eq!(spent.calls, calls + more);
                assert_eq!((spent.unpriced_calls, spent.forfeited_calls), (7, 9));
                assert_eq!(snapshot(&register).spent, spent);
                assert_eq!(snapshot(&register).limits, limits);
            }
            assert!(register.update(charge()).is_err());
            let old = register.update(Reset).expect("never refused");
            assert_eq!(old.calls, calls + 4);
            assert_eq!(snapshot(&register).spent, Spent::default());
            assert_eq!(snapshot(&register).limits, limits);
        }
    }

    #[test]
    fn one_call_in_flight_too_many_is_refused() {
        // More than the limit is spent already, which does not count against it.
        let spent = Tally {
            calls: 3 * MOST_IN_FLIGHT,
            ..Tally::default()
        };
        let reserved = Tally {
            calls: MOST_IN_FLIGHT - 1,
            ..Tally::default()
        };
        let (limits, flags) = words_of(Limits::unlimited());
        let (amounts, marks) = words(spent, reserved);
        let terms = terms(limits, Guesses::default(), spent.calls, flags);
        let register = Register::new(amounts, marks, terms, Fixed::default());
        let reserve = Reserve {
            request: charge().request,
            own: Tally::default(),
        };
        assert!(register.update(reserve).is_ok());
        assert_eq!(snapshot(&register).calls_in_flight, MOST_IN_FLIGHT);
        assert_eq!(
            register.update(reserve),
            Err(Rejected::Exceeded(Exceeded {
                level: Level::ROOT,
                dimension: Dimension::Calls,
                limit: MOST_IN_FLIGHT,
                spent: 0,
                reserved: MOST_IN_FLIGHT,
                requested: 1,
                reason: Reason::Busy,
            }))
        );
        // To reserve more for a call in flight is not one more call.
        let more = Reserve {
            request: Request {
                asked: Tally {
                    input: 1,
                    ..Tally::default()
                },
                unpriced: false,
            },
            own: reserved,
        };
        assert!(register.update(more).is_ok());
        assert!(register.update(charge()).is_ok());
        let end = Settle {
            release: charge().request.asked,
            ..Settle::default()
        };
        assert!(register.update(end).is_ok());
        assert!(register.update(reserve).is_ok());
        assert_eq!(snapshot(&register).calls_in_flight, MOST_IN_FLIGHT);
    }

    #[test]
    fn nodes_that_are_given_back_are_used_again_at_their_depth_the_last_one_first() {
        let register = new_register(Spent::default(), Limits::unlimited(), Fixed::default());
        let take = |above: &Path| register.take_node(above, [0; 4]).expect("there are more");
        let [a, b] = [(); 2].map(|()| take(&Path::ROOT));
        register.give_back_node(&a);
        register.give_back_node(&b);
        let again = take(&Path::ROOT);
        assert_eq!(again, b);
        let below = take(&again);
        assert!(below.last() != a.last() && below.last() != b.last());
        assert_eq!(take(&Path::ROOT), a);
        // A parent of one that was not given back is not used again.
        register.give_back_node(&again);
        assert_ne!(take(&Path::ROOT), b);
        register.give_back_node(&below);
        register.give_back_node(&again);
        assert_eq!(take(&Path::ROOT), b);
    }

    #[test]
    fn the_search_for_a_lane_finds_lane_0_free_again_where_all_others_are_held() {
        const LANES: usize = 4096;
        let register = new_register(Spent::default(), Limits::unlimited(), Fixed::default());
        // The search may outlive a test that fails.
        let register: &'static Register = Box::leak(Box::new(register));
        let first = register.claim();
        for _ in 1..LANES {
            std::mem::forget(register.detour());
        }
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let claim = register.detour();
            ended.send(()).expect("the test waits");
            drop(claim);
        });
        assert_eq!(
            end.try_recv(),
            Err(mpsc::TryRecvError::Empty),
            "it has to wait"
        );
        drop(first);
        let patience = Duration::from_secs(60);
        assert_eq!(end.recv_timeout(patience), Ok(()));
    }
}
