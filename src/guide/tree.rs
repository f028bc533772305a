use std::sync::Arc;

use token_budget_pool::{BudgetPool, Child, InvalidChild, Limits, Price, Usd};
use tokio::task::JoinSet;

use super::client::Client;
use super::one_call::{one_call, Error};
use super::provider::Request;

/// A run of a team. Each request goes to a sub-agent of its own, and these work at the same time.
/// Returns how many had an answer.
pub async fn run(
    team: &Arc<BudgetPool>,
    label: &str,
    price: Price,
    client: Client,
    requests: Vec<Request>,
) -> Result<usize, InvalidChild> {
    let limits = Limits::unlimited().cost(Usd::cents(10));
    let run = team.child_owned(Child::new(limits).label(label))?;
    let mut agents = JoinSet::new();
    for request in requests {
        // What the agents may spend adds up to more than the run may: they compete for it.
        let limits = Limits::unlimited().cost(Usd::cents(5)).calls(20);
        let agent = run.child_owned(Child::new(limits).label("sub-agent"))?;
        // One reservation, which counts for the agent, the run and the team.
        agents.spawn(async move { one_call(&agent, &price, &client, &request).await });
    }
    let mut answers = 0;
    while let Some(done) = agents.join_next().await {
        match done {
            Ok(Ok(_)) => answers += 1,
            // It says which level has no room: the sub-agent, the run, or the team.
            Ok(Err(Error::Budget(rejected))) => eprintln!("{rejected}"),
            failed => eprintln!("{failed:?}"),
        }
    }
    Ok(answers)
    // The run ends here. What it spent stays counted in the team.
}
