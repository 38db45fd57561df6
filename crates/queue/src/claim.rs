//! Which ready task a worker gets.
//!
//! In: what the worker can run. Out: the best task that fits it. Highest priority first; then what is nearest to a receipt
//! (folds before proofs), then what is due first, then the oldest job.

use phalanx_api::{Assignment, Held, Input, WorkerState};
use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use sqlx::{Any, AssertSqlSafe, Executor, Row, any::AnyRow};
use tokio::sync::oneshot;

use crate::{
    Queue, QueueError,
    change::Change,
    database::{Attempt, Dialect, until_won},
    lane::Batch,
    row::{self, number},
    task::{Event, Fence, LEASE_MS},
};

/// A worker that made a bad proof gets the task again only after this time, in milliseconds, so that another may take it.
pub const ELSEWHERE_MS: u64 = 60_000;

/// The results of a task's children, in the order in which it takes them.
pub const RESULTS: &str = "(SELECT string_agg(child.output, ',' ORDER BY edges.slot) FROM edges \
                           JOIN tasks AS child ON child.job = edges.job AND child.id = edges.child \
                           WHERE edges.job = tasks.job AND edges.parent = tasks.id) AS results";

/// Claims that go to SQLite at once.
const TOGETHER_MAX: usize = 8;
/// What a claim tells the database: engine, RAM, worker, boot, four kinds.
const PARAMETERS: usize = 8;

/// What a worker can run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its name.
    pub worker: String,
    /// Its start, as registered.
    pub boot: String,
    /// Its kinds of tasks.
    pub kinds: Vec<TaskKind>,
    /// Its engine, as the text that it was registered with.
    pub engine: String,
    /// What it has left.
    pub ram_bytes: u64,
}

/// A task that was given to a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct Claimed {
    /// What the worker is told.
    pub assignment: Assignment,
    /// Its engine, which is the task's from now on.
    pub engine: String,
    /// Whether its result ends the job.
    pub is_last: bool,
    /// Whose job it is.
    pub tenant: String,
}

impl Queue {
    /// Gives the best task to a worker, if there is one for it.
    pub async fn claim(&self, offer: &Offer) -> Result<Option<Claimed>, QueueError> {
        let mut claimed = self.claim_any(offer).await?;
        if claimed.is_none() && self.admit(&offer.worker, &offer.boot).await? {
            claimed = self.claim_any(offer).await?;
        }
        let Some(mut claimed) = claimed else { return Ok(None) };
        if claimed.assignment.held.task.0 == Position::Execute {
            claimed.assignment.fleet = Some(self.fleet(&offer.engine).await?);
        }
        Ok(Some(claimed))
    }

    async fn claim_any(&self, offer: &Offer) -> Result<Option<Claimed>, QueueError> {
        if offer.kinds.is_empty() {
            return Ok(None);
        }
        match self.database.dialect() {
            // One writer: those that come at once share a transaction.
            Dialect::Sqlite => self.claims.call(&Claims(self.clone()), offer.clone()).await,
            Dialect::Postgres => {
                let (reply, answer) = oneshot::channel();
                let (claims, offer) = (Claims(self.clone()), offer.clone());
                // Not within this future: its caller may give up while the server gives it a task.
                tokio::spawn(async move {
                    let claimed = claims.one(&offer).await;
                    if let Err(Ok(claimed)) = reply.send(claimed) {
                        claims.undelivered(offer, claimed).await;
                    }
                });
                answer.await.unwrap_or(Err(QueueError::Stopped))
            }
        }
    }

    /// Whether a worker may take tasks, which it could not a moment ago; refuses those that may not.
    async fn admit(&self, worker: &str, boot: &str) -> Result<bool, QueueError> {
        let (state, _) = self.standing(worker, boot).await?;
        if state != WorkerState::Gone {
            return Ok(false);
        }
        // It was silent for long, and is back.
        let query = format!(
            "UPDATE workers SET state = 'active', seen_ms = {} WHERE name = $1 AND boot = $2 AND state = 'gone'",
            self.database.now(),
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(worker.to_owned()).bind(boot.to_owned());
        query.execute(self.database.writes()).await?;
        Ok(true)
    }
}

/// Claims that come at once.
#[derive(Clone, Debug)]
pub struct Claims(Queue);

impl Batch for Claims {
    type Call = Offer;
    type Answer = Option<Claimed>;

