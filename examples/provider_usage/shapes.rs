//! From what five kinds of providers send to [`TokenCounts`]. Copy what you need.

use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::{Map, Value};
use token_budget_pool::{InvalidTokenCounts, InvalidUsd, TokenCounts, Usd};

/// The usage of a part of a call.
pub struct Part {
    pub counts: TokenCounts,
    /// The model that did it, if it was not the one that was asked.
    pub model: Option<String>,
    /// Those of the tokens that are not text, which many models price apart.
    pub media: Media,
    /// Whether other rates than those of lists apply, such as those of a faster mode.
    pub at_other_rates: bool,
}

#[derive(Clone, Copy, Default)]
pub struct Media {
    pub audio_in: u64,
    /// Those of `audio_in` that were read from a cache.
    pub cached_audio: u64,
    pub audio_out: u64,
    pub images_out: u64,
}

impl From<TokenCounts> for Part {
    fn from(counts: TokenCounts) -> Part {
        Part {
            counts,
            model: None,
            media: Media::default(),
            at_other_rates: false,
        }
    }
}

/// What a call used, of a usage or of a whole answer in this shape. Most providers report one part.
pub fn parts(shape: &str, body: Map<String, Value>) -> Result<Vec<Part>, Error> {
    let body = usage_in(body)?;
    // Of Anthropic, in whose usage cached tokens are outside. They would not be counted.
    let of_anthropic = ["cache_read_input_tokens", "cache_creation_input_tokens"];
    let is_anthropic = || of_anthropic.iter().any(|field| body.contains_key(*field));
    match shape {
        "openai_chat" => Ok(vec![read::<OpenAi>(body)?.part()?]),
        "openai_responses" if is_anthropic() => Err(Error::OfAnthropic),
        "openai_responses" => Ok(vec![OpenAi::from(read::<Responses>(body)?).part()?]),
        "anthropic_messages" => read::<Anthropic>(body)?.parts(),
        "bedrock_converse" => Ok(vec![read::<Bedrock>(body)?.counts()?.into()]),
        "gemini" => Ok(vec![read::<Gemini>(body)?.part()?]),
        other => Err(Error::Shape(other.into())),
    }
}

/// Chat Completions, of OpenAI and many others.
#[derive(Deserialize)]
struct OpenAi {
    prompt_tokens: Option<i64>,
    completion_tokens: Option<i64>,
    total_tokens: Option<i64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
    /// Of Moonshot, instead of the details.
    cached_tokens: Option<i64>,
    /// Of OpenRouter, in dollars: what it bills.
    cost: Option<f64>,
    /// Of OpenRouter: whether the tokens are billed to an account of yours at the provider. Then `cost` is
    /// only a fee, and what the provider bills is in the details.
    is_byok: Option<bool>,
    cost_details: Option<CostDetails>,
    /// Of xAI: 10,000,000,000 ticks are a dollar.
    cost_in_usd_ticks: Option<u64>,
}

/// OpenAI's Responses API, which counts the same under other names.
#[derive(Deserialize)]
struct Responses {
    input_tokens: Option<i64>,
    output_tokens: Option<i64>,
    total_tokens: Option<i64>,
    input_tokens_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
    cost: Option<f64>,
    is_byok: Option<bool>,
    cost_details: Option<CostDetails>,
    cost_in_usd_ticks: Option<u64>,
}

#[derive(Deserialize, Default)]
struct InputDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    audio_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct OutputDetails {
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CostDetails {
    upstream_inference_cost: Option<f64>,
}

impl From<Responses> for OpenAi {
    fn from(responses: Responses) -> OpenAi {
        OpenAi {
            prompt_tokens: responses.input_tokens,
            completion_tokens: responses.output_tokens,
            total_tokens: responses.total_tokens,
            prompt_tokens_details: responses.input_tokens_details,
            completion_tokens_details: responses.output_tokens_details,
            cached_tokens: None,
            cost: responses.cost,
            is_byok: responses.is_byok,
            cost_details: responses.cost_details,
            cost_in_usd_ticks: responses.cost_in_usd_ticks,
        }
    }
}

impl OpenAi {
    fn part(self) -> Result<Part, Error> {
        let bill = self.bill()?;
        let prompt = self.prompt_tokens;
        // An embedding has no output, and reports none.
        let all_prompt = prompt.is_some() && self.total_tokens == prompt;
        let output = self.completion_tokens.or(all_prompt.then_some(0));
        let input = self.prompt_tokens_details.unwrap_or_default();
        let media = self.completion_tokens_details.unwrap_or_default();
        let cached = input.cached_tokens.or(self.cached_tokens);
        let counts = TokenCounts::inclusive(prompt, cached, output)?
            .cache_write_inside(input.cache_write_tokens)?;
        // OpenAI's reasoning is inside the output, and xAI's is not: what only the total has.
        let counted = counts.input().saturating_add(counts.output());
        let outside = self.total_tokens.map(|total| {
            let total = u64::try_from(total).unwrap_or(0);
            total.saturating_sub(counted)
        });
        Ok(Part {
            media: Media {
                audio_in: input.audio_tokens.unwrap_or(0),
                cached_audio: 0,
                audio_out: media.audio_tokens.unwrap_or(0),
                images_out: media.image_tokens.unwrap_or(0),
            },
            ..counts.reasoning_outside(outside)?.at_cost(bill).into()
        })
    }

