//! Durable tasks on SQLite or PostgreSQL.
//!
//! In: jobs, and what workers say of their tasks. Out: tasks to run, and how jobs, workers and the queue stand. What happens to
//! a task is decided by a pure state machine ([`task`]); SQL loads a row, lets it take one step and stores what comes out, and
//! where that is too slow does the same in one statement. The queue knows nothing of proofs: a task is a place in a graph, a
//! list of inputs and a text for the worker.
#![forbid(unsafe_code)]

mod announce;
mod beat;
mod change;
mod claim;
mod complete;
mod database;
mod error;
mod fail;
mod held;
mod job_view;
mod lane;
mod load;
mod queue;
mod record;
mod retention;
mod row;
mod schema;
mod submit;
mod sweep;
pub mod task;
mod task_view;
mod tenant;
mod token;
mod turn;
mod wake;
mod worker;

pub use announce::{ANNOUNCED_MAX, OUTSTANDING_MAX};
pub use claim::{Claimed, ELSEWHERE_MS, Offer};
pub use complete::Completion;
pub use database::Database;
pub use error::{QueueError, Refusal};
pub use queue::Queue;
pub use schema::{Migration, SchemaState};
pub use submit::{CYCLES_MAX, NewJob};
pub use sweep::Swept;
pub use worker::STRIKES_MAX;
