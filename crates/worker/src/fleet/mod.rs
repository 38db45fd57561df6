//! The fleet's worker: takes tasks from a gateway and runs them on this machine until it is told to stop.
//!
//! In: a gateway's address, an engine and what it may use. Out: results at the gateway, and events for whoever watches. It
//! holds no state that matters: whatever it loses runs again elsewhere. Tasks run by the same code as in the local pool.
//!
//! Threads: the caller's decides and waits for messages (`station`); one asks for tasks by long poll (`claims`); one says
//! that the worker lives (`heartbeat`), with connections of its own, whatever the others do; each task has its own.

mod announce;
mod artifacts;
mod cache;
mod claims;
mod cut;
mod duty;
mod heartbeat;
mod room;
mod span;
mod station;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use phalanx_api::{Held, Verdict};
use phalanx_client::{ClientConfig, ClientError};
use phalanx_engine::Engine;
use phalanx_plan::{Sizing, SizingError, SizingRequest, TaskKind};
use phalanx_store::Store;

use crate::Memory;

/// Chooses where segments end on machines like the fleet's.
pub type ChooseSize = dyn Fn(&SizingRequest) -> Result<Sizing, SizingError> + Send + Sync;

/// What a worker is.
#[derive(Clone)]
pub struct FleetConfig {
    /// Where the gateway is, and a worker's token.
    pub gateway: ClientConfig,
    /// The worker's name; one that comes again under its name gives back what it held.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// What it runs.
    pub kinds: Vec<TaskKind>,
    /// RAM for the engine's keys and all running tasks.
    pub ram_bytes: u64,
    /// Tasks at once, besides one execution; at least 1.
    pub slots: usize,
    /// Threads that compute at once, shared by the slots; at least 1.
    pub cores: usize,
    /// Where artifacts are.
    pub artifacts: Artifacts,
    /// The process's allocator.
    pub memory: Memory,
    /// How the engine's executions are cut.
    pub size: Arc<ChooseSize>,
}

/// Where a worker reads and writes artifacts.
#[derive(Clone, Debug)]
pub enum Artifacts {
    /// The gateway's own store, in a directory of this machine.
    Shared(PathBuf),
    /// The gateway sends and takes them; this directory keeps some for the next task.
    Cached {
        /// Where they are kept.
        directory: PathBuf,
        /// The least recently used go when there are more bytes.
        bytes_max: u64,
    },
}

/// Asks a worker to stop; clones ask the same one.
#[derive(Clone, Default, Debug)]
pub struct Shutdown {
    drain: Arc<AtomicBool>,
    abort: Arc<AtomicBool>,
}

impl Shutdown {
    /// Takes no more tasks and ends when those that run are done.
    pub fn drain(&self) {
        self.drain.store(true, Ordering::Release);
    }

    /// Gives back what runs and ends.
    pub fn abort(&self) {
        self.abort.store(true, Ordering::Release);
    }

    fn is_draining(&self) -> bool {
        self.drain.load(Ordering::Acquire) || self.is_aborting()
    }

    fn is_aborting(&self) -> bool {
        self.abort.load(Ordering::Acquire)
    }
}

/// What a worker does.
#[derive(Clone, PartialEq, Debug)]
pub enum FleetEvent {
    /// The gateway knows it.
    Registered,
    /// The gateway does not answer; the worker goes on trying.
    Unreachable {
        /// What happened.
        reason: String,
    },
    /// A task starts.
    Started {
        /// Which.
        held: Held,
        /// Threads it gets.
        cores: usize,
    },
    /// A task is done and its result recorded.
    Finished {
        /// Which.
        held: Held,
        /// How long it ran.
        wall_ms: u64,
        /// CPU time of its threads.
        cpu_ms: u64,
        /// Peak RAM, where it ran alone.
        peak_bytes: Option<u64>,
    },
    /// A task failed.
    Failed {
        /// Which.
        held: Held,
        /// What the queue is told to do about it.
        verdict: Verdict,
        /// Why.
        reason: String,
    },
    /// A task was somebody else's or its job was over.
    Stopped {
        /// Which.
        held: Held,
    },
    /// It takes no more tasks.
    Draining {
        /// How many still run.
        running: usize,
    },
}

/// Takes the events of a worker, one after another and only from the thread that called [`run`].
pub trait FleetObserver {
    /// One thing happened.
    fn on(&self, event: &FleetEvent);
}

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The gateway refuses it: its token, its name, or because it made proofs that do not verify. Or its address is none.
    #[error("the gateway refuses this worker: {0}")]
    Refused(#[source] ClientError),
    /// A setting makes no sense.
    #[error("{name} must be at least {min}, not {got}")]
    Setting {
        /// Which setting.
        name: &'static str,
        /// Its smallest value.
        min: u64,
        /// What was given.
        got: u64,
    },
    /// The engine's keys alone need more.
    #[error("the engine holds {resident_bytes} bytes, more than the {ram_bytes} allowed")]
    RamTooSmall {
        /// What it holds.
        resident_bytes: u64,
        /// What is allowed.
        ram_bytes: u64,
    },
    /// The place for artifacts cannot be used.
    #[error("cannot use {} for artifacts: {reason}", place.display())]
    Place {
        /// The directory.
        place: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Works for a gateway until `shutdown` says to stop, or the gateway refuses this worker for good. A gateway that does not
/// answer is waited for.
pub fn run(
    engine: &Arc<dyn Engine>,
    config: &FleetConfig,
    observer: &dyn FleetObserver,
    shutdown: &Shutdown,
) -> Result<(), FleetError> {
    station::Station::new(engine, config, observer, shutdown)?.run()
}

/// A store that several tasks read; opened anew for each, so that it lets go of what a finished task used.
fn shared(directory: &std::path::Path) -> Result<Store, phalanx_store::StoreError> {
    Store::open_dir(directory)
}
