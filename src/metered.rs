//! Streams of a provider's events that count themselves.

use std::borrow::Borrow;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use futures_core::stream::{FusedStream, Stream};

use crate::call::Call;
use crate::pool::BudgetPool;
use crate::receipt::Receipt;
use crate::usage::Usage;

/// A stream of a provider's events, with the [`Call`] that it belongs to. From [`Call::meter`].
///
/// Has the events as they come, and ends the call when the stream ends. [`receipt`](Self::receipt) then says what
/// came of it.
#[must_use = "streams do nothing unless polled; dropped, it counts all that was reserved"]
pub struct Metered<S, F, P: Borrow<BudgetPool>> {
    stream: S,
    usage: F,
    /// `None` once it has ended.
    call: Option<Call<P>>,
    latest: Option<Usage>,
    failed: bool,
    receipt: Option<Receipt>,
}

// Only the stream is ever pinned, and it is `Unpin` where that happens.
impl<S: Unpin, F, P: Borrow<BudgetPool>> Unpin for Metered<S, F, P> {}

impl<P: Borrow<BudgetPool>> Call<P> {
    /// Counts the usage that a stream of the provider's events reports, while it passes the events on, and ends
    /// the call with the stream. Needs the feature `stream`.
    ///
    /// `usage` looks at each event. Where one has a usage, that is the running total of the call, as for
    /// [`report`](Self::report), and not what this event adds. It may return an `Option<Usage>`, and an
    /// `Option<Result<Usage, _>>` or a `Result<Option<Usage>, _>` where a usage may be unreadable.
    ///
    /// | how the stream ends | the call |
    /// |---|---|
    /// | it comes to its end | [settles](Self::settle) with the latest usage |
    /// | it had an error or an unreadable usage, or is dropped before its end | counts what was reported, and what is still reserved, as [forfeited](Self::forfeit) |
    /// | it comes to its end, and there was no usage | counts what was reserved, as forfeited |
    ///
    /// A connection that breaks is usually an error, but some servers and proxies just end the stream. So if an
    /// event is known to be the last one, return `None` from `usage` before it: OpenAI's last chunk,
    /// Gemini's chunk with a `finishReason`, Anthropic's `message_stop` (the usage comes in the events before
    /// it, so keep it until then). A stream that was cut off before it then counts what was reserved. If `usage`
    /// returns one sooner, the pool counts it sooner, and trusts the end of the stream.
    ///
    /// It reads nothing that you do not read, and spawns no task. So read the stream to its end
    /// (`None`), even if you know which event was the last one. Each usage is one update of the pool.
    ///
    /// A stream that is not `Unpin` needs a `Box::pin` or a `pin!` around it. Events that are not `Result`s can
    /// be mapped to `Ok`. If `usage` panics, the usage counts as unreadable.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::{stream, StreamExt};
    /// use token_budget_pool::{BudgetPool, Price, Rates, TokenCounts};
    ///
    /// # struct Usage { prompt_tokens: u32, completion_tokens: u32 }
    /// # struct Chunk { usage: Option<Usage> }
    /// # let chunks = || stream::iter([
    /// #     Ok::<_, std::io::Error>(Chunk { usage: None }),
    /// #     Ok(Chunk { usage: Some(Usage { prompt_tokens: 1_000, completion_tokens: 120 }) }),
    /// # ]);
    /// # futures_lite::future::block_on(async {
    /// # let pool = BudgetPool::unconstrained();
    /// let price = Price::per_million(Rates::uncached("3", "15"))?;
    /// let call = pool.try_reserve(price.worst_case(1_000, 500))?.start();
    /// let mut chunks = call.meter(chunks(), |chunk| {
    ///     let usage = chunk.usage.as_ref()?;
    ///     let counts = TokenCounts::inclusive(usage.prompt_tokens, 0, usage.completion_tokens);
    ///     Some(counts.map(|counts| price.usage(counts)))
    /// });
    /// while let Some(chunk) = chunks.next().await {
    ///     chunk?; // An error drops the stream, and with it the call.
    /// }
    /// assert_eq!(pool.spent().cost.to_string(), "0.0048");
    /// let receipt = chunks.receipt().expect("the stream has ended");
    /// assert!(!receipt.is_guess());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn meter<S, T, E, F, R>(self, stream: S, usage: F) -> Metered<S, F, P>
    where
        S: Stream<Item = Result<T, E>> + Unpin,
        F: FnMut(&T) -> R,
        R: Into<EventUsage>,
    {
        Metered {
            stream,
            usage,
            call: Some(self),
            latest: None,
            failed: false,
            receipt: None,
        }
    }
}

