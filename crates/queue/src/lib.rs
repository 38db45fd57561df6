//! Durable tasks on SQLite or PostgreSQL.
//!
//! In: jobs, and what workers say of their tasks. Out: tasks to run, and how each job stands. What happens to a task is
//! decided by a pure state machine ([`task`]); SQL only loads a row, lets it take one step and stores what comes out. The
//! queue knows nothing of proofs: a task is a place in a graph, a list of inputs and a text for the worker.
#![forbid(unsafe_code)]

mod claim;
mod database;
mod error;
mod job;
mod queue;
mod row;
mod sweep;
pub mod task;
mod view;

pub use claim::{Claimed, Offer};
pub use database::Database;
pub use error::{QueueError, Refusal};
pub use job::{Input, JobId, NewJob, NewTask, Submitted};
pub use queue::{Completion, Heartbeat, Queue};
pub use sweep::Swept;
pub use view::{JobState, JobView, TaskView};
