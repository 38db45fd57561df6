//! Jobs: how they are submitted and how they stand.

use std::{fmt, str::FromStr};

use phalanx_claim::Digest;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::schema;

/// Names a job. Sorts by the time at which it was made (UUID version 7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
pub struct JobId(Uuid);

impl JobId {
    /// A name that nothing else has.
    #[expect(clippy::new_without_default, reason = "each call gives another name")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text names no job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseJobIdError;

impl fmt::Display for ParseJobIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a job is named by a UUID such as 0199c0de-7c1f-7000-8000-00000000002a")
    }
}

impl std::error::Error for ParseJobIdError {}

impl FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Other spellings of a UUID would give one job several names.
        if text.len() != 36 {
            return Err(ParseJobIdError);
        }
        Uuid::parse_str(text).map(Self).map_err(|_| ParseJobIdError)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let job: Self = text.parse().map_err(de::Error::custom)?;
        if job.to_string() == text { Ok(job) } else { Err(de::Error::custom(ParseJobIdError)) }
    }
}

/// How a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nothing of it ran yet.
    Queued,
    /// It is being worked on.
    Running,
    /// It has its receipt.
    Done,
    /// It cannot be done.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];

    /// Its name, in the database and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it will not change by itself any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job to be queued: `POST /v1/jobs`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// The ELF, as `POST /v1/programs` named it.
    #[schema(value_type = schema::DigestText)]
    pub program: Digest,
    /// The guest's input, as `POST /v1/inputs` named it.
    #[schema(value_type = schema::DigestText)]
    pub input: Digest,
    /// More runs first; from -100 to 100.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i32,
    /// The job fails when it is not done so many milliseconds after it came.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub deadline_after_ms: Option<u64>,
    /// Limits of the execution.
    #[serde(default)]
    pub limits: JobLimits,
}

/// Limits of a job's execution.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JobLimits {
    /// The job fails when the guest has not ended after so many instructions; absent: 10,000,000,000.
    #[schema(minimum = 1)]
    pub cycles_max: Option<u64>,
    /// Segments end after so many instructions; absent: what suits the workers.
    #[schema(minimum = 1)]
    pub segment_cycles: Option<u64>,
}

/// A job that is in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Submitted {
    /// Its name.
    pub job: JobId,
    /// How it stands.
    pub state: JobState,
    /// Whether it was there before: the same idempotency key, or an identical request that is done.
    pub is_known: bool,
}

/// A job as it stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its name.
    pub job: JobId,
    /// Whose it is.
    pub tenant: String,
    /// How it stands.
    pub state: JobState,
    /// The ELF.
    #[schema(value_type = schema::DigestText)]
    pub program: Digest,
    /// The guest's input.
    #[schema(value_type = schema::DigestText)]
    pub input: Digest,
    /// More runs first.
    pub priority: i32,
    /// Of a failed job: which task failed.
    pub failed_task: Option<String>,
    /// Of a failed job: why.
    pub failure: Option<String>,
    /// Of a done job: the receipt.
    #[schema(value_type = Option<schema::DigestText>)]
    pub receipt: Option<Digest>,
    /// Instructions, once it is executed.
    pub cycles: Option<u64>,
    /// Segments, once it is executed.
    pub segments: Option<u64>,
    /// When it came.
    pub created_ms: u64,
    /// When its first task started.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// When it fails if it is not done.
    pub deadline_ms: Option<u64>,
    /// Its tasks, by kind; those not announced yet are not counted.
    pub tasks: KindCounts,
    /// How much of the work is done, from 0 to 1; an estimate.
    pub progress: f64,
    /// When it will be done, in milliseconds from now; an estimate, absent until a proof is done.
    pub eta_ms: Option<u64>,
}

/// Tasks of a job by kind.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KindCounts {
    /// Executions.
    pub execute: Counts,
    /// Segment proofs.
    pub prove: Counts,
    /// Folds.
    pub fold: Counts,
    /// Seals.
    pub seal: Counts,
}

/// Tasks by state.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// They wait for others.
    pub pending: u64,
    /// They wait for a worker.
    pub ready: u64,
    /// A worker has them.
    pub running: u64,
    /// They have their result.
    pub done: u64,
    /// They failed for good.
    pub dead: u64,
    /// Their job ended without them.
    pub cancelled: u64,
}

impl Counts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.pending + self.ready + self.running + self.done + self.dead + self.cancelled
    }
}

/// Jobs, the newest first: `GET /v1/jobs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// One page of them.
    pub jobs: Vec<JobView>,
    /// `before` of the next page; absent on the last.
    pub next: Option<JobId>,
}

/// What `GET /v1/jobs` takes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Only those that stand so.
    pub state: Option<JobState>,
    /// Only those that came before this one.
    pub before: Option<JobId>,
    /// How many at most, from 1 to 500; absent: 50.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}
