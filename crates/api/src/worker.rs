//! The worker protocol: register, claim, beat, and what becomes of a task.

use phalanx_claim::{Digest, EngineId};
use phalanx_plan::{ExecuteParams, TaskKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{JobId, TaskId, schema};

/// A worker comes: `POST /v1/workers`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWorker {
    /// Its name. One that comes again under its name gives back what it held before.
    #[schema(value_type = schema::Name)]
    pub name: String,
    /// Changes with every start of the process.
    #[schema(value_type = schema::Name)]
    pub boot: String,
    /// The version of its program.
    #[schema(value_type = schema::Label)]
    pub version: String,
    /// Its engine: name, version and digest of the verifying key.
    #[schema(value_type = schema::Engine)]
    pub engine: EngineId,
    /// Kinds of tasks that it runs.
    #[schema(value_type = Vec<schema::TaskKindName>, min_items = 1)]
    pub kinds: Vec<TaskKind>,
    /// RAM for tasks, beyond what the engine holds.
    pub ram_bytes: u64,
    /// Threads that compute at once.
    #[schema(minimum = 1)]
    pub cores: u32,
    /// Tasks at once.
    #[schema(minimum = 1)]
    pub slots: u32,
}

/// The gateway's answer: how to behave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// A task is given to another when its worker was silent for so long.
    pub lease_ms: u64,
    /// A worker says that it lives so often.
    pub beat_ms: u64,
    /// A claim waits for a task so long at most.
    pub claim_wait_ms_max: u64,
}

/// Asks for a task: `POST /v1/workers/{name}/claim`. The answer is an [`Assignment`], or 204 when there is none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// As registered; another process of the same name took over if it differs.
    #[schema(value_type = schema::Name)]
    pub boot: String,
    /// Kinds that are wanted now.
    #[schema(value_type = Vec<schema::TaskKindName>)]
    pub kinds: Vec<TaskKind>,
    /// RAM that is left.
    pub ram_bytes: u64,
    /// How long to wait for a task.
    #[serde(default)]
    pub wait_ms: u64,
}

/// A task for a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Assignment {
    /// Which, and which start of it: to be shown with all that the worker says of it.
    #[serde(flatten)]
    pub held: Held,
    /// What to do.
    pub spec: TaskSpec,
    /// The artifacts that it takes, in order.
    #[schema(value_type = Vec<schema::DigestText>)]
    pub inputs: Vec<Digest>,
    /// What it will need, as predicted.
    pub ram_bytes: u64,
    /// Who will prove what this task announces; only with an execution.
    pub fleet: Option<Fleet>,
    /// W3C trace context of the job.
    #[serde(default)]
    pub traceparent: Option<String>,
}

/// One start of one task.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Which start, from 1.
    pub attempt: u32,
}

/// What a task is, beside its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskSpec {
    /// Execute `[program, input]`.
    Execute(ExecuteSpec),
    /// Prove `[program, segment]`.
    Prove {
        /// Instructions of the segment.
        cycles: u64,
    },
    /// Fold proofs.
    Fold {
        /// Which layer of the tree, from 0.
        layer: u32,
    },
    /// Seal `[program, execution, proof]`.
    Seal,
}

/// What is known of an execution before it runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ExecuteSpec {
    /// It fails when the guest has not ended after so many instructions.
    pub cycles_max: u64,
    /// The user's length of segments.
    pub segment_cycles: Option<u64>,
    /// Where segments end, once a worker has chosen; every later start cuts in the same places.
    pub cut: Option<Cut>,
}

/// Where segments end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// After this many instructions at the latest.
    #[schema(minimum = 1)]
    pub segment_cycles_max: u64,
    /// Before proving would need more than this many bytes.
    #[schema(minimum = 1)]
    pub segment_bytes_max: u64,
}

impl ExecuteSpec {
    /// The limits as an engine takes them, once the cut is chosen.
    pub fn params(&self) -> Option<ExecuteParams> {
        let Cut { segment_cycles_max, segment_bytes_max } = self.cut?;
        Some(ExecuteParams { segment_cycles_max, segment_bytes_max, cycles_max: self.cycles_max })
    }
}

/// The workers that prove, with the same engine, now.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Fleet {
    /// Tasks that they run at once, together.
    pub slots: u64,
    /// The least RAM that one of their slots has for a task.
    pub slot_ram_bytes: u64,
    /// The fewest cores that one of their slots has.
    pub slot_cores: u32,
}

/// Says where segments end: `POST /v1/workers/{name}/settle`. Only the first answer counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The execution.
    pub held: Held,
    /// Where segments end.
    pub cut: Cut,
}

/// The cut that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Settled {
    /// Where segments end.
    pub cut: Cut,
}

