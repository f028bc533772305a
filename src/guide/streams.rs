use std::ops::ControlFlow;
use std::sync::Arc;

use token_budget_pool::{BudgetPool, Price, Tokens};

use super::client::Client;
use super::one_call::{is_unbilled, Error};
use super::provider::Request;
use super::reconcile::Reconciler;

/// A call whose output comes in parts. `show` sees each part, and may have seen enough.
pub async fn stream(
    pool: &Arc<BudgetPool>,
    price: &Price,
    client: &Client,
    request: &Request,
    reconciler: &Reconciler,
    mut show: impl FnMut(Tokens) -> ControlFlow<()>,
) -> Result<(), Error> {
    let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
    let call = pool.try_reserve_owned(estimate)?.start();
    let mut watched = reconciler.watch(call, &request.id);
    let mut parts = match client.stream(request).await {
        Err(error) if is_unbilled(&error) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        // Another error drops `watched`, and the reconciler looks into it.
        parts => parts?,
    };
    let mut used = Tokens::default();
    while let Some(part) = parts.next().await {
        // The running total, not what this part adds: a report says the same however often it comes.
        used = part?;
        let receipt = watched.call().report(price.usage(used));
        if receipt.over_limit.any() || show(used).is_break() {
            // Both `parts` and `watched` are dropped: the provider stops, but it may be ahead of
            // what came through. What it billed is for the reconciler to find out.
            return Ok(());
        }
    }
    let receipt = watched.end().settle(price.usage(used));
    if receipt.over_limit.any() {
        eprintln!("{}: {receipt}", request.id);
    }
    Ok(())
}
