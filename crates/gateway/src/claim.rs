//! Giving tasks to workers: what is in the store already is not given, and who finds nothing waits.
//!
//! In: what a worker can run, and how long it waits. Out: a task that nobody has a result for, or none.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use phalanx_api::{Assignment, Claim, Complete, Fail, TaskSpec, Verdict};
use phalanx_claim::Digest;
use phalanx_queue::{Claimed, Offer, QueueError};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    completion,
    failure::{Answer, Refused},
    keys::task_key,
    metrics,
    state::{Shared, State},
    trace,
    wait::Waiter,
};

/// All waiting claims together look into the queue at most so often per second.
const LOOKS_PER_SECOND: u32 = 2_000;
/// One waiting claim rests so long between two looks at least.
const REST: Duration = Duration::from_millis(2);

/// Gives a task to a worker, as soon as there is one.
pub(crate) async fn claim(shared: &Shared, worker: String, asked: Claim, wait: Duration) -> Answer<Option<Assignment>> {
    let until = Instant::now() + wait;
    let mut waiter = Waiter::new(shared);
    let _waiting = Waiting::new(&shared.claims_waiting);
    let engine = shared.engines.of(&shared.queue, &worker, &asked.boot).await?;
    let offer = Offer { worker, boot: asked.boot, kinds: asked.kinds, engine, ram_bytes: asked.ram_bytes };
    loop {
        if let Some(assignment) = deliver(shared, offer.clone()).await? {
            return Ok(Some(assignment));
        }
        let waiting = u32::try_from(shared.claims_waiting.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        let calm = REST.max(Duration::from_secs(1).saturating_mul(waiting) / LOOKS_PER_SECOND);
        if !waiter.woken(calm, until).await {
            return Ok(None);
        }
    }
}

/// Takes a task on a task of its own: when the client hangs up meanwhile, the task goes back to the queue at once.
async fn deliver(shared: &Shared, offer: Offer) -> Answer<Option<Assignment>> {
    let (sender, receiver) = oneshot::channel();
    let shared = shared.clone();
    tokio::spawn(async move {
        let worker = offer.worker.clone();
        let taken = take(&shared, &offer).await;
        let Err(Ok(Some(claimed))) = sender.send(taken) else { return };
        let released = Fail { held: claimed.assignment.held, verdict: Verdict::Released, detail: String::new() };
        if let Err(error) = shared.queue.fail(&worker, &released).await {
            tracing::debug!(worker, "a task that nobody took stays with its worker until its lease runs out: {error}");
        }
    });
    let claimed: Option<Claimed> = receiver.await.map_err(Refused::internal)??;
    Ok(claimed.map(|Claimed { assignment, .. }| {
        metrics::claimed(&assignment);
        let traceparent = Some(trace::parent(assignment.held.job));
        Assignment { traceparent, ..assignment }
    }))
}

/// The best task that has no result yet. Those that have one are completed with it on the way.
async fn take(shared: &Shared, offer: &Offer) -> Answer<Option<Claimed>> {
    loop {
        let claimed = match shared.queue.claim(offer).await {
            Ok(Some(claimed)) => claimed,
            // Its next beat tells it.
            Ok(None) | Err(QueueError::Draining(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match found(shared, &claimed).await {
            Ok(Some(output)) => {
                let held = claimed.assignment.held;
                let complete = Complete { held, output, cpu_ms: 0, peak_bytes: None };
                completion::finish(shared, &offer.worker, &claimed, &complete, true).await?;
            }
            Ok(None) => return Ok(Some(claimed)),
            Err(refused) => {
                // The worker has the store to try as well, and its lease if that fails.
                tracing::warn!(cause = refused.cause, "cannot look for a result: {}", refused.body.message);
                return Ok(Some(claimed));
            }
        }
    }
}

/// The result of a task if it is in the store. An execution is always given to a worker, which reads it to announce what it
/// led to.
async fn found(shared: &State, claimed: &Claimed) -> Answer<Option<Digest>> {
    let assignment = &claimed.assignment;
    if matches!(assignment.spec, TaskSpec::Execute(_)) {
        return Ok(None);
    }
    let Some(key) = task_key(&claimed.engine, &assignment.spec, &assignment.inputs) else { return Ok(None) };
    let store = shared.stores.current();
    let Some(output) = shared.blocking.run(move || store.lookup_present(key)).await?? else { return Ok(None) };
    if !claimed.is_last {
        return Ok(Some(output));
    }
    match completion::check_receipt(shared, output).await {
        Ok(()) => Ok(Some(output)),
        Err(refused) => {
            tracing::warn!(%output, "a recorded receipt does not verify and is made again: {}", refused.body.message);
            Ok(None)
        }
    }
}

/// Counts a claim that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
