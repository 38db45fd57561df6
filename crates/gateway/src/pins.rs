//! What a job's artifacts hang on while it lives, so that a collection of a local store spares them.
//!
//! `job-<job>` keeps what an unfinished job was given and what its tasks made, `receipt-<digest>` what a finished one leaves:
//! the same names that a local run gives to its own.

use phalanx_api::JobId;
use phalanx_claim::Digest;
use phalanx_store::{Store, StoreError};

use crate::{failure::Answer, state::State};

/// Keeps artifacts as long as their job lives.
pub(crate) async fn keep(state: &State, job: JobId, digests: &[Digest]) -> Answer<()> {
    let digests = digests.to_vec();
    on_disk(state, move |store| store.pin(&root(job), &digests)).await
}

/// Lets go of a job that is over.
pub(crate) async fn drop(state: &State, job: JobId) -> Answer<()> {
    on_disk(state, move |store| store.unpin(&root(job)).map(|_| ())).await
}

/// Keeps a receipt for good.
pub(crate) async fn keep_receipt(state: &State, receipt: Digest) -> Answer<()> {
    on_disk(state, move |store| store.pin(&format!("receipt-{receipt}"), &[receipt])).await
}

/// A collection of a bucket asks the queue what lives, so names there would only cost requests.
async fn on_disk(state: &State, work: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static) -> Answer<()> {
    let store = state.stores.current();
    if store.path().is_some() {
        state.blocking.run(move || work(&store)).await??;
    }
    Ok(())
}

/// The root of a job.
fn root(job: JobId) -> String {
    format!("job-{job}")
}
