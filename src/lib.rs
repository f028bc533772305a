//! An in-process budget for LLM calls: reserve the worst case of a call in tokens and dollars, send it, and
//! settle what it used. Thousands of concurrent calls share one pool. A call is admitted exactly if it fits
//! beside what is spent and reserved, and a thread that is suspended never stops the others.
//!
//! ```
//! use token_budget_pool::{BudgetPool, Limits, Price, Rates, TokenCounts, Usd};
//!
//! let pool = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(25)));
//! let price = Price::per_million(Rates::uncached("3", "15"))?;
//!
//! // Before the call: reserve the worst case. No room is an error.
//! let reservation = pool.try_reserve(price.worst_case(1_000, 500))?;
//! let call = reservation.start(); // the request goes out
//!
//! // After it: settle what it used. The rest goes back.
//! let used = TokenCounts::inclusive(1_000, 0, 120)?; // prompt, cached, output: as OpenAI counts
//! let receipt = call.settle(price.usage(used));
//! assert_eq!(receipt.spent.cost.to_string(), "0.0048");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whatever happens in between is decided by where it happens. Before
//! [`start`](Reservation::start), an error, a panic or an aborted task gives the reservation back. After
//! it, the same counts what is reserved, because the provider may bill it. If the provider turned the
//! request away, [`release`](Call::release) gives it back.
//!
//! [`try_reserve`](BudgetPool::try_reserve) says at once whether there is room.
//! [`reserve`](BudgetPool::reserve)`.await` waits for it, first come, first served.
//! [`warn_at`](Builder::warn_at) sets thresholds, such as 80 percent of each limit, to warn before calls are
//! refused.
//!
//! The [guide] has the rest of the everyday: which errors are billed, retries, waiting, time limits, streams,
//! budgets per minute, shutdown, warnings.
//!
//! # Budgets within budgets
//!
//! A pool can have [children](BudgetPool::child), and these can have children: an organisation, its teams,
//! their runs, and the sub-agents of a run. A call on one of them has to fit on every level up to the root. It
//! is reserved, counted and settled on all of them in one step. A refusal [names the level](Rejected::level).
//!
//! ```
//! use token_budget_pool::{BudgetPool, Child, Limits, Usage, Usd};
//!
//! let team = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(10)));
//! let run = team.child(Child::new(Limits::unlimited().cost(Usd::dollars(1))).label("run 7"))?;
//!
//! let usage = Usage::tokens(1_000, 500).cost(Usd::cents(60));
//! run.try_charge(usage)?;
//! let rejected = run.try_charge(usage).unwrap_err();
//! assert_eq!(rejected.level().label(), "run 7");
//!
//! drop(run); // What it spent stays in the team.
//! assert_eq!(team.spent().cost, Usd::cents(60));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`BudgetPool::child`] has a table of what is about all levels and what about one: limits are set and a period
//! is reset on one level alone. A [`close`](BudgetPool::close) closes the levels below too.
//! [`tree_snapshot`](BudgetPool::tree_snapshot) reads all levels at one moment.
//!
//! # Only after the call
//!
//! Where calls are cheap and short it is enough to count them afterwards. [`BudgetPool::charge`] always
//! counts, and its receipt says when a limit was passed:
//!
//! ```
//! use token_budget_pool::{BudgetPool, Limits, Usage, Usd};
//!
//! let pool = BudgetPool::new(Limits::unlimited().cost(Usd::dollars(1)));
//! let receipt = pool.charge(Usage::tokens(1_000, 500).cost(Usd::cents(5)));
//! if receipt.over_limit.any() {
//!     pool.close(); // no more calls (in a tree, `over_limit_at` says which pool is over)
//! }
//! ```
//!
//! Version 0.1 counted only what fits. That still works with the same names. A call that `record` refuses
//! is not counted, although its money is gone, so stop at the first error:
//!
//! ```
//! use token_budget_pool::{BudgetPool, Caps};
//!
//! let pool = BudgetPool::with_caps(Caps {
//!     max_input_tokens: Some(10_000),
//!     max_output_tokens: Some(5_000),
//!     max_total_tokens: None,
//!     max_cost_usd: Some(1.0),
//! });
//!
//! pool.record(1_000, 500, 0.05).unwrap(); // fits
//! let err = pool.record(20_000, 0, 0.0).unwrap_err(); // input cap blown
//! assert!(format!("{err}").contains("input_tokens"));
//! ```
//!
//! # Features
//!
//! None is on by default, and the only dependency of the default build is `crossbeam-utils`.
//!
//! | feature | for | adds |
//! |---|---|---|
//! | `serde` | saved snapshots, limits and amounts, and prices from LiteLLM's and OpenRouter's lists | serde |
//! | `stream` | `Call::meter`: a stream of a provider's events that counts itself | futures-core |
//! | `tower` | `BudgetLayer`, `WaitingBudgetLayer`: each request of a tower service is a call | tower-layer, tower-service |
//! | `metrics` | `Snapshot::set_gauges`: gauges through the facade `metrics` | metrics |
//!
//! # Guarantees
//!
//! - **Exact.** All counts move together, in one step, on all levels of a tree. An accepted call adds all of
//!   its amounts and learns the totals of exactly that step. A refused one changes nothing. Money is counted in
//!   nano-dollars ([`Usd`]), so nothing drifts, and no level drifts from another.
//! - **No admission passes a limit.** A call is admitted only if `spent + reserved` of every dimension that it
//!   asks for stays within its limit, on its own level and on each above. Two things can leave it beyond: what
//!   is spent already ([`BudgetPool::charge`], [`Call::settle`], [`Call::report`], the end of a call whose cost
//!   is unknown, [`Builder::restore`]), and limits that are lowered later. A receipt says by how much `spent`
//!   alone is beyond.
//! - **No false refusal.** For lack of room, a call is refused only if there was a moment during it at which
//!   the pool, or one above it, was too full for it. No call holds room on one level while it asks another. A
//!   limit refuses only calls that ask for more of its dimension. (A closed pool refuses every admission. An
//!   invalid cost is always refused. An unknown cost is refused where cost is limited and none was assumed.)
//! - **Snapshots that existed.** All numbers of a [`Snapshot`], and of a whole [`TreeSnapshot`], are of one
//!   moment, no older than anything that happened before the call. They never run backwards in one thread.
//! - **Lock-free.** A thread that is suspended anywhere inside an operation (one method of the pool), for
//!   ever, stops no other, and there is no lock to poison. Threads usually take turns, as at a short
//!   spinlock, but none depends on the holder: one that has waited for some tens of microseconds, and given
//!   way to other threads a few times, goes round it. It is not wait-free, nor fair: one operation may lose
//!   to others again and again. A snapshot writes nothing shared, unless 16 updates in a row come
//!   between. A refusal writes nothing shared if this thread's last operation was refused by the same pool.
//! - **Nobody who waits is forgotten.** Whatever makes room wakes those that wait for it in
//!   [`BudgetPool::reserve`]. In a closed pool, the end of the last call in flight wakes those in
//!   [`BudgetPool::idle`]. Those that wait for room are served in the order in which they came. They share a
//!   lock that no other operation waits for. A thread that is suspended with it holds up those that wait,
//!   and nobody else.
//! - **Each warning once.** Of all threads that spend, exactly one reports that a threshold is crossed
//!   ([`Builder::warn_at`]): the one whose step crossed it. It is reported again only once `spent` was
//!   below the threshold again, as after a reset.
//! - **Fails closed.** NaN, negative and infinite costs, amounts that overflow and limits that make no
//!   sense are errors that name the field and the value, and change no total
//!   ([`BudgetPool::with_caps`], which has no error to return, panics). What is spent already and
//!   overflows stops at `u64::MAX`, and the receipt says so. What was guessed is counted:
//!   [`Spent::unpriced_calls`], [`Spent::forfeited_calls`].
//!
//! How it works is said at the top of `src/register/mod.rs`, `src/register/tree.rs` and `src/queue.rs`, and how
//! each guarantee is checked in `docs/correctness.md`.
//!
//! # What is not here
//!
//! - Expiry of reservations: one that is leaked keeps its amount for good.
//! - Idempotency keys: charging one call twice counts it twice. Only [`Call::report`] may be repeated.
//! - Rates and refills: a limit bounds the total since the start or the last [`BudgetPool::reset`]. For
//!   requests per minute use a rate limiter, for concurrency a semaphore.
//! - A budget shared between processes or machines.
//!
//! # Limitations
//!
//! - An operation that never ends (its thread is suspended for ever, or killed, or, on Linux, was not
//!   copied by `fork`) keeps one lane of the pool: memory of 384 bytes (x86-64). Until another operation
//!   is accepted, new ones may first wait as described above. Up to 4,095 of these leave a pool working.
//!   (An LLM call in flight keeps no lane.)
//! - A lane is appended, which calls the allocator, when an operation finds every lane held. This happens
//!   when more of them are suspended at once than ever before. [`Builder::threads`] appends lanes
//!   beforehand. With one more for it, a record from a signal handler that interrupted a record
//!   works too. (In a library that was loaded at run time, a thread's first call may allocate its
//!   thread-locals.) This does not hold in a pool where somebody waits, or that has a hook: the handler
//!   would allocate and wake tasks, or run the hook.
//! - In a child of `fork` nobody should wait: the thread that was about to wake them may be missing there.
//! - At most 2,147,483,647 calls can be in flight in a pool. The next reservation is refused.
//! - A tree has at most eight levels: a root, and seven below it. At most 134,217,727 pools can be below a root
//!   at once. A label has at most 32 bytes.
//! - All pools of a tree share one head. So they take turns with each other, as the callers of one pool do. A
//!   pool that has had a child is somewhat slower from then on.
//! - A child takes 640 bytes (x86-64), and 384 more for each thread that changes it while others are suspended
//!   inside the tree. Memory for children is allocated for one, two, four and so on at a time, used again for
//!   later ones at the same depth, and freed with the root. [`Builder::threads`] does not allocate any of it
//!   beforehand.
//! - [`BudgetPool::tree_snapshot`] has no bound on its time. While others keep updating a large tree, it starts
//!   over again and again.
//! - After 2^51 updates of one pool or tree (260 days at 10^8 a second) none of this is promised any
//!   more.
//! - Targets without 64-bit atomics are not supported.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("token-budget-pool needs 64-bit atomics, which this target does not have");

