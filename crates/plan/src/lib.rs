//! Pure planning: tasks and their keys, how segment proofs fold into one, how large a segment should be.
//!
//! No I/O, no clock, no randomness: a restarted scheduler plans the same tasks and finds the finished ones by key.
#![forbid(unsafe_code)]

mod shape;
mod task;

pub use shape::FoldShape;
pub use task::{ExecuteParams, Task, TaskKey, TaskKind};
