//! A provider that exists only here: it answers over HTTP, fails on request, and keeps a bill.
//!
//! The bill is worked out with integers of its own, not with the crate's `Price`: so the two can be
//! compared.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{ready, Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{sleep, Instant, Sleep};

/// Nano-dollars per token: the prices on this provider's page are 3 and 15 dollars per million tokens.
const INPUT: u64 = 3_000;
const OUTPUT: u64 = 15_000;

/// A request, and how it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, which can ask later what became of it.
    pub id: String,
    pub prompt_tokens: u64,
    pub max_tokens: u64,
    pub goes: Goes,
}

/// How a request goes. A real provider decides that by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goes {
    /// It is answered, with this many tokens of output.
    Well(u64),
    /// The same, but the answer comes too late.
    Slowly(u64),
    /// 429, too many requests: not billed.
    TooManyRequests,
    /// 503, overloaded: not billed.
    Overloaded,
    /// The connection breaks after all output was generated: billed.
    Cut(u64),
    /// The stream ends halfway, without its last part and without an error.
    EndsEarly(u64),
}

/// What a call has been billed, in tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billed {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// Whether the provider still works on it.
    pub running: bool,
}

/// What all calls together have been billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    pub calls: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
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
}

impl Provider {
    /// Answers on a port of its own until the program ends.
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
            bill.prompt_tokens += call.prompt_tokens;
            bill.completion_tokens += call.completion_tokens;
        }
        bill.nano_dollars = bill.prompt_tokens * INPUT + bill.completion_tokens * OUTPUT;
        bill
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
        if head.method == Method::DELETE {
            let id = head.uri.path().trim_start_matches("/v1/calls/");
            return Ok(match self.cancel(id) {
                Some(billed) => text(StatusCode::OK, json!(billed).to_string()),
                None => text(StatusCode::NOT_FOUND, String::new()),
            });
        }
        let Ok(body) = body.collect().await else {
            return Ok(text(StatusCode::BAD_REQUEST, String::new()));
        };
        let Ok(request) = serde_json::from_slice::<Request>(&body.to_bytes()) else {
            return Ok(text(StatusCode::BAD_REQUEST, String::new()));
        };
        let output = match request.goes {
            Goes::TooManyRequests => return Ok(text(StatusCode::TOO_MANY_REQUESTS, String::new())),
            Goes::Overloaded => return Ok(text(StatusCode::SERVICE_UNAVAILABLE, String::new())),
            Goes::Well(output)
            | Goes::Slowly(output)
            | Goes::Cut(output)
            | Goes::EndsEarly(output) => output,
        };
        let output = output.min(request.max_tokens);
        let running = head.uri.path() == "/v1/streams";
        let billed = Billed {
            prompt_tokens: request.prompt_tokens,
            completion_tokens: if running { 0 } else { output },
            running,
        };
        {
            let mut calls = self.calls();
            if calls.cancelled.contains(&request.id) {
                return Ok(text(StatusCode::GONE, String::new()));
            }
            calls.billed.insert(request.id.clone(), billed);
        }
        if billed.running || matches!(request.goes, Goes::Cut(_)) {
            let generation = Generation {
                provider: self.clone(),
                pause: Box::pin(sleep(Duration::ZERO)),
                output,
                request,
            };
            return Ok(Response::new(Either::Right(generation)));
        }
        let wait = match request.goes {
            // Longer than any client here waits.
            Goes::Slowly(_) => Duration::from_secs(3_600),
            _ => Duration::from_millis(1),
        };
        sleep(wait).await;
        Ok(text(StatusCode::OK, json!(billed).to_string()))
    }
}

type Answer = Response<Either<Full<Bytes>, Generation>>;

fn text(status: StatusCode, text: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(text.into())));
    *response.status_mut() = status;
    response
}

/// Output that is generated a hundred tokens at a time, and billed as it is. A line of JSON per
/// hundred says how much there is so far.
pub struct Generation {
    provider: Provider,
    request: Request,
    output: u64,
    pause: Pin<Box<Sleep>>,
}

impl Body for Generation {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if matches!(this.request.goes, Goes::Cut(_)) {
            return Poll::Ready(Some(Err(ErrorKind::ConnectionAborted.into())));
        }
        ready!(this.pause.as_mut().poll(context));
        let mut calls = this.provider.calls();
        let call = calls.billed.get_mut(&this.request.id).expect("it came");
        if !call.running {
            return Poll::Ready(None);
        }
        call.completion_tokens = (call.completion_tokens + 100).min(this.output);
        call.running = call.completion_tokens < this.output;
        let mut part = *call;
        if matches!(this.request.goes, Goes::EndsEarly(_)) {
            part.running = true;
            call.running &= call.completion_tokens < this.output / 2;
        }
        let line = format!("{}\n", json!(part));
        this.pause
            .as_mut()
            .reset(Instant::now() + Duration::from_millis(1));
        Poll::Ready(Some(Ok(Frame::data(line.into()))))
    }
}

impl Drop for Generation {
    /// The client went away: the provider stops.
    fn drop(&mut self) {
        self.provider.cancel(&self.request.id);
    }
}
