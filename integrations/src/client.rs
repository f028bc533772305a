//! What the guide's recipes call `Client`: here it is reqwest, without a library for any provider.

use std::fmt;
use std::net::SocketAddr;

use reqwest::StatusCode;
use serde_json::{json, Value};
use token_budget_pool::TokenCounts;

use crate::provider::{Billed, Request};

#[derive(Debug, Clone, Copy)]
pub struct Client {
    pub provider: SocketAddr,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// There is no connection, so nothing was sent.
    Connect,
    /// The provider answered with an error.
    Status(StatusCode),
    /// Anything else, after the request was sent.
    Broken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Error {}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Error {
        match error.status() {
            Some(status) => Error::Status(status),
            None if error.is_connect() => Error::Connect,
            None => Error::Broken,
        }
    }
}

impl Client {
    /// What the call used.
    pub async fn send(&self, request: &Request) -> Result<TokenCounts, Error> {
        let body = json!({
            "model": "fake",
            "messages": [{"role": "user", "content": request.prompt()}],
            "max_completion_tokens": request.max_tokens,
        });
        let url = format!("http://{}/v1/chat/completions", self.provider);
        let answer = reqwest::Client::new().post(url).json(&body).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        let usage = &answer["usage"];
        let details = &usage["prompt_tokens_details"];
        let [prompt, output] = ["prompt_tokens", "completion_tokens"].map(|of| usage[of].as_u64());
        let [cached, written] =
            ["cached_tokens", "cache_write_tokens"].map(|of| details[of].as_u64());
        TokenCounts::inclusive(prompt, cached, output)
            .and_then(|counts| counts.cache_write_inside(written))
            .map_err(|_| Error::Broken)
    }

    /// Cancels a call. Returns what it used, or `None` if it was not billed. What comes through later
    /// under the same id is turned away, so the answer is final.
    pub async fn cancel(&self, id: &str) -> Result<Option<TokenCounts>, Error> {
        let url = format!("http://{}/v1/calls/{id}", self.provider);
        let answer = reqwest::Client::new().delete(url).send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let billed: Billed = answer.error_for_status()?.json().await?;
        let written = billed.cache_write + billed.cache_write_1h;
        TokenCounts::exclusive(billed.uncached, billed.cache_read, written, billed.output)
            .and_then(|counts| counts.one_hour_writes(billed.cache_write_1h))
            .map(Some)
            .map_err(|_| Error::Broken)
    }
}
