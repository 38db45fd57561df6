//! What a job's artifacts hang on while it lives, so that a collection of a local store spares them.
//!
//! `job-<job>` keeps what an unfinished job was given and what its tasks made, `receipt-<digest>` what a finished one leaves:
//! the same names that a local run gives to its own.

use phalanx_api::JobId;
use phalanx_claim::Digest;

use crate::{failure::Answer, state::State};

/// Keeps artifacts as long as their job lives.
pub(crate) async fn keep(state: &State, job: JobId, digests: &[Digest]) -> Answer<()> {
    let (store, digests) = (state.store.clone(), digests.to_vec());
    Ok(state.blocking.run(move || store.pin(&root(job), &digests)).await??)
}

/// Lets go of a job that is over.
pub(crate) async fn drop(state: &State, job: JobId) -> Answer<()> {
    let store = state.store.clone();
    state.blocking.run(move || store.unpin(&root(job))).await??;
    Ok(())
}

/// Keeps a receipt for good, and lets go of all that led to it.
pub(crate) async fn keep_receipt(state: &State, job: JobId, receipt: Digest) -> Answer<()> {
    let store = state.store.clone();
    let kept = move || {
        store.pin(&format!("receipt-{receipt}"), &[receipt])?;
        store.unpin(&root(job))
    };
    state.blocking.run(kept).await??;
    Ok(())
}

/// The root of a job.
pub(crate) fn root(job: JobId) -> String {
    format!("job-{job}")
}
