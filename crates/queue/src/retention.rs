//! What the queue's jobs need of the store, whose it is, and jobs that nobody asks for any more.

use std::collections::HashSet;

use phalanx_api::Input;
use phalanx_claim::Digest;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError,
    change::Change,
    row::{self, number},
};

/// Rows that one query gives at most.
const PAGE: i64 = 10_000;
/// Jobs that one transaction deletes.
const BATCH: i64 = 20;

impl Queue {
    /// Whether some job of the tenant has an artifact as its program, its input, or as the output of a task.
    pub async fn may_read(&self, tenant: &str, artifact: &Digest) -> Result<bool, QueueError> {
        let query = "SELECT CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE program = $2 AND tenant = $1) \
                     OR EXISTS (SELECT 1 FROM jobs WHERE input = $2 AND tenant = $1) \
                     OR EXISTS (SELECT 1 FROM tasks WHERE output = $2 AND tenant = $1) \
                     THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END";
        let query = sqlx::query_scalar(query).bind(tenant.to_owned()).bind(artifact.to_string());
        let may: i64 = query.fetch_one(self.database.reads()).await?;
        Ok(may != 0)
    }

    /// Artifacts that jobs which are not over need, and the receipts of those that are done.
    pub async fn live_artifacts(&self) -> Result<HashSet<Digest>, QueueError> {
        let mut live = HashSet::new();
        let mut after = String::new();
        loop {
            let query = "SELECT id, state, program, input, output FROM jobs WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = sqlx::query(query).bind(after.clone()).bind(PAGE).fetch_all(self.database.reads()).await?;
            for row in &rows {
                let state = row::job_state(row.try_get("state")?)?;
                if !state.is_over() {
                    live.insert(row::digest(row.try_get("program")?)?);
                    live.insert(row::digest(row.try_get("input")?)?);
                    self.of_tasks(row.try_get("id")?, &mut live).await?;
                }
                if let Some(receipt) = row.try_get::<Option<String>, _>("output")? {
                    live.insert(row::digest(receipt)?);
                }
            }
            match rows.last() {
                Some(last) => after = last.try_get("id")?,
                None => return Ok(live),
            }
        }
    }

    /// What the tasks of a job take and made.
    async fn of_tasks(&self, job: String, live: &mut HashSet<Digest>) -> Result<(), QueueError> {
        let mut after = String::new();
        loop {
            let query = "SELECT id, inputs, output FROM tasks WHERE job = $1 AND id > $2 ORDER BY id LIMIT $3";
            let query = sqlx::query(query).bind(job.clone()).bind(after.clone()).bind(PAGE);
            let rows = query.fetch_all(self.database.reads()).await?;
            for row in &rows {
                live.extend(row::inputs(row.try_get("inputs")?)?.iter().filter_map(|input| match input {
                    Input::Artifact { digest } => Some(*digest),
                    Input::Result { .. } => None,
                }));
                if let Some(output) = row.try_get::<Option<String>, _>("output")? {
                    live.insert(row::digest(output)?);
                }
            }
            match rows.last() {
                Some(last) => after = last.try_get("id")?,
                None => return Ok(()),
            }
        }
    }

    /// Deletes jobs that were over before a time, with all that is known of them. Gives how many.
    pub async fn prune(&self, ended_before_ms: u64) -> Result<u64, QueueError> {
        let mut pruned = 0;
        loop {
            match self.change(move |change| Box::pin(change.prune(ended_before_ms))).await? {
                0 => return Ok(pruned),
                some => pruned += some,
            }
        }
    }
}

impl Change {
    async fn prune(&mut self, ended_before_ms: u64) -> Result<u64, QueueError> {
        let query = format!(
            "SELECT id FROM jobs WHERE ended_ms < $1 \
             ORDER BY ended_ms LIMIT {BATCH}{}",
            self.database.dialect().skip_locked(),
        );
        let query = sqlx::query_scalar(AssertSqlSafe(query)).bind(number(ended_before_ms));
        let jobs: Vec<String> = query.fetch_all(&mut *self.transaction).await?;
        for job in &jobs {
            for table in ["attempts WHERE job", "edges WHERE job", "tasks WHERE job", "jobs WHERE id"] {
                let query = format!("DELETE FROM {table} = $1");
                sqlx::query(AssertSqlSafe(query)).bind(job.clone()).execute(&mut *self.transaction).await?;
            }
        }
        Ok(jobs.len() as u64)
    }
}
