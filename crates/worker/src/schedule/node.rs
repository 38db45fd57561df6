//! One task of the job as the schedule sees it.

use phalanx_claim::Digest;
use phalanx_engine::CostHint;
use phalanx_plan::TaskKey;

use crate::TaskName;

/// What is known of one task.
pub struct Node {
    pub state: State,
    /// The tasks whose proofs it takes; empty for executions and proofs of segments.
    pub children: Vec<TaskName>,
    pub hint: CostHint,
    /// How often it was started.
    pub starts: u32,
    /// How often it failed by itself.
    pub failures: u32,
    /// How often its proof did not verify.
    pub bad_proofs: u32,
    /// How often an input of it had to be made again.
    pub rewinds: u32,
    /// Its result was there and is not any more: do not look for it.
    pub must_run: bool,
    /// The fold planner knows that it was done.
    pub planned: bool,
}

impl Node {
    pub fn new(children: Vec<TaskName>, hint: CostHint) -> Self {
        Self {
            state: State::Waiting,
            children,
            hint,
            starts: 0,
            failures: 0,
            bad_proofs: 0,
            rewinds: 0,
            must_run: false,
            planned: false,
        }
    }
}

/// Where a task stands.
pub enum State {
    /// An input is not there.
    Waiting,
    /// The store is asked for the result.
    Looking(Known),
    /// It has to run and waits for a slot and memory.
    Ready(Known),
    /// It runs.
    Running(Known),
    /// The result is there.
    Done(Digest),
}

/// A task whose inputs are all there.
#[derive(Clone)]
pub struct Known {
    pub inputs: Vec<Digest>,
    pub key: TaskKey,
}

/// What a running task holds.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    pub slot: usize,
    pub cores: usize,
    pub peak_bytes: u64,
}

/// A segment that was announced.
pub struct Segment {
    pub digest: Digest,
    /// Whether its artifact is believed to be in the store.
    pub here: bool,
}
