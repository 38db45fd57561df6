//! One attempt at a task: the engine between a source of artifacts and a place that takes them.
//!
//! In: a task, its inputs, and where artifacts and events go. Out: the artifact that it made, of the right kind, after
//! everything that it put on its way was taken; or how it failed. The local pool and the fleet's workers run tasks by this.

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{Artifact, ArtifactSource, CancelToken, Engine, Event, Inputs, RunContext, TaskError};
use phalanx_plan::{Task, TaskKind};

use crate::sink;

/// How an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// The engine's own verdict.
    Verdict(TaskError),
    /// The engine did what no engine may: panicked, or returned the wrong kind of artifact.
    Engine(String),
    /// The result could not be stored.
    Store(String),
}

/// What is attempted.
pub struct Attempt<'a> {
    pub engine: &'a dyn Engine,
    pub task: &'a Task,
    pub inputs: &'a [Digest],
    pub source: &'a dyn ArtifactSource,
    pub stop: &'a CancelToken,
}

impl Attempt<'_> {
    /// Runs the engine. `put` and `tell` are called in order from a thread beside it; `seen` in the thread of the engine,
    /// after an event was handed over, and may hold it back.
    pub fn run<E: Into<Failure> + Send>(
        &self,
        put: impl Fn(Artifact) -> Result<(), E> + Send,
        tell: impl Fn(Event) -> Result<(), E> + Send,
        seen: impl Fn() + Sync,
    ) -> Result<Artifact, Failure> {
        let inputs = Inputs { digests: self.inputs, source: self.source };
        let is_execution = self.task.kind() == TaskKind::Execute;
        let (ran, stored) = sink::beside(put, tell, |sink| {
            let events = |event| {
                if is_execution {
                    sink.tell(event);
                    seen();
                }
            };
            self.engine.run(self.task, &inputs, &RunContext { sink, cancel: self.stop, events: &events })
        })
        .map_err(|error| Failure::Verdict(TaskError::Retry(format!("no thread to store with: {error}"))))?;
        // Another attempt would meet the same full disk, so that decides over the task's own verdict.
        stored.map_err(Into::into)?;
        let artifact = ran.map_err(Failure::Verdict)?;
        let expected = output_kind(self.task.kind());
        if artifact.kind != expected {
            return Err(Failure::Engine(format!("made an artifact of kind {}, not {expected}", artifact.kind)));
        }
        Ok(artifact)
    }
}

/// What a task makes.
pub const fn output_kind(kind: TaskKind) -> ArtifactKind {
    match kind {
        TaskKind::Execute => ArtifactKind::Execution,
        TaskKind::Prove | TaskKind::Fold => ArtifactKind::Proof,
        TaskKind::Seal => ArtifactKind::Receipt,
    }
}
