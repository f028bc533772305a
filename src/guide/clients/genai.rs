use std::ops::ControlFlow;

use futures::StreamExt;
use genai::chat::{ChatOptions, ChatRequest, ChatResponse, ChatStreamEvent};
use genai::{Client, ModelSpec};
use token_budget_pool::{InvalidTokenCounts, TokenCounts, Usage};

use super::budget::Budget;
use super::client;
use super::one_call::is_unbilled;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// For `Client::builder().with_chat_options`. Without the second one, a stream says nothing of what it used.
pub fn options(max_tokens: u32) -> ChatOptions {
    ChatOptions::default()
        .with_max_tokens(max_tokens)
        .with_capture_usage(true)
}

pub async fn chat(
    budget: &Budget,
    estimate: Usage,
    client: &Client,
    model: impl Into<ModelSpec>,
    request: ChatRequest,
    id: &str,
) -> Result<ChatResponse, Error> {
    let watched = budget.start(estimate, id)?;
    let answer = match client.exec_chat(model, request, None).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        // Any other error drops `watched`, and the reconciler looks into it.
        answer => answer?,
    };
    // An error too if the answer has no usage.
    let counts = counts(&answer.usage)?;
    let _ = watched.end().settle(budget.price.usage(counts));
    Ok(answer)
}

/// The same in parts. `show` sees each event, and may have seen enough. Returns whether the output is complete.
pub async fn stream(
    budget: &Budget,
    estimate: Usage,
    client: &Client,
    model: impl Into<ModelSpec>,
    request: ChatRequest,
    id: &str,
    mut show: impl FnMut(ChatStreamEvent) -> ControlFlow<()>,
) -> Result<bool, Error> {
    let watched = budget.start(estimate, id)?;
    let answer = client.exec_chat_stream(model, request, None).await?;
    let mut events = answer.stream;
    while let Some(event) = events.next().await {
        match event {
            // The request goes out when the stream is first read. So this is where it is turned away.
            Err(error) if is_unbilled(&seen(&error)) => {
                let _ = watched.end().release();
                return Err(error.into());
            }
            Ok(ChatStreamEvent::End(end)) => {
                let counts = counts(&end.captured_usage.unwrap_or_default())?;
                let _ = watched.end().settle(budget.price.usage(counts));
                return Ok(true);
            }
            event => {
                if show(event?).is_break() {
                    break;
                }
            }
        }
    }
    // Stopped here, or ended without its last part. `watched` is dropped, and the reconciler looks into it.
    Ok(false)
}

/// genai makes all providers' counts inclusive, also Anthropic's.
pub fn counts(usage: &genai::chat::Usage) -> Result<TokenCounts, InvalidTokenCounts> {
    let details = usage.prompt_tokens_details.clone().unwrap_or_default();
    let for_an_hour = details
        .cache_creation_details
        .and_then(|written| written.ephemeral_1h_tokens);
    TokenCounts::inclusive(
        usage.prompt_tokens,
        details.cached_tokens,
        usage.completion_tokens,
    )?
    .cache_write_inside(details.cache_creation_tokens)?
    .one_hour_writes(for_an_hour)
}

/// What `is_unbilled` asks about.
pub fn seen(error: &genai::Error) -> client::Error {
    use genai::Error::{WebModelCall, WebStream};
    let inner = match error {
        // A stream's errors are one level further in, where `status()` does not look.
        WebStream { error, .. } => match error.downcast_ref::<genai::Error>() {
            Some(error) => return seen(error),
            None => error.downcast_ref::<reqwest::Error>(),
        },
        WebModelCall {
            webc_error: genai::webc::Error::Reqwest(error),
            ..
        } => Some(error),
        _ => None,
    };
    match error.status() {
        Some(status) => client::Error::Status(status),
        None if inner.is_some_and(reqwest::Error::is_connect) => client::Error::Connect,
        None => client::Error::Broken,
    }
}
