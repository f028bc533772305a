// The library's files, as they are, for the crates that include this list. A crate brings the
// module `sync`, which is in place of the library's.

#[path = "../../src/builder.rs"]
mod builder;
#[path = "../../src/call.rs"]
mod call;
#[path = "../../src/call_state.rs"]
mod call_state;
#[path = "../../src/child.rs"]
mod child;
#[path = "../../src/crossed.rs"]
mod crossed;
#[path = "../../src/decimal.rs"]
mod decimal;
#[path = "../../src/dimension.rs"]
mod dimension;
#[path = "../../src/layout.rs"]
mod layout;
#[path = "../../src/level.rs"]
mod level;
#[path = "../../src/limits.rs"]
mod limits;
#[path = "../../src/money.rs"]
mod money;
#[path = "../../src/ops/mod.rs"]
mod ops;
#[path = "../../src/pool.rs"]
mod pool;
#[path = "../../src/price.rs"]
mod price;
#[path = "../../src/queue.rs"]
mod queue;
#[path = "../../src/receipt.rs"]
mod receipt;
#[path = "../../src/record.rs"]
mod record;
#[path = "../../src/register/mod.rs"]
mod register;
#[path = "../../src/rejection.rs"]
mod rejection;
#[path = "../../src/reservation.rs"]
mod reservation;
#[path = "../../src/root_ref.rs"]
mod root_ref;
#[path = "../../src/snapshot.rs"]
mod snapshot;
#[path = "../../src/threshold.rs"]
mod threshold;
#[path = "../../src/token_counts.rs"]
mod token_counts;
#[path = "../../src/tree_snapshot.rs"]
mod tree_snapshot;
#[path = "../../src/usage.rs"]
mod usage;
#[path = "../../src/wait.rs"]
mod wait;

pub use builder::{Builder, Restore};
pub use call::{Call, OwnedCall};
pub use child::{Child, ChildPool};
pub use crossed::Crossed;
pub use dimension::{Amount, Dimension};
pub use level::{InvalidChild, Label, Level};
pub use limits::Limits;
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
pub use tree_snapshot::TreeSnapshot;
pub use usage::{Amounts, Spent, Usage};
