//! A budget guard for LLM calls: one pool of tokens and dollars that thousands of
//! concurrent calls spend from. It admits no call that would pass a limit, turns away no call
//! that would have fitted, and lets no thread depend on another: one that is suspended never
//! stops the others.
//!
//! # After the call
//!
//! What version 0.1 did, with the same names:
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
//! # Before the call
//!
//! Recording afterwards is too late for calls that take seconds: a thousand of them in
//! flight each saw room for themselves. So hold an estimate first, and settle it with
//! what the call came to:
//!
//! ```
//! use token_budget_pool::{BudgetPool, Limits, MicroUsd, Rejected, Usage};
//! # struct Reply { usage: Usage }
//! # #[derive(Debug)] enum Error { Budget(Rejected), TooManyRequests }
//! # impl From<Rejected> for Error { fn from(rejected: Rejected) -> Self { Error::Budget(rejected) } }
//! # async fn prepare() -> Result<(), Error> { Ok(()) }
//! # async fn post((): ()) -> Result<Reply, Error> {
//! #     Ok(Reply { usage: Usage::tokens(900, 200).cost(MicroUsd::from_nanos(5_700_000)) })
//! # }
//! # macro_rules! warn { ($($arg:tt)*) => { eprintln!($($arg)*) } }
//!
//! async fn call(pool: &BudgetPool, estimate: MicroUsd) -> Result<Reply, Error> {
//!     let mut hold = pool.reserve(Usage::tokens(1_000, 500).cost(estimate))?; // no room: Rejected
//!     let request = prepare().await?;     // error, panic, abort: refunded
//!     hold.sent();                        // from here on a drop keeps the hold as spent
//!     let reply = match post(request).await {
//!         Err(Error::TooManyRequests) => {
//!             hold.refund();              // turned away and not billed: all of it back
//!             return Err(Error::TooManyRequests);
//!         }
//!         reply => reply?,
//!     };
//!     let receipt = hold.settle(reply.usage);
//!     if receipt.over_cap.any() {
//!         warn!("{receipt}");
//!     }
//!     Ok(reply)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let pool = BudgetPool::with_limits(Limits::none().cost("0.02".parse().unwrap()));
//! call(&pool, "0.0105".parse().unwrap()).await.unwrap();
//! assert_eq!(pool.snapshot().spent.cost.to_string(), "0.0057");
//! # }
//! ```
//!
//! # Guarantees
//!
//! - **Exact.** All counts move together, in one step: an accepted call adds all of its
//!   amounts and learns the totals of exactly that step, a refused one changes nothing.
//!   Money is counted in thousandths of a micro-dollar ([`MicroUsd`]); nothing drifts.
//! - **No admission passes a limit.** A call is admitted only if `spent + reserved` of every
//!   dimension that it asks for stays within its limit. Only what is spent already
//!   ([`BudgetPool::charge`], [`Hold::settle`], [`Hold::settle_so_far`], [`Builder::restore`])
//!   and limits lowered later can leave it beyond; a receipt tells by how much `spent` alone
//!   is.
//! - **No false refusal.** For lack of room, a call is refused only if there was a moment during it at
//!   which the pool was too full for it. A cap refuses only calls that ask for more of its dimension.
//!   (A closed pool refuses every admission. An invalid cost is always refused, and so is an unknown
//!   one where cost is limited and none was assumed.)
//! - **Snapshots that existed.** All numbers of a [`Snapshot`] are of one moment, no older
//!   than anything that happened before the call, and they never run backwards in one
//!   thread.
//! - **Lock-free.** A thread that is suspended anywhere inside a call, for ever, stops no other, and
//!   there is no lock to poison. Callers usually take turns, as at a short spinlock, but none
//!   depends on the holder: one that has waited for some tens of microseconds, and given way to
//!   other threads a few times, goes round it. It is not wait-free, nor fair: one call may lose
//!   to others again and again. A snapshot writes nothing shared, unless updates come between 16
//!   times in a row. Neither does a call that is refused, if the thread's last call was refused by
//!   the same pool.
//! - **Fails closed.** NaN, negative and infinite costs, amounts that overflow and caps that
//!   make no sense are errors that name the field and the value, and change no total
//!   ([`BudgetPool::with_caps`], which has no error to return, panics). What is spent already
//!   and overflows stops at `u64::MAX`, and the receipt says so.
//!
//! How it works is said at the top of `src/register/mod.rs`: the counts live in slots of atomics, a
//! head names the slot that is current, and one compare-and-swap of the head commits all of them.
//!
//! # What is not here
//!
//! - Waiting for room: [`Rejected::is_busy`] is what to try again on.
//! - Expiry of holds: a reservation that is leaked holds its amount for good.
//! - Idempotency keys: telling one call twice counts it twice, but for
//!   [`Hold::settle_so_far`].
//! - A budget shared between processes or machines.
//!
//! # Limits
//!
//! - A call that never ends (its thread is suspended for ever, or killed, or, on Linux, was not copied by `fork`)
//!   keeps one lane of the pool: memory of 384 bytes (x86-64). Until another call is
//!   accepted, new ones may first wait as described above. Up to 4,095 such calls leave a pool working.
//! - A lane is appended, which calls the allocator, when a call finds every lane held. This happens
//!   when more calls are suspended at once than ever before. [`Builder::threads`] appends lanes
//!   beforehand. With one more for it, a record from a signal handler that interrupted a record
//!   works too. (In a library that was loaded at run time, a thread's first call may allocate its
//!   thread-locals.)
//! - At most 2,147,483,647 calls can be in flight in a pool; the next reservation is refused.
//! - After 2^51 updates of one pool (260 days at 10^8 a second) none of this is promised any
//!   more.
//! - Targets without 64-bit atomics are not supported.

#[cfg(not(target_has_atomic = "64"))]
compile_error!("token-budget-pool needs 64-bit atomics, which this target does not have");

mod builder;
mod dimension;
mod layout;
mod limits;
mod money;
#[cfg(feature = "serde")]
mod named;
mod ops;
mod pool;
mod price;
mod receipt;
mod record;
mod register;
mod rejection;
mod reservation;
mod snapshot;
mod sync;
mod usage;

pub use builder::{Builder, Restore};
pub use dimension::Dimension as Cap;
pub use limits::Limits;
pub use money::{InvalidUsd, MicroUsd, ParseUsdError};
pub use pool::BudgetPool;
pub use price::{InvalidPrice, Price};
pub use receipt::{Excess, Receipt};
pub use record::{BudgetExceeded, Caps, InvalidCap, Totals};
pub use rejection::{Exceeded, Reason, Rejected};
pub use reservation::{Hold, OwnedReservation, Reservation};
pub use snapshot::Snapshot;
pub use usage::{Spent, Usage};

/// The README's examples, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
