//! The queue as a whole: what autoscalers and operators look at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much work there is: `GET /v1/queue`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// By kind: execute, prove, fold, seal.
    pub kinds: BTreeMap<String, KindLoad>,
    /// Tasks that are ready, of every kind.
    pub ready: u64,
    /// Tasks that run.
    pub running: u64,
    /// Tasks that failed for good in jobs that nobody has requeued.
    pub dead: u64,
    /// Jobs that are queued or running.
    pub jobs: u64,
    /// Workers that take tasks.
    pub workers: u64,
    /// Tasks that these workers can run at once.
    pub slots: u64,
    /// Slots that would keep every ready and running task busy; scale to this.
    pub slots_wanted: u64,
    /// Ready tasks that no live worker can run, because of their kind, engine or RAM.
    pub unclaimable: u64,
}

/// Tasks of one kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KindLoad {
    /// They wait for others.
    pub pending: u64,
    /// They wait for a worker.
    pub ready: u64,
    /// A worker has them.
    pub running: u64,
    /// They failed for good.
    pub dead: u64,
    /// How long the oldest ready one has waited.
    pub oldest_ready_age_ms: u64,
}

/// Whether the gateway can work: `GET /readyz`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether it can.
    pub is_ready: bool,
    /// What the database said, if not.
    pub database: Option<String>,
    /// What the store said, if not.
    pub store: Option<String>,
}

/// How long tasks took: `GET /v1/stats`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatsView {
    /// Over jobs that ended in the last so many milliseconds.
    pub window_ms: u64,
    /// Jobs that are done.
    pub jobs_done: u64,
    /// Jobs that failed.
    pub jobs_failed: u64,
    /// Instructions of done jobs.
    pub cycles: u64,
    /// By kind.
    pub kinds: BTreeMap<String, TaskTimes>,
    /// Starts by what became of them: done, retry, bad_proof, failed, expired, released, cancelled.
    pub attempts: BTreeMap<String, u64>,
}

/// Times of the done tasks of one kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskTimes {
    /// How many.
    pub count: u64,
    /// How many of them were found instead of made.
    pub reused: u64,
    /// Mean time from ready to started.
    pub wait_ms_mean: u64,
    /// Mean time from started to done.
    pub run_ms_mean: u64,
    /// The longest.
    pub run_ms_max: u64,
}
