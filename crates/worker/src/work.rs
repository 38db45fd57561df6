//! One task on its threads: reads inputs from the store, runs the engine, records the result.
//!
//! In: a [`Start`] and what surrounds it. Out: messages to the pool. It owns all it touches, so it may outlive the pool.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, PoisonError, mpsc::Sender},
    time::{Duration, Instant},
};

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_engine::{ArtifactSource, CancelToken, Engine, Event, Inputs, RunContext, SourceError, TaskError};
use phalanx_plan::TaskKind;
use phalanx_store::{Store, StoreError};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{
    TaskName, found,
    gauge::{Gauge, thread_cpu_ns},
    schedule::{Failure, Start},
    sink,
};

/// Stack of a worker thread. Provers recurse; the memory is only reserved, not touched.
const STACK_BYTES: usize = 16 << 20;
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
    pub result: Result<Made, Failure>,
    pub started: Instant,
    pub ended: Instant,
    pub cpu_ms: u64,
    pub measured_peak_bytes: Option<u64>,
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
    let name = start.task.to_string();
    let threads = ThreadPoolBuilder::new()
        .num_threads(start.cores)
        .stack_size(STACK_BYTES)
        .thread_name(move |thread| format!("{name} {thread}"))
        .build()?;
    threads.spawn(move || {
        let started = Instant::now();
        let ticket = surroundings.gauge.begin();
        // Whatever a panic leaves behind is dropped here; the store only takes whole artifacts.
        let result = catch_unwind(AssertUnwindSafe(|| run(&surroundings, &start)))
            .unwrap_or_else(|panic| Err(Failure::Engine(format!("panicked: {}", panic_text(&*panic)))));
        let measured_peak_bytes = surroundings.gauge.end(ticket);
        // The threads are as old as the task, so their CPU time is the task's.
        let cpu_ms = rayon::broadcast(|_| thread_cpu_ns()).into_iter().sum::<u64>() / 1_000_000;
        let ended = Ended { task: start.task, result, started, ended: Instant::now(), cpu_ms, measured_peak_bytes };
        // Nobody listens any more: the job was cancelled and the result, if any, is recorded.
        let _ = surroundings.messages.send(Message::Ended(ended));
    });
    Ok(threads)
}

fn run(surroundings: &Surroundings, start: &Start) -> Result<Made, Failure> {
    let Surroundings { engine, store, stop, .. } = surroundings;
    let source = StoreSource(store);
    let inputs = Inputs { digests: &start.inputs, source: &source };
    let messages = surroundings.messages.clone();
    let tell = move |event| drop(messages.send(Message::Event(event)));
    let (ran, stored) = sink::beside(store, tell, |sink| {
        let events = |event| {
            if start.task == TaskName::EXECUTE {
                sink.tell(event);
                surroundings.gate.wait(stop);
            }
        };
        engine.run(&start.work, &inputs, &RunContext { sink, cancel: stop, events: &events })
    })
    .map_err(|error| Failure::Verdict(TaskError::Retry(format!("no thread to store with: {error}"))))?;
    // Another attempt would meet the same full disk, so that decides over the task's own verdict.
    stored.map_err(|error| Failure::Store(error.to_string()))?;
    let artifact = ran.map_err(Failure::Verdict)?;
    let expected = output_kind(start.task.kind);
    if artifact.kind != expected {
        return Err(Failure::Engine(format!("made an artifact of kind {}, not {expected}", artifact.kind)));
    }
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
    let output = record().map_err(|error| Failure::Store(error.to_string()))?;
    // Another run of the same task may have been first; then its artifact is the result, and the pool reads that.
    let is_ours = output == artifact.digest();
    let execution = (start.task == TaskName::EXECUTE && is_ours).then_some(artifact.bytes);
    Ok(Made { output, execution })
}

/// Adds an artifact to the job's root.
pub fn keep(surroundings: &Surroundings, digest: &Digest) -> Result<(), StoreError> {
    surroundings.root.as_deref().map_or(Ok(()), |root| surroundings.store.pin(root, &[*digest]))
}

/// What a task makes.
pub const fn output_kind(kind: TaskKind) -> ArtifactKind {
    match kind {
        TaskKind::Execute => ArtifactKind::Execution,
        TaskKind::Prove | TaskKind::Fold => ArtifactKind::Proof,
        TaskKind::Seal => ArtifactKind::Receipt,
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
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