    fn run<'a>(&'a self, offers: &'a [Offer]) -> Attempt<'a, Vec<Option<Claimed>>> {
        Box::pin(async move {
            let claimed: Vec<Option<Claimed>> = until_won(|| Box::pin(self.together(offers))).await?;
            if claimed.iter().any(Option::is_some) {
                self.0.database.wakes().changed();
            }
            Ok(claimed)
        })
    }

    async fn undelivered(&self, offer: Offer, claimed: Option<Claimed>) {
        let Some(claimed) = claimed else { return };
        let Held { job, task, attempt } = claimed.assignment.held;
        let fence = Fence { worker: offer.worker, attempt };
        if let Err(error) = self.0.one_step(job, task, Event::Released(fence)).await {
            tracing::debug!(%job, %task, %error, "a task whose worker went away waits for the end of its lease");
        }
    }
}

impl Claims {
    /// In one transaction, one after another.
    async fn together(&self, offers: &[Offer]) -> Result<Vec<Option<Claimed>>, QueueError> {
        let database = &self.0.database;
        let mut change = Change::begin_loose(database).await?;
        let claimed = change.claim_each(offers).await;
        change.end(claimed).await
    }

    /// In one statement.
    async fn one(&self, offer: &Offer) -> Result<Option<Claimed>, QueueError> {
        let database = &self.0.database;
        let offers = std::slice::from_ref(offer);
        let claimed = until_won(|| Box::pin(best(database.loose(), Dialect::Postgres, database.now(), offers))).await?;
        let claimed = claimed.into_iter().next().flatten();
        if claimed.is_some() {
            database.wakes().changed();
        }
        Ok(claimed)
    }
}

impl Change {
    async fn claim_each(&mut self, offers: &[Offer]) -> Result<Vec<Option<Claimed>>, QueueError> {
        let now = self.database.now().to_owned();
        let mut all = Vec::with_capacity(offers.len());
        for offers in offers.chunks(TOGETHER_MAX) {
            all.extend(best(&mut *self.transaction, Dialect::Sqlite, &now, offers).await?);
        }
        // SQLite takes no second update in a statement.
        for (claimed, offer) in all.iter().zip(offers) {
            let Some(Claimed { assignment: Assignment { held, .. }, .. }) = claimed else { continue };
            if held.task.0 == Position::Execute {
                let query = format!("{} WHERE id = $2 AND state IN ('queued', 'running')", begin_job(&now, 1));
                let query = sqlx::query(AssertSqlSafe(query)).bind(offer.engine.clone());
                query.bind(held.job.to_string()).execute(&mut *self.transaction).await?;
            }
        }
        Ok(all)
    }
}

/// A job whose execution is given out runs, with that worker's engine.
fn begin_job(now: &str, engine: usize) -> String {
    format!("UPDATE jobs SET state = 'running', engine = ${engine}, started_ms = COALESCE(started_ms, {now})")
}

/// What `Event::Claimed` does to the best task of each offer, one after another. SQLite takes several statements at once, which
/// saves the way to its thread and back; PostgreSQL gets one offer.
async fn best<'e>(
    executor: impl Executor<'e, Database = Any>,
    dialect: Dialect,
    now: &str,
    offers: &[Offer],
) -> Result<Vec<Option<Claimed>>, QueueError> {
    let texts: Vec<String> = (0..).zip(offers).map(|(at, offer)| statement(dialect, now, at, offer)).collect();
    let mut query = sqlx::query(AssertSqlSafe(texts.join(";")));
    for offer in offers {
        query = query
            .bind(offer.engine.clone())
            .bind(number(offer.ram_bytes))
            .bind(offer.worker.clone())
            .bind(offer.boot.clone());
        for kind in row::KINDS {
            query = query.bind(if offer.kinds.contains(&kind) { kind.name() } else { "" });
        }
    }
    let rows = query.fetch_all(executor).await?;
    let mut all: Vec<Option<Claimed>> = vec![None; offers.len()];
    for row in &rows {
        let at = row::small(row, "at")? as usize;
        if let Some((place, offer)) = all.get_mut(at).zip(offers.get(at)) {
            *place = Some(claimed(row, &offer.engine)?);
        }
    }
    Ok(all)
}

