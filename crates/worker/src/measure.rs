//! How many cycles an execution has, counted by running it once before it is cut.
//!
//! In: a program and its input. Out: the number; nothing is stored. Which cut is best depends on the length: a short run
//! wants a few equal segments, not the size that is best for a long one. Executing does about 20 million cycles a second,
//! some 400 times as many as proving, so the count costs a quarter of a percent of the job and saves more.

use std::{
    num::NonZeroU64,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{
    Artifact, ArtifactSink, ArtifactSource, CancelToken, Engine, Event, Execution, Fault, Inputs, RunContext,
    SourceError, TaskError,
};
use phalanx_plan::{ExecuteParams, Task};

use crate::{JobError, TaskName};

/// How often a long measurement says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Stack of the thread that executes, as the pool gives its tasks; only reserved, not touched.
const STACK_BYTES: usize = 16 << 20;

/// What is executed.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The ELF.
    pub program: &'a [u8],
    /// The input stream, as a stdin artifact.
    pub stdin: &'a [u8],
}

/// Counts the cycles; `tell` hears from time to time how many there are so far. What is wrong with the job is the error
/// that proving it would end with. `None` if the engine failed for another reason: the real run meets that again, and
/// knows when to retry and what to say.
pub fn cycles(
    engine: &dyn Engine,
    given: Given<'_>,
    cycles_max: NonZeroU64,
    tell: &(dyn Fn(u64) + Sync),
    cancel: &CancelToken,
) -> Result<Option<u64>, JobError> {
    // Without limits it is cut only where a trace can grow no further.
    let execute =
        ExecuteParams { segment_cycles_max: u64::MAX, segment_bytes_max: u64::MAX, cycles_max: cycles_max.get() };
    let source = Source::new(given);
    let digests = [source.program.0, source.stdin.0];
    let inputs = Inputs { digests: &digests, source: &source };
    let told = Mutex::new(Instant::now());
    let events = |event| {
        let Event::Cycles(cycles) = event else { return };
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            tell(cycles);
        }
    };
    let context = RunContext { sink: &Nowhere, cancel, events: &events };
    let run = || engine.run(&Task::Execute(execute), &inputs, &context);
    let ran = thread::scope(|scope| {
        let builder = thread::Builder::new().name("measure".into()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, run).map(|thread| thread.join())
    });
    match ran {
        Ok(Ok(Ok(artifact))) => Ok(Execution::decode(&artifact.bytes).ok().map(|execution| execution.cycles)),
        Ok(Ok(Err(TaskError::Cancelled))) if cancel.is_cancelled() => Err(JobError::Cancelled),
        // No limit is there to be too small: the real run knows the numbers.
        Ok(Ok(Err(TaskError::FailJob(fault)))) if !matches!(fault, Fault::BudgetTooSmall { .. }) => {
            Err(JobError::Fault { task: TaskName::EXECUTE, fault })
        }
        // The engine failed or panicked, or there was no thread.
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => Ok(None),
    }
}

/// Program and input, in memory.
struct Source {
    program: (Digest, Arc<[u8]>),
    stdin: (Digest, Arc<[u8]>),
}

impl Source {
    fn new(Given { program, stdin }: Given<'_>) -> Self {
        let named = |bytes: &[u8]| (Digest::of(bytes), bytes.into());
        Self { program: named(program), stdin: named(stdin) }
    }
}

impl ArtifactSource for Source {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError> {
        let (name, bytes) = match kind {
            ArtifactKind::Program => &self.program,
            _ => &self.stdin,
        };
        let given = matches!(kind, ArtifactKind::Program | ArtifactKind::Stdin) && name == digest;
        if given { Ok(bytes.clone()) } else { Err(SourceError::Missing { digest: *digest, kind }) }
    }
}

/// Names artifacts and drops them.
struct Nowhere;

impl ArtifactSink for Nowhere {
    fn put(&self, artifact: Artifact) -> Result<Digest, TaskError> {
        Ok(artifact.digest())
    }
}

#[cfg(test)]
mod tests;
