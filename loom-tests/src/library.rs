// The library's files, as they are, for the crates that include this list. A crate brings the
// modules `sync` and `this_thread`, which are in place of the library's or are these too.

#[path = "../../src/admit.rs"]
mod admit;
#[path = "../../src/ask.rs"]
mod ask;
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
