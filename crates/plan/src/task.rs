//! Tasks and the keys that name their results.

use std::fmt;

use phalanx_claim::{Digest, EngineId};
use serde::{Deserialize, Serialize};

/// One pure step of proving. Its inputs, in this order, are artifacts named by digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Task {
    /// `[program, stdin]` → execution. Emits one segment artifact after another while it runs.
    Execute(ExecuteParams),
    /// `[program, segment]` → proof of that segment.
    Prove,
    /// `[proof, …]`, adjacent, at most the layer's arity → one proof for them all. Layer 0 folds segment proofs.
    Fold {
        /// Which layer of the fold tree this node is in, counted from the segment proofs.
        layer: u32,
    },
    /// `[program, execution, proof]` → receipt.
    Seal,
}

/// Limits of an execution; they decide where segments end, so they are part of the task key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ExecuteParams {
    /// A segment ends after this many instructions at the latest.
    pub segment_cycles_max: u64,
    /// A segment ends before proving it would need more than this many bytes (engine's prediction, without keys).
    pub segment_bytes_max: u64,
    /// The execution fails when it has not terminated after this many instructions.
    pub cycles_max: u64,
}

/// The kind of a task, without its parameters: what a worker offers to run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// [`Task::Execute`]
    Execute,
    /// [`Task::Prove`]
    Prove,
    /// [`Task::Fold`]
    Fold,
    /// [`Task::Seal`]
    Seal,
}

impl TaskKind {
    /// The kind's name as users see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Prove => "prove",
            Self::Fold => "fold",
            Self::Seal => "seal",
        }
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Task {
    /// The kind of this task.
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Execute(_) => TaskKind::Execute,
            Self::Prove => TaskKind::Prove,
            Self::Fold { .. } => TaskKind::Fold,
            Self::Seal => TaskKind::Seal,
        }
    }
}

/// The name of a task's result: `blake3(task kind ‖ engine id ‖ parameters ‖ input digests)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskKey(Digest);

impl TaskKey {
    /// The key of `task` on `inputs` under `engine`. Every field is preceded by its length, so no two encodings collide.
    pub fn new(engine: &EngineId, task: &Task, inputs: &[Digest]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("phalanx task key 1");
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(task.kind().name().as_bytes());
        field(engine.name.as_bytes());
        field(engine.version.as_bytes());
        field(engine.verifying_key.as_bytes());
        match *task {
            Task::Execute(ExecuteParams { segment_cycles_max, segment_bytes_max, cycles_max }) => {
                field(&segment_cycles_max.to_le_bytes());
                field(&segment_bytes_max.to_le_bytes());
                field(&cycles_max.to_le_bytes());
            }
            Task::Fold { layer } => field(&layer.to_le_bytes()),
            Task::Prove | Task::Seal => {}
        }
        for input in inputs {
            field(input.as_bytes());
        }
        Self(Digest::new(*hasher.finalize().as_bytes()))
    }

    /// The 32 bytes as a digest.
    pub const fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
