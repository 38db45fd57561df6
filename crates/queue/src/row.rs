//! Tasks as rows: loading one for a step, storing what comes out.

use phalanx_claim::Digest;
use phalanx_plan::Position;
use serde::{Deserialize, Serialize};
use sqlx::{Any, AssertSqlSafe, Row, Transaction, any::AnyRow};

use crate::{
    Input, JobId, QueueError,
    database::Dialect,
    task::{Lease, State, Task},
};

/// Bytes that are kept of what a worker says of a failure.
const DETAIL_BYTES_MAX: usize = 4 << 10;
/// The columns that [`read`] wants, in its order.
pub const COLUMNS: &str = "state, waiting_on, attempt, failures, bad_proofs, run_after_ms, worker, lease_until_ms, output, \
                           is_last";

/// What `tasks.spec` holds.
#[derive(Serialize, Deserialize)]
pub struct Spec {
    pub position: Position,
    pub inputs: Vec<Input>,
    pub body: serde_json::Value,
}

/// Locks a task and reads it. `None` if there is none.
pub async fn load(
    transaction: &mut Transaction<'static, Any>,
    dialect: Dialect,
    job: JobId,
    id: &str,
) -> Result<Option<Task>, QueueError> {
    let query = format!("SELECT {COLUMNS} FROM tasks WHERE job = $1 AND id = $2{}", dialect.for_update());
    let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(id.to_owned());
    query.fetch_optional(&mut **transaction).await?.map(|row| read(&row)).transpose()
}

/// Reads a task from a row that has [`COLUMNS`].
pub fn read(row: &AnyRow) -> Result<Task, QueueError> {
    let worker: Option<String> = row.try_get("worker")?;
    let until: Option<i64> = row.try_get("lease_until_ms")?;
    let lease = worker.zip(until).map(|(worker, until)| Lease { worker, until_ms: until.unsigned_abs() });
    let output: Option<String> = row.try_get("output")?;
    Ok(Task {
        state: state(row.try_get("state")?)?,
        waiting_on: small(row, "waiting_on")?,
        attempt: small(row, "attempt")?,
        failures: small(row, "failures")?,
        bad_proofs: small(row, "bad_proofs")?,
        run_after_ms: row.try_get::<i64, _>("run_after_ms")?.unsigned_abs(),
        lease,
        output: output.map(digest).transpose()?,
        is_last: row.try_get::<i64, _>("is_last")? != 0,
    })
}

/// Stores what a step can change.
pub async fn store(
    transaction: &mut Transaction<'static, Any>,
    job: JobId,
    id: &str,
    task: &Task,
) -> Result<(), QueueError> {
    sqlx::query(
        "UPDATE tasks SET state = $3, waiting_on = $4, attempt = $5, failures = $6, bad_proofs = $7, run_after_ms = $8, \
         worker = $9, lease_until_ms = $10, output = $11 WHERE job = $1 AND id = $2",
    )
    .bind(job.to_string())
    .bind(id.to_owned())
    .bind(state_name(task.state))
    .bind(i64::from(task.waiting_on))
    .bind(i64::from(task.attempt))
    .bind(i64::from(task.failures))
    .bind(i64::from(task.bad_proofs))
    .bind(millis(task.run_after_ms))
    .bind(task.lease.as_ref().map(|lease| lease.worker.clone()))
    .bind(task.lease.as_ref().map(|lease| millis(lease.until_ms)))
    .bind(task.output.map(|output| output.to_string()))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The name of a state in the database.
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Ready => "ready",
        State::Running => "running",
        State::Done => "done",
        State::Dead => "dead",
        State::Cancelled => "cancelled",
    }
}

/// The state of a name.
pub fn state(name: String) -> Result<State, QueueError> {
    let all = [State::Pending, State::Ready, State::Running, State::Done, State::Dead, State::Cancelled];
    let found = all.into_iter().find(|state| state_name(*state) == name);
    found.ok_or(QueueError::Corrupt { what: "a task's state", value: name })
}

/// A digest of the database.
pub fn digest(text: String) -> Result<Digest, QueueError> {
    text.parse().map_err(|_| QueueError::Corrupt { what: "a digest", value: text })
}

/// A job's name of the database.
pub fn job_id(text: String) -> Result<JobId, QueueError> {
    text.parse().map_err(|_| QueueError::Corrupt { what: "a job's id", value: text })
}

/// A task's spec of the database.
pub fn spec(text: String) -> Result<Spec, QueueError> {
    serde_json::from_str(&text).map_err(|_| QueueError::Corrupt { what: "a task's spec", value: text })
}

/// Milliseconds as the database holds them.
pub fn millis(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn small(row: &AnyRow, column: &'static str) -> Result<u32, QueueError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| QueueError::Corrupt { what: column, value: value.to_string() })
}

/// The columns `rank` and `place`: the order of [`Position`] as two numbers.
pub const fn order(position: Position) -> (i64, i64) {
    const FOLDS: i64 = 1 << 32;
    match position {
        Position::Seal => (0, 0),
        // The higher layer first.
        Position::Fold { layer, index } => (FOLDS - layer as i64, index as i64),
        Position::Execute => (FOLDS + 1, 0),
        Position::Prove { index } => (FOLDS + 2, index as i64),
    }
}

/// What a worker says of a failure, as the database can hold it: PostgreSQL takes no zero bytes, and a guest may print any.
pub fn kept(detail: &str) -> String {
    let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
    detail[..end].replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_and_place_are_in_the_order_of_positions() {
        let mut positions = vec![Position::Seal, Position::Execute];
        for index in [0, 1, 9] {
            positions.push(Position::Prove { index });
            positions.extend([0, 1, u32::MAX].map(|layer| Position::Fold { layer, index }));
        }
        let mut by_columns = positions.clone();
        positions.sort_unstable();
        by_columns.sort_by_key(|position| order(*position));
        assert_eq!(by_columns, positions);
    }
}
