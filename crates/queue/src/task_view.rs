//! How tasks stand, for people.

use phalanx_api::{AttemptView, DeadTask, JobId, TaskId, TaskList, TaskView};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::{
    Queue, QueueError,
    announce::results,
    row::{self, count, maybe, number, small},
};

/// Tasks on a page at most.
const PAGE_MAX: u32 = 1_000;

const COLUMNS: &str = "job, id, kind, state, inputs, attempt, failures, bad_proofs, worker, ram_bytes, cycles, output, is_reused, \
                       ready_ms, started_ms, ended_ms, changed_ms, failure";

impl Queue {
    /// One page of a job's tasks: the execution, the proofs, the folds by layer, the seal.
    pub async fn tasks(&self, job: JobId, after: Option<TaskId>, limit: u32) -> Result<TaskList, QueueError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let query = format!("SELECT {COLUMNS} FROM tasks WHERE job = $1 AND id > $2 ORDER BY id LIMIT {}", limit + 1);
        let after = after.map(row::key).unwrap_or_default();
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(after);
        let mut rows = query.fetch_all(self.database.reads()).await?;
        if rows.is_empty() {
            self.owner(job).await?;
        }
        let is_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let tasks = rows.iter().map(view).collect::<Result<Vec<TaskView>, QueueError>>()?;
        let next = tasks.last().map(|task| task.task).filter(|_| is_more);
        Ok(TaskList { tasks, next })
    }

    /// A task.
    pub async fn task(&self, job: JobId, task: TaskId) -> Result<TaskView, QueueError> {
        let query = format!("SELECT {COLUMNS} FROM tasks WHERE job = $1 AND id = $2");
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(row::key(task));
        let found = query.fetch_optional(self.database.reads()).await?;
        view(&found.ok_or(QueueError::NoSuchTask { job, task })?)
    }

    /// The starts of a task that are over.
    pub async fn attempts(&self, job: JobId, task: TaskId) -> Result<Vec<AttemptView>, QueueError> {
        self.task(job, task).await?;
        let query = "SELECT attempt, worker, started_ms, ended_ms, outcome, detail FROM attempts \
                     WHERE job = $1 AND task = $2 \
                     UNION ALL SELECT attempt, COALESCE(worker, ''), COALESCE(started_ms, 0), COALESCE(ended_ms, 0), 'done', \
                     NULL FROM tasks WHERE job = $1 AND id = $2 AND state = 'done' ORDER BY attempt";
        let query = sqlx::query(query).bind(job.to_string()).bind(row::key(task));
        let attempt = |row: &AnyRow| {
            Ok(AttemptView {
                attempt: small(row, "attempt")?,
                worker: row.try_get("worker")?,
                started_ms: count(row, "started_ms")?,
                ended_ms: count(row, "ended_ms")?,
                outcome: row.try_get("outcome")?,
                detail: row.try_get("detail")?,
            })
        };
        query.fetch_all(self.database.reads()).await?.iter().map(attempt).collect()
    }

    /// Tasks of a job that changed at `changed_ms` or later, in the order of their changes. A change that was under way may
    /// show a little later than one with a later time, so whoever follows asks again from a little before the last.
    pub async fn changed_since(&self, job: JobId, changed_ms: u64, limit: u32) -> Result<Vec<TaskView>, QueueError> {
        let query = format!(
            "SELECT {COLUMNS} FROM tasks WHERE job = $1 AND changed_ms >= $2 ORDER BY changed_ms, id LIMIT {}",
            limit.clamp(1, PAGE_MAX),
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(number(changed_ms));
        query.fetch_all(self.database.reads()).await?.iter().map(view).collect()
    }

    /// Tasks that failed for good: all of them, or a tenant's; the newest job first.
    pub async fn dead(&self, tenant: Option<&str>, limit: u32) -> Result<Vec<DeadTask>, QueueError> {
        let condition = if tenant.is_some() { " AND tenant = $1" } else { "" };
        let query = format!(
            "SELECT job, id, attempt, failure, ended_ms FROM tasks WHERE state = 'dead'{condition} \
             ORDER BY job DESC, id LIMIT {}",
            limit.clamp(1, PAGE_MAX),
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        if let Some(tenant) = tenant {
            query = query.bind(tenant.to_owned());
        }
        let dead = |row: &AnyRow| {
            Ok(DeadTask {
                job: row::job_id(row.try_get("job")?)?,
                task: row::task_id(row.try_get("id")?)?,
                attempt: small(row, "attempt")?,
                failure: row.try_get("failure")?,
                ended_ms: maybe(row, "ended_ms")?,
            })
        };
        query.fetch_all(self.database.reads()).await?.iter().map(dead).collect()
    }
}

fn view(row: &AnyRow) -> Result<TaskView, QueueError> {
    let task = row::task_id(row.try_get("id")?)?;
    Ok(TaskView {
        task,
        kind: task.0.kind(),
        state: row::task_state(row.try_get("state")?)?,
        children: results(&row::inputs(row.try_get("inputs")?)?).collect(),
        attempt: small(row, "attempt")?,
        failures: small(row, "failures")?.saturating_add(small(row, "bad_proofs")?),
        worker: row.try_get("worker")?,
        ram_bytes: count(row, "ram_bytes")?,
        cycles: maybe(row, "cycles")?,
        output: row.try_get::<Option<String>, _>("output")?.map(row::digest).transpose()?,
        is_reused: row::flag(row, "is_reused")?,
        ready_ms: maybe(row, "ready_ms")?,
        started_ms: maybe(row, "started_ms")?,
        ended_ms: maybe(row, "ended_ms")?,
        changed_ms: count(row, "changed_ms")?,
        failure: row.try_get("failure")?,
    })
}
