//! Proving and executing: what the command line calls.

use std::{sync::Arc, time::Instant};

use phalanx_claim::Digest;
use phalanx_engine::{CancelToken, Engine, Execution};
use phalanx_store::Store;

use crate::{
    ExecuteReport, JobError, JobReport, JobSpec, Observer, PoolConfig, PoolEvent, TaskName, TaskRecord,
    found::{self, JobKey},
    peak_resident_bytes,
    pool::{Finished, Pool, millis},
    schedule::Goal,
};

/// Proves a job: returns when its receipt is in the store, or with the reason why there is none.
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
    let job_key = JobKey::new(engine.id(), &given);
    let receipt = job_key.receipt(store)?;
    let proven = Proven { engine: &**engine, observer, begin };
    if let Some(receipt) = receipt
        && let Some(execution) = found::execution(store, &found::execute_key(engine.id(), &given))?
    {
        return proven.report(receipt, execution);
    }
    let root = job_key.root();
    store.pin(&root, &[given.program, given.stdin])?;
    found::put_given(store, job)?;
    // The receipt outlives the execution, which only says how much work it was: then that is all there is to do.
    let goal = if receipt.is_some() { Goal::Execution } else { Goal::Receipt };
    let pool = Pool::new(engine, store, Some(&root), (job, given, goal), config, observer, begin)?;
    let ran = pool.run(cancel);
    if let Err(JobError::Fault { .. }) = ran {
        store.unpin(&root)?;
    }
    let Finished { outcome, execution, mut tasks, cpu_ms } = ran?;
    let (receipt, skipped) = match (outcome.receipt, receipt) {
        (Some(receipt), _) => (receipt, 0),
        (None, Some(receipt)) => {
            let record = TaskRecord::reused(TaskName::SEAL, receipt, 0, millis(begin.elapsed()));
            observer.on(&PoolEvent::Reused(record.clone()));
            tasks.push(record);
            // All but the execution, which ran, and the seal, which is in the list.
            (receipt, proven.tasks_total(&execution)? - 2)
        }
        (None, None) => return Err(JobError::Pool("the job ended without a receipt".into())),
    };
    let receipt = job_key.finish(store, &receipt)?;
    let count = |reused| tasks.iter().filter(|task| task.reused == reused).count() as u64;
    Ok(JobReport {
        receipt,
        execution: outcome.execution,
        exit_code: execution.exit_code,
        cycles: execution.cycles,
        segments: segments(&execution),
        tasks_run: count(false),
        tasks_reused: count(true) + skipped,
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

/// A job whose receipt is there: two lookups, however many segments it has. Its proofs may be gone by now.
struct Proven<'a> {
    engine: &'a dyn Engine,
    observer: &'a dyn Observer,
    begin: Instant,
}

impl Proven<'_> {
    fn report(&self, receipt: Digest, (output, execution): (Digest, Execution)) -> Result<JobReport, JobError> {
        let tasks_reused = self.tasks_total(&execution)?;
        let segments = segments(&execution);
        let now_ms = millis(self.begin.elapsed());
        let tasks = vec![
            TaskRecord::reused(TaskName::EXECUTE, output, execution.cycles, now_ms),
            TaskRecord::reused(TaskName::SEAL, receipt, 0, now_ms),
        ];
        let folds = u32::try_from(tasks_reused).unwrap_or(u32::MAX).saturating_sub(segments).saturating_sub(2);
        self.observer.on(&PoolEvent::Totals { cycles: execution.cycles, segments, folds });
        tasks.iter().for_each(|task| self.observer.on(&PoolEvent::Reused(task.clone())));
        Ok(JobReport {
            receipt,
            execution: output,
            exit_code: execution.exit_code,
            cycles: execution.cycles,
            segments,
            tasks,
            tasks_run: 0,
            tasks_reused,
            wall_ms: millis(self.begin.elapsed()),
            cpu_ms: 0,
            peak_rss_bytes: peak_resident_bytes().unwrap_or(0),
            public_values: execution.public_values,
        })
    }

    /// Tasks of the whole job: the execution, a proof per segment, the folds and the seal.
    fn tasks_total(&self, execution: &Execution) -> Result<u64, JobError> {
        let segments = segments(execution);
        let folds = self.engine.fold_shape().widths(segments)?;
        Ok(2 + u64::from(segments) + folds.into_iter().map(u64::from).sum::<u64>())
    }
}

/// How many segments there are; decoding bounds the number.
fn segments(execution: &Execution) -> u32 {
    u32::try_from(execution.segments.len()).unwrap_or(u32::MAX)
}
