//! A transaction that changes the queue: one step of [`task`](crate::task), and what follows for what is around it.

use phalanx_api::{JobId, JobState, TaskId, TaskState};
use phalanx_claim::Digest;
use sqlx::{Any, AssertSqlSafe, Transaction};

use crate::{
    Database, Queue, QueueError,
    database::{Dialect, until_won},
    row::{self, number},
    task::{Effect, Event, Outcome, Task},
};

/// A transaction that changes the queue.
pub struct Change {
    pub transaction: Transaction<'static, Any>,
    pub now_ms: u64,
    pub database: Database,
}

/// One change under way; see [`Queue::change`].
pub type Changing<'a, R> = std::pin::Pin<Box<dyn Future<Output = Result<R, QueueError>> + Send + 'a>>;

impl Queue {
    /// Changes the queue in one transaction, which is undone if `work` fails.
    pub(crate) async fn change<R, W>(&self, work: W) -> Result<R, QueueError>
    where
        R: Send,
        W: for<'c> Fn(&'c mut Change) -> Changing<'c, R> + Send + Sync,
    {
        let result = self.quietly(work).await;
        if result.is_ok() {
            self.database.wakes().changed();
        }
        result
    }

    /// The same for changes that nobody waits for.
    pub(crate) async fn quietly<R, W>(&self, work: W) -> Result<R, QueueError>
    where
        R: Send,
        W: for<'c> Fn(&'c mut Change) -> Changing<'c, R> + Send + Sync,
    {
        let work = &work;
        until_won(move || {
            Box::pin(async move {
                let mut change = Change::begin(&self.database).await?;
                let result = work(&mut change).await;
                change.end(result).await
            })
        })
        .await
    }

    /// Lets one task take one step.
    pub(crate) async fn one_step(&self, job: JobId, task: TaskId, event: Event) -> Result<(), QueueError> {
        let event = &event;
        self.change(move |change| {
            let event = event.clone();
            Box::pin(async move { change.step(job, task, event).await.map(drop) })
        })
        .await
    }
}

impl Change {
    pub async fn begin(database: &Database) -> Result<Self, QueueError> {
        let mut transaction = database.begin().await?;
        let now_ms = database.now_ms(&mut transaction).await?;
        Ok(Self { transaction, now_ms, database: database.clone() })
    }

    /// For statements that ask for the time themselves.
    pub async fn begin_timeless(database: &Database) -> Result<Self, QueueError> {
        Ok(Self { transaction: database.begin().await?, now_ms: 0, database: database.clone() })
    }

