//! The queue as others use it: each call is one transaction around one step of [`task`](crate::task).

use phalanx_claim::Digest;
use phalanx_plan::Position;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};

use crate::{
    Database, Input, JobId, JobState, NewJob, NewTask, QueueError, Submitted,
    database::{Dialect, until_won},
    row::{self, Spec, millis, state_name},
    task::{Effect, Event, Fence, State, Task, Verdict},
};

/// Inputs that one task may have.
const INPUTS_MAX: usize = 64;
/// Bytes that a task's spec may have.
const SPEC_BYTES_MAX: usize = 64 << 10;

/// A durable queue of jobs and their tasks.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) database: Database,
}

/// How a completion ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// The result is recorded.
    Recorded,
    /// It was recorded before, by the same start.
    WasRecorded,
}

/// What a worker should do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heartbeat {
    /// The lease was extended.
    GoOn,
    /// The task is no longer this worker's, or the job has ended.
    Stop,
}

/// A transaction that changes the queue.
pub(crate) struct Change {
    pub transaction: Transaction<'static, Any>,
    pub now_ms: u64,
    database: Database,
}

impl Queue {
    /// A queue in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Queues a job. The same idempotency key and request again give the same job.
    pub async fn submit(&self, job: &NewJob) -> Result<Submitted, QueueError> {
        until_won(|| {
            Box::pin(async move {
                let mut change = self.change().await?;
                let submitted = change.submit(job).await;
                change.end(submitted).await
            })
        })
        .await
    }

    /// Adds tasks to a job, children before parents. Only a running task of the job may, and it lives on by it. Tasks that
    /// are there already must be the same, so a task that runs again may announce again.
    pub async fn announce(&self, job: JobId, by: Position, fence: &Fence, tasks: &[NewTask]) -> Result<(), QueueError> {
        until_won(|| {
            Box::pin(async move {
                let mut change = self.change().await?;
                let announced = change.announce(job, by, fence, tasks).await;
                change.end(announced).await
            })
        })
        .await
    }

    /// Extends a lease.
    pub async fn beat(&self, job: JobId, task: Position, fence: &Fence) -> Result<Heartbeat, QueueError> {
        match self.one_step(job, task, Event::Beat(fence.clone())).await {
            Ok(()) => Ok(Heartbeat::GoOn),
            Err(QueueError::Refused(_)) => Ok(Heartbeat::Stop),
            Err(error) => Err(error),
        }
    }

    /// Records a result.
    pub async fn complete(
        &self,
        job: JobId,
        task: Position,
        fence: &Fence,
        output: Digest,
    ) -> Result<Completion, QueueError> {
        match self.one_step(job, task, Event::Completed { fence: fence.clone(), output }).await {
            Ok(()) => Ok(Completion::Recorded),
            Err(QueueError::Refused(refusal)) if self.was_recorded(job, task, fence, output).await? => {
                tracing::debug!(%refusal, "a worker completed a task twice");
                Ok(Completion::WasRecorded)
            }
            Err(error) => Err(error),
        }
    }

    /// Records a failure.
    pub async fn fail(
        &self,
        job: JobId,
        task: Position,
        fence: &Fence,
        verdict: Verdict,
        detail: &str,
    ) -> Result<(), QueueError> {
        let event = Event::Failed { fence: fence.clone(), verdict, detail: row::kept(detail) };
        self.one_step(job, task, event).await
    }

    /// Takes a task back from a worker that shuts down.
    pub async fn release(&self, job: JobId, task: Position, fence: &Fence) -> Result<(), QueueError> {
        self.one_step(job, task, Event::Released(fence.clone())).await
    }

    /// Ends a job without its result. Says whether it was not over already.
    pub async fn cancel(&self, job: JobId) -> Result<bool, QueueError> {
        until_won(|| {
            Box::pin(async move {
                let mut change = self.change().await?;
                let is_ended = change.cancel(job).await;
                change.end(is_ended).await
            })
        })
        .await
    }

    /// Runs what is dead or cancelled of a job again, which has not ended then. Gives how many tasks.
    pub async fn requeue(&self, job: JobId) -> Result<u64, QueueError> {
        until_won(|| {
            Box::pin(async move {
                let mut change = self.change().await?;
                let requeued = change.requeue(job).await;
                change.end(requeued).await
            })
        })
        .await
    }

