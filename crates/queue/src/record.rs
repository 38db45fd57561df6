//! Results of jobs whose tasks are all announced: in one way to the database, their tasks are done and their parents woken.
//!
//! In: results. Out: those that were recorded; whoever calls sees to the others. While a job is executed, another transaction
//! may announce the parent of a task whose result comes now: that takes two statements, of which the second sees the edge.

use sqlx::{
    Any, AnyConnection, AssertSqlSafe,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use crate::{
    Database, QueueError,
    complete::{Completing, Recorded},
    database::Dialect,
    row::{self, number},
};

/// Columns of a result as it is told to the database.
const COLUMNS: usize = 8;

/// What is told of a result that was recorded.
pub const RECORDED: &str =
    "tasks.job, tasks.id, tasks.worker, tasks.attempt, tasks.output, tasks.is_last, tasks.ended_ms";

/// How many children of each parent are done, from rows of edges.
pub const PARENTS: &str = "edges.job AS job, edges.parent AS parent, COUNT(DISTINCT edges.child) AS children";
/// In one order, so that two of these do not wait for each other.
pub const BY_PARENT: &str = "GROUP BY edges.job, edges.parent ORDER BY edges.job, edges.parent";
/// Which task is a parent in `woken`.
pub const IS_WOKEN: &str = "tasks.job = woken.job AND tasks.id = woken.parent";

/// Of these rows, who holds which tasks.
fn holders(calls: usize) -> String {
    let row = |at: usize| format!("(${}, ${}, ${}, ${})", at + 1, at + 2, at + 3, at + 4);
    (0..calls).map(|call| row(call * COLUMNS)).collect::<Vec<_>>().join(", ")
}

/// Rows of results.
pub fn made(calls: usize) -> String {
    row::placeholders(calls, COLUMNS, 1)
}

/// The values of these rows.
pub fn bound<'q>(mut query: Query<'q, Any, AnyArguments>, calls: &[&Completing]) -> Query<'q, Any, AnyArguments> {
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
    query
}

/// What `Event::Completed` sets, from a row of `made`.
pub fn done(now: &str) -> String {
    format!(
        "state = 'done', lease_until_ms = NULL, output = made.column5, cpu_ms = made.column6, peak_bytes = made.column7, \
         is_reused = made.column8, ended_ms = {now}, changed_ms = {now}",
    )
}

/// Whether a task runs under the attempt of a row of `made`.
pub fn is_held(task: &str) -> String {
    format!(
        "{task}.job = made.column1 AND {task}.id = made.column2 AND {task}.worker = made.column3 \
         AND {task}.attempt = made.column4 AND {task}.state = 'running'",
    )
}

/// What `Event::ChildDone` sets, for all children in a row of `woken`.
pub fn woken(now: &str) -> String {
    format!(
        "waiting_on = waiting_on - woken.children, changed_ms = {now}, \
         ready_ms = CASE WHEN state = 'pending' AND waiting_on = woken.children THEN {now} ELSE ready_ms END, \
         state = CASE WHEN state = 'pending' AND waiting_on = woken.children THEN 'ready' ELSE state END",
    )
}

/// Whether a task's job has nothing more to announce, and does not end with it.
fn is_whole(task: &str) -> String {
    format!(
        "{task}.is_last = 0 AND EXISTS (SELECT 1 FROM tasks AS execution WHERE execution.job = {task}.job \
         AND execution.id = '1-execute' AND execution.state = 'done')",
    )
}

/// Records those whose jobs are whole. They stand in the order of their tasks.
pub async fn at_once(database: &Database, calls: &[&Completing]) -> Result<Vec<Recorded>, QueueError> {
    let mut connection = database.writes().acquire().await?;
    let rows = rows(&mut connection, database.dialect(), database.now(), calls).await;
    if rows.is_err() {
        database.undo(&mut connection).await;
    }
    rows?.iter().map(Recorded::read).collect()
}

async fn rows(
    connection: &mut AnyConnection,
    dialect: Dialect,
    now: &str,
    calls: &[&Completing],
) -> Result<Vec<AnyRow>, QueueError> {
    let (made, done, woken) = (made(calls.len()), done(now), woken(now));
    let text = match dialect {
        // It takes no update within a query, but nobody else writes between these statements. The parents come first, while
        // it can still be told who runs.
        Dialect::Sqlite => format!(
            "{begin}; \
             UPDATE tasks SET {woken} FROM (SELECT {PARENTS} FROM (VALUES {holders}) AS made \
                 JOIN tasks AS child ON {held} AND {whole} \
                 JOIN edges ON edges.job = child.job AND edges.child = child.id {BY_PARENT}) AS woken WHERE {IS_WOKEN}; \
             UPDATE tasks SET {done} FROM (VALUES {made}) AS made WHERE {is_held} AND {is_whole} RETURNING {RECORDED}; \
             COMMIT",
            begin = dialect.begin(),
            holders = holders(calls.len()),
            held = is_held("child"),
            whole = is_whole("child"),
            is_held = is_held("tasks"),
            is_whole = is_whole("tasks"),
        ),
        // A task that waits again for a child, though it runs, might be told twice in one statement, which changes it once.
        Dialect::Postgres => format!(
            "WITH made AS (VALUES {made}), \
             done AS (UPDATE tasks SET {done} FROM made WHERE {is_held} AND {is_whole} AND tasks.waiting_on = 0 \
                 RETURNING {RECORDED}), \
             woken AS (SELECT {PARENTS} FROM done JOIN edges ON edges.job = done.job AND edges.child = done.id {BY_PARENT}), \
             parents AS (UPDATE tasks SET {woken} FROM woken WHERE {IS_WOKEN}) \
             SELECT * FROM done",
            is_held = is_held("tasks"),
            is_whole = is_whole("tasks"),
        ),
    };
    Ok(bound(sqlx::query(AssertSqlSafe(text)), calls).fetch_all(connection).await?)
}
