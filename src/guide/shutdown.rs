use std::time::Duration;

use token_budget_pool::{BudgetPool, Snapshot};
use tokio::time::timeout;

/// Admits no more calls, and waits for those in flight, for at most `patience`. What is still reserved then
/// is in the snapshot. Save it, and give it to `Builder::restore` in the next process.
pub async fn drain(pool: &BudgetPool, patience: Duration) -> Snapshot {
    pool.close();
    // If it was too short, the snapshot shows calls in flight.
    let _ = timeout(patience, pool.idle()).await;
    pool.snapshot()
}
