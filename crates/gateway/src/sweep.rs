//! What a gateway does by itself: it sweeps the queue, and sets what metrics show of it. Any number of gateways may.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use phalanx_api::JobId;
use phalanx_queue::QueueError;
use rand::Rng;
use tokio::time::{Instant, sleep};

use crate::{failure::Answer, metrics, pins, state::Shared, stores::RENEWED_EVERY};

/// How often the queue is swept, with jitter so that gateways take turns.
const EVERY: Duration = Duration::from_secs(1);
/// How often gauges are set.
const GAUGES_EVERY: Duration = Duration::from_secs(5);
/// How often roots of jobs that are over are looked for.
const ROOTS_EVERY: Duration = Duration::from_secs(300);

/// Sweeps until the gateway ends.
pub(crate) async fn run(shared: Shared) {
    let (mut roots_at, mut renewed_at) = (Instant::now() + ROOTS_EVERY, Instant::now() + RENEWED_EVERY);
    loop {
        match shared.queue.sweep().await {
            Ok(swept) => metrics::swept(&swept),
            Err(error) => tracing::warn!("cannot sweep the queue: {error}"),
        }
        if Instant::now() >= roots_at {
            roots_at = Instant::now() + ROOTS_EVERY;
            if let Err(refused) = drop_roots(&shared).await {
                tracing::warn!(cause = refused.cause, "cannot let go of jobs that are over: {}", refused.body.message);
            }
        }
        if Instant::now() >= renewed_at {
            renewed_at = Instant::now() + RENEWED_EVERY;
            let state = shared.clone();
            if let Ok(Err(error)) = shared.blocking.run(move || state.stores.renew()).await {
                tracing::warn!("cannot open the store anew: {error}");
            }
        }
        let pause = EVERY.mul_f64(rand::rng().random_range(1.0..2.0));
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.ending.cancelled() => return,
        }
    }
}

/// Sets what metrics show of the queue. Apart from the sweep, which must not wait for a count of a large queue.
pub(crate) async fn watch(shared: Shared) {
    loop {
        set_levels(&shared);
        if let Err(error) = set_gauges(&shared).await {
            tracing::warn!("cannot look at the queue: {error}");
        }
        metrics::upkeep();
        sleep(GAUGES_EVERY).await;
    }
}

async fn set_gauges(shared: &Shared) -> Result<(), QueueError> {
    metrics::workers(&shared.queue.workers().await?);
    metrics::load(&shared.load.of(&shared.queue).await?);
    Ok(())
}

fn set_levels(shared: &Shared) {
    metrics::level(metrics::CLAIMS_WAITING, shared.claims_waiting.load(Ordering::Relaxed) as f64);
    let open = shared.limits.streams_max.saturating_sub(shared.streams.available_permits());
    metrics::level(metrics::STREAMS, open as f64);
}

/// Jobs end in many ways, and a gateway may die between the end and the root: whatever is left is found here.
async fn drop_roots(shared: &Shared) -> Answer<()> {
    let store = shared.stores.current();
    let roots = shared.blocking.run(move || store.roots()).await??;
    let jobs: HashSet<JobId> = roots.keys().filter_map(|root| root.strip_prefix("job-")?.parse().ok()).collect();
    for job in jobs {
        match shared.queue.job(job).await {
            Ok(view) if view.state.is_over() => pins::drop(shared, job).await?,
            Err(QueueError::NoSuchJob(_)) => pins::drop(shared, job).await?,
            // The next round sees it again.
            _ => {}
        }
    }
    Ok(())
}
