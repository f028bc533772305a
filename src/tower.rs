//! Tower layers: each request is a call on a pool.

use std::error::Error;
use std::fmt;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::call::OwnedCall;
use crate::rejection::Rejected;
use crate::reservation::OwnedReservation;

/// A tower [`Layer`] that reserves for each request, and ends the call with what comes of it. Needs the feature
/// `tower`.
///
/// It is made of two functions:
///
/// - `reserve` reserves what a request may use at most, from the pool that it belongs to. Different requests
///   may have different pools, such as one for each tenant.
/// - `end` gets the [`OwnedCall`] and the inner service's answer. It ends the call, and returns the answer, which
///   may become another one. It may also move the call into it, such as into a stream that
///   [counts itself](crate::Call::meter). A call that `end` drops counts what was reserved.
///
/// A request that does not fit is answered with [`BudgetError::Rejected`], and does not reach the inner
/// service. If the future of an answer is dropped, as by a time limit above this layer, its call counts what was
/// reserved, since the provider may bill it.
///
/// `reserve` runs in `call`, since `poll_ready` does not know the request. So this layer makes nobody wait, and
/// [`WaitingBudgetLayer`] does. Each request costs two updates of the pool, a clone of `end` and a `Box`.
///
/// *Where to put it.* Below a layer that retries, each attempt has a reservation of its own, and is counted on its
/// own. That is how providers bill. Above one, all attempts of a request are one call with one reservation: `end`
/// sees the last answer only, and cannot know what the others used. A limit on concurrency belongs above this
/// layer: a service that was ready for a request that is refused keeps its permit until the next one.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
///
/// use token_budget_pool::{BudgetError, BudgetLayer, BudgetPool, Limits, OwnedCall, Usage};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # struct Request { prompt_tokens: u64, max_tokens: u64 }
/// # struct Answer { prompt_tokens: u64, completion_tokens: u64 }
/// # let provider = tower::service_fn(|request: Request| async move {
/// #     Ok::<_, Infallible>(Answer { prompt_tokens: request.prompt_tokens, completion_tokens: 120 })
/// # });
/// # futures_lite::future::block_on(async {
/// let pool = Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(1_000)));
/// let of_request = pool.clone();
/// let layer = BudgetLayer::new(
///     move |request: &Request| {
///         of_request.try_reserve_owned(Usage::tokens(request.prompt_tokens, request.max_tokens))
///     },
///     |call: OwnedCall, answer: Result<Answer, Infallible>| {
///         let _ = match &answer {
///             Ok(answer) => call.settle(Usage::tokens(answer.prompt_tokens, answer.completion_tokens)),
///             Err(_) => call.forfeit(), // or `release`, if nobody bills this error
///         };
///         answer
///     },
/// );
/// let mut service = ServiceBuilder::new().layer(layer).service(provider);
///
/// let request = Request { prompt_tokens: 200, max_tokens: 800 };
/// assert!(service.ready().await?.call(request).await.is_ok());
/// assert_eq!(pool.spent().output_tokens, 120);
///
/// let larger = Request { prompt_tokens: 200, max_tokens: 900 };
/// let refused = service.ready().await?.call(larger).await;
/// assert!(matches!(refused, Err(BudgetError::Rejected(_))));
/// # Ok::<_, BudgetError<Infallible>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct BudgetLayer<V, F> {
    reserve: V,
    end: F,
}

impl<V, F> BudgetLayer<V, F> {
    /// A layer of these two functions.
    pub fn new<Request, Response, Failure, Answer>(reserve: V, end: F) -> Self
    where
        V: Fn(&Request) -> Result<OwnedReservation, Rejected>,
        F: Fn(OwnedCall, Result<Response, Failure>) -> Result<Answer, Failure>,
    {
        Self { reserve, end }
    }
}

/// A [`BudgetLayer`] that waits for room: its `reserve` returns a future, such as that of
/// [`reserve_owned`](crate::BudgetPool::reserve_owned).
///
/// The future decides who comes first. That of `reserve_owned` takes its place in line when it is polled first,
/// and returns errors at once where waiting cannot help. Put a layer with a time limit above this one. An answer
/// that is dropped while it waits keeps nothing.
///
/// It is always ready itself. Each request waits for room, and then for a clone of the inner service to be
/// ready.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use token_budget_pool::{BudgetError, BudgetPool, OwnedCall, Usage, WaitingBudgetLayer};
/// # use tower::{Service, ServiceBuilder, ServiceExt};
/// # let provider = tower::service_fn(|max_tokens: u64| async move { Ok::<_, std::io::Error>(max_tokens / 2) });
/// # futures_lite::future::block_on(async {
/// # let pool = Arc::new(BudgetPool::unconstrained());
/// let layer = WaitingBudgetLayer::new(
///     move |&max_tokens: &u64| pool.reserve_owned(Usage::tokens(0, max_tokens)),
///     |call: OwnedCall, answer: Result<u64, std::io::Error>| {
///         let _ = match &answer {
///             Ok(output) => call.settle(Usage::tokens(0, *output)),
///             Err(_) => call.forfeit(),
///         };
///         answer
///     },
/// );
/// let mut service = ServiceBuilder::new().layer(layer).service(provider);
/// assert_eq!(service.ready().await?.call(100).await?, 50);
/// # Ok::<_, BudgetError<std::io::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct WaitingBudgetLayer<V, F>(BudgetLayer<V, F>);

