//! Every metric: its name, what it counts, its labels. What is not in this table is not in `/metrics`.

/// How a metric behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values in buckets.
    Histogram(Unit),
}

/// What a histogram measures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// A metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// Its name, without the suffixes that histograms add.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// The values of its only label that are there from the start, if they are known.
    pub values: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

const KINDS: &[&str] = &["execute", "prove", "fold", "seal"];
const CAUSES: &[&str] = &["retry", "bad_proof", "fail_job", "input_lost", "released", "expired"];
const WORKER_STATES: &[&str] = &["active", "draining", "quarantined", "gone"];
const DIRECTIONS: &[&str] = &["up", "down"];

const fn by_kind(name: &'static str, kind: MetricKind, help: &'static str) -> Metric {
    Metric { name, kind, labels: &["kind"], values: KINDS, help }
}

const fn alone(name: &'static str, kind: MetricKind, help: &'static str) -> Metric {
    Metric { name, kind, labels: &[], values: &[], help }
}

pub(crate) const TASKS_PENDING: &str = "phalanx_tasks_pending";
pub(crate) const TASKS_READY: &str = "phalanx_tasks_ready";
pub(crate) const TASKS_RUNNING: &str = "phalanx_tasks_running";
pub(crate) const TASKS_DEAD: &str = "phalanx_tasks_dead";
pub(crate) const OLDEST_READY: &str = "phalanx_oldest_ready_age_seconds";
pub(crate) const UNCLAIMABLE: &str = "phalanx_tasks_unclaimable";
pub(crate) const JOBS: &str = "phalanx_jobs";
pub(crate) const WORKERS: &str = "phalanx_workers";
pub(crate) const SLOTS: &str = "phalanx_worker_slots";
pub(crate) const SLOTS_WANTED: &str = "phalanx_worker_slots_wanted";
pub(crate) const CLAIM_WAIT: &str = "phalanx_task_claim_wait_seconds";
pub(crate) const RUN: &str = "phalanx_task_run_seconds";
pub(crate) const TASKS_DONE: &str = "phalanx_tasks_done_total";
pub(crate) const TASKS_REUSED: &str = "phalanx_tasks_reused_total";
pub(crate) const LEASE_EXPIRED: &str = "phalanx_lease_expired_total";
pub(crate) const STALE: &str = "phalanx_stale_completions_total";
pub(crate) const FAILURES: &str = "phalanx_task_failures_total";
pub(crate) const DEADLINES: &str = "phalanx_deadlines_missed_total";
pub(crate) const CYCLES: &str = "phalanx_cycles_total";
pub(crate) const RAM_PREDICTED: &str = "phalanx_task_ram_predicted_bytes";
pub(crate) const RAM_PEAK: &str = "phalanx_task_ram_peak_bytes";
pub(crate) const CPU: &str = "phalanx_task_cpu_seconds_total";
pub(crate) const ARTIFACT_BYTES: &str = "phalanx_artifact_bytes_total";
pub(crate) const ARTIFACT_SECONDS: &str = "phalanx_artifact_seconds";
pub(crate) const REQUESTS: &str = "phalanx_http_requests_total";
pub(crate) const REQUEST_SECONDS: &str = "phalanx_http_request_seconds";
pub(crate) const CONNECTIONS: &str = "phalanx_http_connections";
pub(crate) const STREAMS: &str = "phalanx_event_streams";
pub(crate) const CLAIMS_WAITING: &str = "phalanx_claims_waiting";

use MetricKind::{Counter, Gauge, Histogram};

/// Every metric.
pub const METRICS: &[Metric] = &[
    by_kind(TASKS_PENDING, Gauge, "Tasks that wait for others."),
    by_kind(TASKS_READY, Gauge, "Tasks that wait for a worker."),
    by_kind(TASKS_RUNNING, Gauge, "Tasks that a worker has."),
    by_kind(TASKS_DEAD, Gauge, "Tasks that failed for good in jobs that nobody has requeued."),
    by_kind(OLDEST_READY, Gauge, "How long the oldest ready task has waited."),
    alone(UNCLAIMABLE, Gauge, "Ready tasks that no live worker can run."),
    alone(JOBS, Gauge, "Jobs that are queued or running."),
    Metric { name: WORKERS, kind: Gauge, labels: &["state"], values: WORKER_STATES, help: "Workers by state." },
    alone(SLOTS, Gauge, "Tasks that the active workers can run at once."),
    alone(SLOTS_WANTED, Gauge, "Slots that would keep every ready and running task busy."),
    by_kind(CLAIM_WAIT, Histogram(Unit::Seconds), "Time from ready to claimed."),
    by_kind(RUN, Histogram(Unit::Seconds), "Time from claimed to done."),
    by_kind(TASKS_DONE, Counter, "Tasks that workers completed."),
    by_kind(TASKS_REUSED, Counter, "Tasks whose result was found in the store."),
    alone(LEASE_EXPIRED, Counter, "Starts whose worker fell silent."),
    alone(STALE, Counter, "Results of attempts that were over."),
    Metric { name: FAILURES, kind: Counter, labels: &["cause"], values: CAUSES, help: "Starts that left no result." },
    alone(DEADLINES, Counter, "Jobs that were not done in time."),
    alone(CYCLES, Counter, "Instructions proven."),
    by_kind(RAM_PREDICTED, Histogram(Unit::Bytes), "RAM that a task was predicted to need when it was claimed."),
    by_kind(RAM_PEAK, Histogram(Unit::Bytes), "RAM that a task needed, where that is known."),
    by_kind(CPU, Counter, "CPU time of completed tasks."),
    Metric {
        name: ARTIFACT_BYTES,
        kind: Counter,
        labels: &["direction"],
        values: DIRECTIONS,
        help: "Bytes of artifacts that went through the gateway.",
    },
    Metric {
        name: ARTIFACT_SECONDS,
        kind: Histogram(Unit::Seconds),
        labels: &["direction"],
        values: DIRECTIONS,
        help: "How long a transfer through the gateway took.",
    },
    Metric { name: REQUESTS, kind: Counter, labels: &["route", "status"], values: &[], help: "Requests answered." },
    Metric {
        name: REQUEST_SECONDS,
        kind: Histogram(Unit::Seconds),
        labels: &["route"],
        values: &[],
        help: "Time until the answer began.",
    },
    alone(CONNECTIONS, Gauge, "Open connections."),
    alone(STREAMS, Gauge, "Open event streams."),
    alone(CLAIMS_WAITING, Gauge, "Workers that wait for a task."),
];
