//! Pure planning: tasks and their keys, how segment proofs fold into one, how large a segment should be.
//!
//! No I/O, no clock, no randomness: a restarted scheduler plans the same tasks and finds the finished ones by key.
#![forbid(unsafe_code)]

mod budget;
mod calibration;
mod fold;
mod order;
mod planner;
mod shape;
mod simulate;
mod sizing;
mod task;

pub use budget::{Budget, TaskTooLarge};
pub use calibration::{Calibration, CalibrationError, FoldCost, ProveCost, SealCost, WideFold};
pub use fold::{FoldError, FoldNode, FoldTree};
pub use order::Position;
pub use planner::FoldPlanner;
pub use shape::{FoldShape, LISTED_LAYERS_MAX, SEGMENTS_MAX};
pub use simulate::{SLOTS_MAX, Scenario, Schedule, Scheduled, simulate};
pub use sizing::{
    SEGMENT_BYTES_HEADROOM_PERCENT, SIMULATED_SEGMENTS_MAX, Sizing, SizingError, SizingRequest, UNKNOWN_RUN_CYCLES,
    segment_bytes_max,
};
pub use task::{ExecuteParams, Task, TaskKey, TaskKind};
