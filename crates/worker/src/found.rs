//! What the store already has of a job, and what the job keeps there.
//!
//! In: task keys. Out: digests of artifacts that are there. Also the names of the roots: `job-<job key>` keeps what an
//! unfinished job needs, `receipt-<digest>` what a finished one leaves.

use phalanx_claim::{ArtifactKind, Digest, EngineId};
use phalanx_engine::Execution;
use phalanx_plan::{Task, TaskKey};
use phalanx_receipt::Receipt;
use phalanx_store::{Store, StoreError};

use crate::{JobError, JobSpec, schedule::Given};

/// The name of a whole job, and of its receipt in the key index: the seal of a program and an input. A seal has three
/// inputs and this has two, so no task has the same key.
///
/// It leaves the limits of the execution out. They follow from the free RAM of the day and decide how a receipt is made,
/// not what it says, so a receipt that is there counts for every run of the job.
#[derive(Clone, Copy)]
pub struct JobKey(TaskKey);

impl JobKey {
    /// The key of the job that proves what was given.
    pub fn new(engine: &EngineId, program: Digest, stdin: Digest) -> Self {
        Self(TaskKey::new(engine, &Task::Seal, &[program, stdin]))
    }

    /// The name of the job's root.
    pub fn root(&self) -> String {
        job_root_name(&self.0.digest())
    }

    /// The job's receipt, if it is intact and readable.
    pub fn receipt(&self, store: &Store) -> Result<Option<(Digest, Receipt)>, JobError> {
        recorded_receipt(store, &self.0)
    }

    /// Records the receipt under the job, keeps it, and lets go of all that led to it. Returns the receipt that counts:
    /// another run of the same job may have been first.
    pub fn finish(&self, store: &Store, receipt: &Digest) -> Result<Digest, JobError> {
        let before = store.lookup(self.0.digest())?;
        let receipt = record_receipt(store, &self.0, *receipt)?;
        store.pin(&receipt_root_name(&receipt), &[receipt])?;
        // A receipt that was found corrupt and made again is kept no longer, so a collection takes its file.
        if let Some(corrupt) = before.filter(|before| *before != receipt) {
            store.unpin(&receipt_root_name(&corrupt))?;
        }
        store.unpin(&self.root())?;
        Ok(receipt)
    }
}

/// The root that keeps what a job was given and what its tasks made, from its start until it has its receipt or is found
/// to be impossible. A killed job keeps its root, so a collection takes nothing that the next run would find.
pub fn job_root_name(job_key: &Digest) -> String {
    format!("job-{job_key}")
}

/// The root that keeps a receipt.
pub fn receipt_root_name(receipt: &Digest) -> String {
    format!("receipt-{receipt}")
}

/// The recorded execution, if it is intact and readable.
pub fn execution(store: &Store, key: &TaskKey) -> Result<Option<(Digest, Execution)>, JobError> {
    let Some(digest) = store.lookup(key.digest())? else { return Ok(None) };
    Ok(readable_execution(store, &digest)?.map(|execution| (digest, execution)))
}

/// Records an execution and returns the one that counts: the first that was recorded, unless that one cannot be read.
pub fn record_execution(store: &Store, key: &TaskKey, made: Digest) -> Result<Digest, StoreError> {
    let first = store.record(key.digest(), made)?;
    if first == made || readable_execution(store, &first)?.is_some() { Ok(first) } else { Ok(made) }
}

fn readable_execution(store: &Store, digest: &Digest) -> Result<Option<Execution>, StoreError> {
    let Some(bytes) = store.get(digest, ArtifactKind::Execution)? else { return Ok(None) };
    match Execution::decode(&bytes) {
        Ok(execution) => Ok(Some(execution)),
        Err(error) => {
            tracing::warn!(%digest, "a recorded execution cannot be read and is made again: {error}");
            Ok(None)
        }
    }
}

/// The recorded result of a task. Only a receipt, which no task reads, is read here; whoever reads another artifact
/// checks it then, and if it is corrupt it is made again.
pub fn output(store: &Store, key: &TaskKey, kind: ArtifactKind) -> Result<Option<Digest>, JobError> {
    if kind != ArtifactKind::Receipt {
        return Ok(store.lookup_present(key.digest())?);
    }
    Ok(recorded_receipt(store, key)?.map(|(digest, _)| digest))
}

/// Records a receipt and returns the one that counts: the first that was recorded, unless that one cannot be read. The
/// index keeps the first as long as its bytes are intact, even if another version wrote them.
pub fn record_receipt(store: &Store, key: &TaskKey, made: Digest) -> Result<Digest, StoreError> {
    let first = store.record(key.digest(), made)?;
    if first == made || receipt(store, &first)?.is_some() { Ok(first) } else { Ok(made) }
}

fn recorded_receipt(store: &Store, key: &TaskKey) -> Result<Option<(Digest, Receipt)>, JobError> {
    let Some(digest) = store.lookup(key.digest())? else { return Ok(None) };
    Ok(receipt(store, &digest)?.map(|receipt| (digest, receipt)))
}

/// A receipt from the store, if it is intact and readable. What it says is for whoever uses it to verify.
fn receipt(store: &Store, digest: &Digest) -> Result<Option<Receipt>, StoreError> {
    let Some(bytes) = store.get(digest, ArtifactKind::Receipt)? else { return Ok(None) };
    match Receipt::decode(&bytes) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(error) => {
            tracing::warn!(%digest, "a recorded receipt cannot be read and counts as missing: {error}");
            Ok(None)
        }
    }
}

/// Program and input by name.
pub fn given(job: &JobSpec) -> Given {
    Given { program: Digest::of(&job.program), stdin: Digest::of(&job.stdin), execute: job.execute }
}

/// Puts program and input into the store, where they may be already.
pub fn put_given(store: &Store, job: &JobSpec) -> Result<(), JobError> {
    store.put(ArtifactKind::Program, &job.program)?;
    store.put(ArtifactKind::Stdin, &job.stdin)?;
    Ok(())
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}
