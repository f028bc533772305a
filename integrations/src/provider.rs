//! A provider that exists only here. It speaks OpenAI's chat completions and Anthropic's messages, fails on
//! request, and keeps a bill.
//!
//! The text of a prompt is a [`Request`]: it says how the request goes, and has an id by which it can be
//! cancelled. The bill is worked out with integers of its own, not with the crate's `Price`: so the two can
//! be compared.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{HeaderValue, CONTENT_TYPE, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use tokio::net::TcpListener;
use tokio::time::{sleep, Instant, Sleep};

/// A request, and how it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    pub id: String,
    /// All of the prompt, with what is read from a cache and written to one.
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    pub written_tokens: u64,
    /// A part of `written_tokens`. OpenAI does not have it.
    pub written_1h_tokens: u64,
    pub max_tokens: u64,
    pub goes: Goes,
}

impl Request {
    /// With a part of the prompt in the cache, and a part of it new there.
    pub fn new(id: &str, goes: Goes) -> Request {
        Request {
            id: id.into(),
            prompt_tokens: 2_000,
            cached_tokens: 1_300,
            written_tokens: 300,
            written_1h_tokens: 100,
            max_tokens: 1_000,
            goes,
        }
    }

    /// The text to send.
    pub fn prompt(&self) -> String {
        json!(self).to_string()
    }
}

/// How a request goes. A real provider decides that by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goes {
    /// It is answered, with this many tokens of output.
    Well(u64),
    /// The answer comes too late. A stream stalls halfway.
    Slowly(u64),
    /// 429, too many requests: not billed.
    TooManyRequests,
    /// The same from a gateway, without the provider's JSON.
    TooManyForTheGateway,
    /// 503, overloaded: not billed.
    Overloaded,
    /// The connection breaks after all output was generated, or in the middle of a stream.
    Cut(u64),
    /// It is answered without a usage. A stream ends halfway, without its last part and without an error.
    WithoutUsage(u64),
}

/// What was billed, in tokens of each price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    pub uncached: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub cache_write_1h: u64,
    pub output: u64,
    /// Whether the provider still works on it.
    pub running: bool,
}

impl Billed {
    fn of_prompt(request: &Request) -> Billed {
        Billed {
            uncached: request.prompt_tokens - request.cached_tokens - request.written_tokens,
            cache_read: request.cached_tokens,
            cache_write: request.written_tokens - request.written_1h_tokens,
            cache_write_1h: request.written_1h_tokens,
            ..Billed::default()
        }
    }

    pub fn input(&self) -> u64 {
        self.uncached + self.cache_read + self.cache_write + self.cache_write_1h
    }

    /// This provider's page says, in dollars per million tokens: 3 for input, 15 for output, 0.30 for what is read
    /// from the cache, and 3.75 or 6 for what is written to it.
    pub fn nano_dollars(&self) -> u64 {
        self.uncached * 3_000
            + self.output * 15_000
            + self.cache_read * 300
            + self.cache_write * 3_750
            + self.cache_write_1h * 6_000
    }

    fn openai(&self) -> Value {
        json!({
            "prompt_tokens": self.input(),
            "completion_tokens": self.output,
            "total_tokens": self.input() + self.output,
            "prompt_tokens_details": {
                "cached_tokens": self.cache_read,
                "cache_write_tokens": self.cache_write,
            },
        })
    }

    fn anthropic(&self) -> Value {
        json!({
            "input_tokens": self.uncached,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write + self.cache_write_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
            "output_tokens": self.output,
        })
    }
}

/// What all calls together have been billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    pub calls: u64,
    pub input: u64,
    pub output: u64,
    pub nano_dollars: u64,
}

#[derive(Clone, Default)]
pub struct Provider {
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    billed: HashMap<String, Billed>,
    /// Cancelled before they came. They are turned away when they do.
    cancelled: HashSet<String>,
    /// How often each came, billed or not.
    came: HashMap<String, u64>,
    /// How often somebody asked what became of it.
    asked: HashMap<String, u64>,
}