mod builder;
mod call;
mod call_state;
mod child;
mod crossed;
mod decimal;
mod dimension;
mod gauges;
pub mod guide;
mod layout;
mod level;
mod limits;
#[cfg(feature = "stream")]
mod metered;
mod money;
mod ops;
mod pool;
mod price;
mod queue;
mod receipt;
mod record;
mod register;
mod rejection;
mod reservation;
mod root_ref;
#[cfg(feature = "serde")]
mod serde_fields;
mod snapshot;
mod sync;
mod threshold;
mod token_counts;
#[cfg(feature = "tower")]
mod tower;
mod tree_snapshot;
mod usage;
mod wait;

pub use builder::{Builder, Restore};
pub use call::{Call, OwnedCall};
pub use child::{Child, ChildPool};
pub use crossed::Crossed;
pub use dimension::{Amount, Dimension};
pub use level::{InvalidChild, Label, Level};
pub use limits::Limits;
#[cfg(feature = "stream")]
pub use metered::{EventUsage, Metered};
pub use money::{InvalidUsd, ParseUsdError, Usd};
pub use pool::BudgetPool;
pub use price::{InvalidPrice, Price, Rates};
pub use receipt::{Excess, Receipt};
pub use record::{BudgetExceeded, Caps, InvalidCap, Totals};
pub use rejection::{Exceeded, Reason, Rejected};
pub use reservation::{OwnedReservation, Reservation};
pub use snapshot::Snapshot;
pub use threshold::{InvalidThreshold, Threshold};
pub use token_counts::{InvalidTokenCounts, ReportedCount, TokenCounts};
#[cfg(feature = "tower")]
pub use tower::{Budget, BudgetError, BudgetLayer, WaitingBudget, WaitingBudgetLayer};
pub use tree_snapshot::TreeSnapshot;
pub use usage::{Amounts, Spent, Usage};

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
