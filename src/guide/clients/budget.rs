use std::sync::Arc;

use token_budget_pool::{BudgetPool, Price, Rejected, Usage};

use super::reconcile::{Reconciler, Watched};

/// What all calls of a program share, whichever client makes them.
#[derive(Clone)]
pub struct Budget {
    pub pool: Arc<BudgetPool>,
    pub price: Price,
    pub reconciler: Reconciler,
}

impl Budget {
    /// Reserves for a request that goes out now. `estimate` is the [`Price::worst_case`] of its prompt and of its
    /// `max_tokens`.
    pub fn start(&self, estimate: Usage, id: &str) -> Result<Watched, Rejected> {
        let call = self.pool.try_reserve_owned(estimate)?.start();
        Ok(self.reconciler.watch(call, id))
    }
}
