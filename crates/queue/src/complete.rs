//! Results that come at once are recorded together: in one way to the database where that is enough, and what is left (a job's
//! last result, one that comes twice or late, one of a job whose tasks are still being announced) in one transaction.

use phalanx_api::{Complete, TaskState};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::{
    Queue, QueueError, Refusal,
    change::Change,
    database::until_won,
    record, row,
    turn::{Answer, Call, Turns},
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
    pub worker: String,
    pub complete: Complete,
    pub is_reused: bool,
}

impl Queue {
    /// Records a result. `is_reused`: it was found instead of made.
    pub async fn complete(&self, worker: &str, complete: &Complete, is_reused: bool) -> Result<Completion, QueueError> {
        let call = Completing { worker: worker.to_owned(), complete: *complete, is_reused };
        match self.turns.call(&Turns(self.clone()), Call::Complete(call)).await? {
            Answer::Completed(completed) => completed,
            Answer::Claimed(_) => Err(QueueError::Stopped),
        }
    }

    /// Records results that come at once.
    pub(crate) async fn complete_together(
        &self,
        calls: &[&Completing],
    ) -> Result<Vec<Result<Completion, QueueError>>, QueueError> {
        // All gateways lock in one order.
        let mut order: Vec<&Completing> = calls.to_vec();
        order.sort_by_key(|call| call.complete.held);
        let order = &order;
        let mut recorded = until_won(|| Box::pin(record::at_once(&self.database, order))).await?;
        let is_left = |call: &&&Completing| !recorded.iter().any(|done| done.is_of(call));
        let left: Vec<&Completing> = order.iter().filter(is_left).copied().collect();
        let rest = &left;
        let answers =
            if left.is_empty() { Vec::new() } else { until_won(|| Box::pin(self.complete_rest(rest))).await? };
        self.database.wakes().changed();
        let mut answers: Vec<_> = left.into_iter().zip(answers).collect();
        let mut answer_to = |call: &Completing| {
            // The same call again is told that it was recorded before.
            if let Some(at) = recorded.iter().position(|done| done.is_of(call)) {
                recorded.swap_remove(at);
                return Ok(Completion::Recorded);
            }
            match answers.iter().position(|(of, _)| *of == call) {
                Some(at) => answers.swap_remove(at).1,
                None => Ok(Completion::WasRecorded),
            }
        };
        Ok(calls.iter().map(|call| answer_to(call)).collect())
    }

    async fn complete_rest(&self, calls: &[&Completing]) -> Result<Vec<Result<Completion, QueueError>>, QueueError> {
        let mut change = Change::begin_timeless(&self.database).await?;
        let answers = change.complete(calls).await;
        change.end(answers).await
    }
}

impl Change {
    /// Records results, which stand in the order of their tasks.
    async fn complete(&mut self, calls: &[&Completing]) -> Result<Vec<Result<Completion, QueueError>>, QueueError> {
        let mut recorded = self.record(calls).await?;
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
        let query = format!(
            "UPDATE tasks SET {} FROM (VALUES {}) AS made WHERE {} RETURNING {}",
            record::done(self.database.now()),
            record::made(calls.len()),
            record::is_held("tasks"),
            record::RECORDED,
        );
        let query = record::bound(sqlx::query(AssertSqlSafe(query)), calls);
        query.fetch_all(&mut *self.transaction).await?.iter().map(Recorded::read).collect()
    }

    /// What [`Event::ChildDone`](crate::task::Event::ChildDone) does to the parents of all that are done now. A statement of
    /// its own: whoever announces a parent locks its children first, so either it sees these results or this sees its edges.
    async fn wake_parents_of(&mut self, done: &[Recorded]) -> Result<(), QueueError> {
        // In one order, so that two of these do not wait for each other.
        let now = self.database.now();
        let query = format!(
            "UPDATE tasks SET {} FROM (SELECT {} FROM (VALUES {}) AS done \
                 JOIN edges ON edges.job = done.column1 AND edges.child = done.column2 {}) AS woken WHERE {}",
            record::woken(now),
            record::PARENTS,
            row::placeholders(done.len(), 2, 1),
            record::BY_PARENT,
            record::IS_WOKEN,
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
pub struct Recorded {
    worker: String,
    complete: Complete,
    is_last: bool,
    ended_ms: u64,
}

impl Recorded {
    /// From a row that has [`record::RECORDED`].
    pub fn read(row: &AnyRow) -> Result<Self, QueueError> {
        let held = phalanx_api::Held {
            job: row::job_id(row.try_get("job")?)?,
            task: row::task_id(row.try_get("id")?)?,
            attempt: row::small(row, "attempt")?,
        };
        let output = row::digest(row.try_get("output")?)?;
        Ok(Self {
            worker: row.try_get("worker")?,
            complete: Complete { held, output, cpu_ms: 0, peak_bytes: None },
            is_last: row::flag(row, "is_last")?,
            ended_ms: row::count(row, "ended_ms")?,
        })
    }

    fn is_of(&self, call: &Completing) -> bool {
        let (a, b) = (&self.complete, &call.complete);
        self.worker == call.worker && a.held == b.held && a.output == b.output
    }
}