/// Adds tasks to a job while its execution runs: `POST /v1/workers/{name}/announce`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// The execution.
    pub held: Held,
    /// Children before parents, 256 at most. Those that are there already must be the same.
    #[schema(max_items = 256)]
    pub tasks: Vec<NewTask>,
    /// Once the execution has ended.
    #[serde(default)]
    pub totals: Option<Totals>,
}

/// A task to be added.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Where it stands in its job.
    pub task: TaskId,
    /// What it is.
    pub spec: TaskSpec,
    /// What it takes, in order; 64 at most.
    #[schema(max_items = 64)]
    pub inputs: Vec<Input>,
    /// What it will need, as the engine predicts.
    pub ram_bytes: u64,
}

/// An input of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// An artifact that is there.
    Artifact {
        /// Its name.
        #[schema(value_type = schema::DigestText)]
        digest: Digest,
    },
    /// The result of another task of the job.
    Result {
        /// Which.
        task: TaskId,
    },
}

/// How long the execution was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Instructions.
    pub cycles: u64,
    /// Segments.
    pub segments: u64,
}

/// How much of the job is not done yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Announced {
    /// Segment proofs of the job that are neither done nor over.
    pub outstanding: u64,
    /// The execution pauses while there are more.
    pub outstanding_max: u64,
}

/// The worker lives: `POST /v1/workers/{name}/beat`. Extends every lease that it names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// As registered.
    #[schema(value_type = schema::Name)]
    pub boot: String,
    /// What it runs, with the instructions executed so far where that is known.
    pub running: Vec<Running>,
    /// RAM that the process holds.
    #[serde(default)]
    pub resident_bytes: u64,
    /// Whether it takes no more tasks.
    #[serde(default)]
    pub is_draining: bool,
}

/// A task that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Running {
    /// Which.
    pub held: Held,
    /// Instructions executed so far.
    #[serde(default)]
    pub cycles: Option<u64>,
}

/// What the worker is to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BeatAnswer {
    /// Starts that are over: stop working on them.
    pub stop: Vec<Held>,
    /// Finish what runs and take no more.
    pub drain: bool,
}

/// A task has its result, which is in the store: `POST /v1/workers/{name}/complete`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// Which.
    pub held: Held,
    /// The artifact.
    #[schema(value_type = schema::DigestText)]
    pub output: Digest,
    /// CPU time that it took.
    #[serde(default)]
    pub cpu_ms: u64,
    /// Peak RAM that it took, where that is known.
    #[serde(default)]
    pub peak_bytes: Option<u64>,
}

/// The result that counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Completed {
    /// The artifact recorded first for this task's key.
    #[schema(value_type = schema::DigestText)]
    pub output: Digest,
}

/// A task failed: `POST /v1/workers/{name}/fail`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    /// Which.
    pub held: Held,
    /// How; the engine decides.
    pub verdict: Verdict,
    /// For people; cut after 4 KiB.
    pub detail: String,
}

/// How a start failed. The worker's engine decides which; nobody guesses from the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It may work another time.
    Retry,
    /// The proof that was made does not verify; another machine may do better.
    BadProof,
    /// It fails whoever runs it: the guest panicked, a limit was reached, the ELF is bad.
    FailJob,
    /// An input is gone or corrupt: the task that made it runs again first.
    InputLost {
        /// Which artifact.
        #[schema(value_type = schema::DigestText)]
        digest: Digest,
    },
    /// The worker shuts down; nothing is wrong.
    Released,
}

/// Asks for a recorded result: `POST /v1/workers/{name}/look_up`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// The task key.
    #[schema(value_type = schema::DigestText)]
    pub key: Digest,
}

/// A recorded result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct LookedUp {
    /// The artifact, if there is one and it is in the store.
    #[schema(value_type = Option<schema::DigestText>)]
    pub output: Option<Digest>,
}

/// How a worker stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It takes tasks.
    Active,
    /// It finishes what it has.
    Draining,
    /// It made proofs that do not verify and gets no more tasks.
    Quarantined,
    /// It has been silent for longer than a lease, or has left.
    Gone,
}

impl WorkerState {
    /// Its name, in the database and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Quarantined => "quarantined",
            Self::Gone => "gone",
        }
    }
}

/// A worker: `GET /v1/workers`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: WorkerState,
    /// The version of its program.
    pub version: String,
    /// Its engine, as text.
    pub engine: String,
    /// Kinds of tasks that it runs.
    #[schema(value_type = Vec<schema::TaskKindName>)]
    pub kinds: Vec<TaskKind>,
    /// RAM for tasks.
    pub ram_bytes: u64,
    /// RAM that the process held at its last beat.
    pub resident_bytes: u64,
    /// Threads that compute at once.
    pub cores: u32,
    /// Tasks at once.
    pub slots: u32,
    /// Proofs it made that do not verify.
    pub strikes: u32,
    /// How long ago it last spoke.
    pub silent_ms: u64,
    /// When it came.
    pub registered_ms: u64,
    /// What it runs.
    pub running: Vec<Held>,
}