    /// A transaction that will change the queue.
    pub(crate) async fn change(&self) -> Result<Change, QueueError> {
        let (transaction, now_ms) = self.database.begin().await?;
        Ok(Change { transaction, now_ms, database: self.database.clone() })
    }

    async fn one_step(&self, job: JobId, task: Position, event: Event) -> Result<(), QueueError> {
        until_won(|| {
            let event = event.clone();
            Box::pin(async move {
                let mut change = self.change().await?;
                let stepped = change.step(job, &task.to_string(), event).await;
                change.end(stepped.map(drop)).await
            })
        })
        .await
    }

    async fn was_recorded(
        &self,
        job: JobId,
        task: Position,
        fence: &Fence,
        output: Digest,
    ) -> Result<bool, QueueError> {
        let query = "SELECT 1 FROM tasks JOIN attempts ON attempts.job = tasks.job AND attempts.task = tasks.id \
                     WHERE tasks.job = $1 AND tasks.id = $2 AND tasks.output = $3 AND attempts.outcome = 'done' \
                     AND attempts.attempt = $4 AND attempts.worker = $5";
        let found = sqlx::query(query)
            .bind(job.to_string())
            .bind(task.to_string())
            .bind(output.to_string())
            .bind(i64::from(fence.attempt))
            .bind(fence.worker.clone())
            .fetch_optional(self.database.reads())
            .await?;
        Ok(found.is_some())
    }
}

impl Change {
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

    /// Lets a task take one step and carries out what follows.
    pub async fn step(&mut self, job: JobId, id: &str, event: Event) -> Result<Task, QueueError> {
        let dialect = self.database.dialect();
        let task = row::load(&mut self.transaction, dialect, job, id).await?;
        let task = task.ok_or_else(|| QueueError::NoSuchTask { job, task: id.to_owned() })?;
        self.step_from(&task, job, id, event).await
    }

    /// The same for a task that is locked already.
    pub async fn step_from(&mut self, task: &Task, job: JobId, id: &str, event: Event) -> Result<Task, QueueError> {
        let (next, effects) = task.step(event, self.now_ms)?;
        row::store(&mut self.transaction, job, id, &next).await?;
        for effect in effects {
            match effect {
                Effect::Ended { worker, attempt, outcome, detail } => {
                    sqlx::query("INSERT INTO attempts VALUES ($1, $2, $3, $4, $5, $6, $7)")
                        .bind(job.to_string())
                        .bind(id.to_owned())
                        .bind(i64::from(attempt))
                        .bind(worker)
                        .bind(millis(self.now_ms))
                        .bind(outcome.name())
                        .bind(detail)
                        .execute(&mut *self.transaction)
                        .await?;
                }
                Effect::WakeParents => self.wake_parents(job, id).await?,
                Effect::JobDone(output) => {
                    self.end_job(job, JobState::Done, None, Some(output)).await?;
                }
                Effect::JobFailed(failure) => {
                    self.end_job(job, JobState::Failed, Some((Some(id), &failure)), None).await?;
                }
                // Workers look again soon; see `claim`.
                Effect::BecameReady => {}
            }
        }
        Ok(next)
    }

