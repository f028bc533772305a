//! A tower layer: each request is a call on a pool.

use std::error::Error;
use std::fmt;
use std::future::{poll_fn, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::call::OwnedCall;
use crate::pool::BudgetPool;
use crate::rejection::Rejected;
use crate::usage::Usage;

/// A tower [`Layer`] that reserves for each request, and ends the call with what comes of it. Needs the feature
/// `tower`.
///
/// It is made of two functions. `estimate` says what a request may use at most. `end` gets the [`OwnedCall`] and
/// what the inner service answered. It ends the call, and returns the answer. It may also move the call into the
/// answer, such as into the body of a [stream](crate::Call::meter). A call that `end` drops counts what was
/// reserved.
///
/// A request that does not fit is answered with [`BudgetError::Rejected`], and does not reach the inner
/// service. If the future of an answer is dropped, as by a time limit above this layer, its call counts what was
/// reserved, since the provider may bill it.
///
/// What is reserved is decided in `call`, and not in `poll_ready`, which does not know the request. So this layer
/// makes nobody wait. [`waiting`](Self::waiting) makes one that does.
///
/// *Where to put it.* Below a layer that retries, each attempt has a reservation of its own, and is
/// counted on its own. That is how providers bill. Above one, all attempts of a request are one call with one
/// reservation: `end` sees the last answer only, and cannot know what the others used.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use std::sync::Arc;
///
/// use token_budget_pool::{BudgetError, BudgetLayer, BudgetPool, Limits, OwnedCall, Usage, Usd};
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # struct Request { prompt_tokens: u64, max_tokens: u64 }
/// # struct Response { prompt_tokens: u64, completion_tokens: u64 }
/// # let provider = tower::service_fn(|request: Request| async move {
/// #     Ok::<_, Infallible>(Response { prompt_tokens: request.prompt_tokens, completion_tokens: 120 })
/// # });
/// # futures_lite::future::block_on(async {
/// let pool = Arc::new(BudgetPool::new(Limits::unlimited().output_tokens(1_000)));
/// let layer = BudgetLayer::new(
///     pool.clone(),
///     |request: &Request| Usage::tokens(request.prompt_tokens, request.max_tokens),
///     |call: OwnedCall, answer: Result<Response, Infallible>| {
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
pub struct BudgetLayer<E, F> {
    pool: Arc<BudgetPool>,
    estimate: E,
    end: F,
}

impl<E, F> BudgetLayer<E, F> {
    /// A layer over this pool.
    pub fn new<Request, Response, Failure>(pool: Arc<BudgetPool>, estimate: E, end: F) -> Self
    where
        E: Fn(&Request) -> Usage,
        F: Fn(OwnedCall, Result<Response, Failure>) -> Result<Response, Failure>,
    {
        Self {
            pool,
            estimate,
            end,
        }
    }

    /// A layer that [waits](BudgetPool::reserve) for room where waiting can help, in the order in which the
    /// requests came. Other refusals are answered at once. Put a layer with a time limit above it.
    ///
    /// It is always ready itself. Each request waits for room, and then for a clone of the inner service to be
    /// ready.
    #[must_use]
    pub fn waiting(self) -> WaitingBudgetLayer<E, F> {
        WaitingBudgetLayer(self)
    }
}

impl<S, E: Clone, F: Clone> Layer<S> for BudgetLayer<E, F> {
    type Service = Budget<S, E, F>;

    fn layer(&self, inner: S) -> Budget<S, E, F> {
        Budget {
            inner,
            layer: self.clone(),
        }
    }
}

/// A [`BudgetLayer`] that waits for room; from [`BudgetLayer::waiting`].
#[derive(Clone)]
pub struct WaitingBudgetLayer<E, F>(BudgetLayer<E, F>);

impl<S, E: Clone, F: Clone> Layer<S> for WaitingBudgetLayer<E, F> {
    type Service = WaitingBudget<S, E, F>;

    fn layer(&self, inner: S) -> WaitingBudget<S, E, F> {
        WaitingBudget(self.0.layer(inner))
    }
}

/// The service of a [`BudgetLayer`].
#[derive(Clone)]
pub struct Budget<S, E, F> {
    inner: S,
    layer: BudgetLayer<E, F>,
}

/// The service of a [`WaitingBudgetLayer`].
#[derive(Clone)]
pub struct WaitingBudget<S, E, F>(Budget<S, E, F>);

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, BudgetError<E>>> + Send>>;

impl<S, E, F, Request> Service<Request> for Budget<S, E, F>
where
    S: Service<Request>,
    S::Future: Send + 'static,
    E: Fn(&Request) -> Usage,
    F: Fn(OwnedCall, Result<S::Response, S::Error>) -> Result<S::Response, S::Error>,
    F: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BudgetError<S::Error>;
    type Future = Answer<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(BudgetError::Inner)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let BudgetLayer {
            pool,
            estimate,
            end,
        } = &self.layer;
        let reservation = match pool.try_reserve_owned(estimate(&request)) {
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

impl<S, E, F, Request> Service<Request> for WaitingBudget<S, E, F>
where
    S: Service<Request> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Request: Send + 'static,
    E: Fn(&Request) -> Usage,
    F: Fn(OwnedCall, Result<S::Response, S::Error>) -> Result<S::Response, S::Error>,
    F: Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = BudgetError<S::Error>;
    type Future = Answer<S::Response, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Budget { inner, layer } = &self.0;
        let reservation = layer.pool.reserve_owned((layer.estimate)(&request));
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

/// Why the service of a [`BudgetLayer`] has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetError<E> {
    /// The pool turned the request away. It did not reach the inner service.
    Rejected(Rejected),
    /// The inner service failed. `end` has ended the call.
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

impl<E, F> fmt::Debug for BudgetLayer<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BudgetLayer")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl<E, F> fmt::Debug for WaitingBudgetLayer<E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitingBudgetLayer").field(&self.0).finish()
    }
}

impl<S: fmt::Debug, E, F> fmt::Debug for Budget<S, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}

impl<S: fmt::Debug, E, F> fmt::Debug for WaitingBudget<S, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitingBudget").field(&self.0).finish()
    }
}
