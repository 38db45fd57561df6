//! Workers that live: one beat extends every lease that it names.

use std::{collections::HashSet, sync::Arc};

use phalanx_api::{Beat, BeatAnswer, Held, WorkerState};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError, Refusal,
    change::Change,
    row::{self, number},
    task::{Event, Fence, LEASE_MS},
};

/// Leases that one beat extends at most.
const RUNNING_MAX: usize = 1024;
/// A task that its worker does not name in a beat so long after it was given to it never reached it, or is forgotten; in
/// milliseconds. It is given out again at once.
const UNNAMED_MS: u64 = 10_000;
/// Columns of a task as it is told to the database.
const COLUMNS: usize = 4;

impl Queue {
    /// A worker lives, and so do its starts. Says which of them are over.
    pub async fn beat(&self, worker: &str, beat: &Beat) -> Result<BeatAnswer, QueueError> {
        let call = Arc::new((worker.to_owned(), beat.clone()));
        self.quietly(move |change| {
            let call = call.clone();
            Box::pin(async move { change.beat(&call.0, &call.1).await })
        })
        .await
    }
}

impl Change {
    async fn beat(&mut self, worker: &str, beat: &Beat) -> Result<BeatAnswer, QueueError> {
        let running = beat.running.len();
        if running > RUNNING_MAX {
            return Err(QueueError::TooLarge {
                what: "the number of running tasks",
                got: running as u64,
                max: RUNNING_MAX as u64,
            });
        }
        let state = self.seen(worker, beat).await?;
        let living = if running == 0 { HashSet::new() } else { self.extend(worker, beat).await? };
        let stop = beat.running.iter().map(|running| running.held).filter(|held| !living.contains(held)).collect();
        self.release_unnamed(worker, &living).await?;
        Ok(BeatAnswer { stop, drain: state != WorkerState::Active })
    }

    async fn seen(&mut self, worker: &str, beat: &Beat) -> Result<WorkerState, QueueError> {
        // One that was silent for long is back; one that drains does so until it is started again or told otherwise.
        let query = "UPDATE workers SET seen_ms = $3, resident_bytes = $4, state = CASE \
                     WHEN state IN ('active', 'gone') AND $5 = 1 THEN 'draining' \
                     WHEN state = 'gone' THEN 'active' ELSE state END \
                     WHERE name = $1 AND boot = $2 RETURNING state";
        let found: Option<String> = sqlx::query_scalar(query)
            .bind(worker.to_owned())
            .bind(beat.boot.clone())
            .bind(number(self.now_ms))
            .bind(number(beat.resident_bytes))
            .bind(i64::from(beat.is_draining))
            .fetch_optional(&mut *self.transaction)
            .await?;
        match found {
            Some(state) => crate::worker::state(state),
            None => {
                let query = sqlx::query("SELECT 1 FROM workers WHERE name = $1").bind(worker.to_owned());
                let known = query.fetch_optional(&mut *self.transaction).await?;
                Err(match known {
                    Some(_) => QueueError::OtherBoot(worker.to_owned()),
                    None => QueueError::NoSuchWorker(worker.to_owned()),
                })
            }
        }
    }

    /// What [`Event::Beat`] does, for all at once. Gives those that are not over.
    async fn extend(&mut self, worker: &str, beat: &Beat) -> Result<HashSet<Held>, QueueError> {
        // Only people who look at an execution see any of this.
        let query = format!(
            "UPDATE tasks SET lease_until_ms = $1, \
             cycles = CASE WHEN kind = 'execute' THEN COALESCE(told.column4, cycles) ELSE cycles END, \
             changed_ms = CASE WHEN kind = 'execute' AND told.column4 IS NOT NULL THEN $2 ELSE changed_ms END \
             FROM (VALUES {}) AS told WHERE tasks.job = told.column1 AND tasks.id = told.column2 \
             AND tasks.attempt = told.column3 AND tasks.worker = $3 AND tasks.state = 'running' \
             RETURNING tasks.job, tasks.id, tasks.attempt",
            row::placeholders(beat.running.len(), COLUMNS, 4),
        );
        let mut order: Vec<_> = beat.running.iter().collect();
        order.sort_by_key(|running| running.held);
        order.dedup_by_key(|running| running.held);
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(number(self.now_ms.saturating_add(LEASE_MS)))
            .bind(number(self.now_ms))
            .bind(worker.to_owned());
        for running in order {
            query = query
                .bind(running.held.job.to_string())
                .bind(row::key(running.held.task))
                .bind(i64::from(running.held.attempt))
                .bind(running.cycles.map(number));
        }
        query.fetch_all(&mut *self.transaction).await?.iter().map(held).collect()
    }

    async fn release_unnamed(&mut self, worker: &str, named: &HashSet<Held>) -> Result<(), QueueError> {
        let query = sqlx::query(
            "SELECT job, id, attempt FROM tasks WHERE state = 'running' AND worker = $1 AND started_ms <= $2 \
             ORDER BY job, id",
        );
        let before_ms = number(self.now_ms.saturating_sub(UNNAMED_MS));
        let rows = query.bind(worker.to_owned()).bind(before_ms).fetch_all(&mut *self.transaction).await?;
        for row in &rows {
            let held = held(row)?;
            if !named.contains(&held) {
                self.release(worker, held).await?;
            }
        }
        Ok(())
    }

    /// Takes a task back from a worker that does not have it any more, unless it is over by now.
    pub async fn release(&mut self, worker: &str, held: Held) -> Result<bool, QueueError> {
        let fence = Fence { worker: worker.to_owned(), attempt: held.attempt };
        match self.step(held.job, held.task, Event::Released(fence)).await {
            Ok(_) => Ok(true),
            Err(QueueError::Refused(Refusal::Stale { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Which start a row with `job`, `id` and `attempt` is about.
pub fn held(row: &sqlx::any::AnyRow) -> Result<Held, QueueError> {
    Ok(Held {
        job: row::job_id(row.try_get("job")?)?,
        task: row::task_id(row.try_get("id")?)?,
        attempt: row::small(row, "attempt")?,
    })
}
