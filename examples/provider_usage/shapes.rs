//! From what five kinds of providers send to [`TokenCounts`]. Copy what you need.

use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::{Map, Value};
use token_budget_pool::{InvalidTokenCounts, InvalidUsd, TokenCounts, Usd};

/// The usage of a part of a call, and the model that did it, if it was not the model that was asked.
pub struct Part {
    pub counts: TokenCounts,
    pub model: Option<String>,
}

/// What a call used, of a usage or of a whole answer in this shape. Most providers report one part.
pub fn parts(shape: &str, body: Map<String, Value>) -> Result<Vec<Part>, Error> {
    let one = |counts| {
        let model = None;
        vec![Part { counts, model }]
    };
    match shape {
        // The Responses API counts as Chat Completions do, under other names.
        "openai_chat" | "openai_responses" => read::<OpenAi>(body)?.counts().map(one),
        "anthropic_messages" => read::<Anthropic>(body)?.parts(),
        "bedrock_converse" => Ok(one(read::<Bedrock>(body)?.counts()?)),
        "gemini" => Ok(one(read::<Gemini>(body)?.counts()?)),
        other => Err(Error::Shape(other.into())),
    }
}

#[derive(Deserialize)]
struct OpenAi {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<i64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    #[serde(alias = "input_tokens_details")]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(alias = "output_tokens_details")]
    completion_tokens_details: Option<CompletionDetails>,
    /// Of Moonshot, instead of the details.
    cached_tokens: Option<i64>,
    /// Of OpenRouter, in dollars: what it bills.
    cost: Option<f64>,
    /// Of OpenRouter: whether the tokens are billed to an account of yours at the provider. Then `cost` is
    /// only a fee, and what the provider bills is in the details.
    is_byok: Option<bool>,
    cost_details: Option<CostDetails>,
}

#[derive(Deserialize, Default)]
struct PromptDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<i64>,
}

#[derive(Deserialize)]
struct CostDetails {
    upstream_inference_cost: Option<f64>,
}

impl OpenAi {
    fn counts(&self) -> Result<TokenCounts, Error> {
        let prompt = self.prompt_tokens;
        // An embedding has no output, and reports none.
        let all_prompt = prompt.is_some() && self.total_tokens == prompt;
        let output = self.completion_tokens.or(all_prompt.then_some(0));
        let details = self.prompt_tokens_details.as_ref();
        let cached = details.and_then(|details| details.cached_tokens);
        let counts = TokenCounts::inclusive(prompt, cached.or(self.cached_tokens), output)?
            .cache_write_inside(details.and_then(|details| details.cache_write_tokens))?
            .reasoning_outside(self.reasoning_outside(output))?;
        Ok(counts.at_cost(self.billed()?))
    }

    /// OpenAI's reasoning is inside the output, and xAI's is not. The total tells.
    fn reasoning_outside(&self, output: Option<i64>) -> Option<i64> {
        let reasoning = self.completion_tokens_details.as_ref()?.reasoning_tokens?;
        let inside = self.prompt_tokens?.checked_add(output?)?;
        let outside = inside.checked_add(reasoning)?;
        (self.total_tokens? >= outside).then_some(reasoning)
    }

    fn billed(&self) -> Result<Option<Usd>, InvalidUsd> {
        let Some(cost) = self.cost else {
            return Ok(None);
        };
        let by_provider = match (self.is_byok, &self.cost_details) {
            (Some(true), Some(details)) => details.upstream_inference_cost,
            (Some(true), None) => None,
            _ => Some(0.0),
        };
        // Of an unknown bill the fee is not all.
        by_provider
            .map(|more| Usd::from_f64(cost + more))
            .transpose()
    }
}

/// Of a call, or of one of its steps.
#[derive(Deserialize)]
struct Anthropic {
    input_tokens: Option<i64>,
    cache_read_input_tokens: Option<i64>,
    cache_creation_input_tokens: Option<i64>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<i64>,
    /// The steps. Those that are no messages, such as a compaction of the conversation or the advice of
    /// another model, are billed, and are not in the counts of the call.
    iterations: Option<Vec<Anthropic>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    model: Option<String>,
}