    /// What the provider or router itself bills, if it says so.
    fn bill(&self) -> Result<Option<Usd>, InvalidUsd> {
        if let Some(ticks) = self.cost_in_usd_ticks {
            return Ok(Some(Usd::from_nanos(ticks.div_ceil(10))));
        }
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
    /// `fast` costs more than lists say.
    speed: Option<String>,
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
        let at_other_rates = self.speed.as_ref().is_some_and(|speed| speed != "standard");
        let mut parts = vec![Part {
            at_other_rates,
            ..self.counts()?.into()
        }];
        for step in self.iterations.into_iter().flatten() {
            match step.kind.as_deref() {
                Some("message") => {}
                Some("compaction" | "advisor_message") => parts.push(Part {
                    model: step.model.clone(),
                    at_other_rates,
                    ..step.counts()?.into()
                }),
                // Nobody knows whether it is in the counts of the call.
                other => return Err(Error::Step(other.map(str::to_owned))),
            }
        }
        Ok(parts)
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
    /// `responseTokenCount` in the Live API.
    #[serde(alias = "responseTokenCount")]
    candidates_token_count: Option<i64>,
    thoughts_token_count: Option<i64>,
    tool_use_prompt_token_count: Option<i64>,
    total_token_count: Option<u64>,
    prompt_tokens_details: Option<Vec<OfModality>>,
    cache_tokens_details: Option<Vec<OfModality>>,
    #[serde(alias = "responseTokensDetails")]
    candidates_tokens_details: Option<Vec<OfModality>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfModality {
    modality: String,
    token_count: Option<u64>,
}

impl Gemini {
    fn part(&self) -> Result<Part, Error> {
        // A count of zero is left out, as of a prompt that was blocked.
        let output = self.candidates_token_count.unwrap_or(0);
        let counts = TokenCounts::inclusive(
            self.prompt_token_count,
            self.cached_content_token_count,
            output,
        )?
        .reasoning_outside(self.thoughts_token_count)?
        .tool_prompt_outside(self.tool_use_prompt_token_count)?;
        let counted = counts.input().saturating_add(counts.output());
        match self.total_token_count {
            Some(total) if total > counted => return Err(Error::Total { total, counted }),
            _ => {}
        }
        let of = |details: &Option<Vec<OfModality>>, modality| {
            let details = details.iter().flatten();
            details
                .filter(|tokens| tokens.modality == modality)
                .filter_map(|tokens| tokens.token_count)
                .fold(0, u64::saturating_add)
        };
        Ok(Part {
            media: Media {
                audio_in: of(&self.prompt_tokens_details, "AUDIO"),
                cached_audio: of(&self.cache_tokens_details, "AUDIO"),
                audio_out: of(&self.candidates_tokens_details, "AUDIO"),
                images_out: of(&self.candidates_tokens_details, "IMAGE"),
            },
            ..counts.into()
        })
    }
}

/// A usage, or the usage in a whole answer.
fn usage_in(mut body: Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let inner = ["usage", "usageMetadata"].map(|field| body.remove(field));
    match inner.into_iter().flatten().next() {
        Some(usage) => Ok(serde_path_to_error::deserialize(usage)?),
        None => Ok(body),
    }
}

fn read<U: DeserializeOwned>(usage: Map<String, Value>) -> Result<U, Error> {
    Ok(serde_path_to_error::deserialize(Value::Object(usage))?)
}

/// Why a usage cannot be counted.
#[derive(Debug)]
pub enum Error {
    Shape(String),
    /// A usage of Anthropic that is said to be of OpenAI.
    OfAnthropic,
    /// A step of a call, of a kind that is not known.
    Step(Option<String>),
    /// More than what was counted, nobody knows of what.
    Total {
        total: u64,
        counted: u64,
    },
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
            Error::OfAnthropic => f.write_str(
                "usage.cache_read_input_tokens: OpenAI has none: is it anthropic_messages?",
            ),
            Error::Step(kind) => write!(f, "usage.iterations: a step of an unknown kind, {kind:?}"),
            Error::Total { total, counted } => write!(
                f,
                "usage.totalTokenCount: {total} tokens, and only {counted} of them are in the other counts"
            ),
            Error::Json(error) => write!(f, "usage.{error}"),
            Error::Counts(error) => error.fmt(f),
            Error::Cost(error) => write!(f, "cost: {error}"),
        }
    }
}

impl std::error::Error for Error {}
