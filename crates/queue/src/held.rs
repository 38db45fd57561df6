//! What a worker was given, for whoever takes its results: the same words as when it was claimed.

use phalanx_api::{Held, TaskState};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Claimed, Queue, QueueError, Refusal,
    claim::{RESULTS, claimed},
    row,
};

impl Queue {
    /// The task that this worker runs now, under this attempt. Refuses what is over.
    pub async fn held(&self, worker: &str, held: &Held) -> Result<Claimed, QueueError> {
        let Held { job, task, attempt } = *held;
        let query = format!(
            "SELECT tasks.job, tasks.id, tasks.spec, tasks.inputs, tasks.ram_bytes, tasks.attempt, tasks.is_last, \
             tasks.tenant, tasks.state, tasks.worker, jobs.engine AS job_engine, {RESULTS} FROM tasks \
             JOIN jobs ON jobs.id = tasks.job WHERE tasks.job = $1 AND tasks.id = $2",
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(row::key(task));
        let found = query.fetch_optional(self.database.reads()).await?;
        let found = found.ok_or(QueueError::NoSuchTask { job, task })?;
        let state = row::task_state(found.try_get("state")?)?;
        let latest = row::small(&found, "attempt")?;
        let is_held = found.try_get::<Option<String>, _>("worker")?.as_deref() == Some(worker);
        if state != TaskState::Running || latest != attempt || !is_held {
            return Err(Refusal::Stale { state, attempt: latest, claimed: attempt }.into());
        }
        claimed(&found, &found.try_get::<String, _>("job_engine")?)
    }

    /// The engine of a worker, as the text that an offer takes. Refuses another process of its name.
    pub async fn engine_of(&self, name: &str, boot: &str) -> Result<String, QueueError> {
        let query = sqlx::query("SELECT boot, engine FROM workers WHERE name = $1").bind(name.to_owned());
        let found = query.fetch_optional(self.database.reads()).await?;
        let found = found.ok_or_else(|| QueueError::NoSuchWorker(name.to_owned()))?;
        if found.try_get::<String, _>("boot")? != boot {
            return Err(QueueError::OtherBoot(name.to_owned()));
        }
        Ok(found.try_get("engine")?)
    }
}