#[derive(Deserialize)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Option<i64>,
}

impl Anthropic {
    fn counts(&self) -> Result<TokenCounts, InvalidTokenCounts> {
        let for_an_hour = self.cache_creation.as_ref();
        TokenCounts::exclusive(
            self.input_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
            self.output_tokens,
        )?
        .one_hour_writes(for_an_hour.and_then(|writes| writes.ephemeral_1h_input_tokens))
    }

    fn parts(self) -> Result<Vec<Part>, Error> {
        let messages = Part {
            counts: self.counts()?,
            model: None,
        };
        let steps = self.iterations.into_iter().flatten();
        let others = steps.filter(|step| step.kind.as_deref() != Some("message"));
        let others = others.map(|step| {
            Ok(Part {
                counts: step.counts()?,
                model: step.model,
            })
        });
        std::iter::once(Ok(messages)).chain(others).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bedrock {
    input_tokens: Option<i64>,
    cache_read_input_tokens: Option<i64>,
    cache_write_input_tokens: Option<i64>,
    cache_details: Option<Vec<CacheDetail>>,
    output_tokens: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CacheDetail {
    ttl: String,
    input_tokens: u64,
}

impl Bedrock {
    fn counts(&self) -> Result<TokenCounts, InvalidTokenCounts> {
        let details = self.cache_details.iter().flatten();
        let for_an_hour = details
            .filter(|detail| detail.ttl == "1h")
            .fold(0, |sum: u64, detail| {
                sum.saturating_add(detail.input_tokens)
            });
        TokenCounts::exclusive(
            self.input_tokens,
            self.cache_read_input_tokens,
            self.cache_write_input_tokens,
            self.output_tokens,
        )?
        .one_hour_writes(for_an_hour)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Gemini {
    prompt_token_count: Option<i64>,
    cached_content_token_count: Option<i64>,
    candidates_token_count: Option<i64>,
    thoughts_token_count: Option<i64>,
    tool_use_prompt_token_count: Option<i64>,
}

impl Gemini {
    fn counts(&self) -> Result<TokenCounts, InvalidTokenCounts> {
        // A count of zero is left out, as of a prompt that was blocked.
        let output = self.candidates_token_count.unwrap_or(0);
        TokenCounts::inclusive(
            self.prompt_token_count,
            self.cached_content_token_count,
            output,
        )?
        .reasoning_outside(self.thoughts_token_count)?
        .tool_prompt_outside(self.tool_use_prompt_token_count)
    }
}

/// A usage, or the usage in a whole answer.
fn read<U: DeserializeOwned>(mut body: Map<String, Value>) -> Result<U, Error> {
    let inner = ["usage", "usageMetadata"].map(|field| body.remove(field));
    let usage = match inner.into_iter().flatten().next() {
        Some(usage) => usage,
        None => Value::Object(body),
    };
    Ok(serde_path_to_error::deserialize(usage)?)
}

/// Why a usage cannot be counted.
#[derive(Debug)]
pub enum Error {
    Shape(String),
    Json(serde_path_to_error::Error<serde_json::Error>),
    Counts(InvalidTokenCounts),
    Cost(InvalidUsd),
}

impl From<serde_path_to_error::Error<serde_json::Error>> for Error {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
        Error::Json(error)
    }
}

impl From<InvalidTokenCounts> for Error {
    fn from(error: InvalidTokenCounts) -> Error {
        Error::Counts(error)
    }
}

impl From<InvalidUsd> for Error {
    fn from(error: InvalidUsd) -> Error {
        Error::Cost(error)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Shape(shape) => write!(
                f,
                "shape: {shape:?} is none of openai_chat, openai_responses, anthropic_messages, \
                 bedrock_converse, gemini"
            ),
            Error::Json(error) => write!(f, "usage.{error}"),
            Error::Counts(error) => error.fmt(f),
            Error::Cost(error) => write!(f, "cost: {error}"),
        }
    }
}

impl std::error::Error for Error {}
