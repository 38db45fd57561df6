//! How jobs stand, for people.

use std::collections::HashMap;

use phalanx_api::{Counts, JobId, JobList, JobQuery, JobState, JobView, KindCounts, TaskState};
use phalanx_plan::TaskKind;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use crate::{
    Queue, QueueError,
    row::{self, count, maybe},
};

/// Jobs on a page if nobody says how many, and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 500;
/// What a task of each kind weighs in a job's progress, roughly as long as it takes.
const WEIGHTS: [(TaskKind, f64); 4] =
    [(TaskKind::Execute, 1.0), (TaskKind::Prove, 10.0), (TaskKind::Fold, 4.0), (TaskKind::Seal, 5.0)];

const COLUMNS: &str = "id, tenant, state, program, input, priority, failed_task, failure, output, cycles, segments, \
                       created_ms, started_ms, ended_ms, deadline_ms";

impl Queue {
    /// A job.
    pub async fn job(&self, job: JobId) -> Result<JobView, QueueError> {
        let query = format!("SELECT {COLUMNS}, {} AS now_ms FROM jobs WHERE id = $1", self.database.now());
        let query = sqlx::query(AssertSqlSafe(query)).bind(job.to_string());
        let rows = query.fetch_all(self.database.reads()).await?;
        self.with_counts(&rows).await?.pop().ok_or(QueueError::NoSuchJob(job))
    }

    /// One page of jobs, the newest first: all of them, or a tenant's.
    pub async fn jobs(&self, tenant: Option<&str>, query: &JobQuery) -> Result<JobList, QueueError> {
        let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut values: Vec<String> = Vec::new();
        let mut known = |condition: &str, value: Option<String>| {
            if let Some(value) = value {
                values.push(value);
                conditions.push(format!("{condition} ${}", values.len()));
            }
        };
        known("tenant =", tenant.map(str::to_owned));
        known("state =", query.state.map(|state| state.name().to_owned()));
        known("id <", query.before.map(|before| before.to_string()));
        // One more than asked for says whether there is another page.
        let text = format!(
            "SELECT {COLUMNS}, {} AS now_ms FROM jobs WHERE {} ORDER BY id DESC LIMIT {}",
            self.database.now(),
            conditions.join(" AND "),
            limit + 1,
        );
        let mut text = sqlx::query(AssertSqlSafe(text));
        for value in values {
            text = text.bind(value);
        }
        let mut rows = text.fetch_all(self.database.reads()).await?;
        let is_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let jobs = self.with_counts(&rows).await?;
        let next = jobs.last().map(|job| job.job).filter(|_| is_more);
        Ok(JobList { jobs, next })
    }

    /// The tenant of a job.
    pub async fn owner(&self, job: JobId) -> Result<String, QueueError> {
        let query = sqlx::query_scalar("SELECT tenant FROM jobs WHERE id = $1").bind(job.to_string());
        query.fetch_optional(self.database.reads()).await?.ok_or(QueueError::NoSuchJob(job))
    }

    async fn with_counts(&self, rows: &[AnyRow]) -> Result<Vec<JobView>, QueueError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let places = row::placeholders(1, rows.len(), 1);
        let query = format!(
            "SELECT job, kind, state, COUNT(*) AS count FROM tasks WHERE job IN {places} GROUP BY job, kind, state",
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(rows.len() == 1);
        for row in rows {
            query = query.bind(row.try_get::<String, _>("id")?);
        }
        let mut tasks: HashMap<JobId, KindCounts> = HashMap::new();
        for row in query.fetch_all(self.database.reads()).await? {
            let counts = tasks.entry(row::job_id(row.try_get("job")?)?).or_default();
            let kind = row::kind(&row.try_get::<String, _>("kind")?)?;
            *of_state(of_kind(counts, kind), row::task_state(row.try_get("state")?)?) = count(&row, "count")?;
        }
        let with_counts = |row: &AnyRow| {
            let job = row::job_id(row.try_get("id")?)?;
            view(row, job, tasks.get(&job).copied().unwrap_or_default())
        };
        rows.iter().map(with_counts).collect()
    }
}

