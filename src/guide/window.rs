use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{
    BudgetPool, Child, InvalidChild, Limits, OwnedReservation, Reason, Rejected, Usage,
};
use tokio::time::{interval, sleep, MissedTickBehavior};

/// A pool between a team and its runs that bounds the tokens of each period. Runs are its children.
/// It takes part in every call of theirs, and a timer sets it back to zero.
pub fn window(
    team: &Arc<BudgetPool>,
    period: Duration,
    tokens: u64,
) -> Result<Arc<BudgetPool>, InvalidChild> {
    let limits = Limits::unlimited().total_tokens(tokens);
    let window = team.child_owned(Child::new(limits).label("window"))?;
    // The timer does not keep the window alive, and ends when it is gone.
    let timed = Arc::downgrade(&window);
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
        }
    });
    Ok(window)
}

/// Reserves. If it is the window that has no room, tries again until it has. Put it into a `timeout`: without
/// the timer it would try for ever.
pub async fn reserve_in_window(
    run: &Arc<BudgetPool>,
    window: &BudgetPool,
    estimate: Usage,
) -> Result<OwnedReservation, Rejected> {
    loop {
        match run.try_reserve_owned(estimate) {
            Err(Rejected::Exceeded(exceeded))
                if exceeded.level().depth() == window.level().depth()
                    && exceeded.reason() != Reason::NeverFits => {}
            decided => return decided,
        }
        sleep(Duration::from_millis(50)).await;
    }
}
