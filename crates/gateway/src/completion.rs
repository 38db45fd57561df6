//! Results of tasks: what must hold before one counts, and what it leads to.
//!
//! In: what a worker says that it made. Out: the result that counts, which is the first intact one of the task's key. Before
//! the last task of a job ends, its receipt is verified.

use phalanx_api::{Complete, Completed, ErrorCode, Fail, TaskState, Verdict};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_queue::{Claimed, QueueError};
use phalanx_store::StoreError;

use crate::{
    failure::{Answer, Refused},
    keys::task_key,
    metrics, pins,
    state::{Shared, State},
    times,
};

/// Records the result of a task that a worker runs.
pub(crate) async fn complete(state: &Shared, worker: &str, done: &Complete) -> Answer<Completed> {
    let claimed = match state.queue.held(worker, &done.held).await {
        Ok(claimed) => claimed,
        Err(error @ QueueError::Refused(_)) => return repeated(state, worker, done, error).await,
        Err(error) => return Err(error.into()),
    };
    let store = state.stores.current();
    let output = done.output;
    // What came through a gateway was checked then; to a bucket a worker may have written by itself.
    let is_checked = store.path().is_some();
    let is_there = move || if is_checked { store.contains(&output) } else { store.is_intact(&output) };
    if !state.blocking.run(is_there).await?? {
        let message = format!("artifact {output} is not in the store");
        return Err(Refused::new(ErrorCode::MissingArtifact, message).hint("upload it before the task is completed"));
    }
    if claimed.is_last
        && let Err(refused) = check_receipt(state, output).await
    {
        if refused.body.code == ErrorCode::Corrupt {
            let detail = refused.body.message.clone();
            let bad = Fail { held: done.held, verdict: Verdict::BadProof, detail };
            state.queue.fail(worker, &bad).await?;
            metrics::task_failed(metrics::cause(Verdict::BadProof));
        }
        return Err(refused);
    }
    finish(state, worker, &claimed, done, false).await
}

/// Answers a worker that says again what it has said: the first answer may have been lost.
async fn repeated(state: &State, worker: &str, done: &Complete, error: QueueError) -> Answer<Completed> {
    let task = state.queue.task(done.held.job, done.held.task).await?;
    let is_same =
        task.state == TaskState::Done && task.attempt == done.held.attempt && task.worker.as_deref() == Some(worker);
    match task.output {
        Some(output) if is_same => Ok(Completed { output }),
        _ => {
            metrics::stale_completion();
            Err(error.into())
        }
    }
}

/// Records a result that is in the store and, if it is a receipt, verifies.
pub(crate) async fn finish(
    state: &Shared,
    worker: &str,
    claimed: &Claimed,
    done: &Complete,
    is_reused: bool,
) -> Answer<Completed> {
    let (job, made) = (done.held.job, done.output);
    let spec = &claimed.assignment.spec;
    let output = match task_key(&claimed.engine, spec, &claimed.assignment.inputs) {
        Some(key) => {
            let store = state.stores.current();
            let first = state.blocking.run(move || store.record(key, made)).await??;
            // The first one counts, unless it is a receipt that another version wrote and this one cannot believe.
            if first == made || !claimed.is_last || check_receipt(state, first).await.is_ok() { first } else { made }
        }
        None => made,
    };
    // Before the queue knows it: whoever dies in between leaves a name too many, not a receipt that nothing keeps.
    if claimed.is_last {
        pins::keep_receipt(state, output).await?;
    } else {
        pins::keep(state, job, &[output]).await?;
    }
    state.queue.complete(worker, &Complete { output, ..*done }, is_reused).await?;
    metrics::completed(spec, done, is_reused);
    if !is_reused {
        times::observe(state, &done.held);
    }
    if claimed.is_last
        && let Err(refused) = pins::drop(state, job).await
    {
        tracing::warn!(%job, cause = refused.cause, "what led to a receipt is let go of later: {}", refused.body.message);
    }
    Ok(Completed { output })
}

/// Refuses unless the artifact is a receipt that verifies.
pub(crate) async fn check_receipt(state: &State, receipt: Digest) -> Answer<()> {
    let (store, verify) = (state.stores.current(), state.verify);
    let verified = state.blocking.run(move || {
        let found = store.get(&receipt, ArtifactKind::Receipt)?;
        Ok::<_, StoreError>(found.map(|bytes| verify(&bytes)))
    });
    match verified.await?? {
        Some(Ok(())) => Ok(()),
        Some(Err(reason)) => {
            Err(Refused::new(ErrorCode::Corrupt, format!("receipt {receipt} does not verify: {reason}")))
        }
        None => Err(Refused::new(ErrorCode::MissingArtifact, format!("receipt {receipt} is not in the store"))),
    }
}
