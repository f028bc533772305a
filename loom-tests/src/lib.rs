//! The library's own files, compiled against loom.
//!
//! `sync` and `this_thread` are modules of this package in place of the library's of
//! the same name and shape: nothing in the library's `src/` knows of loom, so no flag
//! can be forgotten. Everything else is included from there as it is.
//!
//! A scenario (see [`scenario`]) is a pool, a program for each of some threads, and
//! the answers that sequential orders of these programs allow. `cargo test` runs all
//! of them against the plain shim and `cargo test -p token-budget-pool-ghost` against
//! the ghost shim (see `src/sync.rs`); they find different bugs, so run both
//! (`cargo test --workspace`).

extern crate self as token_budget_pool;

#[path = "../../src/admit.rs"]
mod admit;
#[path = "../../src/builder.rs"]
mod builder;
#[path = "../../src/caps.rs"]
mod caps;
#[path = "../../src/change.rs"]
mod change;
#[path = "../../src/count.rs"]
mod count;
#[path = "../../src/limits.rs"]
mod limits;
#[path = "../../src/money.rs"]
mod money;
#[path = "../../src/pool.rs"]
mod pool;
#[path = "../../src/price.rs"]
mod price;
#[path = "../../src/receipt.rs"]
mod receipt;
#[path = "../../src/register.rs"]
mod register;
#[path = "../../src/rejection.rs"]
mod rejection;
#[path = "../../src/reservation.rs"]
mod reservation;
#[path = "../../src/snapshot.rs"]
mod snapshot;
#[path = "../../src/state.rs"]
mod state;
#[path = "../../src/thread_number.rs"]
mod thread_number;
#[path = "../../src/usage.rs"]
mod usage;

mod sync;
mod this_thread;

#[path = "../../tests/support/oracle.rs"]
// In the crate that defines them, `non_exhaustive` enums are exhausted.
#[allow(unreachable_patterns, clippy::field_reassign_with_default)]
mod oracle;
pub mod scenario;
mod sequence;

pub use builder::{Builder, Restore};
pub use caps::{Caps, InvalidCap, Totals};
pub use limits::Limits;
pub use money::{InvalidUsd, MicroUsd, ParseUsdError};
pub use pool::BudgetPool;
pub use price::{InvalidPrice, Price};
pub use receipt::{Excess, Receipt};
pub use rejection::{BudgetExceeded, Cap, Exceeded, Reason, Rejected};
pub use reservation::{Hold, OwnedReservation, Reservation};
pub use snapshot::Snapshot;
pub use usage::{Spent, Usage};
