//! Why the queue refuses, and what can go wrong below it.

use phalanx_api::{JobId, TaskId, TaskState};

/// Why an event changes nothing. None of them is a fault of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The start is not the running one: the lease ran out, the job ended, or it was completed before.
    #[error("attempt {claimed} is over: the task is {state:?} after {attempt} attempts")]
    Stale {
        /// How the task stands.
        state: TaskState,
        /// Its latest attempt.
        attempt: u32,
        /// The attempt that was named.
        claimed: u32,
    },
    /// Only a ready task can be claimed.
    #[error("the task is {0:?}, not ready")]
    NotReady(TaskState),
    /// Its lease holds.
    #[error("the lease of the task has not run out")]
    NotExpired,
    /// Its life is over already.
    #[error("the task is {0:?} already")]
    Over(TaskState),
    /// Only what is done has a result.
    #[error("the task is {0:?}, so it has no result")]
    NoResult(TaskState),
    /// Only what is dead or cancelled can be queued again.
    #[error("the task is {0:?}, neither dead nor cancelled")]
    NotStopped(TaskState),
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
        task: TaskId,
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
        task: TaskId,
    },
    /// A child must be announced before its parent.
    #[error("{parent} takes the result of {child}, which was not announced")]
    NoSuchChild {
        /// The task that was announced.
        parent: TaskId,
        /// The one it names.
        child: TaskId,
    },
    /// A task's place and what it does are of different kinds, or nobody announces such a task.
    #[error("{task} cannot be announced as {spec}")]
    WrongSpec {
        /// Where it stands.
        task: TaskId,
        /// The kind of what it does.
        spec: &'static str,
    },
    /// Only an execution announces tasks and chooses where segments end.
    #[error("{0} is not an execution")]
    NotExecution(TaskId),
    /// The tenant has as many jobs as it may.
    #[error("tenant {tenant} has {max} jobs that are not over, as many as it may")]
    TooManyJobs {
        /// Whose jobs.
        tenant: String,
        /// How many it may have.
        max: u32,
    },
    /// The worker must register first.
    #[error("there is no worker {0:?}")]
    NoSuchWorker(String),
    /// Another process has registered under the worker's name.
    #[error("worker {0:?} was started again: its name belongs to another process")]
    OtherBoot(String),
    /// It made proofs that do not verify.
    #[error("worker {name:?} is quarantined: {strikes} of its proofs do not verify")]
    Quarantined {
        /// Its name.
        name: String,
        /// How many proofs.
        strikes: u32,
    },
    /// It finishes what it has and gets nothing new.
    #[error("worker {0:?} is draining")]
    Draining(String),
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
    /// A migration that the database has is not this program's.
    #[error("the database's schema: migration {version} was applied with another text")]
    OtherSchema {
        /// The migration.
        version: u64,
    },
    /// The database itself.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The program stops, or a bug ended the call.
    #[error("the queue was stopped in the middle of the call")]
    Stopped,
}
