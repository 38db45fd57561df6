//! What a task runs with: artifacts in, artifacts and events out, cancellation.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use phalanx_claim::{ArtifactKind, Digest};

use crate::{CostHint, TaskError};

/// Bytes with their kind; named by the digest of the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Artifact {
    /// What the bytes are.
    pub kind: ArtifactKind,
    /// The bytes, uncompressed.
    pub bytes: Vec<u8>,
}

impl Artifact {
    /// The name of the artifact.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

/// Why an artifact could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not in the store, or corrupt there, which is the same.
    #[error("artifact {digest} ({kind}) is not in the store")]
    Missing {
        /// Its name.
        digest: Digest,
        /// What it should hold.
        kind: ArtifactKind,
    },
    /// The store itself failed.
    #[error("cannot read artifact {digest}: {reason}")]
    Failed {
        /// Its name.
        digest: Digest,
        /// What the store said.
        reason: String,
    },
}

/// Where a task reads artifacts from.
pub trait ArtifactSource: Send + Sync {
    /// The bytes of an artifact, its digest already checked.
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError>;
}

/// Where a task puts artifacts besides its result: pages and segments of a running execution.
pub trait ArtifactSink: Send + Sync {
    /// Stores the artifact and returns its name. Returns when the bytes are durable or surely will be before any event
    /// that names them is acted on.
    fn put(&self, artifact: Artifact) -> Result<Digest, TaskError>;
}

/// The inputs of one task.
pub struct Inputs<'a> {
    /// Their digests, in the order that [`Task`](phalanx_plan::Task) documents.
    pub digests: &'a [Digest],
    /// Where to read them, and the artifacts that they name in turn.
    pub source: &'a dyn ArtifactSource,
}

/// Set once, seen by everyone who holds a clone.
#[derive(Clone, Default, Debug)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the task to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the task should stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A segment was cut: everything its proof needs is in the sink.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentReady {
    /// Position in the execution, from 0.
    pub index: u32,
    /// The segment artifact.
    pub digest: Digest,
    /// What proving it will take.
    pub hint: CostHint,
}

/// What a running task reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Instructions executed so far.
    Cycles(u64),
    /// The next segment can be proven. Sent in order of index.
    SegmentReady(SegmentReady),
    /// The guest printed these bytes.
    GuestOutput(Vec<u8>),
}

/// What surrounds a running task.
pub struct RunContext<'a> {
    /// Where intermediate artifacts go.
    pub sink: &'a dyn ArtifactSink,
    /// Checked at least ten times a second while executing and between the phases of a proof.
    pub cancel: &'a CancelToken,
    /// Takes events; called from the thread that runs the task.
    pub events: &'a (dyn Fn(Event) + Sync),
}
