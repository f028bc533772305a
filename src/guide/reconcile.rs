use std::sync::Arc;
use std::time::Duration;

use token_budget_pool::{BudgetPool, OwnedCall, Price, TokenCounts};
use tokio::sync::mpsc::{unbounded_channel, UnboundedSender};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::client::Client;
use super::one_call::{is_unbilled, Error};
use super::provider::Request;

/// A call with a time limit. If it passes, or if the task is aborted, the reconciler settles the call
/// with what the provider billed.
pub async fn call_within(
    limit: Duration,
    pool: &Arc<BudgetPool>,
    price: &Price,
    client: &Client,
    request: &Request,
    reconciler: &Reconciler,
) -> Result<Option<TokenCounts>, Error> {
    let estimate = price.worst_case(request.prompt_tokens, request.max_tokens);
    let call = pool.try_reserve_owned(estimate)?.start();
    let watched = reconciler.watch(call, &request.id);
    let (result, receipt) = match timeout(limit, client.send(request)).await {
        Ok(Ok(tokens)) => (Ok(Some(tokens)), watched.end().settle(price.usage(tokens))),
        Ok(Err(error)) if is_unbilled(&error) => (Err(error.into()), watched.end().release()),
        // Nobody saw the end. `watched` is dropped, as it is when this task is aborted.
        Ok(Err(error)) => return Err(error.into()),
        Err(_elapsed) => return Ok(None),
    };
    if receipt.over_limit.any() {
        eprintln!("{}: {receipt}", request.id);
    }
    result
}

/// Settles calls whose end nobody saw. What they have reserved stays reserved until then, so that the
/// limits hold.
#[derive(Clone)]
pub struct Reconciler {
    unseen: UnboundedSender<(OwnedCall, String)>,
}

impl Reconciler {
    /// The task ends once every clone of the reconciler and every watched call is gone.
    pub fn start(price: Price, client: Client) -> (Reconciler, JoinHandle<()>) {
        let (unseen, mut calls) = unbounded_channel::<(OwnedCall, String)>();
        let task = tokio::spawn(async move {
            // Each call on its own, so that one that hangs does not keep the others reserved.
            let mut asking = JoinSet::new();
            while let Some((call, id)) = calls.recv().await {
                asking.spawn(find_out(call, id, price, client));
                while asking.try_join_next().is_some() {}
            }
            while asking.join_next().await.is_some() {}
        });
        (Reconciler { unseen }, task)
    }

    pub fn watch(&self, call: OwnedCall, id: &str) -> Watched {
        Watched {
            call: Some(call),
            id: id.into(),
            unseen: self.unseen.clone(),
        }
    }
}

async fn find_out(call: OwnedCall, id: String, price: Price, client: Client) {
    // The answer has to be final: the request may still be on its way to the provider.
    let receipt = match timeout(Duration::from_secs(30), client.cancel(&id)).await {
        Ok(Ok(Some(tokens))) => call.settle(price.usage(tokens)),
        Ok(Ok(None)) => call.release(),
        // Still nobody knows.
        Ok(Err(_)) | Err(_) => call.forfeit(),
    };
    eprintln!("{id}, reconciled: {receipt}");
}

/// A call in flight that goes to the reconciler when it is dropped.
pub struct Watched {
    call: Option<OwnedCall>,
    id: String,
    unseen: UnboundedSender<(OwnedCall, String)>,
}

impl Watched {
    pub fn call(&mut self) -> &mut OwnedCall {
        self.call.as_mut().expect("it has not ended")
    }

    /// The end was seen: settle or release it.
    pub fn end(mut self) -> OwnedCall {
        self.call.take().expect("it has not ended")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            // If the reconciler is gone, the call comes back in the error. Dropped there, it counts
            // what is reserved.
            let _ = self.unseen.send((call, std::mem::take(&mut self.id)));
        }
    }
}
