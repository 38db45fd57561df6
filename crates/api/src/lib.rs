//! The words of the HTTP API: what is asked, what is answered, what is refused.
//!
//! In and out: plain values that serialise to the JSON of `/openapi.json`. The gateway, its clients, the queue and the command
//! line share them, so a job looks the same wherever it is seen. Pure: no I/O.
//!
//! Times are milliseconds since 1970 by the database's clock and end in `_ms`; sizes are bytes and end in `_bytes`. Requests
//! refuse fields that they do not know.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod answers;
mod artifact;
mod error;
mod job;
mod queue;
pub mod schema;
mod task;
mod tenant;
mod token;
mod worker;

pub use answers::{Leave, Requeue, Requeued, Verification, WhoAmI};
pub use artifact::{ArtifactPlace, Form, Place, Stored, Transfer};
pub use error::{ErrorBody, ErrorCode};
pub use job::{
    Counts, JobId, JobLimits, JobList, JobQuery, JobState, JobView, KindCounts, NewJob, ParseJobIdError, Submitted,
};
pub use queue::{KindLoad, QueueView, Readiness, StatsView, TaskTimes};
pub use task::{AttemptView, DeadTask, ParsePositionError, TaskChange, TaskId, TaskList, TaskState, TaskView};
pub use tenant::{TenantLimits, TenantView};
pub use token::{NewToken, Scope, TokenMade, TokenView};
pub use worker::{
    Announce, Announced, Assignment, Beat, BeatAnswer, Claim, Complete, Completed, Cut, ExecuteSpec, Fail, Fleet, Held,
    Input, LookUp, LookedUp, NewTask, NewWorker, Registered, Running, Settle, Settled, TaskSpec, Totals, Verdict,
    WorkerState, WorkerView,
};

/// Where the API begins in every URL.
pub const PREFIX: &str = "/v1";
/// The header that makes a submission safe to repeat.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
