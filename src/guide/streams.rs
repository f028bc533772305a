use std::ops::ControlFlow;
use std::sync::Arc;

use token_budget_pool::{BudgetPool, Price, TokenCounts};

use super::client::Client;
use super::one_call::{is_unbilled, Error};
use super::provider::Request;
use super::reconcile::Reconciler;

/// A call whose output comes in parts. `show` sees each part, and may have seen enough. Returns whether
/// the output is complete.
pub async fn stream(
    pool: &Arc<BudgetPool>,
    price: &Price,
    client: &Client,
    request: &Request,
    reconciler: &Reconciler,
    mut show: impl FnMut(TokenCounts) -> ControlFlow<()>,
) -> Result<bool, Error> {
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
    while let Some(part) = parts.next().await {
        let part = part?;
        // The running total, not what this part adds: a report says the same however often it comes.
        let used = price.usage(part.used);
        if part.is_last {
            let receipt = watched.end().settle(used);
            if receipt.over_limit.any() {
                eprintln!("{}: {receipt}", request.id);
            }
            return Ok(true);
        }
        let receipt = watched.call().report(used);
        if receipt.over_limit.any() || show(part.used).is_break() {
            break;
        }
    }
    // Stopped here, or ended by the provider without its last part. Both `parts` and `watched` are
    // dropped: the provider stops, but it may be ahead of what came through. What it billed is for the
    // reconciler to find out.
    Ok(false)
}
