//! Workers: who is there, what each can run, and how each stands.

use std::sync::Arc;

use phalanx_api::{Fleet, NewWorker, WorkerState, WorkerView};
use phalanx_plan::TaskKind;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::{
    Queue, QueueError,
    beat::held,
    change::Change,
    row::{self, json, number},
};

/// A worker that made so many proofs that do not verify gets no more tasks.
pub const STRIKES_MAX: u32 = 3;

const STATES: [WorkerState; 4] =
    [WorkerState::Active, WorkerState::Draining, WorkerState::Quarantined, WorkerState::Gone];

impl Queue {
    /// A worker comes. One that comes again as another process gives back what it had; a quarantine stays.
    pub async fn register(&self, worker: &NewWorker) -> Result<(), QueueError> {
        let worker = Arc::new(worker.clone());
        self.change(move |change| {
            let worker = worker.clone();
            Box::pin(async move { change.register(&worker).await })
        })
        .await
    }

    /// A worker goes, and what it has is given to others. Another process of its name stays.
    pub async fn leave(&self, name: &str, boot: &str) -> Result<(), QueueError> {
        let call = Arc::new((name.to_owned(), boot.to_owned()));
        self.change(move |change| {
            let call = call.clone();
            Box::pin(async move { change.leave(&call.0, &call.1).await })
        })
        .await
    }

    /// An operator drains a worker, or lets it take tasks again as if it had never failed. Says whether there is one.
    pub async fn set_worker_state(&self, name: &str, state: WorkerState) -> Result<bool, QueueError> {
        let query = "UPDATE workers SET state = $2, strikes = CASE WHEN $2 = 'active' THEN 0 ELSE strikes END \
                     WHERE name = $1";
        let query = sqlx::query(query).bind(name.to_owned()).bind(state.name());
        let changed = query.execute(self.database.writes()).await?.rows_affected() > 0;
        self.database.wakes().changed();
        Ok(changed)
    }

    /// All workers, by name.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, QueueError> {
        let running = "SELECT job, id, attempt, worker FROM tasks WHERE state = 'running' ORDER BY worker, job, id";
        let running = sqlx::query(running).fetch_all(self.database.reads()).await?;
        let query = format!("SELECT workers.*, {} AS now_ms FROM workers ORDER BY name", self.database.now());
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await?;
        let mut views = rows.iter().map(view).collect::<Result<Vec<WorkerView>, QueueError>>()?;
        for row in &running {
            let name: String = row.try_get("worker")?;
            if let Ok(at) = views.binary_search_by(|view| view.name.as_str().cmp(&name)) {
                views[at].running.push(held(row)?);
            }
        }
        Ok(views)
    }

    /// How a worker stands, and how many of its proofs do not verify. Refuses those that get no tasks.
    pub(crate) async fn standing(&self, name: &str, boot: &str) -> Result<(WorkerState, u32), QueueError> {
        let query = sqlx::query("SELECT boot, state, strikes FROM workers WHERE name = $1").bind(name.to_owned());
        let found = query.fetch_optional(self.database.reads()).await?;
        let found = found.ok_or_else(|| QueueError::NoSuchWorker(name.to_owned()))?;
        if found.try_get::<String, _>("boot")? != boot {
            return Err(QueueError::OtherBoot(name.to_owned()));
        }
        let strikes = row::small(&found, "strikes")?;
        match state(found.try_get("state")?)? {
            WorkerState::Quarantined => Err(QueueError::Quarantined { name: name.to_owned(), strikes }),
            WorkerState::Draining => Err(QueueError::Draining(name.to_owned())),
            state => Ok((state, strikes)),
        }
    }

    /// Who proves with an engine now.
    pub(crate) async fn fleet(&self, engine: &str) -> Result<Fleet, QueueError> {
        let query =
            sqlx::query("SELECT kinds, slots, ram_bytes, cores FROM workers WHERE state = 'active' AND engine = $1");
        let mut fleet: Option<Fleet> = None;
        for row in query.bind(engine.to_owned()).fetch_all(self.database.reads()).await? {
            if !kinds(&row)?.contains(&TaskKind::Prove) {
                continue;
            }
            let slots = row::count(&row, "slots")?.max(1);
            let ram_bytes = row::count(&row, "ram_bytes")? / slots;
            let cores = u32::try_from(row::count(&row, "cores")? / slots).unwrap_or(u32::MAX).max(1);
            fleet = Some(match fleet {
                None => Fleet { slots, slot_ram_bytes: ram_bytes, slot_cores: cores },
                Some(others) => Fleet {
                    slots: others.slots.saturating_add(slots),
                    slot_ram_bytes: others.slot_ram_bytes.min(ram_bytes),
                    slot_cores: others.slot_cores.min(cores),
                },
            });
        }
        Ok(fleet.unwrap_or_default())
    }
}

