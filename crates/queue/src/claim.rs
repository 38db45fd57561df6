//! Which ready task a worker gets.
//!
//! In: what the worker can run. Out: the best task that fits it. Highest priority first; then what is nearest to a receipt
//! (folds before proofs), then what is due first, then the oldest job. Offers that come at once and are alike get the best
//! tasks together.

use phalanx_api::{Assignment, Held, Input, WorkerState};
use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use sqlx::{
    AnyConnection, AssertSqlSafe, Row,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use crate::{
    Database, Queue, QueueError,
    database::{Dialect, until_won},
    row::{self, number},
    task::LEASE_MS,
    turn::{Answer, Call, Turns},
};

/// A worker that made a bad proof gets the task again only after this time, in milliseconds, so that another may take it.
pub const ELSEWHERE_MS: u64 = 60_000;

/// The results of a task's children, in the order in which it takes them. Most tasks have none: their inputs say so.
pub const RESULTS: &str = "CASE WHEN tasks.inputs LIKE '%\"task\"%' THEN \
                           (SELECT string_agg(child.output, ',' ORDER BY edges.slot) FROM edges \
                           JOIN tasks AS child ON child.job = edges.job AND child.id = edges.child \
                           WHERE edges.job = tasks.job AND edges.parent = tasks.id) END AS results";

/// What offers that are alike tell the database: engine, RAM, four kinds.
const SHARED: usize = 6;

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
        let mut claimed = self.claim_as(offer, false).await?;
        if claimed.is_none() {
            match self.standing(&offer.worker, &offer.boot).await? {
                (WorkerState::Gone, _) => {
                    self.admit(&offer.worker, &offer.boot).await?;
                    claimed = self.claim_as(offer, true).await?;
                }
                (_, strikes) if strikes > 0 => claimed = self.claim_as(offer, true).await?,
                _ => {}
            }
        }
        let Some(mut claimed) = claimed else { return Ok(None) };
        if claimed.assignment.held.task.0 == Position::Execute {
            claimed.assignment.fleet = Some(self.fleet(&offer.engine).await?);
        }
        Ok(Some(claimed))
    }

    async fn claim_as(&self, offer: &Offer, is_alone: bool) -> Result<Option<Claimed>, QueueError> {
        if offer.kinds.is_empty() {
            return Ok(None);
        }
        let call = Call::Claim { offer: offer.clone(), is_alone };
        match self.turns.call(&Turns(self.clone()), call).await? {
            Answer::Claimed(claimed) => Ok(claimed),
            Answer::Completed(_) => Err(QueueError::Stopped),
        }
    }

    /// Gives tasks to offers, of which those marked so are served alone: those that are alike in one way to the database, the
    /// others one after another.
    pub(crate) async fn claim_together(&self, offers: &[(&Offer, bool)]) -> Result<Vec<Option<Claimed>>, QueueError> {
        let claimed: Vec<Option<Claimed>> = until_won(|| Box::pin(claim_on(&self.database, offers))).await?;
        if claimed.iter().any(Option::is_some) {
            self.database.wakes().changed();
        }
        Ok(claimed)
    }

    /// A worker that was silent for long is back.
    async fn admit(&self, worker: &str, boot: &str) -> Result<(), QueueError> {
        let query = format!(
            "UPDATE workers SET state = 'active', seen_ms = {} WHERE name = $1 AND boot = $2 AND state = 'gone'",
            self.database.now(),
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(worker.to_owned()).bind(boot.to_owned());
        query.execute(self.database.writes()).await?;
        Ok(())
    }
}

async fn claim_on(database: &Database, offers: &[(&Offer, bool)]) -> Result<Vec<Option<Claimed>>, QueueError> {
    let mut connection = database.loose().acquire().await?;
    let claimed = claim_each(&mut connection, database.dialect(), database.now(), offers).await;
    if claimed.is_err() {
        database.undo(&mut connection).await;
    }
    claimed
}

async fn claim_each(
    connection: &mut AnyConnection,
    dialect: Dialect,
    now: &str,
    offers: &[(&Offer, bool)],
) -> Result<Vec<Option<Claimed>>, QueueError> {
    let mut all: Vec<Option<Claimed>> = vec![None; offers.len()];
    let mut open: Vec<usize> = (0..offers.len()).collect();
    while let Some(first) = open.first().copied() {
        let is_unlike = |at: &usize| *at != first && !is_alike(&offers[first], &offers[*at]);
        let mut unserved: Vec<usize> = open.extract_if(.., |at| !is_unlike(at)).collect();
        while !unserved.is_empty() {
            let group: Vec<&Offer> = unserved.iter().map(|at| offers[*at].0).collect();
            let rows = best(connection, dialect, now, &group).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let worker: String = row.try_get("worker")?;
                let Some(place) = unserved.iter().position(|at| offers[*at].0.worker == worker) else { continue };
                let at = unserved.remove(place);
                all[at] = Some(claimed(row, &offers[at].0.engine)?);
            }
        }
    }
    Ok(all)
}

/// Whether one statement can serve both. Of two processes of one name only one is known.
fn is_alike((a, a_alone): &(&Offer, bool), (b, b_alone): &(&Offer, bool)) -> bool {
    let may_share = !a_alone && !b_alone && (a.worker != b.worker || a.boot == b.boot);
    may_share && a.kinds == b.kinds && a.engine == b.engine && a.ram_bytes == b.ram_bytes
}

