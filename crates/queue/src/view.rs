//! How jobs and tasks stand, for people.

use phalanx_claim::Digest;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow};

use crate::{
    JobId, Queue, QueueError,
    row::{self, digest},
    task::State,
};

/// How a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Nothing of it ran yet.
    Queued,
    /// It is being worked on.
    Running,
    /// It has its result.
    Done,
    /// It cannot be done.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Its name in the database and for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(name: String) -> Result<Self, QueueError> {
        let all = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];
        let found = all.into_iter().find(|state| state.name() == name);
        found.ok_or(QueueError::Corrupt { what: "a job's state", value: name })
    }
}

/// A job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct JobView {
    /// Its name.
    pub job: JobId,
    /// Whose it is.
    pub tenant: String,
    /// How it stands.
    pub state: JobState,
    /// Of a failed job: which task failed.
    pub failed_task: Option<String>,
    /// Of a failed job: why.
    pub failure: Option<String>,
    /// Of a done job: the artifact it was for.
    pub output: Option<Digest>,
    /// When it came.
    pub created_ms: u64,
    /// When its first task started.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
}

/// A task.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TaskView {
    /// Where it stands in its job.
    pub id: String,
    /// How it stands.
    pub state: State,
    /// How many times it was started.
    pub attempt: u32,
    /// How many starts failed.
    pub failures: u32,
    /// Who has it.
    pub worker: Option<String>,
    /// What it made.
    pub output: Option<Digest>,
}

const JOB_COLUMNS: &str = "id, tenant, state, failed_task, failure, output, created_ms, started_ms, ended_ms";

impl Queue {
    /// A job.
    pub async fn job(&self, job: JobId) -> Result<JobView, QueueError> {
        let query = format!("SELECT {JOB_COLUMNS} FROM jobs WHERE id = $1");
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(job.to_string());
        let found = query.fetch_optional(self.database.reads()).await?;
        job_view(&found.ok_or(QueueError::NoSuchJob(job))?)
    }

    /// The tasks of a job, in the order in which they would run.
    pub async fn tasks(&self, job: JobId) -> Result<Vec<TaskView>, QueueError> {
        let query = format!("SELECT id, {} FROM tasks WHERE job = $1 ORDER BY rank, place", row::COLUMNS);
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(job.to_string());
        query.fetch_all(self.database.reads()).await?.iter().map(task_view).collect()
    }
}

fn job_view(row: &AnyRow) -> Result<JobView, QueueError> {
    let time = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs));
    Ok(JobView {
        job: row::job_id(row.try_get("id")?)?,
        tenant: row.try_get("tenant")?,
        state: JobState::of(row.try_get("state")?)?,
        failed_task: row.try_get("failed_task")?,
        failure: row.try_get("failure")?,
        output: row.try_get::<Option<String>, _>("output")?.map(digest).transpose()?,
        created_ms: row.try_get::<i64, _>("created_ms")?.unsigned_abs(),
        started_ms: time("started_ms")?,
        ended_ms: time("ended_ms")?,
    })
}

fn task_view(row: &AnyRow) -> Result<TaskView, QueueError> {
    let task = row::read(row)?;
    Ok(TaskView {
        id: row.try_get("id")?,
        state: task.state,
        attempt: task.attempt,
        failures: task.failures,
        worker: task.lease.map(|lease| lease.worker),
        output: task.output,
    })
}
