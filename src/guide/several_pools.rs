use token_budget_pool::{BudgetPool, Price, Tokens};

use super::client::Client;
use super::one_call::{is_unbilled, Error};
use super::provider::Request;

/// A call that has to fit two budgets: that of its run and that of the team.
pub async fn call_of_run(
    run: &BudgetPool,
    team: &BudgetPool,
    price: &Price,
    client: &Client,
    request: &Request,
) -> Result<Tokens, Error> {
    let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
    // The one that is likelier to refuse comes first. If the second refuses, the first reservation
    // is dropped, and gives back.
    let of_run = run.try_reserve(estimate)?;
    let of_team = team.try_reserve(estimate)?;
    let calls = [of_run.start(), of_team.start()];
    match client.send(request).await {
        Ok(tokens) => {
            for call in calls {
                let _ = call.settle(price.usage(tokens));
            }
            Ok(tokens)
        }
        Err(error) => {
            for call in calls {
                let _ = if is_unbilled(&error) {
                    call.release()
                } else {
                    call.forfeit()
                };
            }
            Err(error.into())
        }
    }
}