/// What `Event::Claimed` does to the best tasks for offers that are alike. Gives them with their workers.
async fn best(
    connection: &mut AnyConnection,
    dialect: Dialect,
    now: &str,
    offers: &[&Offer],
) -> Result<Vec<AnyRow>, QueueError> {
    let Some(shared) = offers.first() else { return Ok(Vec::new()) };
    // SQLite takes no second update in a statement.
    let begins = dialect == Dialect::Sqlite && shared.kinds.contains(&TaskKind::Execute);
    let text = statement(dialect, now, offers);
    let text = if begins { format!("{}; {text}", dialect.begin()) } else { text };
    let mut query: Query<'_, sqlx::Any, AnyArguments> =
        sqlx::query(AssertSqlSafe(text)).bind(shared.engine.clone()).bind(number(shared.ram_bytes));
    for kind in row::KINDS {
        query = query.bind(if shared.kinds.contains(&kind) { kind.name() } else { "" });
    }
    for offer in offers {
        query = query.bind(offer.worker.clone()).bind(offer.boot.clone());
    }
    let rows = query.fetch_all(&mut *connection).await?;
    if begins {
        let mut jobs: Vec<String> = Vec::new();
        for row in &rows {
            if row::task_id(row.try_get("id")?)?.0 == Position::Execute {
                jobs.push(row.try_get("job")?);
            }
        }
        if !jobs.is_empty() {
            let places = row::placeholders(1, jobs.len(), 2);
            let text = format!("{} WHERE id IN {places} AND state IN ('queued', 'running')", begin_job(now));
            let mut query = sqlx::query(AssertSqlSafe(text)).bind(shared.engine.clone());
            for job in jobs {
                query = query.bind(job);
            }
            query.execute(&mut *connection).await?;
        }
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    Ok(rows)
}

/// A job whose execution is given out runs, with that worker's engine, the first parameter.
fn begin_job(now: &str) -> String {
    format!("UPDATE jobs SET state = 'running', engine = $1, started_ms = COALESCE(started_ms, {now})")
}

/// Claims for offers that are alike.
fn statement(dialect: Dialect, now: &str, offers: &[&Offer]) -> String {
    // Of several workers nobody has a proof that does not verify, so any may take what another failed at.
    let (unmarred, elsewhere) = match offers {
        [_] => (
            "",
            format!(
                " AND (t.bad_proofs = 0 OR COALESCE((SELECT MAX(a.ended_ms) + {ELSEWHERE_MS} FROM attempts AS a \
                 WHERE a.job = t.job AND a.task = t.id AND a.worker = $7 AND a.outcome = 'bad_proof'), 0) <= {now})",
            ),
        ),
        _ => (" AND workers.strikes = 0", String::new()),
    };
    let begun = match dialect {
        Dialect::Postgres if offers.iter().any(|offer| offer.kinds.contains(&TaskKind::Execute)) => format!(
            ", begun AS ({} FROM best WHERE best.kind = 'execute' AND jobs.id = best.job \
             AND jobs.state IN ('queued', 'running'))",
            begin_job(now),
        ),
        _ => String::new(),
    };
    // Conditions on other tables are scalar: a join would sort all ready tasks for the sake of one. Where tenants have limits,
    // what runs is counted anew for each task.
    format!(
        "WITH offers AS MATERIALIZED (SELECT workers.name AS worker, row_number() OVER () AS at FROM (VALUES {offers}) AS told \
             JOIN workers ON workers.name = told.column1 WHERE workers.boot = told.column2 AND workers.state = 'active'{unmarred}), \
         best AS MATERIALIZED (SELECT job, id, kind FROM tasks AS t WHERE state = 'ready' AND kind IN ($3, $4, $5, $6) \
             AND engine IN ('', $1) AND ram_bytes <= $2 AND run_after_ms <= {now}{elsewhere} \
             AND ((SELECT running_max FROM tenants WHERE name = t.tenant) IS NULL \
                 OR (SELECT running_max FROM tenants WHERE name = t.tenant) > \
                 (SELECT COUNT(*) FROM tasks AS r WHERE r.state = 'running' AND r.tenant = t.tenant)) \
             ORDER BY priority DESC, rank, due_ms, job, place \
             LIMIT (SELECT CASE WHEN COUNT(*) > 1 AND EXISTS (SELECT 1 FROM tenants WHERE running_max IS NOT NULL) \
                 THEN 1 ELSE COUNT(*) END FROM offers){lock}), \
         given AS MATERIALIZED (SELECT job, id, row_number() OVER () AS at FROM best){begun} \
         UPDATE tasks SET state = 'running', attempt = attempt + 1, worker = offers.worker, \
             lease_until_ms = {now} + {LEASE_MS}, started_ms = {now}, changed_ms = {now} \
         FROM given JOIN offers ON offers.at = given.at WHERE tasks.job = given.job AND tasks.id = given.id \
         RETURNING tasks.job, tasks.id, tasks.worker, tasks.spec, tasks.inputs, tasks.ram_bytes, tasks.attempt, \
             tasks.is_last, tasks.tenant, {RESULTS}",
        offers = row::placeholders(offers.len(), 2, SHARED + 1),
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
