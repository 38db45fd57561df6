//! What is put into the queue: a job and its first task, which announces the others while it runs.

use std::sync::Arc;

use phalanx_api::{ExecuteSpec, Input, JobId, JobLimits, Submitted, TaskId, TaskSpec};
use phalanx_claim::Digest;
use phalanx_plan::Position;
use sqlx::Row;

use crate::{
    Queue, QueueError,
    change::Change,
    row::{self, json, number},
};

/// Instructions that a guest may execute if the job says nothing else.
pub const CYCLES_MAX: u64 = 10_000_000_000;

/// A job to be queued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewJob {
    /// Whose it is.
    pub tenant: String,
    /// The same key and request again is the same job.
    pub idempotency_key: Option<String>,
    /// The ELF.
    pub program: Digest,
    /// The guest's input.
    pub input: Digest,
    /// More runs first.
    pub priority: i32,
    /// The job fails when it is not done so many milliseconds after it came.
    pub deadline_after_ms: Option<u64>,
    /// Limits of the execution.
    pub limits: JobLimits,
}

impl NewJob {
    /// Names all that decides what the receipt says. Limits and priority only decide how it is made.
    fn request(&self) -> Digest {
        Digest::of(&[*self.program.as_bytes(), *self.input.as_bytes()].concat())
    }
}

impl Queue {
    /// Queues a job, unless the tenant has it already: the same idempotency key and request, or an identical request that is
    /// done or under way, gives that job.
    pub async fn submit(&self, job: &NewJob) -> Result<Submitted, QueueError> {
        let job = Arc::new(job.clone());
        self.change(move |change| {
            let job = job.clone();
            Box::pin(async move { change.submit(&job).await })
        })
        .await
    }
}

impl Change {
    async fn submit(&mut self, job: &NewJob) -> Result<Submitted, QueueError> {
        if let Some(known) = self.of_key(job).await? {
            return Ok(known);
        }
        if let Some(known) = self.of_request(job).await? {
            return Ok(known);
        }
        self.check_jobs_max(&job.tenant).await?;
        let id = JobId::new();
        let inserted = sqlx::query(
            "INSERT INTO jobs (id, tenant, idempotency_key, request, program, input, priority, limits, deadline_ms, state, \
             engine, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', '', $10) \
             ON CONFLICT (tenant, idempotency_key) DO NOTHING",
        )
        .bind(id.to_string())
        .bind(job.tenant.clone())
        .bind(job.idempotency_key.clone())
        .bind(job.request().to_string())
        .bind(job.program.to_string())
        .bind(job.input.to_string())
        .bind(i64::from(job.priority))
        .bind(json(&job.limits)?)
        .bind(job.deadline_after_ms.map(|after_ms| number(self.now_ms.saturating_add(after_ms))))
        .bind(number(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            // Somebody was faster with the same key.
            let known = self.of_key(job).await?;
            return known.ok_or_else(|| QueueError::KeyReused(job.idempotency_key.clone().unwrap_or_default()));
        }
        self.add_execution(id, job).await?;
        Ok(Submitted { job: id, state: phalanx_api::JobState::Queued, is_known: false })
    }

    /// The job that has the idempotency key already.
    async fn of_key(&mut self, job: &NewJob) -> Result<Option<Submitted>, QueueError> {
        let Some(key) = &job.idempotency_key else { return Ok(None) };
        let found = sqlx::query("SELECT id, state, request FROM jobs WHERE tenant = $1 AND idempotency_key = $2")
            .bind(job.tenant.clone())
            .bind(key.clone())
            .fetch_optional(&mut *self.transaction)
            .await?;
        let Some(found) = found else { return Ok(None) };
        if row::digest(found.try_get("request")?)? != job.request() {
            return Err(QueueError::KeyReused(key.clone()));
        }
        known(&found).map(Some)
    }

    /// A job that makes, or made, the same receipt.
    async fn of_request(&mut self, job: &NewJob) -> Result<Option<Submitted>, QueueError> {
        let query = "SELECT id, state FROM jobs WHERE tenant = $1 AND request = $2 AND state IN ('queued', 'running', 'done') \
                     ORDER BY CASE WHEN state = 'done' THEN 0 ELSE 1 END, id LIMIT 1";
        let query = sqlx::query(query).bind(job.tenant.clone()).bind(job.request().to_string());
        query.fetch_optional(&mut *self.transaction).await?.map(|found| known(&found)).transpose()
    }

    async fn check_jobs_max(&mut self, tenant: &str) -> Result<(), QueueError> {
        let query = "SELECT jobs_max FROM tenants WHERE name = $1 AND jobs_max IS NOT NULL";
        let max: Option<i64> =
            sqlx::query_scalar(query).bind(tenant.to_owned()).fetch_optional(&mut *self.transaction).await?;
        let Some(max) = max else { return Ok(()) };
        let query = "SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND state IN ('queued', 'running')";
        let open: i64 = sqlx::query_scalar(query).bind(tenant.to_owned()).fetch_one(&mut *self.transaction).await?;
        if open < max {
            return Ok(());
        }
        Err(QueueError::TooManyJobs { tenant: tenant.to_owned(), max: u32::try_from(max).unwrap_or(u32::MAX) })
    }

    async fn add_execution(&mut self, id: JobId, job: &NewJob) -> Result<(), QueueError> {
        let task = TaskId(Position::Execute);
        let (rank, place) = row::order(task.0);
        let cycles_max = job.limits.cycles_max.unwrap_or(CYCLES_MAX);
        let spec = ExecuteSpec { cycles_max, segment_cycles: job.limits.segment_cycles, cut: None };
        let inputs = [job.program, job.input].map(|digest| Input::Artifact { digest });
        sqlx::query(
            "INSERT INTO tasks (job, id, kind, rank, place, due_ms, tenant, priority, engine, ram_bytes, spec, inputs, is_last, \
             state, waiting_on, attempt, failures, bad_proofs, run_after_ms, is_reused, ready_ms, changed_ms) \
             VALUES ($1, $2, 'execute', $3, $4, $5, $6, $7, '', 0, $8, $9, 0, 'ready', 0, 0, 0, 0, 0, 0, $5, $5)",
        )
        .bind(id.to_string())
        .bind(row::key(task))
        .bind(rank)
        .bind(place)
        .bind(number(self.now_ms))
        .bind(job.tenant.clone())
        .bind(i64::from(job.priority))
        .bind(json(&TaskSpec::Execute(spec))?)
        .bind(json(&inputs)?)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

fn known(row: &sqlx::any::AnyRow) -> Result<Submitted, QueueError> {
    let state = row::job_state(row.try_get("state")?)?;
    Ok(Submitted { job: row::job_id(row.try_get("id")?)?, state, is_known: true })
}