/// What an event says of the usage of its call so far: nothing, this, or something that cannot be read. Made from
/// what a function given to [`Call::meter`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventUsage(Result<Option<Usage>, Unreadable>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unreadable;

impl From<Option<Usage>> for EventUsage {
    fn from(usage: Option<Usage>) -> EventUsage {
        EventUsage(Ok(usage))
    }
}

impl<E> From<Option<Result<Usage, E>>> for EventUsage {
    fn from(usage: Option<Result<Usage, E>>) -> EventUsage {
        usage.transpose().into()
    }
}

impl<E> From<Result<Option<Usage>, E>> for EventUsage {
    fn from(usage: Result<Option<Usage>, E>) -> EventUsage {
        EventUsage(usage.map_err(|_| Unreadable))
    }
}

impl<S, F, P: Borrow<BudgetPool>> Metered<S, F, P> {
    /// What became of the call when it ended, and where the pool stands; `None` until the stream has ended. In
    /// [`counted`](Receipt::counted) is only what the events had not reported before. The whole is in
    /// [`usage`](Self::usage).
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt
    }

    /// The latest usage that an event had. At the end of a stream that was read and did not fail, it is the usage of
    /// the call.
    pub fn usage(&self) -> Option<Usage> {
        self.latest
    }

    /// The call without its stream, to end it in another way; `None` if it has ended. Where the client library
    /// sends the request only when the stream is read, an error that the provider does not bill comes as the
    /// first event: [`release`](Call::release) the call then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures_lite::{stream, StreamExt};
    /// # use token_budget_pool::{BudgetPool, Usage, Usd};
    /// # futures_lite::future::block_on(async {
    /// # let pool = BudgetPool::unconstrained();
    /// # let call = pool.try_reserve(Usage::tokens(1_000, 500).cost(Usd::cents(1))).unwrap().start();
    /// # let answers_429 = stream::iter([Err::<(), _>("429")]);
    /// # let is_unbilled = |error| error == "429";
    /// let mut events = call.meter(answers_429, |_| None::<Usage>);
    /// while let Some(event) = events.next().await {
    ///     if event.is_err_and(is_unbilled) {
    ///         if let Some(call) = events.into_call() {
    ///             let _ = call.release();
    ///         }
    ///         break;
    ///     }
    /// }
    /// assert_eq!(pool.spent().calls, 0);
    /// # });
    /// ```
    pub fn into_call(self) -> Option<Call<P>> {
        self.call
    }

    fn end(&mut self) {
        let Some(call) = self.call.take() else {
            return;
        };
        self.receipt = Some(match self.latest {
            Some(usage) if !self.failed => call.settle(usage),
            _ => call.forfeit(),
        });
    }
}

impl<S, T, E, F, R, P> Stream for Metered<S, F, P>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    F: FnMut(&T) -> R,
    R: Into<EventUsage>,
    P: Borrow<BudgetPool>,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(call) = &mut this.call else {
            return Poll::Ready(None);
        };
        let item = ready!(Pin::new(&mut this.stream).poll_next(context));
        match &item {
            Some(Ok(event)) => {
                let failed_before = mem::replace(&mut this.failed, true);
                // Here it has failed, since this may panic.
                if let EventUsage(Ok(usage)) = (this.usage)(event).into() {
                    this.failed = failed_before;
                    if let Some(usage) = usage {
                        this.latest = Some(usage);
                        // The one that ends the call says as much.
                        let _ = call.report(usage);
                    }
                }
            }
            Some(Err(_)) => this.failed = true,
            None => this.end(),
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.call {
            Some(_) => self.stream.size_hint(),
            None => (0, Some(0)),
        }
    }
}

impl<S, T, E, F, R, P> FusedStream for Metered<S, F, P>
where
    S: Stream<Item = Result<T, E>> + Unpin,
    F: FnMut(&T) -> R,
    R: Into<EventUsage>,
    P: Borrow<BudgetPool>,
{
    fn is_terminated(&self) -> bool {
        self.call.is_none()
    }
}

impl<S, F, P: Borrow<BudgetPool>> fmt::Debug for Metered<S, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered")
            .field("call", &self.call)
            .field("receipt", &self.receipt)
            .finish_non_exhaustive()
    }
}
