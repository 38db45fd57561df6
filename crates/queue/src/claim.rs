//! Which ready task a worker gets.
//!
//! In: what the worker can run. Out: the best task that fits it. Highest priority first; then what is nearest to a receipt
//! (folds before proofs), then the oldest job, then the lowest index.

use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Input, JobId, Queue, QueueError,
    database::until_won,
    queue::Change,
    row::{self, millis},
    task::{Event, Fence},
};

/// A worker that made a bad proof gets the task again only after this time, in milliseconds, so that another may take it.
pub const ELSEWHERE_MS: u64 = 60_000;

/// What a worker can run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its name.
    pub worker: String,
    /// Its kinds of tasks.
    pub kinds: Vec<TaskKind>,
    /// Its engine.
    pub engine: String,
    /// What it has left.
    pub ram_bytes: u64,
}

/// A task that was given to a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct Claimed {
    /// The job.
    pub job: JobId,
    /// Where the task stands in it.
    pub position: Position,
    /// To be shown with all that the worker says of it.
    pub fence: Fence,
    /// The artifacts that it takes, in order.
    pub inputs: Vec<Digest>,
    /// What whoever announced it said.
    pub body: serde_json::Value,
    /// What it will need.
    pub ram_bytes: u64,
}

impl Queue {
    /// Gives the best task to a worker, if there is one for it.
    pub async fn claim(&self, offer: &Offer) -> Result<Option<Claimed>, QueueError> {
        until_won(|| {
            Box::pin(async move {
                let mut change = self.change().await?;
                let claimed = change.claim(offer, self.database.dialect().skip_locked()).await;
                change.end(claimed).await
            })
        })
        .await
    }
}

impl Change {
    async fn claim(&mut self, offer: &Offer, lock: &str) -> Result<Option<Claimed>, QueueError> {
        if offer.kinds.is_empty() {
            return Ok(None);
        }
        let kinds: Vec<String> = offer.kinds.iter().map(|kind| format!("'{}'", kind.name())).collect();
        // Conditions on other tables are scalar: a join would sort all ready tasks for the sake of one.
        let query = format!(
            "SELECT job, id, spec, ram_bytes, {columns} FROM tasks AS t WHERE state = 'ready' AND kind IN ({kinds}) \
             AND engine = $1 AND ram_bytes <= $2 AND run_after_ms <= $3 \
             AND (t.bad_proofs = 0 OR COALESCE((SELECT MAX(a.ended_ms) FROM attempts AS a WHERE a.job = t.job \
                 AND a.task = t.id AND a.worker = $4 AND a.outcome = 'bad_proof'), 0) <= $5) \
             AND ((SELECT running_max FROM tenants WHERE name = t.tenant) IS NULL \
                 OR (SELECT running_max FROM tenants WHERE name = t.tenant) > \
                 (SELECT COUNT(*) FROM tasks AS r WHERE r.state = 'running' AND r.tenant = t.tenant)) \
             ORDER BY priority DESC, rank, job, place LIMIT 1{lock}",
            columns = row::COLUMNS,
            kinds = kinds.join(", "),
        );
        let found = sqlx::query(AssertSqlSafe(query))
            .bind(offer.engine.clone())
            .bind(millis(offer.ram_bytes))
            .bind(millis(self.now_ms))
            .bind(offer.worker.clone())
            .bind(millis(self.now_ms.saturating_sub(ELSEWHERE_MS)))
            .fetch_optional(&mut *self.transaction)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let job = row::job_id(found.try_get("job")?)?;
        let id: String = found.try_get("id")?;
        let spec = row::spec(found.try_get("spec")?)?;
        let ram_bytes: i64 = found.try_get("ram_bytes")?;
        let claimed = Event::Claimed { worker: offer.worker.clone() };
        let task = self.step_from(&row::read(&found)?, job, &id, claimed).await?;
        if spec.position == Position::Execute {
            self.begin_job(job).await?;
        }
        Ok(Some(Claimed {
            job,
            position: spec.position,
            fence: Fence { worker: offer.worker.clone(), attempt: task.attempt },
            inputs: self.inputs(job, &id, &spec.inputs).await?,
            body: spec.body,
            ram_bytes: ram_bytes.unsigned_abs(),
        }))
    }

    /// The artifacts that a task takes; all its children are done.
    async fn inputs(&mut self, job: JobId, id: &str, inputs: &[Input]) -> Result<Vec<Digest>, QueueError> {
        let is_child = |input: &&Input| matches!(input, Input::Result(_));
        if inputs.iter().find(is_child).is_none() {
            return Ok(inputs.iter().filter_map(known).collect());
        }
        let query = "SELECT tasks.output FROM edges JOIN tasks ON tasks.job = edges.job AND tasks.id = edges.child \
                     WHERE edges.job = $1 AND edges.parent = $2 ORDER BY edges.slot";
        let query = sqlx::query_scalar(query).bind(job.to_string()).bind(id.to_owned());
        let outputs: Vec<Option<String>> = query.fetch_all(&mut *self.transaction).await?;
        let mut outputs = outputs.into_iter();
        let resolved = |input: &Input| match known(input) {
            Some(digest) => Ok(digest),
            None => {
                let missing = || QueueError::Corrupt { what: "a ready task without an input", value: id.to_owned() };
                row::digest(outputs.next().flatten().ok_or_else(missing)?)
            }
        };
        inputs.iter().map(resolved).collect()
    }

    async fn begin_job(&mut self, job: JobId) -> Result<(), QueueError> {
        let query = "UPDATE jobs SET state = 'running', started_ms = COALESCE(started_ms, $2) \
                     WHERE id = $1 AND state = 'queued'";
        let query = sqlx::query(query).bind(job.to_string()).bind(millis(self.now_ms));
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

const fn known(input: &Input) -> Option<Digest> {
    match input {
        Input::Artifact(digest) => Some(*digest),
        Input::Result(_) => None,
    }
}
