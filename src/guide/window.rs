use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{
    BudgetPool, Child, InvalidChild, Limits, OwnedReservation, Reason, Rejected, Usage,
};
use tokio::sync::Notify;
use tokio::time::{interval, MissedTickBehavior};

/// A pool between a team and its runs that bounds the tokens of each period. Runs are its children.
/// It takes part in every call of theirs, and a timer sets it back to zero.
pub struct Window {
    pub pool: Arc<BudgetPool>,
    ticked: Arc<Notify>,
}

impl Window {
    pub fn new(
        team: &Arc<BudgetPool>,
        period: Duration,
        tokens: u64,
    ) -> Result<Window, InvalidChild> {
        let limits = Limits::unlimited().total_tokens(tokens);
        let pool = team.child_owned(Child::new(limits).label("window"))?;
        let ticked = Arc::new(Notify::new());
        // The timer does not keep the window alive, and ends when it is gone.
        let (timed, tick) = (Arc::downgrade(&pool), Arc::clone(&ticked));
        tokio::spawn(async move {
            let mut ticks = interval(period);
            // After a stall, no period is shorter than the others.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await; // The first one comes at once.
            loop {
                ticks.tick().await;
                let Some(window) = timed.upgrade() else { break };
                // This level alone. What the team and the runs have spent stays.
                window.reset();
                tick.notify_waiters();
            }
        });
        Ok(Window { pool, ticked })
    }

    /// Reserves in a run below, as soon as there is room: when other calls have ended, or in the next period.
    pub async fn reserve(
        &self,
        run: &Arc<BudgetPool>,
        estimate: Usage,
    ) -> Result<OwnedReservation, Rejected> {
        loop {
            // Before the try, so that no tick in between is missed.
            let tick = self.ticked.notified();
            match run.reserve_owned(estimate).await {
                // The period's tokens are spent.
                Err(Rejected::Exceeded(exceeded))
                    if exceeded.level().depth() == self.pool.level().depth()
                        && exceeded.reason() == Reason::Exhausted =>
                {
                    tick.await;
                }
                decided => return decided,
            }
        }
    }
}
