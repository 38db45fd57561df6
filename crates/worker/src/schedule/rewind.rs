//! What a failed task leads to: another attempt, one step back to whoever makes its input, or the end of the job.

use phalanx_claim::Digest;
use phalanx_engine::{SourceError, TaskError};
use phalanx_plan::TaskKind;

use super::{ATTEMPTS_MAX, BAD_PROOFS_MAX, Effect, REWINDS_MAX, Schedule, State, engine_broke};
use crate::{JobError, TaskName, attempt::Failure};

/// Who makes an input.
enum Producer {
    /// The user gave it.
    Given,
    /// A task made it. The execution makes segments besides its own result.
    Task(TaskName),
}

impl Schedule<'_> {
    /// The verdict decides; a task that fails for good takes the job with it.
    pub(super) fn failed(
        &mut self,
        task: TaskName,
        failure: Failure,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JobError> {
        self.running.remove(&task);
        match failure {
            Failure::Engine(reason) => Err(engine_broke(task, reason)),
            Failure::Store(reason) => Err(JobError::Store(reason)),
            Failure::Verdict(TaskError::FailJob(fault)) => Err(JobError::Fault { task, fault }),
            Failure::Verdict(TaskError::Cancelled) => Err(engine_broke(task, "stopped without being asked to".into())),
            Failure::Verdict(TaskError::Retry(reason)) => self.retry(task, reason, effects),
            Failure::Verdict(TaskError::RetryElsewhere(reason)) => self.bad_proof(task, reason, effects),
            Failure::Verdict(TaskError::Source(error)) => match error {
                SourceError::Failed { .. } => self.retry(task, error.to_string(), effects),
                SourceError::Missing { digest, .. } => self.rewind(task, digest, error.to_string(), effects),
            },
        }
    }

    fn retry(&mut self, task: TaskName, reason: String, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let Some(node) = self.nodes.get_mut(&task) else { return Ok(()) };
        node.failures += 1;
        if node.failures >= ATTEMPTS_MAX {
            return Err(JobError::Attempts { task, attempts: node.failures, reason });
        }
        self.run_again(task, reason, effects);
        Ok(())
    }

    fn bad_proof(&mut self, task: TaskName, reason: String, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        let Some(node) = self.nodes.get_mut(&task) else { return Ok(()) };
        node.bad_proofs += 1;
        if node.bad_proofs >= BAD_PROOFS_MAX {
            return Err(JobError::BadMachine { task, attempts: node.bad_proofs, reason });
        }
        self.run_again(task, reason, effects);
        Ok(())
    }

    fn run_again(&mut self, task: TaskName, reason: String, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(&task) else { return };
        let State::Running(known) = &node.state else { return };
        effects.push(Effect::Retrying { task, attempt: node.starts, reason });
        node.state = State::Ready(known.clone());
        self.ready.insert(task.position());
    }

    /// An artifact that `task` reads is gone or corrupt: whoever makes it runs again, then `task`.
    fn rewind(
        &mut self,
        task: TaskName,
        missing: Digest,
        reason: String,
        effects: &mut Vec<Effect>,
    ) -> Result<(), JobError> {
        let Some(node) = self.nodes.get_mut(&task) else { return Ok(()) };
        let State::Running(known) = &node.state else { return Ok(()) };
        let at = known.inputs.iter().position(|input| *input == missing);
        node.rewinds += 1;
        if node.rewinds > REWINDS_MAX {
            return Err(JobError::KeepsVanishing { task, digest: missing, times: node.rewinds });
        }
        effects.push(Effect::Retrying { task, attempt: node.starts, reason });
        node.state = State::Waiting;
        let Some(producer) = self.producer(task, at) else {
            return Err(engine_broke(task, format!("asked for artifact {missing}, which is no input of it")));
        };
        match producer {
            Producer::Given => effects.push(Effect::RestoreGiven),
            Producer::Task(producer) => {
                if let (TaskKind::Prove, Some(segment)) = (task.kind, self.segments.get_mut(task.index as usize)) {
                    segment.here = false;
                }
                // Made again with another digest since this task started: then there is nothing to make again.
                let is_current = producer == TaskName::EXECUTE || self.output(producer) == Some(missing);
                if is_current {
                    self.undo(producer, effects);
                }
            }
        }
        self.wake(task, effects);
        Ok(())
    }

    /// Who makes the input at place `at`, or the artifacts that inputs name in turn.
    fn producer(&self, task: TaskName, at: Option<usize>) -> Option<Producer> {
        match (task.kind, at) {
            (TaskKind::Execute, Some(_)) | (TaskKind::Prove | TaskKind::Seal, Some(0)) => Some(Producer::Given),
            (TaskKind::Prove, _) | (TaskKind::Seal, Some(1) | None) => Some(Producer::Task(TaskName::EXECUTE)),
            (TaskKind::Fold, Some(at)) => self.nodes.get(&task)?.children.get(at).copied().map(Producer::Task),
            (TaskKind::Seal, Some(_)) => self.nodes.get(&task)?.children.first().copied().map(Producer::Task),
            (TaskKind::Execute | TaskKind::Fold, None) => None,
        }
    }

    /// Takes a result back. A task that is on its way already is left alone.
    fn undo(&mut self, task: TaskName, effects: &mut Vec<Effect>) {
        let Some(node) = self.nodes.get_mut(&task) else { return };
        if !matches!(node.state, State::Done(_)) {
            return;
        }
        node.state = State::Waiting;
        node.must_run = true;
        self.proven -= usize::from(task.kind == TaskKind::Prove);
        self.wake(task, effects);
    }
}
