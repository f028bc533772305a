// Not compiled here: rig-core 0.46 needs Rust 1.97. Written after its source.
use rig_core::completion::{CompletionRequest, CompletionResponse};
use rig_core::operation::Completion;
use rig_core::{DynModel, ProviderError};
use token_budget_pool::{TokenCounts, Usage};

use super::budget::Budget;
use super::client;
use super::one_call::is_unbilled;

pub async fn chat(
    budget: &Budget,
    estimate: Usage,
    model: &DynModel<Completion>,
    request: CompletionRequest, // with its `max_tokens`
    id: &str,
) -> Result<CompletionResponse, Box<dyn std::error::Error + Send + Sync>> {
    let watched = budget.start(estimate, id)?;
    let answer = match model.call(request).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        answer => answer?,
    };
    // rig makes all providers' counts inclusive. It does not say which writes are kept for an hour.
    let used = &answer.usage;
    let counts = TokenCounts::inclusive(
        used.input_tokens,
        used.cached_input_tokens,
        used.output_tokens,
    )?
    .cache_write_inside(used.cache_creation_input_tokens)?;
    let _ = watched.end().settle(budget.price.usage(counts));
    Ok(answer)
}

/// What `is_unbilled` asks about.
fn seen(error: &ProviderError) -> client::Error {
    match error.provider_response_status() {
        Some(status) if !status.is_success() => client::Error::Status(status),
        _ => client::Error::Broken,
    }
}
