//! What a running job tells whoever watches it.

use crate::{TaskName, TaskRecord};

/// Takes the events of a job, one after another and only from the thread that called [`prove`](crate::prove).
pub trait Observer {
    /// One thing happened. Keep it short: the next task starts after it returns.
    fn on(&self, event: &PoolEvent);
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: &PoolEvent) {}
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
pub enum PoolEvent {
    /// A task starts.
    Started {
        /// Which.
        task: TaskName,
        /// The lane, as in [`TaskRecord::slot`].
        slot: usize,
        /// Threads it gets.
        cores: usize,
        /// 1 for the first start.
        attempt: u32,
        /// The engine's prediction, beyond keys.
        predicted_peak_bytes: u64,
    },
    /// A task ran to its end and its result is recorded.
    Finished(TaskRecord),
    /// The result of a task was found.
    Reused(TaskRecord),
    /// A task failed and will run again (or its input is made again first). The last failure is the job's error instead.
    Failed {
        /// Which.
        task: TaskName,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// Instructions executed so far.
    Cycles(u64),
    /// A segment was cut, or read from a finished execution.
    Segment {
        /// Position in the execution.
        index: u32,
        /// Its instructions.
        cycles: u64,
    },
    /// The guest printed these bytes. Only while it executes, not when the execution is reused.
    GuestOutput(Vec<u8>),
    /// The execution is known: how much there is to do, finished tasks included.
    Totals {
        /// Instructions.
        cycles: u64,
        /// Segments, that is proofs.
        segments: u32,
        /// Folds.
        folds: u32,
    },
}
