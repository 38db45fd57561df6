//! Proving and executing: what the command line calls.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use phalanx_engine::{CancelToken, Engine, Execution};
use phalanx_store::Store;

use crate::{
    ExecuteReport, JobError, JobReport, JobSpec, Observer, PoolConfig, TaskName, finished,
    found::{self, JobKey},
    peak_resident_bytes,
    pool::{Finished, Pool, millis},
    schedule::Goal,
};

/// Proves a job: returns when its receipt is in the store, or with the reason why there is none. A receipt that is there
/// already finishes the job, whatever limits its execution had.
///
/// Events come to `observer` on the calling thread. When `cancel` is set the function returns within a second, even if a
/// task does not stop: such a task goes on in detached threads that own the engine and the store, and what it still
/// finishes is recorded. The process should exit soon after.
pub fn prove(
    engine: &Arc<dyn Engine>,
    store: &Store,
    job: &JobSpec,
    config: &PoolConfig,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<JobReport, JobError> {
    let begin = Instant::now();
    config.check()?;
    let given = found::given(job);
    let job_key = JobKey::new(engine.id(), given.program, given.stdin);
    if let Some(report) = finished::report(&**engine, store, job_key, observer, begin)? {
        return Ok(report);
    }
    let root = job_key.root();
    store.pin(&root, &[given.program, given.stdin])?;
    found::put_given(store, job)?;
    let pool = Pool::new(engine, store, Some(&root), (job, given, Goal::Receipt), config, observer, begin)?;
    let ran = pool.run(cancel);
    if let Err(JobError::Fault { .. }) = ran {
        store.unpin(&root)?;
    }
    let Finished { outcome, execution, mut tasks, cpu_ms } = ran?;
    // A result that was found, turned out corrupt and was made again was not reused.
    let ran: BTreeSet<TaskName> = tasks.iter().filter(|task| !task.reused).map(|task| task.name).collect();
    tasks.retain(|task| !task.reused || !ran.contains(&task.name));
    let receipt = outcome.receipt.ok_or_else(|| JobError::Pool("the job ended without a receipt".into()))?;
    let receipt = job_key.finish(store, &receipt)?;
    let count = |reused| tasks.iter().filter(|task| task.reused == reused).count() as u64;
    Ok(JobReport {
        receipt,
        exit_code: execution.exit_code,
        cycles: execution.cycles,
        segments: segments(&execution),
        tasks_run: count(false),
        tasks_reused: count(true),
        wall_ms: millis(begin.elapsed()),
        cpu_ms,
        peak_rss_bytes: peak_resident_bytes().unwrap_or(0),
        public_values: execution.public_values,
        tasks,
    })
}

/// Executes a job without proving it, and always runs: the guest's output comes through the observer. The result is
/// recorded, so a later [`prove`] with the same parameters does not execute again.
pub fn execute_only(
    engine: &Arc<dyn Engine>,
    store: &Store,
    job: &JobSpec,
    config: &PoolConfig,
    observer: &dyn Observer,
    cancel: &CancelToken,
) -> Result<ExecuteReport, JobError> {
    let begin = Instant::now();
    config.check()?;
    let given = found::given(job);
    found::put_given(store, job)?;
    let pool = Pool::new(engine, store, None, (job, given, Goal::Execution), config, observer, begin)?;
    let Finished { outcome, execution, tasks, .. } = pool.run(cancel)?;
    let no_task = || JobError::Pool("the execution ended without a record".into());
    Ok(ExecuteReport {
        execution: outcome.execution,
        exit_code: execution.exit_code,
        cycles: execution.cycles,
        segments: segments(&execution),
        public_values: execution.public_values,
        task: tasks.into_iter().next_back().ok_or_else(no_task)?,
    })
}

/// How many segments there are; decoding bounds the number.
fn segments(execution: &Execution) -> u32 {
    u32::try_from(execution.segments.len()).unwrap_or(u32::MAX)
}
