//! One task on its threads: reads inputs from the store, runs the engine, records the result.
//!
//! In: a [`Start`] and what surrounds it. Out: messages to the pool. It owns all it touches, so it may outlive the pool.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc::Sender},
    time::Duration,
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{ArtifactSource, CancelToken, Engine, Event, SourceError};
use phalanx_store::{Store, StoreError};
use rayon::ThreadPool;

use crate::{
    TaskName,
    attempt::{Attempt, Failure},
    found,
    gauge::Gauge,
    schedule::Start,
    threads::{self, Ran},
};

/// How often a paused execution looks whether it was cancelled.
const GATE_POLL: Duration = Duration::from_millis(50);

/// What a task tells the pool.
pub enum Message {
    /// The execution reports.
    Event(Event),
    /// The task is over.
    Ended(Ended),
}

/// A task that is over, well or not.
pub struct Ended {
    pub task: TaskName,
    pub ran: Ran<Made>,
}

/// The result of a task, recorded.
pub struct Made {
    pub output: Digest,
    /// The execution's bytes, which the pool reads; nothing for other tasks.
    pub execution: Option<Vec<u8>>,
}

/// What all tasks of a job share.
#[derive(Clone)]
pub struct Surroundings {
    pub engine: Arc<dyn Engine>,
    pub store: Store,
    /// The root that keeps what the job's tasks made; none if nobody will come back for it.
    pub root: Option<Arc<str>>,
    pub stop: CancelToken,
    pub gate: Arc<Gate>,
    pub gauge: Arc<Gauge>,
    pub messages: Sender<Message>,
}

/// Starts a task on threads of its own and returns them. Dropping the threads lets the task end by itself.
pub fn start(surroundings: Surroundings, start: Start) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
    let (task, cores, gauge) = (start.task, start.cores, surroundings.gauge.clone());
    let messages = surroundings.messages.clone();
    threads::start(
        task.to_string(),
        cores,
        gauge,
        move || run(&surroundings, &start),
        // Nobody may listen any more: the job was cancelled and the result, if any, is recorded.
        move |ran| drop(messages.send(Message::Ended(Ended { task, ran }))),
    )
}

fn run(surroundings: &Surroundings, start: &Start) -> Result<Made, Failure> {
    let Surroundings { engine, store, stop, .. } = surroundings;
    let messages = surroundings.messages.clone();
    let attempt =
        Attempt { engine: &**engine, task: &start.work, inputs: &start.inputs, source: &StoreSource(store), stop };
    let artifact = attempt.run(
        |artifact| store.put(artifact.kind, &artifact.bytes).map(drop),
        move |event| {
            drop(messages.send(Message::Event(event)));
            Ok::<_, StoreError>(())
        },
        || surroundings.gate.wait(stop),
    )?;
    let record = || {
        let made = store.put(artifact.kind, &artifact.bytes)?;
        // Kept before it is recorded: what a killed job recorded is there when it goes on.
        keep(surroundings, &made)?;
        let output = match artifact.kind {
            ArtifactKind::Execution => found::record_execution(store, &start.key, made)?,
            ArtifactKind::Receipt => found::record_receipt(store, &start.key, made)?,
            _ => store.record(start.key.digest(), made)?,
        };
        keep(surroundings, &output)?;
        Ok::<_, StoreError>(output)
    };
    let output = record()?;
    // Another run of the same task may have been first; then its artifact is the result, and the pool reads that.
    let is_ours = output == artifact.digest();
    let execution = (start.task == TaskName::EXECUTE && is_ours).then_some(artifact.bytes);
    Ok(Made { output, execution })
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// Adds an artifact to the job's root.
pub fn keep(surroundings: &Surroundings, digest: &Digest) -> Result<(), StoreError> {
    surroundings.root.as_deref().map_or(Ok(()), |root| surroundings.store.pin(root, &[*digest]))
}

/// Holds the execution back while proofs catch up.
#[derive(Default)]
pub struct Gate {
    is_shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    /// Lets the execution go on, or not.
    pub fn set(&self, may_go_on: bool) {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = !may_go_on;
        self.moved.notify_all();
    }

    fn wait(&self, stop: &CancelToken) {
        let mut is_shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_shut && !stop.is_cancelled() {
            is_shut = self.moved.wait_timeout(is_shut, GATE_POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The store as tasks read it.
pub struct StoreSource<'a>(pub &'a Store);

impl ArtifactSource for StoreSource<'_> {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError> {
        match self.0.get(digest, kind) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(SourceError::Missing { digest: *digest, kind }),
            Err(error) => Err(SourceError::Failed { digest: *digest, reason: error.to_string() }),
        }
    }
}