fn of_kind(counts: &mut KindCounts, kind: TaskKind) -> &mut Counts {
    match kind {
        TaskKind::Execute => &mut counts.execute,
        TaskKind::Prove => &mut counts.prove,
        TaskKind::Fold => &mut counts.fold,
        TaskKind::Seal => &mut counts.seal,
    }
}

fn of_state(counts: &mut Counts, state: TaskState) -> &mut u64 {
    match state {
        TaskState::Pending => &mut counts.pending,
        TaskState::Ready => &mut counts.ready,
        TaskState::Running => &mut counts.running,
        TaskState::Done => &mut counts.done,
        TaskState::Dead => &mut counts.dead,
        TaskState::Cancelled => &mut counts.cancelled,
    }
}

fn view(row: &AnyRow, job: JobId, tasks: KindCounts) -> Result<JobView, QueueError> {
    let state = row::job_state(row.try_get("state")?)?;
    let started_ms = maybe(row, "started_ms")?;
    let progress = progress(state, tasks);
    let worked_ms = started_ms.map(|started_ms| count(row, "now_ms").map(|now_ms| now_ms.saturating_sub(started_ms)));
    let eta_ms = match worked_ms.transpose()? {
        Some(worked_ms) if state == JobState::Running => eta_ms(tasks, progress, worked_ms),
        _ => None,
    };
    Ok(JobView {
        job,
        tenant: row.try_get("tenant")?,
        state,
        program: row::digest(row.try_get("program")?)?,
        input: row::digest(row.try_get("input")?)?,
        priority: i32::try_from(row.try_get::<i64, _>("priority")?).unwrap_or_default(),
        failed_task: row.try_get("failed_task")?,
        failure: row.try_get("failure")?,
        receipt: row.try_get::<Option<String>, _>("output")?.map(row::digest).transpose()?,
        cycles: maybe(row, "cycles")?,
        segments: maybe(row, "segments")?,
        created_ms: count(row, "created_ms")?,
        started_ms,
        ended_ms: maybe(row, "ended_ms")?,
        deadline_ms: maybe(row, "deadline_ms")?,
        tasks,
        progress,
        eta_ms,
    })
}

/// What is done of what is announced, by weight. While the execution runs, as much again is expected to come.
fn progress(state: JobState, mut tasks: KindCounts) -> f64 {
    if state == JobState::Done {
        return 1.0;
    }
    let (mut done, mut all) = (0.0, 0.0);
    for (kind, weight) in WEIGHTS {
        let counts = of_kind(&mut tasks, kind);
        done += weight * counts.done as f64;
        all += weight * counts.total() as f64;
    }
    let expected = if tasks.execute.done > 0 { all } else { 2.0 * all };
    if expected > 0.0 { done / expected } else { 0.0 }
}

/// What is left takes as long for its weight as what is done did; known once something was proven and nothing more will come.
fn eta_ms(tasks: KindCounts, progress: f64, worked_ms: u64) -> Option<u64> {
    let is_known = tasks.execute.done > 0 && tasks.prove.done > 0 && progress > 0.0;
    is_known.then(|| (worked_ms as f64 * (1.0 - progress) / progress) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ready: u64, done: u64) -> Counts {
        Counts { ready, done, ..Counts::default() }
    }

    #[test]
    fn progress_grows_from_nothing_to_one() {
        let mut tasks = KindCounts { execute: counts(1, 0), ..KindCounts::default() };
        assert_eq!(progress(JobState::Queued, tasks), 0.0);
        tasks = KindCounts { execute: counts(0, 1), prove: counts(1, 1), fold: counts(1, 0), seal: counts(1, 0) };
        let half = progress(JobState::Running, tasks);
        assert!((0.3..0.5).contains(&half), "{half}");
        assert_eq!(eta_ms(tasks, 0.25, 1_000), Some(3_000));
        tasks = KindCounts { execute: counts(0, 1), prove: counts(0, 2), fold: counts(0, 1), seal: counts(0, 1) };
        assert_eq!(progress(JobState::Running, tasks), 1.0);
    }

    #[test]
    fn nobody_knows_when_a_job_ends_before_its_execution_has() {
        let tasks = KindCounts { execute: counts(1, 0), prove: counts(1, 1), ..KindCounts::default() };
        assert_eq!(eta_ms(tasks, 0.25, 1_000), None);
    }
}
