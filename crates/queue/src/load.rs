//! The queue as a whole: how much work there is for whom, and how long tasks took.

use std::collections::BTreeMap;

use phalanx_api::{KindLoad, QueueView, StatsView, TaskState, TaskTimes};
use phalanx_plan::TaskKind;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError,
    row::{self, KINDS, count, number},
    worker::kinds,
};

/// What a live worker can run.
struct Capacity {
    engine: String,
    kinds: Vec<TaskKind>,
    ram_bytes: u64,
    slots: u64,
}

impl Queue {
    /// How much work there is.
    pub async fn queue_view(&self) -> Result<QueueView, QueueError> {
        let mut loads: BTreeMap<TaskKind, KindLoad> = KINDS.map(|kind| (kind, KindLoad::default())).into();
        // Only jobs that are not over have such tasks; a job's tasks are counted in an index. SQLite takes the tables of a
        // cross join in the order in which they stand.
        let query = "SELECT tasks.kind AS kind, tasks.state AS state, COUNT(*) AS count FROM jobs \
                     CROSS JOIN tasks WHERE tasks.job = jobs.id AND jobs.state IN ('queued', 'running') \
                     AND tasks.state IN ('pending', 'running') GROUP BY tasks.kind, tasks.state \
                     UNION ALL SELECT kind, state, COUNT(*) FROM tasks WHERE state = 'dead' GROUP BY kind, state";
        for row in sqlx::query(query).fetch_all(self.database.reads()).await? {
            let load = loads.entry(row::kind(&row.try_get::<String, _>("kind")?)?).or_default();
            let count = count(&row, "count")?;
            match row::task_state(row.try_get("state")?)? {
                TaskState::Pending => load.pending = count,
                TaskState::Running => load.running = count,
                TaskState::Dead => load.dead = count,
                TaskState::Ready | TaskState::Done | TaskState::Cancelled => {}
            }
        }
        let live = self.capacities().await?;
        let unclaimable = self.count_ready(&mut loads, &live).await?;
        let query = "SELECT COUNT(*) FROM jobs WHERE state IN ('queued', 'running')";
        let jobs: i64 = sqlx::query_scalar(query).fetch_one(self.database.reads()).await?;
        let sum = |of: fn(&KindLoad) -> u64| loads.values().map(of).sum::<u64>();
        let (ready, running) = (sum(|load| load.ready), sum(|load| load.running));
        Ok(QueueView {
            ready,
            running,
            dead: sum(|load| load.dead),
            jobs: jobs.unsigned_abs(),
            workers: live.len() as u64,
            slots: live.iter().map(|worker| worker.slots).sum(),
            slots_wanted: ready + running,
            unclaimable,
            kinds: loads.into_iter().map(|(kind, load)| (kind.name().to_owned(), load)).collect(),
        })
    }

    /// Counts what is ready, and how long it has been. Gives how much of it no worker can run.
    async fn count_ready(
        &self,
        loads: &mut BTreeMap<TaskKind, KindLoad>,
        live: &[Capacity],
    ) -> Result<u64, QueueError> {
        let query = format!(
            "SELECT kind, engine, ram_bytes, COUNT(*) AS count, MIN(ready_ms) AS ready_ms, {} AS now_ms FROM tasks \
             WHERE state = 'ready' GROUP BY kind, engine, ram_bytes",
            self.database.now(),
        );
        let mut unclaimable = 0;
        for row in sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await? {
            let kind = row::kind(&row.try_get::<String, _>("kind")?)?;
            let (engine, ram_bytes): (String, u64) = (row.try_get("engine")?, count(&row, "ram_bytes")?);
            let (ready, now_ms) = (count(&row, "count")?, count(&row, "now_ms")?);
            let age_ms = now_ms.saturating_sub(row::maybe(&row, "ready_ms")?.unwrap_or(now_ms));
            let load = loads.entry(kind).or_default();
            load.ready += ready;
            load.oldest_ready_age_ms = load.oldest_ready_age_ms.max(age_ms);
            let fits = |worker: &Capacity| {
                worker.kinds.contains(&kind)
                    && (engine.is_empty() || worker.engine == engine)
                    && worker.ram_bytes >= ram_bytes
            };
            if !live.iter().any(fits) {
                unclaimable += ready;
            }
        }
        Ok(unclaimable)
    }

    async fn capacities(&self) -> Result<Vec<Capacity>, QueueError> {
        let query = "SELECT engine, kinds, ram_bytes, slots FROM workers WHERE state = 'active'";
        let rows = sqlx::query(query).fetch_all(self.database.reads()).await?;
        let capacity = |row: &sqlx::any::AnyRow| {
            Ok(Capacity {
                engine: row.try_get("engine")?,
                kinds: kinds(row)?,
                ram_bytes: count(row, "ram_bytes")?,
                slots: count(row, "slots")?,
            })
        };
        rows.iter().map(capacity).collect()
    }

    /// How long tasks took, over jobs that ended in the last so many milliseconds.
    pub async fn stats(&self, window_ms: u64) -> Result<StatsView, QueueError> {
        let since = format!("jobs.ended_ms >= {} - {}", self.database.now(), number(window_ms));
        let mut stats = StatsView {
            window_ms,
            jobs_done: 0,
            jobs_failed: 0,
            cycles: 0,
            kinds: BTreeMap::new(),
            attempts: BTreeMap::new(),
        };
        let query = format!(
            "SELECT state, COUNT(*) AS count, CAST(COALESCE(SUM(cycles), 0) AS BIGINT) AS cycles FROM jobs \
             WHERE {since} GROUP BY state",
        );
        for row in sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await? {
            match row.try_get::<String, _>("state")?.as_str() {
                "done" => (stats.jobs_done, stats.cycles) = (count(&row, "count")?, count(&row, "cycles")?),
                "failed" => stats.jobs_failed = count(&row, "count")?,
                _ => {}
            }
        }
        let query = format!(
            "SELECT kind, COUNT(*) AS count, CAST(SUM(is_reused) AS BIGINT) AS reused, \
             CAST(SUM(tasks.started_ms - ready_ms) AS BIGINT) AS wait_ms, \
             CAST(SUM(tasks.ended_ms - tasks.started_ms) AS BIGINT) AS run_ms, \
             MAX(tasks.ended_ms - tasks.started_ms) AS run_ms_max \
             FROM jobs CROSS JOIN tasks WHERE tasks.job = jobs.id AND {since} AND tasks.state = 'done' GROUP BY kind",
        );
        for row in sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await? {
            let tasks = count(&row, "count")?;
            let mean = |column| Ok::<_, QueueError>(row::maybe(&row, column)?.unwrap_or(0) / tasks.max(1));
            let times = TaskTimes {
                count: tasks,
                reused: count(&row, "reused")?,
                wait_ms_mean: mean("wait_ms")?,
                run_ms_mean: mean("run_ms")?,
                run_ms_max: row::maybe(&row, "run_ms_max")?.unwrap_or(0),
            };
            *stats.attempts.entry("done".to_owned()).or_default() += tasks;
            stats.kinds.insert(row.try_get("kind")?, times);
        }
        let query = format!(
            "SELECT outcome, COUNT(*) AS count FROM jobs CROSS JOIN attempts WHERE attempts.job = jobs.id AND {since} \
             GROUP BY outcome",
        );
        for row in sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await? {
            *stats.attempts.entry(row.try_get("outcome")?).or_default() += count(&row, "count")?;
        }
        Ok(stats)
    }
}
