//! Why the queue refuses, and what can go wrong below it.

use crate::{JobId, task::State};

/// Why an event changes nothing. None of them is a fault of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The start is not the running one: the lease ran out, the job ended, or it was completed before.
    #[error("attempt {claimed} is over: the task is {state:?} after {attempt} attempts")]
    Stale {
        /// How the task stands.
        state: State,
        /// Its latest attempt.
        attempt: u32,
        /// The attempt that was named.
        claimed: u32,
    },
    /// Only a ready task can be claimed.
    #[error("the task is {0:?}, not ready")]
    NotReady(State),
    /// Its lease holds.
    #[error("the lease of the task has not run out")]
    NotExpired,
    /// Its life is over already.
    #[error("the task is {0:?} already")]
    Over(State),
    /// Only what is dead or cancelled can be queued again.
    #[error("the task is {0:?}, neither dead nor cancelled")]
    NotStopped(State),
}

/// Why the queue cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The task refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such job, or another tenant's.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// No such task.
    #[error("job {job} has no task {task}")]
    NoSuchTask {
        /// The job.
        job: JobId,
        /// The task.
        task: String,
    },
    /// The key was used for another request.
    #[error("idempotency key {0:?} was used for another request")]
    KeyReused(String),
    /// A task was announced again with other inputs.
    #[error("job {job}: {task} was announced before with other inputs, so its execution is not deterministic")]
    NotDeterministic {
        /// The job.
        job: JobId,
        /// The task.
        task: String,
    },
    /// A child must be announced before its parent.
    #[error("{parent} takes the result of {child}, which was not announced")]
    NoSuchChild {
        /// The task that was announced.
        parent: String,
        /// The one it names.
        child: String,
    },
    /// A number outside the queue's range.
    #[error("{what} is {got}, at most {max} is allowed")]
    TooLarge {
        /// Which number.
        what: &'static str,
        /// Its value.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// The database holds what this program never writes.
    #[error("the database holds {what} that cannot be read: {value:?}")]
    Corrupt {
        /// Which column.
        what: &'static str,
        /// What it holds.
        value: String,
    },
    /// The schema is not this program's.
    #[error("the database's schema: {0}")]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The database itself.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
}