    /// Makes the change last if all went well, and undoes it at once if not: whoever is refused holds no lock any more.
    pub async fn end<R>(self, result: Result<R, QueueError>) -> Result<R, QueueError> {
        match result {
            Ok(result) => {
                self.transaction.commit().await?;
                Ok(result)
            }
            Err(error) => {
                // A connection that cannot roll back is closed, which does the same.
                let _ = self.transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// Locks a task and reads it.
    pub async fn load(&mut self, job: JobId, task: TaskId) -> Result<Task, QueueError> {
        let found = row::load(&mut self.transaction, self.database.dialect(), job, task).await?;
        found.ok_or(QueueError::NoSuchTask { job, task })
    }

    /// Lets a task take one step and carries out what follows.
    pub async fn step(&mut self, job: JobId, id: TaskId, event: Event) -> Result<Task, QueueError> {
        let is_beat = matches!(event, Event::Beat(_));
        let task = self.load(job, id).await?;
        let (next, effects) = task.step(event, self.now_ms)?;
        // What is kept of the row as it was comes before the row as it will be.
        for effect in &effects {
            match effect {
                Effect::Ended { worker, attempt, outcome, detail } if *outcome != Outcome::Done => {
                    self.keep_attempt(job, id, worker, *attempt, *outcome, detail.as_deref()).await?;
                }
                Effect::Forgotten => {
                    let query = "INSERT INTO attempts SELECT job, id, attempt, COALESCE(worker, ''), \
                                 COALESCE(started_ms, 0), COALESCE(ended_ms, 0), 'done', NULL FROM tasks \
                                 WHERE job = $1 AND id = $2";
                    let query = sqlx::query(query).bind(job.to_string()).bind(row::key(id));
                    query.execute(&mut *self.transaction).await?;
                }
                _ => {}
            }
        }
        self.store(job, id, &task, &next, &effects, is_beat).await?;
        for effect in effects {
            match effect {
                Effect::WakeParents => self.wake_parents(job, id).await?,
                Effect::HoldParents => self.hold_parents(job, id).await?,
                Effect::JobDone(output) => {
                    self.end_job(job, JobState::Done, None, Some(output)).await?;
                }
                Effect::JobFailed(failure) => {
                    self.end_job(job, JobState::Failed, Some((Some(id), &failure)), None).await?;
                }
                Effect::BecameReady | Effect::Ended { .. } | Effect::Forgotten => {}
            }
        }
        Ok(next)
    }

    async fn keep_attempt(
        &mut self,
        job: JobId,
        task: TaskId,
        worker: &str,
        attempt: u32,
        outcome: Outcome,
        detail: Option<&str>,
    ) -> Result<(), QueueError> {
        sqlx::query(
            "INSERT INTO attempts SELECT job, id, $3, $4, COALESCE(started_ms, 0), $5, $6, $7 FROM tasks \
             WHERE job = $1 AND id = $2",
        )
        .bind(job.to_string())
        .bind(row::key(task))
        .bind(i64::from(attempt))
        .bind(worker.to_owned())
        .bind(number(self.now_ms))
        .bind(outcome.name())
        .bind(detail.map(str::to_owned))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Stores what a step can change.
    async fn store(
        &mut self,
        job: JobId,
        id: TaskId,
        before: &Task,
        next: &Task,
        effects: &[Effect],
        is_beat: bool,
    ) -> Result<(), QueueError> {
        let now = Some(number(self.now_ms));
        let is_ready = effects.contains(&Effect::BecameReady);
        let is_over = matches!(next.state, TaskState::Done | TaskState::Dead | TaskState::Cancelled);
        // Whoever made a result stays known.
        let by = if next.state == TaskState::Done { &before.lease } else { &next.lease };
        let failure = effects.iter().find_map(|effect| match effect {
            Effect::Ended { detail: Some(detail), .. } | Effect::JobFailed(detail) => Some(detail.clone()),
            _ => None,
        });
        sqlx::query(
            "UPDATE tasks SET state = $3, waiting_on = $4, attempt = $5, failures = $6, bad_proofs = $7, run_after_ms = $8, \
             worker = $9, lease_until_ms = $10, output = $11, ready_ms = COALESCE($12, ready_ms), ended_ms = $13, \
             failure = COALESCE($14, failure), changed_ms = COALESCE($15, changed_ms) WHERE job = $1 AND id = $2",
        )
        .bind(job.to_string())
        .bind(row::key(id))
        .bind(next.state.name())
        .bind(i64::from(next.waiting_on))
        .bind(i64::from(next.attempt))
        .bind(i64::from(next.failures))
        .bind(i64::from(next.bad_proofs))
        .bind(number(next.run_after_ms))
        .bind(by.as_ref().map(|lease| lease.worker.clone()))
        .bind(next.lease.as_ref().map(|lease| number(lease.until_ms)))
        .bind(next.output.map(|output| output.to_string()))
        .bind(now.filter(|_| is_ready))
        .bind(now.filter(|_| is_over))
        .bind(failure)
        .bind(now.filter(|_| !is_beat))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Each parent has one child less to wait for. Its edges are read only now, after the child's row was locked: whoever
    /// announces a parent locks its children first, so either it sees this result or this sees its edges.
    async fn wake_parents(&mut self, job: JobId, child: TaskId) -> Result<(), QueueError> {
        // What `Event::ChildDone` does, for all parents at once.
        let query = "UPDATE tasks SET waiting_on = waiting_on - 1, changed_ms = $3, \
                     ready_ms = CASE WHEN state = 'pending' AND waiting_on = 1 THEN $3 ELSE ready_ms END, \
                     state = CASE WHEN state = 'pending' AND waiting_on = 1 THEN 'ready' ELSE state END \
                     WHERE job = $1 AND id IN (SELECT parent FROM edges WHERE job = $1 AND child = $2)";
        let query = sqlx::query(query).bind(job.to_string()).bind(row::key(child)).bind(number(self.now_ms));
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Each parent has one child more to wait for; the child's row is locked.
    async fn hold_parents(&mut self, job: JobId, child: TaskId) -> Result<(), QueueError> {
        // What `Event::ChildLost` does, for all parents at once.
        let query = "UPDATE tasks SET waiting_on = waiting_on + 1, changed_ms = $3, \
                     state = CASE WHEN state = 'ready' THEN 'pending' ELSE state END \
                     WHERE job = $1 AND id IN (SELECT parent FROM edges WHERE job = $1 AND child = $2)";
        let query = sqlx::query(query).bind(job.to_string()).bind(row::key(child)).bind(number(self.now_ms));
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Ends a job that has not ended, and what is left of it. Says whether it had not ended.
    pub async fn end_job(
        &mut self,
        job: JobId,
        state: JobState,
        failure: Option<(Option<TaskId>, &str)>,
        output: Option<Digest>,
    ) -> Result<bool, QueueError> {
        let ended = sqlx::query(
            "UPDATE jobs SET state = $2, failed_task = $3, failure = $4, output = $5, ended_ms = $6 \
             WHERE id = $1 AND state IN ('queued', 'running')",
        )
        .bind(job.to_string())
        .bind(state.name())
        .bind(failure.and_then(|(task, _)| task.map(|task| task.to_string())))
        .bind(failure.map(|(_, text)| text.to_owned()))
        .bind(output.map(|output| output.to_string()))
        .bind(number(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        // Starts that end meanwhile are either over after this, or wait and then see that the job has ended.
        if self.database.dialect() == Dialect::Postgres {
            let query = "SELECT id FROM tasks WHERE job = $1 AND state IN ('pending', 'ready', 'running') \
                         ORDER BY id FOR UPDATE";
            sqlx::query(query).bind(job.to_string()).fetch_all(&mut *self.transaction).await?;
        }
        // What `Event::JobEnded` does, for all tasks at once.
        sqlx::query(
            "INSERT INTO attempts SELECT job, id, attempt, worker, COALESCE(started_ms, 0), $2, 'cancelled', NULL \
             FROM tasks WHERE job = $1 AND state = 'running'",
        )
        .bind(job.to_string())
        .bind(number(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query(
            "UPDATE tasks SET state = 'cancelled', worker = NULL, lease_until_ms = NULL, ended_ms = $2, changed_ms = $2 \
             WHERE job = $1 AND state IN ('pending', 'ready', 'running')",
        )
        .bind(job.to_string())
        .bind(number(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }

    /// Waits for whoever changes the job, and keeps others from it.
    pub async fn lock_job(&mut self, job: JobId, lock: &str) -> Result<(), QueueError> {
        let query = format!("SELECT id FROM jobs WHERE id = $1{lock}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string());
        let found = query.fetch_optional(&mut *self.transaction).await?;
        found.map(drop).ok_or(QueueError::NoSuchJob(job))
    }
}
