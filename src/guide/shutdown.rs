use std::time::Duration;

use token_budget_pool::{BudgetPool, Snapshot};
use tokio::time::timeout;

/// Admits no more calls, and waits for those in flight. What is still reserved after `patience` is in
/// the snapshot. Save it, and give it to `Builder::restore` in the next process.
pub async fn drain(pool: &BudgetPool, patience: Duration) -> Snapshot {
    pool.close();
    // Whether it was long enough shows in the snapshot.
    let _ = timeout(patience, pool.idle()).await;
    pool.snapshot()
}
