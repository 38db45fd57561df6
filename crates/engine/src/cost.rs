//! What a task needs before it runs.

use serde::{Deserialize, Serialize};

/// What the scheduler knows of a task's size; what that costs, the engine at hand says. Fields that do not apply are 0.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CostHint {
    /// Instructions of the segment (prove) or of the whole execution.
    pub cycles: u64,
    /// Cells of the segment's main traces, heights padded to powers of two.
    pub main_cells: u64,
    /// Rows times interactions of the segment's AIRs, summed, with the same heights.
    pub interaction_cells: u64,
    /// Guest memory that the segment's proof reads, in bytes.
    pub memory_bytes: u64,
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
