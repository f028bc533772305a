//! The client side of the [`provider`](super::provider): what a client library does, with one
//! connection per request and no retries of its own.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use token_budget_pool::TokenCounts;
use tokio::net::TcpStream;

use super::provider::{Billed, Request};

#[derive(Clone, Copy)]
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
    /// The connection broke after the request was sent.
    Broken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Connect => f.write_str("no connection"),
            Error::Status(status) => write!(f, "the provider says {status}"),
            Error::Broken => f.write_str("the connection broke"),
        }
    }
}

impl StdError for Error {}

impl Client {
    /// What the call used.
    pub async fn send(&self, request: &Request) -> Result<TokenCounts, Error> {
        let response = self
            .request(Method::POST, "/v1/calls", json!(request))
            .await?;
        let body = response.into_body().collect().await;
        let body = body.map_err(|_| Error::Broken)?.to_bytes();
        counts(read(&body)?)
    }

    /// The same in parts.
    pub async fn stream(&self, request: &Request) -> Result<Stream, Error> {
        let response = self
            .request(Method::POST, "/v1/streams", json!(request))
            .await?;
        Ok(Stream(response.into_body()))
    }

    /// Cancels a call. Returns what it used, or `None` if it was not billed. What comes through later
    /// under the same id is turned away, so the answer is final.
    pub async fn cancel(&self, id: &str) -> Result<Option<TokenCounts>, Error> {
        let path = format!("/v1/calls/{id}");
        let response = match self.request(Method::DELETE, &path, json!(null)).await {
            Err(Error::Status(StatusCode::NOT_FOUND)) => return Ok(None),
            response => response?,
        };
        let body = response.into_body().collect().await;
        let body = body.map_err(|_| Error::Broken)?.to_bytes();
        counts(read(&body)?).map(Some)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: serde_json::Value,
    ) -> Result<Response<Incoming>, Error> {
        let mut sender = self.connect().await.ok_or(Error::Connect)?;
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let response = sender.send_request(request).await;
        let response = response.map_err(|_| Error::Broken)?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(Error::Status(status)),
        }
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.provider).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        // It ends with the sender and the response, also where these are dropped.
        tokio::spawn(connection);
        Some(sender)
    }
}

/// An answer that comes in parts. Dropped, it closes the connection.
pub struct Stream(Incoming);

pub struct Part {
    /// What was used so far.
    pub used: TokenCounts,
    pub is_last: bool,
}

impl Stream {
    /// The next part. `None` after the last one, and also where the provider stopped before it.
    pub async fn next(&mut self) -> Option<Result<Part, Error>> {
        loop {
            let frame = match self.0.frame().await? {
                Ok(frame) => frame,
                Err(_) => return Some(Err(Error::Broken)),
            };
            if let Some(line) = frame.data_ref() {
                // Several lines may have come at once: the last one has the most.
                let last = line.trim_ascii().rsplit(|&byte| byte == b'\n').next();
                return Some(part(last.unwrap_or_default()));
            }
        }
    }
}

fn part(text: &[u8]) -> Result<Part, Error> {
    let billed = read(text)?;
    Ok(Part {
        used: counts(billed)?,
        is_last: !billed.running,
    })
}

fn read(text: &[u8]) -> Result<Billed, Error> {
    serde_json::from_slice(text).map_err(|_| Error::Broken)
}

/// Counts that cannot be are no answer.
fn counts(billed: Billed) -> Result<TokenCounts, Error> {
    TokenCounts::inclusive(billed.prompt_tokens, 0, billed.completion_tokens)
        .map_err(|_| Error::Broken)
}
