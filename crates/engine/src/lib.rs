//! Engines: what runs a task. [`Engine`] is the whole interface between proving and scheduling; an engine knows nothing
//! of queues, a scheduler nothing of proofs.
//!
//! In: a [`Task`] and the digests of its inputs. Out: one artifact. Only this crate names OpenVM.

mod cost;
pub mod elf;
mod error;
mod execution;
#[cfg(feature = "openvm")]
pub mod openvm;
mod run;
pub mod stdin;

pub use cost::{Cost, CostHint};
pub use error::{Fault, TaskError};
pub use execution::{EXECUTION_BYTES_MAX, Execution, ExecutionError, SegmentEntry};
pub use run::{
    Artifact, ArtifactSink, ArtifactSource, CancelToken, Event, Inputs, RunContext, SegmentReady, SourceError,
};

use phalanx_claim::EngineId;
use phalanx_plan::{FoldShape, Task};

/// A proving backend. Stateless: all that matters is in the task and its inputs.
pub trait Engine: Send + Sync {
    /// Name, version and verifying-key digest; part of every task key.
    fn id(&self) -> &EngineId;

    /// How many proofs one fold of each layer takes; what the planner builds its tree from.
    fn fold_shape(&self) -> &FoldShape;

    /// What the engine holds in memory besides running tasks (keys), in bytes; counted once against the RAM budget.
    fn resident_bytes(&self) -> u64;

    /// What the task will need: peak RAM beyond [`resident_bytes`](Self::resident_bytes), device memory, cores, time.
    fn cost(&self, task: &Task, hint: &CostHint) -> Cost;

    /// Runs one task. Blocking and CPU- or GPU-bound; reports progress, honours cancellation, verifies its own output.
    fn run(&self, task: &Task, inputs: &Inputs<'_>, ctx: &RunContext<'_>) -> Result<Artifact, TaskError>;
}
