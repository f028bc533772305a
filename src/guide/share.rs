use std::sync::Arc;

use token_budget_pool::{BudgetPool, Limits, OwnedCall, Receipt, Rejected, Usage, Usd};

/// A part of a team's budget that no other run can take.
pub struct Share {
    /// A tree of its own. Its limit is what is reserved in the team.
    pub pool: Arc<BudgetPool>,
    /// If it is dropped, all of the share counts as spent in the team.
    reserved: OwnedCall,
}

impl Share {
    pub fn of(team: &Arc<BudgetPool>, cost: Usd) -> Result<Share, Rejected> {
        let reserved = team.try_reserve_owned(Usage::tokens(0, 0).cost(cost))?;
        Ok(Share {
            pool: Arc::new(BudgetPool::new(Limits::unlimited().cost(cost))),
            reserved: reserved.start(),
        })
    }

    /// Counts in the team what was spent, as one call, and gives back the rest. End it when no call is in
    /// flight: one that is counts as it was reserved, and not what it comes to. The team does not learn how
    /// much of the cost is a guess: that is in the share's own snapshot. Tokens are not reserved beforehand.
    pub fn end(self) -> Receipt {
        self.pool.close();
        let end = self.pool.snapshot();
        let (spent, in_flight) = (end.spent, end.reserved);
        let cost = spent.cost.saturating_add(in_flight.cost);
        let input = spent.input_tokens.saturating_add(in_flight.input_tokens);
        let output = spent.output_tokens.saturating_add(in_flight.output_tokens);
        self.reserved
            .settle(Usage::tokens(input, output).cost(cost))
    }
}
