//! How long tasks waited and ran, for metrics: read after the result was recorded, so that no worker waits for it.

use std::sync::Arc;

use phalanx_api::Held;

use crate::{metrics, state::Shared};

/// Looks up the times of a task that is done. When many end at once, some are left out.
pub(crate) fn observe(state: &Shared, held: &Held) {
    let Ok(permit) = Arc::clone(&state.looks).try_acquire_owned() else { return };
    let (state, Held { job, task, .. }) = (state.clone(), *held);
    tokio::spawn(async move {
        match state.queue.task(job, task).await {
            Ok(task) => metrics::times(&task),
            Err(error) => tracing::debug!("the times of a task are not counted: {error}"),
        }
        drop(permit);
    });
}