impl Provider {
    /// Answers on a port of its own until the runtime ends.
    pub async fn start() -> (Provider, SocketAddr) {
        let provider = Provider::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = serving.clone();
                tokio::spawn(async move {
                    let answer = service_fn(move |request| {
                        let provider = provider.clone();
                        async move { provider.answer(request).await }
                    });
                    // Clients that go away in the middle are part of the show.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
        (provider, address)
    }

    /// The bill so far.
    pub fn bill(&self) -> Bill {
        let mut bill = Bill::default();
        for call in self.calls().billed.values() {
            bill.calls += 1;
            bill.input += call.input();
            bill.output += call.output;
            bill.nano_dollars += call.nano_dollars();
        }
        bill
    }

    /// Whether this request came, and is billed.
    pub fn bills(&self, id: &str) -> bool {
        self.calls().billed.contains_key(id)
    }

    /// How often this request came.
    pub fn came(&self, id: &str) -> u64 {
        self.calls().came.get(id).copied().unwrap_or(0)
    }

    /// How often somebody asked what became of this request.
    pub fn asked(&self, id: &str) -> u64 {
        self.calls().asked.get(id).copied().unwrap_or(0)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().expect("nothing panics with it")
    }

    /// Ends a call, now or before it comes. Returns what it was billed, if it was.
    fn cancel(&self, id: &str) -> Option<Billed> {
        let mut calls = self.calls();
        match calls.billed.get_mut(id) {
            Some(call) => {
                call.running = false;
                Some(*call)
            }
            None => {
                calls.cancelled.insert(id.into());
                None
            }
        }
    }

    async fn answer(&self, request: hyper::Request<Incoming>) -> Result<Answer, Infallible> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if head.method == Method::DELETE {
            let id = path.trim_start_matches("/v1/calls/");
            *self.calls().asked.entry(id.into()).or_default() += 1;
            return Ok(match self.cancel(id) {
                Some(billed) => text(StatusCode::OK, json!(billed).to_string()),
                None => text(StatusCode::NOT_FOUND, String::new()),
            });
        }
        let speaks = match path {
            "/v1/chat/completions" => Speaks::OpenAi,
            "/v1/messages" => Speaks::Anthropic,
            _ => return Ok(text(StatusCode::NOT_FOUND, String::new())),
        };
        let Ok(body) = body.collect().await else {
            return Ok(text(StatusCode::BAD_REQUEST, String::new()));
        };
        let Some((body, mut request)) = read(&body.to_bytes()) else {
            return Ok(text(StatusCode::BAD_REQUEST, String::new()));
        };
        if speaks == Speaks::OpenAi {
            request.written_1h_tokens = 0;
        }
        *self.calls().came.entry(request.id.clone()).or_default() += 1;
        let output = match request.goes {
            Goes::TooManyRequests => return Ok(refused(StatusCode::TOO_MANY_REQUESTS)),
            Goes::TooManyForTheGateway => {
                return Ok(text(StatusCode::TOO_MANY_REQUESTS, "slow down".into()))
            }
            Goes::Overloaded => return Ok(refused(StatusCode::SERVICE_UNAVAILABLE)),
            Goes::Well(output)
            | Goes::Slowly(output)
            | Goes::Cut(output)
            | Goes::WithoutUsage(output) => output.min(request.max_tokens),
        };
        let streamed = body["stream"] == true;
        let billed = Billed {
            output: match speaks {
                _ if !streamed => output,
                Speaks::OpenAi => 0,
                // Anthropic's first event has the first token already.
                Speaks::Anthropic => output.min(1),
            },
            running: streamed,
            ..Billed::of_prompt(&request)
        };
        {
            let mut calls = self.calls();
            if calls.cancelled.contains(&request.id) {
                return Ok(text(StatusCode::GONE, String::new()));
            }
            calls.billed.insert(request.id.clone(), billed);
        }
        if streamed {
            let generation = Generation {
                speaks,
                with_usage: body["stream_options"]["include_usage"] == true,
                parts: VecDeque::from([speaks.begin(&request, &billed)]),
                output,
                pause: Box::pin(sleep(Duration::ZERO)),
                request,
                provider: self.clone(),
            };
            return Ok(of_type("text/event-stream", generation.boxed_unsync()));
        }
        let mut answer = json!({
            "id": request.id,
            "object": "chat.completion",
            "created": 0,
            "model": "fake",
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "..."},
                "finish_reason": "stop",
            }],
            "usage": billed.openai(),
        });
        match request.goes {
            // Longer than any client here waits.
            Goes::Slowly(_) => sleep(Duration::from_secs(3_600)).await,
            Goes::Cut(_) => {
                let broken = [Err(ErrorKind::ConnectionAborted.into())];
                let broken = StreamBody::new(stream::iter(broken));
                return Ok(of_type("application/json", broken.boxed_unsync()));
            }
            Goes::WithoutUsage(_) => answer["usage"] = Value::Null,
            _ => sleep(Duration::from_millis(1)).await,
        }
        Ok(text(StatusCode::OK, answer.to_string()))
    }
}

/// The request's JSON, and the [`Request`] in its prompt.
fn read(body: &[u8]) -> Option<(Value, Request)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let content = &body["messages"][0]["content"];
    let prompt = content.as_str().or_else(|| content[0]["text"].as_str())?;
    let max_tokens = ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|&field| body[field].as_u64())?;
    let mut request: Request = serde_json::from_str(prompt).ok()?;
    request.max_tokens = max_tokens;
    Some((body, request))
}

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

