//! What happened, in the words of the gateway, as counters and histograms.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::{counter, gauge, histogram};
use phalanx_api::{Assignment, Complete, QueueView, TaskSpec, TaskView, Verdict, WorkerView};
use phalanx_plan::TaskKind;
use phalanx_queue::Swept;

use super::names;

/// Which way an artifact went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Into the store.
    Up,
    /// Out of it.
    Down,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A verdict as a label.
pub(crate) const fn cause(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Retry => "retry",
        Verdict::BadProof => "bad_proof",
        Verdict::FailJob => "fail_job",
        Verdict::InputLost { .. } => "input_lost",
        Verdict::Released => "released",
    }
}

/// The kind of what a task does.
pub(crate) const fn kind(spec: &TaskSpec) -> TaskKind {
    match spec {
        TaskSpec::Execute(_) => TaskKind::Execute,
        TaskSpec::Prove { .. } => TaskKind::Prove,
        TaskSpec::Fold { .. } => TaskKind::Fold,
        TaskSpec::Seal => TaskKind::Seal,
    }
}

/// A task was given to a worker.
pub(crate) fn claimed(assignment: &Assignment) {
    let kind = kind(&assignment.spec).name();
    histogram!(names::RAM_PREDICTED, "kind" => kind).record(float(assignment.ram_bytes));
}

/// How long a task waited for its worker, and how long it ran.
pub(crate) fn times(task: &TaskView) {
    let kind = task.kind.name();
    let (Some(ready_ms), Some(started_ms), Some(ended_ms)) = (task.ready_ms, task.started_ms, task.ended_ms) else {
        return;
    };
    histogram!(names::CLAIM_WAIT, "kind" => kind).record(seconds(started_ms.saturating_sub(ready_ms)));
    histogram!(names::RUN, "kind" => kind).record(seconds(ended_ms.saturating_sub(started_ms)));
}

/// A task has its result.
pub(crate) fn completed(spec: &TaskSpec, done: &Complete, is_reused: bool) {
    let kind = kind(spec).name();
    if is_reused {
        counter!(names::TASKS_REUSED, "kind" => kind).increment(1);
        return;
    }
    counter!(names::TASKS_DONE, "kind" => kind).increment(1);
    counter!(names::CPU, "kind" => kind).increment(whole_seconds(spec, done.cpu_ms));
    if let Some(peak_bytes) = done.peak_bytes {
        histogram!(names::RAM_PEAK, "kind" => kind).record(float(peak_bytes));
    }
    if let TaskSpec::Prove { cycles } = spec {
        counter!(names::CYCLES).increment(*cycles);
    }
}

/// How many seconds of CPU time are full now: what a task leaves of one counts with the next of its kind.
fn whole_seconds(spec: &TaskSpec, cpu_ms: u64) -> u64 {
    static COUNTED_MS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
    let Some(counted_ms) = COUNTED_MS.get(kind(spec) as usize) else { return cpu_ms / 1000 };
    let before_ms = counted_ms.fetch_add(cpu_ms, Ordering::Relaxed);
    before_ms.saturating_add(cpu_ms) / 1000 - before_ms / 1000
}

/// A worker came with the result of an attempt that was over.
pub(crate) fn stale_completion() {
    counter!(names::STALE).increment(1);
}

/// A start left no result.
pub(crate) fn task_failed(cause: &'static str) {
    counter!(names::FAILURES, "cause" => cause).increment(1);
}

/// An artifact went through the gateway.
pub(crate) fn transferred(direction: Direction, bytes: u64, took: Duration) {
    counter!(names::ARTIFACT_BYTES, "direction" => direction.name()).increment(bytes);
    histogram!(names::ARTIFACT_SECONDS, "direction" => direction.name()).record(took.as_secs_f64());
}

/// A request was answered.
pub(crate) fn answered(route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(names::REQUESTS, "route" => route.clone(), "status" => status.to_string()).increment(1);
    histogram!(names::REQUEST_SECONDS, "route" => route).record(took.as_secs_f64());
}

/// One connection or event stream more, or one less, or how many claims wait.
pub(crate) fn level(name: &'static str, value: f64) {
    gauge!(name).set(value);
}

/// What a sweep found.
pub(crate) fn swept(swept: &Swept) {
    counter!(names::LEASE_EXPIRED).increment(swept.expired);
    counter!(names::FAILURES, "cause" => "expired").increment(swept.expired);
    counter!(names::DEADLINES).increment(swept.too_late);
}

/// How the queue stands.
pub(crate) fn load(view: &QueueView) {
    for (kind, load) in &view.kinds {
        let set = |name: &'static str, value: f64| gauge!(name, "kind" => kind.clone()).set(value);
        set(names::TASKS_PENDING, float(load.pending));
        set(names::TASKS_READY, float(load.ready));
        set(names::TASKS_RUNNING, float(load.running));
        set(names::TASKS_DEAD, float(load.dead));
        set(names::OLDEST_READY, seconds(load.oldest_ready_age_ms));
    }
    gauge!(names::UNCLAIMABLE).set(float(view.unclaimable));
    gauge!(names::JOBS).set(float(view.jobs));
    gauge!(names::SLOTS).set(float(view.slots));
    gauge!(names::SLOTS_WANTED).set(float(view.slots_wanted));
}

/// How the workers stand.
pub(crate) fn workers(workers: &[WorkerView]) {
    use phalanx_api::WorkerState::{Active, Draining, Gone, Quarantined};
    for state in [Active, Draining, Quarantined, Gone] {
        let count = workers.iter().filter(|worker| worker.state == state).count();
        gauge!(names::WORKERS, "state" => state.name()).set(count as f64);
    }
}

/// Numbers that are beyond 2^53 are no counts of anything here.
#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
fn float(number: u64) -> f64 {
    number as f64
}

fn seconds(ms: u64) -> f64 {
    float(ms) / 1000.0
}
