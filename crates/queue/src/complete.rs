//! Results: those that come at once are recorded in one transaction, by a few statements for all of them.

use phalanx_api::{Complete, TaskState};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError, Refusal,
    change::Change,
    row::{self, number},
    turn::{Call, Turns},
};

/// How a completion ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// The result is recorded.
    Recorded,
    /// It was recorded before, by the same start.
    WasRecorded,
}

/// A result that a worker made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completing {
    worker: String,
    complete: Complete,
    is_reused: bool,
}

impl Queue {
    /// Records a result. `is_reused`: it was found instead of made.
    pub async fn complete(&self, worker: &str, complete: &Complete, is_reused: bool) -> Result<Completion, QueueError> {
        let call = Completing { worker: worker.to_owned(), complete: *complete, is_reused };
        self.completions.call(&Turns(self.clone()), Call::Complete(call)).await?.completed()
    }
}

/// Columns of a result as it is told to the database.
const COLUMNS: usize = 8;

impl Change {
    /// Records results, in a transaction of their own.
    pub async fn complete(&mut self, calls: &[&Completing]) -> Result<Vec<Result<Completion, QueueError>>, QueueError> {
        // All gateways lock in one order.
        let mut order: Vec<&Completing> = calls.to_vec();
        order.sort_by_key(|call| call.complete.held);
        let mut recorded = self.record(&order).await?;
        if !recorded.is_empty() {
            self.wake_parents_of(&recorded).await?;
        }
        for done in &recorded {
            if done.is_last {
                self.now_ms = done.ended_ms;
                let Complete { held, output, .. } = done.complete;
                self.end_job(held.job, phalanx_api::JobState::Done, None, Some(output)).await?;
            }
        }
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            let at = recorded.iter().position(|done| done.is_of(call));
            answers.push(match at {
                // The same call again is told that it was recorded before.
                Some(at) => {
                    recorded.swap_remove(at);
                    Ok(Completion::Recorded)
                }
                None => self.was_recorded(call).await?,
            });
        }
        Ok(answers)
    }

    /// What `Event::Completed` does, for all at once. Gives those that were not late.
    async fn record(&mut self, calls: &[&Completing]) -> Result<Vec<Recorded>, QueueError> {
        let now = self.database.now();
        let query = format!(
            "UPDATE tasks SET state = 'done', lease_until_ms = NULL, output = made.column5, cpu_ms = made.column6, \
             peak_bytes = made.column7, is_reused = made.column8, ended_ms = {now}, changed_ms = {now} \
             FROM (VALUES {}) AS made WHERE tasks.job = made.column1 AND tasks.id = made.column2 \
             AND tasks.worker = made.column3 AND tasks.attempt = made.column4 AND tasks.state = 'running' \
             RETURNING tasks.job, tasks.id, tasks.worker, tasks.attempt, tasks.output, tasks.is_last, tasks.ended_ms",
            row::placeholders(calls.len(), COLUMNS, 1),
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for Completing { worker, complete, is_reused } in calls {
            query = query
                .bind(complete.held.job.to_string())
                .bind(row::key(complete.held.task))
                .bind(worker.clone())
                .bind(i64::from(complete.held.attempt))
                .bind(complete.output.to_string())
                .bind(number(complete.cpu_ms))
                .bind(complete.peak_bytes.map(number))
                .bind(i64::from(*is_reused));
        }
        let rows = query.fetch_all(&mut *self.transaction).await?;
        let read = |row: &sqlx::any::AnyRow| {
            let held = phalanx_api::Held {
                job: row::job_id(row.try_get("job")?)?,
                task: row::task_id(row.try_get("id")?)?,
                attempt: row::small(row, "attempt")?,
            };
            let output = row::digest(row.try_get("output")?)?;
            Ok(Recorded {
                worker: row.try_get("worker")?,
                complete: Complete { held, output, cpu_ms: 0, peak_bytes: None },
                is_last: row::flag(row, "is_last")?,
                ended_ms: row::count(row, "ended_ms")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// What [`Event::ChildDone`](crate::task::Event::ChildDone) does to the parents of all that are done now. A statement of
    /// its own: whoever announces a parent locks its children first, so either it sees these results or this sees its edges.
    async fn wake_parents_of(&mut self, done: &[Recorded]) -> Result<(), QueueError> {
        // In one order, so that two of these do not wait for each other.
        let now = self.database.now();
        let query = format!(
            "UPDATE tasks SET waiting_on = waiting_on - woken.children, changed_ms = {now}, \
             ready_ms = CASE WHEN state = 'pending' AND waiting_on = woken.children THEN {now} ELSE ready_ms END, \
             state = CASE WHEN state = 'pending' AND waiting_on = woken.children THEN 'ready' ELSE state END \
             FROM (SELECT edges.job AS job, edges.parent AS parent, COUNT(DISTINCT edges.child) AS children \
                 FROM (VALUES {}) AS done JOIN edges ON edges.job = done.column1 AND edges.child = done.column2 \
                 GROUP BY edges.job, edges.parent ORDER BY edges.job, edges.parent) AS woken \
             WHERE tasks.job = woken.job AND tasks.id = woken.parent",
            row::placeholders(done.len(), 2, 1),
        );
        let mut query = sqlx::query(AssertSqlSafe(query));
        for Recorded { complete, .. } in done {
            query = query.bind(complete.held.job.to_string()).bind(row::key(complete.held.task));
        }
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Whether this start has made this result already, or why it is refused.
    async fn was_recorded(&mut self, call: &Completing) -> Result<Result<Completion, QueueError>, QueueError> {
        let Complete { held, output, .. } = call.complete;
        let query = "SELECT state, attempt, worker, output FROM tasks WHERE job = $1 AND id = $2";
        let query = sqlx::query(query).bind(held.job.to_string()).bind(row::key(held.task));
        let Some(row) = query.fetch_optional(&mut *self.transaction).await? else {
            return Ok(Err(QueueError::NoSuchTask { job: held.job, task: held.task }));
        };
        let state = row::task_state(row.try_get("state")?)?;
        let attempt = row::small(&row, "attempt")?;
        let is_mine =
            attempt == held.attempt && row.try_get::<Option<String>, _>("worker")?.as_ref() == Some(&call.worker);
        let is_same = row.try_get::<Option<String>, _>("output")? == Some(output.to_string());
        if state == TaskState::Done && is_mine && is_same {
            tracing::debug!(job = %held.job, task = %held.task, "a worker completed a task twice");
            return Ok(Ok(Completion::WasRecorded));
        }
        Ok(Err(Refusal::Stale { state, attempt, claimed: held.attempt }.into()))
    }
}

/// A result that was recorded just now.
struct Recorded {
    worker: String,
    complete: Complete,
    is_last: bool,
    ended_ms: u64,
}

impl Recorded {
    fn is_of(&self, call: &Completing) -> bool {
        let (a, b) = (&self.complete, &call.complete);
        self.worker == call.worker && a.held == b.held && a.output == b.output
    }
}
