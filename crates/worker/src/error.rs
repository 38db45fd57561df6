//! Why a job ended without a receipt. The variant says whose fault it is; the text names the task and the fact.

use phalanx_claim::Digest;
use phalanx_engine::Fault;
use phalanx_plan::FoldError;

use crate::TaskName;

/// A failed job. Everything that finished before is in the store and is found by the next run.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The job itself is wrong: its program, its input or its limits. The user's to repair.
    #[error("{task}: {fault}")]
    Fault {
        /// Which task found it.
        task: TaskName,
        /// What is wrong.
        #[source]
        fault: Fault,
    },
    /// A task would not fit if it ran alone. The user's to repair.
    #[error("{task} needs {needed_bytes} bytes of RAM with the keys, more than the {budget_bytes} allowed")]
    BudgetTooSmall {
        /// Which task.
        task: TaskName,
        /// What it needs, keys included.
        needed_bytes: u64,
        /// What [`PoolConfig::ram_bytes`](crate::PoolConfig) allows.
        budget_bytes: u64,
    },
    /// A setting of the pool makes no sense. The user's to repair.
    #[error("{name} must be at least {min}, not {got}")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// Its smallest value.
        min: u64,
        /// What was given.
        got: u64,
    },
    /// A task failed again and again.
    #[error("{task} failed {attempts} times, the last time because: {reason}")]
    Attempts {
        /// Which task.
        task: TaskName,
        /// How often it was started.
        attempts: u32,
        /// The last cause.
        reason: String,
    },
    /// This machine makes proofs that do not verify: its memory or its processor is not to be trusted.
    #[error("{task} made a proof that does not verify, {attempts} times on this machine: {reason}")]
    BadMachine {
        /// Which task.
        task: TaskName,
        /// How often it was started.
        attempts: u32,
        /// What the verifier said.
        reason: String,
    },
    /// An artifact went missing or corrupt again after it was made again.
    #[error("artifact {digest} was made {times} times for {task} and was gone or corrupt each time")]
    KeepsVanishing {
        /// The task that needs it.
        task: TaskName,
        /// The artifact.
        digest: Digest,
        /// How often it was there.
        times: u32,
    },
    /// The engine broke its contract. Our fault.
    #[error("{task}: the engine {reason}")]
    Engine {
        /// Which task.
        task: TaskName,
        /// What it did.
        reason: String,
    },
    /// The proofs cannot be folded into one: too many segments, or a shape that makes no sense.
    #[error("cannot fold: {0}")]
    Fold(#[from] FoldError),
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(String),
    /// No thread could be started or the pool broke. Our fault, or the system's.
    #[error("the pool failed: {0}")]
    Pool(String),
    /// The caller asked for it.
    #[error("cancelled; finished tasks are in the store and will be found by the next run")]
    Cancelled,
}

impl JobError {
    /// Whether the caller's program, input or settings are at fault, rather than we or the machine.
    pub fn is_users(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::BudgetTooSmall { .. } | Self::Setting { .. })
    }

    /// What the user might do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fault { fault, .. } => fault.hint(),
            Self::BudgetTooSmall { .. } => Some("raise it with --ram"),
            Self::Store(_) => Some("free space or choose another place with --store; finished tasks are kept"),
            Self::BadMachine { .. } => Some("test the machine's memory; another machine can go on from the same store"),
            _ => None,
        }
    }
}
