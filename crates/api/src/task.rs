//! Tasks, as people and dashboards see them.

use std::{fmt, str::FromStr};

use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{JobId, schema};

/// Where a task stands in its job, as one word that fits a URL: `execute`, `prove-7`, `fold-2.0`, `seal`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub Position);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Position::Execute | Position::Seal => f.write_str(self.0.kind().name()),
            Position::Prove { index } => write!(f, "prove-{index}"),
            Position::Fold { layer, index } => write!(f, "fold-{layer}.{index}"),
        }
    }
}

/// The text names no task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParsePositionError;

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task is named execute, prove-7, fold-2.0 or seal")
    }
}

impl std::error::Error for ParsePositionError {}

impl FromStr for TaskId {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().map_err(|_| ParsePositionError);
        let position = match text.split_once('-') {
            None if text == "execute" => Position::Execute,
            None if text == "seal" => Position::Seal,
            Some(("prove", index)) => Position::Prove { index: number(index)? },
            Some(("fold", place)) => {
                let (layer, index) = place.split_once('.').ok_or(ParsePositionError)?;
                Position::Fold { layer: number(layer)?, index: number(index)? }
            }
            _ => return Err(ParsePositionError),
        };
        // Spellings such as prove-007 would give one task several names.
        if Self(position).to_string() == text { Ok(Self(position)) } else { Err(ParsePositionError) }
    }
}

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for TaskId {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Where a task stands in its job: execute, prove-7, fold-2.0 or seal."))
            .pattern(Some(r"^(execute|seal|prove-(0|[1-9][0-9]{0,8})|fold-(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8}))$"));
        text.build().into()
    }
}

impl ToSchema for TaskId {}

/// Where a task is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits for the results of its children.
    Pending,
    /// May be claimed.
    Ready,
    /// A worker has it.
    Running,
    /// Its result is recorded.
    Done,
    /// It failed for good.
    Dead,
    /// Its job ended without it.
    Cancelled,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Ready, Self::Running, Self::Done, Self::Dead, Self::Cancelled];

    /// Its name, in the database and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A task as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// Where it stands in its job.
    pub task: TaskId,
    /// Its kind.
    #[schema(value_type = schema::TaskKindName)]
    pub kind: TaskKind,
    /// How it stands.
    pub state: TaskState,
    /// Tasks whose results it takes.
    pub children: Vec<TaskId>,
    /// How many times it was started.
    pub attempt: u32,
    /// How many starts failed.
    pub failures: u32,
    /// Who has it, or made its result.
    pub worker: Option<String>,
    /// What it will need, as predicted.
    pub ram_bytes: u64,
    /// Instructions of its segment or, of an execution, done so far.
    pub cycles: Option<u64>,
    /// What it made.
    #[schema(value_type = Option<schema::DigestText>)]
    pub output: Option<Digest>,
    /// Whether its result was found instead of made.
    pub is_reused: bool,
    /// When it could start.
    pub ready_ms: Option<u64>,
    /// When its latest start was.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// When any of this changed last.
    pub changed_ms: u64,
    /// Why its latest start that failed did so.
    pub failure: Option<String>,
}

/// Tasks of a job, in the order in which they would run: `GET /v1/jobs/{job}/tasks`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// One page of them.
    pub tasks: Vec<TaskView>,
    /// `after` of the next page; absent on the last.
    pub next: Option<TaskId>,
}

/// An event of a job: a task that changed, as it stands now. The stream's other event is the job itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TaskChange {
    /// Its job.
    pub job: JobId,
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
}

/// What became of one start of a task: `GET /v1/jobs/{job}/tasks/{task}/attempts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Which start, from 1.
    pub attempt: u32,
    /// Who had it.
    pub worker: String,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// done, retry, bad_proof, failed, expired, released or cancelled.
    pub outcome: String,
    /// Why.
    pub detail: Option<String>,
}

/// A task that failed for good: `GET /v1/dead`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadTask {
    /// Its job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// How many times it was started.
    pub attempt: u32,
    /// Why the last start failed.
    pub failure: Option<String>,
    /// When.
    pub ended_ms: Option<u64>,
}