/// Claims for the offer at a place among several.
fn statement(dialect: Dialect, now: &str, at: usize, offer: &Offer) -> String {
    let [engine, ram_bytes, worker, boot, kinds @ ..]: [String; PARAMETERS] =
        std::array::from_fn(|parameter| format!("${}", at * PARAMETERS + parameter + 1));
    let begun = match dialect {
        Dialect::Postgres if offer.kinds.contains(&TaskKind::Execute) => format!(
            ", begun AS ({} FROM best WHERE best.kind = 'execute' AND jobs.id = best.job \
             AND jobs.state IN ('queued', 'running'))",
            begin_job(now, 1),
        ),
        _ => String::new(),
    };
    // Conditions on other tables are scalar: a join would sort all ready tasks for the sake of one.
    format!(
        "WITH best AS MATERIALIZED (SELECT job, id, kind FROM tasks AS t WHERE state = 'ready' AND kind IN ({kinds}) \
             AND engine IN ('', {engine}) AND ram_bytes <= {ram_bytes} AND run_after_ms <= {now} \
             AND (t.bad_proofs = 0 OR COALESCE((SELECT MAX(a.ended_ms) + {ELSEWHERE_MS} FROM attempts AS a WHERE a.job = t.job \
                 AND a.task = t.id AND a.worker = {worker} AND a.outcome = 'bad_proof'), 0) <= {now}) \
             AND ((SELECT running_max FROM tenants WHERE name = t.tenant) IS NULL \
                 OR (SELECT running_max FROM tenants WHERE name = t.tenant) > \
                 (SELECT COUNT(*) FROM tasks AS r WHERE r.state = 'running' AND r.tenant = t.tenant)) \
             AND EXISTS (SELECT 1 FROM workers WHERE name = {worker} AND boot = {boot} AND state = 'active') \
             ORDER BY priority DESC, rank, due_ms, job, place LIMIT 1{lock}){begun} \
         UPDATE tasks SET state = 'running', attempt = attempt + 1, worker = {worker}, lease_until_ms = {now} + {LEASE_MS}, \
             started_ms = {now}, changed_ms = {now} FROM best WHERE tasks.job = best.job AND tasks.id = best.id \
         RETURNING CAST({at} AS BIGINT) AS at, tasks.job, tasks.id, tasks.spec, tasks.inputs, tasks.ram_bytes, \
             tasks.attempt, tasks.is_last, tasks.tenant, {RESULTS}",
        kinds = kinds.join(", "),
        lock = dialect.skip_locked(),
    )
}

/// A task as it is told to its worker.
pub fn claimed(row: &AnyRow, engine: &str) -> Result<Claimed, QueueError> {
    let task = row::task_id(row.try_get("id")?)?;
    let held = Held { job: row::job_id(row.try_get("job")?)?, task, attempt: row::small(row, "attempt")? };
    let results: Option<String> = row.try_get("results")?;
    let mut results = results.as_deref().unwrap_or_default().split(',');
    let resolved = |input: Input| match input {
        Input::Artifact { digest } => Ok(digest),
        Input::Result { .. } => row::digest(results.next().unwrap_or_default().to_owned()),
    };
    let inputs = row::inputs(row.try_get("inputs")?)?.into_iter().map(resolved);
    let inputs = inputs.collect::<Result<Vec<Digest>, QueueError>>()?;
    Ok(Claimed {
        assignment: Assignment {
            held,
            spec: row::spec(row.try_get("spec")?)?,
            inputs,
            ram_bytes: row::count(row, "ram_bytes")?,
            fleet: None,
            traceparent: None,
        },
        engine: engine.to_owned(),
        is_last: row::flag(row, "is_last")?,
        tenant: row.try_get("tenant")?,
    })
}
