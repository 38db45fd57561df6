//! What the store already has of a job, and what the job keeps there.
//!
//! In: task keys. Out: digests of artifacts that are there. Also the names of the roots: `job-<job key>` keeps what an
//! unfinished job needs, `receipt-<digest>` what a finished one leaves.

use phalanx_claim::{ArtifactKind, Digest, EngineId};
use phalanx_engine::Execution;
use phalanx_plan::{Task, TaskKey};
use phalanx_store::{Store, StoreError};

use crate::{JobError, JobSpec, schedule::Given};

/// The name of a whole job, and of its receipt in the key index: the seal of an execution that is named by its task key.
/// A seal has three inputs and this has one, so no task has the same key.
#[derive(Clone, Copy)]
pub struct JobKey(TaskKey);

impl JobKey {
    /// The key of the job that proves what was given.
    pub fn new(engine: &EngineId, given: &Given) -> Self {
        Self(TaskKey::new(engine, &Task::Seal, &[execute_key(engine, given).digest()]))
    }

    /// The name of the job's root.
    pub fn root(&self) -> String {
        job_root_name(&self.0.digest())
    }

    /// The job's receipt, if it is intact.
    pub fn receipt(&self, store: &Store) -> Result<Option<Digest>, JobError> {
        output(store, &self.0, ArtifactKind::Receipt)
    }

    /// Records the receipt under the job, keeps it, and lets go of all that led to it. Returns the receipt that counts:
    /// another run of the same job may have been first.
    pub fn finish(&self, store: &Store, receipt: &Digest) -> Result<Digest, JobError> {
        let receipt = store.record(self.0.digest(), *receipt)?;
        store.pin(&receipt_root_name(&receipt), &[receipt])?;
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
    let Some(bytes) = store.get(&digest, ArtifactKind::Execution)? else { return Ok(None) };
    match Execution::decode(&bytes) {
        Ok(execution) => Ok(Some((digest, execution))),
        Err(error) => {
            tracing::warn!(%digest, "a recorded execution cannot be read and is made again: {error}");
            Ok(None)
        }
    }
}

/// The recorded result of a task. Only of a receipt, which no task reads, every byte is checked; whoever reads another
/// artifact checks it then, and if it is corrupt it is made again.
pub fn output(store: &Store, key: &TaskKey, kind: ArtifactKind) -> Result<Option<Digest>, JobError> {
    if kind != ArtifactKind::Receipt {
        return Ok(store.lookup_present(key.digest())?);
    }
    let Some(digest) = store.lookup(key.digest())? else { return Ok(None) };
    Ok(store.get(&digest, kind)?.map(|_| digest))
}

/// The key of the job's execution.
pub fn execute_key(engine: &EngineId, given: &Given) -> TaskKey {
    TaskKey::new(engine, &Task::Execute(given.execute), &[given.program, given.stdin])
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
