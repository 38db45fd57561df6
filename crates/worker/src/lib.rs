//! The local pool: proves one job on this machine, as many tasks at once as RAM and cores allow.
//!
//! In: a [`JobSpec`], an [`Engine`](phalanx_engine::Engine) and a [`Store`](phalanx_store::Store). Out: a
//! [`JobReport`] that names the receipt. The pool knows nothing of proofs: it finds finished tasks by key, runs the
//! others within the budget and records what they made, so a job that is interrupted or run twice does no work twice.
//!
//! - [`finished`] reports a job whose receipt is there, from the receipt alone.
//! - [`prove`] streams: segments are proven while the execution goes on, proofs are folded as soon as their neighbours
//!   are there, and folds go before proofs.
//! - What to do next is decided by a pure state machine (`schedule`); threads, clocks and files only carry it out.
#![forbid(unsafe_code)]

mod attempt;
mod error;
mod event;
mod finished;
pub mod fleet;
mod found;
mod gauge;
mod job;
pub mod measure;
mod memory;
mod pool;
mod prove;
mod ram;
mod schedule;
mod sink;
mod threads;
mod work;

pub use error::JobError;
pub use event::{Observer, PoolEvent, Silent};
pub use finished::finished;
pub use found::{job_root_name, receipt_root_name};
pub use job::{ExecuteReport, JobReport, JobSpec, PoolConfig, TaskName, TaskRecord};
pub use memory::Memory;
pub use prove::{execute_only, prove};
pub use ram::{available_ram, peak_resident_bytes, resident_bytes};
