//! The pool itself: threads, clock and store around the pure schedule.

use std::sync::Arc;

use phalanx_engine::{CancelToken, Engine};
use phalanx_store::Store;

use crate::{ExecuteReport, JobError, JobReport, JobSpec, Observer, PoolConfig};

/// Proves a job: returns when its receipt is in the store, or with the reason why there is none.
///
/// When `cancel` is set it returns within a second, even if a task does not stop: such a task goes on in a detached
/// thread that holds the engine and the store, and what it still finishes is recorded. The process should exit soon.
pub fn prove(
    engine: &Arc<dyn Engine>,
    store: &Arc<Store>,
    job: &JobSpec,
    config: &PoolConfig,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<JobReport, JobError> {
    let _ = (engine, store, job, config, observer, cancel);
    Err(JobError::Pool("not there yet".into()))
}

/// Executes a job without proving it, and always runs: the guest's output comes through the observer. The result is
/// recorded, so a later [`prove`] with the same parameters does not execute again.
pub fn execute_only(
    engine: &Arc<dyn Engine>,
    store: &Arc<Store>,
    job: &JobSpec,
    config: &PoolConfig,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<ExecuteReport, JobError> {
    let _ = (engine, store, job, config, observer, cancel);
    Err(JobError::Pool("not there yet".into()))
}
