use std::ops::ControlFlow;
use std::sync::Arc;

use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionResponseStream, ChatCompletionStreamOptions, CreateChatCompletionRequest,
    CreateChatCompletionStreamResponse,
};
use async_openai::Client;
use futures::StreamExt;
use token_budget_pool::{BudgetPool, Metered, Price, Usage};

use super::async_openai::{counts, seen};
use super::budget::Budget;
use super::one_call::is_unbilled;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Without this, a stream says nothing of what it used.
pub const WITH_USAGE: ChatCompletionStreamOptions = ChatCompletionStreamOptions {
    include_usage: Some(true),
    include_obfuscation: None,
};

/// A stream that a reconciler looks after. `show` sees each chunk, and may have seen enough. Returns whether
/// the output is complete.
pub async fn stream(
    budget: &Budget,
    estimate: Usage,
    client: &Client<OpenAIConfig>,
    mut request: CreateChatCompletionRequest,
    id: &str,
    mut show: impl FnMut(CreateChatCompletionStreamResponse) -> ControlFlow<()>,
) -> Result<bool, Error> {
    request.stream_options = Some(WITH_USAGE);
    let watched = budget.start(estimate, id)?;
    let mut chunks = match client.chat().create_stream(request).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        chunks => chunks?,
    };
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if let Some(usage) = &chunk.usage {
            let _ = watched.end().settle(budget.price.usage(counts(usage)?));
            return Ok(true);
        }
        if show(chunk).is_break() {
            break;
        }
    }
    // Stopped here, or ended without its last part. `watched` is dropped, and the reconciler looks into it.
    Ok(false)
}

/// A stream that counts itself, to pass on. Without a reconciler: if it is cut off or dropped, what was reserved
/// counts, as forfeited.
pub async fn metered(
    pool: &Arc<BudgetPool>,
    price: Price,
    estimate: Usage,
    client: &Client<OpenAIConfig>,
    mut request: CreateChatCompletionRequest,
) -> Result<
    Metered<
        ChatCompletionResponseStream,
        impl FnMut(&CreateChatCompletionStreamResponse) -> Option<Usage>,
        Arc<BudgetPool>,
    >,
    Error,
> {
    request.stream_options = Some(WITH_USAGE);
    let call = pool.try_reserve_owned(estimate)?.start();
    let chunks = match client.chat().create_stream(request).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = call.release();
            return Err(error.into());
        }
        chunks => chunks?,
    };
    Ok(call.meter(chunks, move |chunk| {
        let counts = counts(chunk.usage.as_ref()?).ok()?;
        Some(price.usage(counts))
    }))
}
