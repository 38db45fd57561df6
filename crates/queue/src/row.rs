//! What goes into columns and what comes out of them.

use phalanx_api::{Input, JobId, JobState, TaskId, TaskSpec, TaskState};
use phalanx_claim::Digest;
use phalanx_plan::{Position, TaskKind};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Any, AssertSqlSafe, Row, Transaction, any::AnyRow};

use crate::{
    QueueError,
    database::Dialect,
    task::{Lease, Task},
};

/// Bytes that are kept of what a worker says of a failure.
const DETAIL_BYTES_MAX: usize = 4 << 10;
/// The columns that [`read`] wants.
pub const COLUMNS: &str = "state, waiting_on, attempt, failures, bad_proofs, run_after_ms, worker, lease_until_ms, output, \
                           is_last";

/// Locks a task and reads it. `None` if there is none.
pub async fn load(
    transaction: &mut Transaction<'static, Any>,
    dialect: Dialect,
    job: JobId,
    task: TaskId,
) -> Result<Option<Task>, QueueError> {
    let query = format!("SELECT {COLUMNS} FROM tasks WHERE job = $1 AND id = $2{}", dialect.for_update());
    let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string()).bind(key(task));
    query.fetch_optional(&mut **transaction).await?.map(|row| read(&row)).transpose()
}

/// Reads a task from a row that has [`COLUMNS`].
pub fn read(row: &AnyRow) -> Result<Task, QueueError> {
    let worker: Option<String> = row.try_get("worker")?;
    let until: Option<i64> = row.try_get("lease_until_ms")?;
    let lease = worker.zip(until).map(|(worker, until)| Lease { worker, until_ms: until.unsigned_abs() });
    Ok(Task {
        state: task_state(row.try_get("state")?)?,
        waiting_on: small(row, "waiting_on")?,
        attempt: small(row, "attempt")?,
        failures: small(row, "failures")?,
        bad_proofs: small(row, "bad_proofs")?,
        run_after_ms: count(row, "run_after_ms")?,
        lease,
        output: row.try_get::<Option<String>, _>("output")?.map(digest).transpose()?,
        is_last: flag(row, "is_last")?,
    })
}

/// The state of a name.
pub fn task_state(name: String) -> Result<TaskState, QueueError> {
    let found = TaskState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or(QueueError::Corrupt { what: "a task's state", value: name })
}

/// The state of a name.
pub fn job_state(name: String) -> Result<JobState, QueueError> {
    let found = JobState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or(QueueError::Corrupt { what: "a job's state", value: name })
}

/// Every kind, in the order of the work.
pub const KINDS: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

/// The kind of a name.
pub fn kind(name: &str) -> Result<TaskKind, QueueError> {
    let found = KINDS.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| QueueError::Corrupt { what: "a kind of tasks", value: name.to_owned() })
}

/// A digest of the database.
pub fn digest(text: String) -> Result<Digest, QueueError> {
    text.parse().map_err(|_| QueueError::Corrupt { what: "a digest", value: text })
}

/// A job's name of the database.
pub fn job_id(text: String) -> Result<JobId, QueueError> {
    text.parse().map_err(|_| QueueError::Corrupt { what: "a job's id", value: text })
}

/// A task's name in the database: those of a job sort as text in the order of the work, so that a page of them is a range.
pub fn key(task: TaskId) -> String {
    match task.0 {
        Position::Execute => "1-execute".to_owned(),
        Position::Prove { index } => format!("2-prove-{index:010}"),
        Position::Fold { layer, index } => format!("3-fold-{layer:010}.{index:010}"),
        Position::Seal => "4-seal".to_owned(),
    }
}

/// A task's name of the database.
pub fn task_id(text: String) -> Result<TaskId, QueueError> {
    let number = |digits: &str| digits.parse::<u32>().ok();
    let position = match text.get(2..).and_then(|name| name.split_once('-').or(Some((name, "")))) {
        Some(("execute", "")) => Some(Position::Execute),
        Some(("prove", index)) => number(index).map(|index| Position::Prove { index }),
        Some(("fold", place)) => place.split_once('.').and_then(|(layer, index)| {
            number(layer).zip(number(index)).map(|(layer, index)| Position::Fold { layer, index })
        }),
        Some(("seal", "")) => Some(Position::Seal),
        _ => None,
    };
    position.map(TaskId).ok_or(QueueError::Corrupt { what: "a task's id", value: text })
}

/// Reads a JSON column.
pub fn from_json<T: DeserializeOwned>(what: &'static str, text: String) -> Result<T, QueueError> {
    serde_json::from_str(&text).map_err(|_| QueueError::Corrupt { what, value: text })
}

/// Writes a JSON column.
pub fn json(value: &impl Serialize) -> Result<String, QueueError> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()).into())
}

/// A task's spec of the database.
pub fn spec(text: String) -> Result<TaskSpec, QueueError> {
    from_json("a task's spec", text)
}

/// A task's inputs of the database.
pub fn inputs(text: String) -> Result<Vec<Input>, QueueError> {
    from_json("a task's inputs", text)
}

/// A number as the database holds it.
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number of the database.
pub fn count(row: &AnyRow, column: &'static str) -> Result<u64, QueueError> {
    Ok(row.try_get::<i64, _>(column)?.unsigned_abs())
}

/// A number of the database, if it is there.
pub fn maybe(row: &AnyRow, column: &'static str) -> Result<Option<u64>, QueueError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs))
}

/// A small number of the database.
pub fn small(row: &AnyRow, column: &'static str) -> Result<u32, QueueError> {
    let value: i64 = row.try_get(column)?;
    u32::try_from(value).map_err(|_| QueueError::Corrupt { what: column, value: value.to_string() })
}

/// A flag of the database.
pub fn flag(row: &AnyRow, column: &'static str) -> Result<bool, QueueError> {
    Ok(row.try_get::<i64, _>(column)? != 0)
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

/// Placeholders of so many rows with so many columns, from `$first`: `($1, $2), ($3, $4)`.
pub fn placeholders(rows: usize, columns: usize, first: usize) -> String {
    let row = |row: usize| {
        let columns: Vec<String> = (0..columns).map(|column| format!("${}", first + row * columns + column)).collect();
        format!("({})", columns.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
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

    #[test]
    fn names_in_the_database_sort_in_the_order_of_the_work() {
        let (prove, fold) = (|index| Position::Prove { index }, |layer, index| Position::Fold { layer, index });
        let work = [Position::Execute, prove(9), prove(10), fold(0, 9), fold(0, 10), fold(2, 0), Position::Seal];
        let keys = work.map(|position| key(TaskId(position)));
        assert!(keys.is_sorted(), "{keys:?}");
        for (key, position) in keys.into_iter().zip(work) {
            assert_eq!(task_id(key).unwrap(), TaskId(position));
        }
        for wrong in ["", "prove-7", "2-prove-", "2-prove-x", "3-fold-1", "1-execute-1"] {
            assert!(task_id(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn placeholders_count_on() {
        assert_eq!(placeholders(2, 3, 4), "($4, $5, $6), ($7, $8, $9)");
    }
}
