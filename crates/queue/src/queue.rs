//! The queue as others use it. Each call is one transaction; the calls themselves stand in the modules of what they are about.

use phalanx_api::{JobId, JobState, TaskId};
use sqlx::AssertSqlSafe;
use tokio::sync::watch;

use crate::{
    Database, QueueError,
    change::Change,
    lane::Lane,
    row::number,
    task::Event,
    turn::{Answer, Call},
};

/// A durable queue of jobs and their tasks.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) database: Database,
    /// Claims and completions.
    pub(crate) turns: Lane<Call, Answer>,
}

impl Queue {
    /// A queue in this database.
    pub fn new(database: Database) -> Self {
        Self { database, turns: Lane::default() }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), QueueError> {
        sqlx::query("SELECT 1").execute(self.database.reads()).await?;
        Ok(())
    }

    /// Changes whenever tasks became ready or a job or a task changed, here or in another process on the same PostgreSQL. To
    /// miss a change is harmless as long as whoever waits also looks every few seconds.
    pub fn wakes(&self) -> watch::Receiver<u64> {
        self.database.wakes().subscribe()
    }

    /// Ends a job without its result. Says whether it was not over already.
    pub async fn cancel(&self, job: JobId) -> Result<bool, QueueError> {
        self.change(move |change| Box::pin(change.cancel(job))).await
    }

    /// Runs what is dead or cancelled of a job again, or only one task of it. The job has not ended then, so all that is
    /// cancelled of it runs again in any case. Gives how many tasks.
    pub async fn requeue(&self, job: JobId, task: Option<TaskId>) -> Result<u64, QueueError> {
        self.change(move |change| Box::pin(change.requeue(job, task))).await
    }

    /// What the time is for the queue, in milliseconds since 1970.
    pub async fn now_ms(&self) -> Result<u64, QueueError> {
        let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", self.database.now())));
        let now_ms: i64 = query.fetch_one(self.database.reads()).await?;
        Ok(now_ms.unsigned_abs())
    }
}

impl Change {
    async fn cancel(&mut self, job: JobId) -> Result<bool, QueueError> {
        self.lock_job(job, self.database.dialect().for_update()).await?;
        self.end_job(job, JobState::Cancelled, None, None).await
    }

    async fn requeue(&mut self, job: JobId, only: Option<TaskId>) -> Result<u64, QueueError> {
        self.lock_job(job, self.database.dialect().for_update()).await?;
        if let Some(task) = only {
            // One that is not stopped is refused, whatever else of the job is.
            self.load(job, task).await?.step(Event::Requeued, self.now_ms)?;
        }
        let requeued = self.requeue_tasks(job).await?;
        if requeued > 0 {
            self.reopen(job).await?;
        }
        Ok(requeued)
    }

    async fn requeue_tasks(&mut self, job: JobId) -> Result<u64, QueueError> {
        // What `Event::Requeued` does, for all tasks at once.
        let query = "UPDATE tasks SET failures = 0, bad_proofs = 0, run_after_ms = $2, ended_ms = NULL, changed_ms = $2, \
                     ready_ms = CASE WHEN waiting_on = 0 THEN $2 ELSE ready_ms END, \
                     state = CASE WHEN waiting_on = 0 THEN 'ready' ELSE 'pending' END \
                     WHERE job = $1 AND state IN ('dead', 'cancelled')";
        let query = sqlx::query(query).bind(job.to_string()).bind(number(self.now_ms));
        Ok(query.execute(&mut *self.transaction).await?.rows_affected())
    }

    async fn reopen(&mut self, job: JobId) -> Result<(), QueueError> {
        let query = "UPDATE jobs SET state = CASE WHEN started_ms IS NULL THEN 'queued' ELSE 'running' END, \
                     failed_task = NULL, failure = NULL, ended_ms = NULL, deadline_ms = NULL WHERE id = $1";
        sqlx::query(query).bind(job.to_string()).execute(&mut *self.transaction).await?;
        Ok(())
    }
}