impl<V, F> WaitingBudgetLayer<V, F> {
    /// A layer of these two functions.
    pub fn new<Request, Response, Failure, Answer, W>(reserve: V, end: F) -> Self
    where
        V: Fn(&Request) -> W,
        W: Future<Output = Result<OwnedReservation, Rejected>>,
        F: Fn(OwnedCall, Result<Response, Failure>) -> Result<Answer, Failure>,
    {
        Self(BudgetLayer { reserve, end })
    }
}

impl<S, V: Clone, F: Clone> Layer<S> for BudgetLayer<V, F> {
    type Service = Budget<S, V, F>;

    fn layer(&self, inner: S) -> Budget<S, V, F> {
        Budget {
            inner,
            layer: self.clone(),
        }
    }
}

impl<S, V: Clone, F: Clone> Layer<S> for WaitingBudgetLayer<V, F> {
    type Service = WaitingBudget<S, V, F>;

    fn layer(&self, inner: S) -> WaitingBudget<S, V, F> {
        WaitingBudget(self.0.layer(inner))
    }
}

/// The service of a [`BudgetLayer`].
#[derive(Clone)]
pub struct Budget<S, V, F> {
    inner: S,
    layer: BudgetLayer<V, F>,
}

/// The service of a [`WaitingBudgetLayer`].
#[derive(Clone)]
pub struct WaitingBudget<S, V, F>(Budget<S, V, F>);

type Answering<T, E> = Pin<Box<dyn Future<Output = Result<T, BudgetError<E>>> + Send>>;

impl<S, V, F, Request, Answer> Service<Request> for Budget<S, V, F>
where
    S: Service<Request>,
    S::Future: Send + 'static,
    V: Fn(&Request) -> Result<OwnedReservation, Rejected>,
    F: Fn(OwnedCall, Result<S::Response, S::Error>) -> Result<Answer, S::Error>,
    F: Clone + Send + 'static,
{
    type Response = Answer;
    type Error = BudgetError<S::Error>;
    type Future = Answering<Answer, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(BudgetError::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let BudgetLayer { reserve, end } = &self.layer;
        let reservation = match reserve(&request) {
            Ok(reservation) => reservation,
            Err(rejected) => return Box::pin(async move { Err(BudgetError::Rejected(rejected)) }),
        };
        // Some services send the request here.
        let call = reservation.start();
        let answer = self.inner.call(request);
        let end = end.clone();
        Box::pin(async move {
            let answer = answer.await;
            end(call, answer).map_err(BudgetError::Inner)
        })
    }
}

impl<S, V, F, W, Request, Answer> Service<Request> for WaitingBudget<S, V, F>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Request: Send + 'static,
    V: Fn(&Request) -> W,
    W: Future<Output = Result<OwnedReservation, Rejected>> + Send + 'static,
    F: Fn(OwnedCall, Result<S::Response, S::Error>) -> Result<Answer, S::Error>,
    F: Clone + Send + 'static,
{
    type Response = Answer;
    type Error = BudgetError<S::Error>;
    type Future = Answering<Answer, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Budget { inner, layer } = &self.0;
        let reservation = (layer.reserve)(&request);
        let (mut inner, end) = (inner.clone(), layer.end.clone());
        Box::pin(async move {
            let reservation = reservation.await.map_err(BudgetError::Rejected)?;
            // Not before: what the inner service gives to those that are ready, such as one of a few
            // permits, may be what a call needs that has the room already.
            let ready = poll_fn(|context| inner.poll_ready(context)).await;
            ready.map_err(BudgetError::Inner)?;
            let call = reservation.start();
            let answer = inner.call(request).await;
            end(call, answer).map_err(BudgetError::Inner)
        })
    }
}

/// Why the service of a [`BudgetLayer`] or [`WaitingBudgetLayer`] has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError<E> {
    /// The pool turned the request away. It did not reach the inner service.
    Rejected(Rejected),
    /// The inner service failed: with an answer, and then `end` has ended the call, or before it was ready, and
    /// then nothing is reserved any more.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for BudgetError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BudgetError::Rejected(rejected) => rejected.fmt(f),
            BudgetError::Inner(error) => error.fmt(f),
        }
    }
}

/// For every inner error that can be shown, boxed ones among them. So the message is the inner one, and there is
/// no [source](Error::source).
impl<E: fmt::Debug + fmt::Display> Error for BudgetError<E> {}

impl<V, F> fmt::Debug for BudgetLayer<V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetLayer").finish_non_exhaustive()
    }
}

impl<V, F> fmt::Debug for WaitingBudgetLayer<V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingBudgetLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, V, F> fmt::Debug for Budget<S, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, V, F> fmt::Debug for WaitingBudget<S, V, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingBudget")
            .field("inner", &self.0.inner)
            .finish_non_exhaustive()
    }
}
