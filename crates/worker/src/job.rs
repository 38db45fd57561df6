//! What a job is and what is known of it afterwards. Plain values; no behaviour beyond names and sums.

use std::fmt;

use phalanx_claim::Digest;
use phalanx_plan::{ExecuteParams, Position, Task, TaskKind};
use serde::Serialize;

use crate::{JobError, Memory};

/// One program on one input, to be proven.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// The ELF, as the user gave it.
    pub program: Vec<u8>,
    /// The guest's input stream, encoded as a stdin artifact.
    pub stdin: Vec<u8>,
    /// Where segments end and when the execution fails.
    pub execute: ExecuteParams,
}

/// What the pool may use of this machine.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// RAM for the engine's keys and all running tasks together; see [`available_ram`](crate::available_ram).
    pub ram_bytes: u64,
    /// Tasks at once at most, besides the execution; at least 1.
    pub slots: usize,
    /// Threads that compute at once, shared by the slots; at least 1.
    pub cores: usize,
    /// The process's allocator. With one that keeps freed pages ([`Memory::SYSTEM`] does not) resident memory says
    /// little about what tasks use, and only the allocator can make it shrink.
    pub memory: Memory,
}

impl PoolConfig {
    /// A pool of a process whose allocator keeps nothing.
    pub fn new(ram_bytes: u64, slots: usize, cores: usize) -> Self {
        Self { ram_bytes, slots, cores, memory: Memory::SYSTEM }
    }

    /// Refuses a pool that could never start a task.
    pub(crate) fn check(&self) -> Result<(), JobError> {
        let least_one = |name, got: usize| match got {
            0 => Err(JobError::Setting { name, min: 1, got: 0 }),
            _ => Ok(()),
        };
        least_one("slots", self.slots)?;
        least_one("cores", self.cores)
    }
}

/// Which task of a job; stable from run to run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct TaskName {
    /// Its kind.
    pub kind: TaskKind,
    /// Layer of the fold tree, counted from the segment proofs; 0 for every other kind.
    pub layer: u32,
    /// Position in the execution (prove) or in the layer (fold), from 0.
    pub index: u32,
}

impl TaskName {
    /// The execution of the job.
    pub const EXECUTE: Self = Self { kind: TaskKind::Execute, layer: 0, index: 0 };
    /// The last task of the job.
    pub const SEAL: Self = Self { kind: TaskKind::Seal, layer: 0, index: 0 };

    /// The proof of segment `index`.
    pub const fn prove(index: u32) -> Self {
        Self { kind: TaskKind::Prove, layer: 0, index }
    }

    /// Node `index` of fold layer `layer`.
    pub const fn fold(layer: u32, index: u32) -> Self {
        Self { kind: TaskKind::Fold, layer, index }
    }

    /// Where it stands in the order of its job.
    pub const fn position(&self) -> Position {
        match self.kind {
            TaskKind::Execute => Position::Execute,
            TaskKind::Prove => Position::Prove { index: self.index },
            TaskKind::Fold => Position::Fold { layer: self.layer, index: self.index },
            TaskKind::Seal => Position::Seal,
        }
    }

    /// The task itself, as the engine takes it.
    pub(crate) const fn task(&self, execute: ExecuteParams) -> Task {
        match self.kind {
            TaskKind::Execute => Task::Execute(execute),
            TaskKind::Prove => Task::Prove,
            TaskKind::Fold => Task::Fold { layer: self.layer },
            TaskKind::Seal => Task::Seal,
        }
    }
}

impl From<Position> for TaskName {
    fn from(position: Position) -> Self {
        match position {
            Position::Execute => Self::EXECUTE,
            Position::Prove { index } => Self::prove(index),
            Position::Fold { layer, index } => Self::fold(layer, index),
            Position::Seal => Self::SEAL,
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.position().fmt(f)
    }
}

/// One task that ran, or whose result was found. Times count from the start of the job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TaskRecord {
    /// Which task; its fields appear in this record.
    #[serde(flatten)]
    pub name: TaskName,
    /// The lane it ran in, from 0 for proofs and folds; the execution has the lane after the last slot. 0 if reused.
    pub slot: usize,
    /// When it started (reused: was found).
    pub start_ms: u64,
    /// When it ended.
    pub end_ms: u64,
    /// CPU time over all its threads; 0 if reused.
    pub cpu_ms: u64,
    /// Threads it was given; 0 if reused.
    pub cores: usize,
    /// The engine's prediction of its peak RAM, beyond keys; 0 if reused.
    pub predicted_peak_bytes: u64,
    /// Peak of the process during the task beyond what it held at the task's start and what it still held at its end.
    /// Only known when nothing else ran from its start to its end.
    pub measured_peak_bytes: Option<u64>,
    /// Whether the result was found instead of made.
    pub reused: bool,
    /// Instructions of its segment (prove) or of the job (execute); 0 for other tasks.
    pub cycles: u64,
    /// How many times it was started; 0 if reused.
    pub attempt: u32,
    /// The artifact it made.
    pub output: Digest,
}

impl TaskRecord {
    /// The record of a result that was found at `now_ms`.
    pub(crate) fn reused(name: TaskName, output: Digest, cycles: u64, now_ms: u64) -> Self {
        Self {
            name,
            slot: 0,
            start_ms: now_ms,
            end_ms: now_ms,
            cpu_ms: 0,
            cores: 0,
            predicted_peak_bytes: 0,
            measured_peak_bytes: None,
            reused: true,
            cycles,
            attempt: 0,
            output,
        }
    }
}

/// A job that is done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JobReport {
    /// The receipt artifact.
    pub receipt: Digest,
    /// How the guest ended; always 0.
    pub exit_code: u32,
    /// What it revealed.
    pub public_values: Vec<u8>,
    /// Instructions executed. Of a job whose receipt was already there, what the receipt notes, which is not proven.
    pub cycles: u64,
    /// Segments proven; see [`cycles`](Self::cycles).
    pub segments: u32,
    /// Every task that ran or was looked up, in the order they ended. A job whose receipt was already there lists only
    /// its seal.
    pub tasks: Vec<TaskRecord>,
    /// Tasks that ran to their end in this call.
    pub tasks_run: u64,
    /// Tasks of the job that did not have to run.
    pub tasks_reused: u64,
    /// From the call to its return.
    pub wall_ms: u64,
    /// CPU time of all tasks.
    pub cpu_ms: u64,
    /// Peak resident memory of this process since it started (`VmHWM`); 0 where the system does not say.
    pub peak_rss_bytes: u64,
}

/// An execution that is done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ExecuteReport {
    /// The execution artifact; `phalanx_engine::Execution::decode` reads its bytes.
    pub execution: Digest,
    /// How the guest ended; always 0.
    pub exit_code: u32,
    /// What it revealed.
    pub public_values: Vec<u8>,
    /// Instructions executed.
    pub cycles: u64,
    /// Segments cut.
    pub segments: u32,
    /// The one task.
    pub task: TaskRecord,
}