impl Change {
    async fn register(&mut self, worker: &NewWorker) -> Result<(), QueueError> {
        let kinds: Vec<&str> = worker.kinds.iter().map(|kind| kind.name()).collect();
        let query = format!("SELECT boot FROM workers WHERE name = $1{}", self.database.dialect().for_update(),);
        let query = sqlx::query_scalar(AssertSqlSafe(query)).bind(worker.name.clone());
        let before: Option<String> = query.fetch_optional(&mut *self.transaction).await?;
        if before.is_some_and(|boot| boot != worker.boot) {
            self.release_all(&worker.name).await?;
        }
        // A new process of a worker that drained takes tasks; the same one that says it again stays as it was told to be.
        sqlx::query(
            "INSERT INTO workers (name, boot, state, version, engine, kinds, ram_bytes, resident_bytes, cores, slots, \
             strikes, seen_ms, registered_ms) VALUES ($1, $2, 'active', $3, $4, $5, $6, 0, $7, $8, 0, $9, $9) \
             ON CONFLICT (name) DO UPDATE SET state = CASE WHEN workers.state = 'quarantined' THEN 'quarantined' \
             WHEN workers.state = 'draining' AND workers.boot = excluded.boot THEN 'draining' ELSE 'active' END, \
             boot = excluded.boot, version = excluded.version, engine = excluded.engine, kinds = excluded.kinds, \
             ram_bytes = excluded.ram_bytes, cores = excluded.cores, slots = excluded.slots, \
             seen_ms = excluded.seen_ms, registered_ms = excluded.registered_ms",
        )
        .bind(worker.name.clone())
        .bind(worker.boot.clone())
        .bind(worker.version.clone())
        .bind(json(&worker.engine)?)
        .bind(kinds.join(","))
        .bind(number(worker.ram_bytes))
        .bind(i64::from(worker.cores))
        .bind(i64::from(worker.slots))
        .bind(number(self.now_ms))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    async fn leave(&mut self, name: &str, boot: &str) -> Result<(), QueueError> {
        // Its claims and beats that are still on their way must not call it back, so it has no boot any more.
        let query = "UPDATE workers SET boot = '', \
                     state = CASE WHEN state = 'quarantined' THEN state ELSE 'gone' END WHERE name = $1 AND boot = $2";
        let query = sqlx::query(query).bind(name.to_owned()).bind(boot.to_owned());
        if query.execute(&mut *self.transaction).await?.rows_affected() > 0 {
            self.release_all(name).await?;
        }
        Ok(())
    }

    async fn release_all(&mut self, worker: &str) -> Result<(), QueueError> {
        let query = "SELECT job, id, attempt FROM tasks WHERE state = 'running' AND worker = $1 ORDER BY job, id";
        let rows = sqlx::query(query).bind(worker.to_owned()).fetch_all(&mut *self.transaction).await?;
        for row in &rows {
            self.release(worker, held(row)?).await?;
        }
        Ok(())
    }

    /// A worker made a proof that does not verify.
    pub async fn strike(&mut self, worker: &str) -> Result<(), QueueError> {
        let query = format!(
            "UPDATE workers SET strikes = strikes + 1, \
             state = CASE WHEN strikes + 1 >= {STRIKES_MAX} THEN 'quarantined' ELSE state END WHERE name = $1",
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(worker.to_owned());
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Workers that were silent for longer than a lease are gone. Gives how many.
    pub async fn mark_gone(&mut self, silent_ms: u64) -> Result<u64, QueueError> {
        let query = "UPDATE workers SET state = 'gone' WHERE state IN ('active', 'draining') AND seen_ms <= $1";
        let query = sqlx::query(query).bind(number(self.now_ms.saturating_sub(silent_ms)));
        Ok(query.execute(&mut *self.transaction).await?.rows_affected())
    }
}

/// The state of a name.
pub fn state(name: String) -> Result<WorkerState, QueueError> {
    let found = STATES.into_iter().find(|state| state.name() == name);
    found.ok_or(QueueError::Corrupt { what: "a worker's state", value: name })
}

/// The kinds of a row of workers.
pub fn kinds(row: &AnyRow) -> Result<Vec<TaskKind>, QueueError> {
    let names: String = row.try_get("kinds")?;
    names.split(',').filter(|name| !name.is_empty()).map(row::kind).collect()
}

fn view(row: &AnyRow) -> Result<WorkerView, QueueError> {
    let engine: String = row.try_get("engine")?;
    let engine: phalanx_claim::EngineId = row::from_json("a worker's engine", engine)?;
    Ok(WorkerView {
        name: row.try_get("name")?,
        state: state(row.try_get("state")?)?,
        version: row.try_get("version")?,
        engine: engine.to_string(),
        kinds: kinds(row)?,
        ram_bytes: row::count(row, "ram_bytes")?,
        resident_bytes: row::count(row, "resident_bytes")?,
        cores: row::small(row, "cores")?,
        slots: row::small(row, "slots")?,
        strikes: row::small(row, "strikes")?,
        silent_ms: row::count(row, "now_ms")?.saturating_sub(row::count(row, "seen_ms")?),
        registered_ms: row::count(row, "registered_ms")?,
        running: Vec::new(),
    })
}
