use std::sync::Arc;

use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionResponseStream, ChatCompletionStreamOptions, CreateChatCompletionRequest,
    CreateChatCompletionStreamResponse,
};
use async_openai::Client;
use futures::TryStreamExt;
use token_budget_pool::{BudgetPool, InvalidTokenCounts, Metered, Price, Usage};

use super::async_openai::{counts, seen};
use super::budget::Budget;
use super::one_call::is_unbilled;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Without this, a stream says nothing of what it used.
pub const WITH_USAGE: ChatCompletionStreamOptions = ChatCompletionStreamOptions {
    include_usage: Some(true),
    include_obfuscation: None,
};

/// A stream that settles its call with its last part. Read it as far as you like.
pub async fn stream(
    budget: &Budget,
    estimate: Usage,
    client: &Client<OpenAIConfig>,
    mut request: CreateChatCompletionRequest,
    id: &str,
) -> Result<ChatCompletionResponseStream, Error> {
    request.stream_options = Some(WITH_USAGE);
    let watched = budget.start(estimate, id)?;
    let chunks = match client.chat().create_stream(request).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        chunks => chunks?,
    };
    let (price, mut watched) = (budget.price, Some(watched));
    Ok(Box::pin(chunks.inspect_ok(move |chunk| {
        // If this chunk never comes, `watched` is dropped with the stream, and the reconciler looks into it.
        if let Some(Ok(counts)) = chunk.usage.as_ref().map(counts) {
            if let Some(watched) = watched.take() {
                let _ = watched.end().settle(price.usage(counts));
            }
        }
    })))
}

/// A stream that counts itself, without a reconciler: if it is cut off or dropped, what was reserved counts, as
/// forfeited. Needs the feature `stream`.
pub async fn metered(
    pool: &Arc<BudgetPool>,
    price: Price,
    estimate: Usage,
    client: &Client<OpenAIConfig>,
    mut request: CreateChatCompletionRequest,
) -> Result<
    Metered<
        ChatCompletionResponseStream,
        impl FnMut(&CreateChatCompletionStreamResponse) -> Option<Result<Usage, InvalidTokenCounts>>
            + use<>,
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
        let counts = counts(chunk.usage.as_ref()?);
        Some(counts.map(|counts| price.usage(counts)))
    }))
}