    /// Each parent has one child less to wait for. Its edges are read only now, after the child's row was locked: whoever
    /// announces a parent locks its children first, so either it sees this result or this sees its edges.
    async fn wake_parents(&mut self, job: JobId, child: &str) -> Result<(), QueueError> {
        // What `Event::ChildDone` does, for all parents at once.
        let query = "UPDATE tasks SET waiting_on = waiting_on - 1, \
                     state = CASE WHEN state = 'pending' AND waiting_on = 1 THEN 'ready' ELSE state END \
                     WHERE job = $1 AND id IN (SELECT parent FROM edges WHERE job = $1 AND child = $2)";
        let query = sqlx::query(query).bind(job.to_string()).bind(child.to_owned());
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Ends a job that has not ended, and what is left of it. Says whether it had not ended.
    pub async fn end_job(
        &mut self,
        job: JobId,
        state: JobState,
        failure: Option<(Option<&str>, &str)>,
        output: Option<Digest>,
    ) -> Result<bool, QueueError> {
        let ended = sqlx::query(
            "UPDATE jobs SET state = $2, failed_task = $3, failure = $4, output = $5, ended_ms = $6 \
             WHERE id = $1 AND state IN ('queued', 'running')",
        )
        .bind(job.to_string())
        .bind(state.name())
        .bind(failure.and_then(|(task, _)| task.map(str::to_owned)))
        .bind(failure.map(|(_, text)| text.to_owned()))
        .bind(output.map(|output| output.to_string()))
        .bind(millis(self.now_ms))
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
            "INSERT INTO attempts SELECT job, id, attempt, worker, $2, 'cancelled', NULL FROM tasks \
             WHERE job = $1 AND state = 'running'",
        )
        .bind(job.to_string())
        .bind(millis(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query(
            "UPDATE tasks SET state = 'cancelled', worker = NULL, lease_until_ms = NULL \
             WHERE job = $1 AND state IN ('pending', 'ready', 'running')",
        )
        .bind(job.to_string())
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }

    async fn announce(&mut self, job: JobId, by: Position, fence: &Fence, tasks: &[NewTask]) -> Result<(), QueueError> {
        // A job that ends waits until these tasks are there, or they see that it has ended.
        self.lock_job(job, " FOR SHARE").await?;
        self.step(job, &by.to_string(), Event::Beat(fence.clone())).await?;
        let (tenant, priority) = self.owner(job).await?;
        for task in tasks {
            self.add(job, &tenant, priority, task).await?;
        }
        Ok(())
    }

    async fn cancel(&mut self, job: JobId) -> Result<bool, QueueError> {
        self.lock_job(job, self.database.dialect().for_update()).await?;
        self.end_job(job, JobState::Cancelled, None, None).await
    }

    async fn requeue(&mut self, job: JobId) -> Result<u64, QueueError> {
        self.lock_job(job, self.database.dialect().for_update()).await?;
        let ids = self.stopped(job).await?;
        for id in &ids {
            self.step(job, id, Event::Requeued).await?;
        }
        if !ids.is_empty() {
            self.reopen(job).await?;
        }
        Ok(ids.len() as u64)
    }

    async fn submit(&mut self, job: &NewJob) -> Result<Submitted, QueueError> {
        let id = JobId::new();
        let inserted = sqlx::query(
            "INSERT INTO jobs (id, tenant, idempotency_key, request, priority, deadline_ms, state, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7) ON CONFLICT (tenant, idempotency_key) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(job.tenant.clone())
        .bind(job.idempotency_key.clone())
        .bind(job.request.to_string())
        .bind(i64::from(job.priority))
        .bind(job.deadline_ms.map(millis))
        .bind(millis(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            return self.known(job).await;
        }
        self.add(id, &job.tenant, i64::from(job.priority), &job.first).await?;
        Ok(Submitted { job: id, is_known: false })
    }

    /// The job that has the idempotency key already.
    async fn known(&mut self, job: &NewJob) -> Result<Submitted, QueueError> {
        let key = job.idempotency_key.clone().unwrap_or_default();
        let found = sqlx::query("SELECT id, request FROM jobs WHERE tenant = $1 AND idempotency_key = $2")
            .bind(job.tenant.clone())
            .bind(key.clone())
            .fetch_one(&mut *self.transaction)
            .await?;
        if row::digest(found.try_get("request")?)? != job.request {
            return Err(QueueError::KeyReused(key));
        }
        Ok(Submitted { job: row::job_id(found.try_get("id")?)?, is_known: true })
    }

    async fn add(&mut self, job: JobId, tenant: &str, priority: i64, task: &NewTask) -> Result<(), QueueError> {
        let id = task.position.to_string();
        let spec = Spec { position: task.position, inputs: task.inputs.clone(), body: task.body.clone() };
        let spec = serde_json::to_string(&spec).map_err(|error| sqlx::Error::Encode(error.into()))?;
        at_most("the number of inputs", task.inputs.len(), INPUTS_MAX)?;
        at_most("the length of the task's spec in bytes", spec.len(), SPEC_BYTES_MAX)?;
        let children = self.children(job, task).await?;
        let undone = children.iter().filter(|(_, is_done)| !is_done).count();
        let new = Task::new(u32::try_from(undone).unwrap_or(u32::MAX), task.is_last);
        let (rank, place) = row::order(task.position);
        let inserted = sqlx::query(
            "INSERT INTO tasks (job, id, kind, rank, place, tenant, priority, engine, ram_bytes, spec, is_last, state, \
             waiting_on, attempt, failures, bad_proofs, run_after_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, 0, 0) ON CONFLICT (job, id) DO NOTHING",
        )
        .bind(job.to_string())
        .bind(id.clone())
        .bind(task.position.kind().name())
        .bind(rank)
        .bind(place)
        .bind(tenant.to_owned())
        .bind(priority)
        .bind(task.engine.clone())
        .bind(millis(task.ram_bytes))
        .bind(spec.clone())
        .bind(i64::from(task.is_last))
        .bind(state_name(new.state))
        .bind(i64::from(new.waiting_on))
        .execute(&mut *self.transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            return self.same(job, id, &spec).await;
        }
        for (slot, input) in (0_i64..).zip(&task.inputs) {
            let Input::Result(child) = input else { continue };
            sqlx::query("INSERT INTO edges (job, parent, slot, child) VALUES ($1, $2, $3, $4)")
                .bind(job.to_string())
                .bind(id.clone())
                .bind(slot)
                .bind(child.to_string())
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Locks the tasks whose results a task takes. Gives each once, and whether it is done.
    async fn children(&mut self, job: JobId, task: &NewTask) -> Result<Vec<(Position, bool)>, QueueError> {
        let dialect = self.database.dialect();
        let mut children: Vec<(Position, bool)> = Vec::new();
        for input in &task.inputs {
            let Input::Result(child) = input else { continue };
            if children.iter().any(|(known, _)| known == child) {
                continue;
            }
            let found = row::load(&mut self.transaction, dialect, job, &child.to_string()).await?;
            let missing = || QueueError::NoSuchChild { parent: task.position.to_string(), child: child.to_string() };
            children.push((*child, found.ok_or_else(missing)?.state == State::Done));
        }
        Ok(children)
    }

    /// Whether a task that was announced before is the same.
    async fn same(&mut self, job: JobId, task: String, spec: &str) -> Result<(), QueueError> {
        let query = sqlx::query_scalar("SELECT spec FROM tasks WHERE job = $1 AND id = $2");
        let known: String = query.bind(job.to_string()).bind(task.clone()).fetch_one(&mut *self.transaction).await?;
        if known == spec { Ok(()) } else { Err(QueueError::NotDeterministic { job, task }) }
    }

    async fn lock_job(&mut self, job: JobId, lock: &str) -> Result<(), QueueError> {
        let lock = if self.database.dialect().for_update().is_empty() { "" } else { lock };
        let query = format!("SELECT id FROM jobs WHERE id = $1{lock}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string());
        let found = query.fetch_optional(&mut *self.transaction).await?;
        found.map(drop).ok_or(QueueError::NoSuchJob(job))
    }

    async fn owner(&mut self, job: JobId) -> Result<(String, i64), QueueError> {
        let query = sqlx::query("SELECT tenant, priority FROM jobs WHERE id = $1").bind(job.to_string());
        let found = query.fetch_one(&mut *self.transaction).await?;
        Ok((found.try_get("tenant")?, found.try_get("priority")?))
    }

    async fn stopped(&mut self, job: JobId) -> Result<Vec<String>, QueueError> {
        let query = "SELECT id FROM tasks WHERE job = $1 AND state IN ('dead', 'cancelled') ORDER BY id";
        Ok(sqlx::query_scalar(query).bind(job.to_string()).fetch_all(&mut *self.transaction).await?)
    }

    async fn reopen(&mut self, job: JobId) -> Result<(), QueueError> {
        let query = "UPDATE jobs SET state = CASE WHEN started_ms IS NULL THEN 'queued' ELSE 'running' END, failed_task = NULL, failure = NULL, ended_ms = NULL, \
                     deadline_ms = NULL WHERE id = $1";
        sqlx::query(query).bind(job.to_string()).execute(&mut *self.transaction).await?;
        Ok(())
    }
}

fn at_most(what: &'static str, got: usize, max: usize) -> Result<(), QueueError> {
    if got <= max { Ok(()) } else { Err(QueueError::TooLarge { what, got: got as u64, max: max as u64 }) }
}
