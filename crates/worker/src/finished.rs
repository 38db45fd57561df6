//! A job that is done already.
//!
//! In: program and input. Out: the report of the job, read from its receipt alone, since the execution and the proofs that
//! led to it may be gone by now. Whether the receipt verifies is for the caller to find out.

use std::time::Instant;

use phalanx_claim::Digest;
use phalanx_engine::Engine;
use phalanx_receipt::{Provenance, Receipt};
use phalanx_store::Store;

use crate::{
    JobError, JobReport, Observer, PoolEvent, TaskName, TaskRecord, found::JobKey, peak_resident_bytes, pool::millis,
};

/// The report of a job whose receipt is in the store and can be read; `None` if there is work to do. Two reads, however
/// long the job was. The observer hears of a job that was found as it would from [`prove`](crate::prove).
pub fn finished(
    engine: &dyn Engine,
    store: &Store,
    program: &[u8],
    stdin: &[u8],
    observer: &dyn Observer,
) -> Result<Option<JobReport>, JobError> {
    let begin = Instant::now();
    let job_key = JobKey::new(engine.id(), Digest::of(program), Digest::of(stdin));
    report(engine, store, job_key, observer, begin)
}

/// The same for a job whose key is known and that began at `begin`.
pub fn report(
    engine: &dyn Engine,
    store: &Store,
    job_key: JobKey,
    observer: &dyn Observer,
    begin: Instant,
) -> Result<Option<JobReport>, JobError> {
    let Some((digest, receipt)) = job_key.receipt(store)? else { return Ok(None) };
    let Receipt { claim, provenance: Provenance { cycles, segments, .. }, .. } = receipt;
    // Anyone may have changed the provenance, so it may speak of a job that cannot be.
    let folds: u32 = match engine.fold_shape().widths(segments) {
        Ok(widths) => widths.iter().sum(),
        Err(error) => {
            tracing::warn!(receipt = %digest, "what a recorded receipt notes cannot be, so it counts as missing: {error}");
            return Ok(None);
        }
    };
    observer.on(&PoolEvent::Totals { cycles, segments, folds });
    let seal = TaskRecord::reused(TaskName::SEAL, digest, 0, millis(begin.elapsed()));
    observer.on(&PoolEvent::Reused(seal.clone()));
    Ok(Some(JobReport {
        receipt: digest,
        exit_code: claim.exit_code,
        public_values: claim.public_values,
        cycles,
        segments,
        tasks: vec![seal],
        tasks_run: 0,
        // The execution and the seal, a proof per segment, the folds.
        tasks_reused: 2 + u64::from(segments) + u64::from(folds),
        wall_ms: millis(begin.elapsed()),
        cpu_ms: 0,
        peak_rss_bytes: peak_resident_bytes().unwrap_or(0),
    }))
}
