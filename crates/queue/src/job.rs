//! What is put into the queue.

use std::{fmt, str::FromStr};

use phalanx_claim::Digest;
use phalanx_plan::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Names a job. Sorts by the time at which it was made (UUID version 7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct JobId(Uuid);

impl JobId {
    /// A name that nothing else has.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// An input of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// An artifact that is there.
    Artifact(Digest),
    /// The result of another task of the job.
    Result(Position),
}

/// A task to be queued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTask {
    /// Where it stands in its job.
    pub position: Position,
    /// Only workers with this engine may run it.
    pub engine: String,
    /// What it will need beyond what the engine holds.
    pub ram_bytes: u64,
    /// What it takes, in order.
    pub inputs: Vec<Input>,
    /// What the worker is told beside the inputs; the queue does not read it.
    pub body: serde_json::Value,
    /// Whether its result ends the job.
    pub is_last: bool,
}

/// A job to be queued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    /// Whose it is.
    pub tenant: String,
    /// The same key and request again is the same job.
    pub idempotency_key: Option<String>,
    /// Digest of all that decides the result.
    pub request: Digest,
    /// More runs first.
    pub priority: i32,
    /// The job is cancelled when it is not done by then, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
    /// The first task; it announces the others while it runs.
    pub first: NewTask,
}

/// A job that is in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// Its name.
    pub job: JobId,
    /// Whether it was there before.
    pub is_known: bool,
}