fn of_type(kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(status: StatusCode, text: String) -> Answer {
    let body = Full::from(text).map_err(|never| match never {});
    let mut response = of_type("application/json", body.boxed_unsync());
    *response.status_mut() = status;
    response
}

/// In the provider's own words. To be tried again at once, so that clients that do so need not wait.
fn refused(status: StatusCode) -> Answer {
    let kind = "rate_limit_error";
    let error = json!({"message": "not now", "type": kind, "param": null, "code": null});
    let mut response = text(status, json!({ "error": error }).to_string());
    let at_once = HeaderValue::from_static("0");
    response.headers_mut().insert(RETRY_AFTER, at_once);
    response
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    OpenAi,
    Anthropic,
}

impl Speaks {
    fn chunk(choices: Value, usage: Value) -> String {
        let chunk = json!({
            "id": "chunk",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "fake",
            "choices": choices,
            "usage": usage,
        });
        format!("data: {chunk}\n\n")
    }

    fn event(event: Value) -> String {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().expect("a type")
        )
    }

    fn begin(self, request: &Request, billed: &Billed) -> String {
        if self == Speaks::OpenAi {
            let delta = json!({"role": "assistant", "content": ""});
            let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
            return Speaks::chunk(json!([choice]), Value::Null);
        }
        let start = json!({
            "type": "message_start",
            "message": {
                "id": request.id,
                "type": "message",
                "role": "assistant",
                "model": "fake",
                "content": [],
                "stop_reason": null,
                "usage": billed.anthropic(),
            },
        });
        let block = json!({
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": ""},
        });
        Speaks::event(start) + &Speaks::event(block) + &Speaks::event(json!({"type": "ping"}))
    }

    /// Some output. Anthropic also says how much there is so far.
    fn more(self, billed: &Billed) -> String {
        if self == Speaks::OpenAi {
            let choice = json!({"index": 0, "delta": {"content": "..."}, "finish_reason": null});
            return Speaks::chunk(json!([choice]), Value::Null);
        }
        let delta = json!({
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "..."},
        });
        let total = json!({
            "type": "message_delta",
            "delta": {"stop_reason": null},
            "usage": {"output_tokens": billed.output, "input_tokens": null},
        });
        Speaks::event(delta) + &Speaks::event(total)
    }

    fn end(self, billed: &Billed, with_usage: bool) -> String {
        if self == Speaks::OpenAi {
            let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
            let mut end = Speaks::chunk(json!([choice]), Value::Null);
            if with_usage {
                end += &Speaks::chunk(json!([]), billed.openai());
            }
            return end + "data: [DONE]\n\n";
        }
        let total = json!({
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": billed.output},
        });
        Speaks::event(json!({"type": "content_block_stop", "index": 0}))
            + &Speaks::event(total)
            + &Speaks::event(json!({"type": "message_stop"}))
    }
}

/// Output that is generated a hundred tokens at a time, and billed as it is.
pub struct Generation {
    provider: Provider,
    request: Request,
    speaks: Speaks,
    with_usage: bool,
    /// To send next.
    parts: VecDeque<String>,
    output: u64,
    pause: Pin<Box<Sleep>>,
}

impl Generation {
    /// One step further. `None` if that was all.
    fn go_on(&mut self) -> Option<io::Result<String>> {
        let provider = self.provider.clone();
        let mut calls = provider.calls();
        let call = calls.billed.get_mut(&self.request.id).expect("it came");
        if !call.running {
            return None;
        }
        let goes = self.request.goes;
        if call.output >= self.output / 2 && !matches!(goes, Goes::Well(_)) {
            if matches!(goes, Goes::Slowly(_)) {
                // Longer than any client here waits.
                let stalled = Instant::now() + Duration::from_secs(3_600);
                self.pause.as_mut().reset(stalled);
                return Some(Ok(String::new()));
            }
            call.running = false;
            return match goes {
                Goes::Cut(_) => Some(Err(ErrorKind::ConnectionAborted.into())),
                _ => None,
            };
        }
        let pause = Instant::now() + Duration::from_millis(1);
        self.pause.as_mut().reset(pause);
        if call.output == self.output {
            call.running = false;
            return Some(Ok(self.speaks.end(call, self.with_usage)));
        }
        call.output = (call.output + 100).min(self.output);
        Some(Ok(self.speaks.more(call)))
    }
}

impl Body for Generation {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        loop {
            if let Some(part) = this.parts.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(part.into()))));
            }
            ready!(this.pause.as_mut().poll(context));
            match this.go_on() {
                Some(Ok(part)) if part.is_empty() => {}
                Some(part) => return Poll::Ready(Some(part.map(|part| Frame::data(part.into())))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Generation {
    /// The client went away: the provider stops.
    fn drop(&mut self) {
        self.provider.cancel(&self.request.id);
    }
}
