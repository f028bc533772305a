use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::ReqwestService;
use async_openai::types::chat::{
    CompletionUsage, CreateChatCompletionRequest, CreateChatCompletionResponse,
};
use async_openai::Client;
use token_budget_pool::{InvalidTokenCounts, TokenCounts, Usage};

use super::budget::Budget;
use super::client;
use super::one_call::is_unbilled;

/// A client that sends each request once. Without the service, it would try again up to three times after a 429,
/// a 5xx or a failed connection. Needs the feature `middleware`.
pub fn without_retries(config: OpenAIConfig) -> Client<OpenAIConfig> {
    let once = ReqwestService::new(reqwest::Client::new());
    Client::with_config(config).with_http_service(once)
}

pub async fn chat(
    budget: &Budget,
    estimate: Usage,
    client: &Client<OpenAIConfig>,
    request: CreateChatCompletionRequest,
    id: &str,
) -> Result<CreateChatCompletionResponse, Box<dyn std::error::Error + Send + Sync>> {
    let watched = budget.start(estimate, id)?;
    let answer = match client.chat().create(request).await {
        Err(error) if is_unbilled(&seen(&error)) => {
            let _ = watched.end().release();
            return Err(error.into());
        }
        // Any other error drops `watched`, and the reconciler looks into it.
        answer => answer?,
    };
    let usage = answer.usage.as_ref().ok_or("an answer without a usage")?;
    let counts = counts(usage)?;
    let _ = watched.end().settle(budget.price.usage(counts));
    Ok(answer)
}

pub fn counts(usage: &CompletionUsage) -> Result<TokenCounts, InvalidTokenCounts> {
    let details = usage.prompt_tokens_details.clone().unwrap_or_default();
    TokenCounts::inclusive(
        usage.prompt_tokens,
        details.cached_tokens,
        usage.completion_tokens,
    )?
    .cache_write_inside(details.cache_write_tokens)
}

/// What `is_unbilled` asks about.
pub fn seen(error: &OpenAIError) -> client::Error {
    match error {
        OpenAIError::ApiError(answer) => client::Error::Status(answer.status_code),
        OpenAIError::Reqwest(error) if error.is_connect() => client::Error::Connect,
        // Also a refusal that is not JSON as OpenAI writes it, such as a gateway's own 429: its status is lost.
        _ => client::Error::Broken,
    }
}
