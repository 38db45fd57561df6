//! What a task needs before it runs.

use serde::{Deserialize, Serialize};

/// What the scheduler knows of a task's size. Fields that do not apply are 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CostHint {
    /// Instructions of the segment (prove) or of the whole execution.
    pub cycles: u64,
    /// Peak bytes as predicted when the segment was cut ([`SegmentReady::cost`](crate::SegmentReady)).
    pub peak_bytes: u64,
    /// CPU milliseconds as predicted when the segment was cut.
    pub cpu_ms: u64,
    /// How many proofs a fold takes.
    pub children: u32,
    /// How many columns the proof of the segment opens (prove), or those of all segments below the fold together.
    pub columns: u64,
}

/// What the task will need.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cost {
    /// Peak RAM in bytes, beyond what the engine holds anyway.
    pub peak_bytes: u64,
    /// Peak device memory in bytes; 0 for a CPU engine.
    pub device_bytes: u64,
    /// How many cores the task can keep busy.
    pub cores: u32,
    /// Predicted CPU time in milliseconds on one core.
    pub cpu_ms: u64,
}
