//! What time does to the queue: leases that ran out, deadlines that passed, workers that fell silent. Any number of gateways may sweep at once.

use phalanx_api::JobState;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError,
    change::Change,
    row::{self, number},
    task::{Event, LEASE_MS},
};

/// Rows that one transaction of a sweep touches at most.
const BATCH: usize = 100;

/// What a sweep changed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Swept {
    /// Starts whose worker fell silent.
    pub expired: u64,
    /// Jobs that were not done in time.
    pub too_late: u64,
    /// Workers that fell silent.
    pub gone: u64,
}

impl Queue {
    /// Takes tasks from silent workers, ends jobs whose deadline has passed, and marks silent workers gone.
    pub async fn sweep(&self) -> Result<Swept, QueueError> {
        let mut swept = Swept::default();
        loop {
            let (expired, found) = self.quietly(|change| Box::pin(change.expire())).await?;
            swept.expired += expired;
            if found < BATCH {
                break;
            }
        }
        loop {
            let (too_late, found) = self.quietly(|change| Box::pin(change.end_late_jobs())).await?;
            swept.too_late += too_late;
            if found < BATCH {
                break;
            }
        }
        swept.gone = self.quietly(|change| Box::pin(change.mark_gone(LEASE_MS))).await?;
        if swept != Swept::default() {
            self.database.wakes().changed();
        }
        Ok(swept)
    }
}

impl Change {
    /// One batch. Gives how many leases had run out, and how many rows were looked at.
    async fn expire(&mut self) -> Result<(u64, usize), QueueError> {
        let query = format!(
            "SELECT job, id FROM tasks WHERE state = 'running' AND lease_until_ms <= $1 \
             ORDER BY lease_until_ms, job, id LIMIT $2{}",
            self.database.dialect().skip_locked(),
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(number(self.now_ms)).bind(BATCH as i64);
        let found = query.fetch_all(&mut *self.transaction).await?;
        let mut expired = 0;
        for row in &found {
            let (job, id) = (row::job_id(row.try_get("job")?)?, row::task_id(row.try_get("id")?)?);
            // One that died with an earlier row took its job with it, and the others of the job.
            match self.step(job, id, Event::LeaseChecked).await {
                Ok(_) => expired += 1,
                Err(QueueError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((expired, found.len()))
    }

    /// One batch. Gives how many jobs were ended, and how many were looked at.
    async fn end_late_jobs(&mut self) -> Result<(u64, usize), QueueError> {
        let query = format!(
            "SELECT id FROM jobs WHERE deadline_ms <= $1 AND state IN ('queued', 'running') ORDER BY id LIMIT $2{}",
            self.database.dialect().skip_locked(),
        );
        let query = sqlx::query_scalar(AssertSqlSafe(query)).bind(number(self.now_ms)).bind(BATCH as i64);
        let late: Vec<String> = query.fetch_all(&mut *self.transaction).await?;
        let mut ended = 0;
        for job in late.iter().cloned() {
            let failure = (None, "the deadline passed before the job was done");
            ended += u64::from(self.end_job(row::job_id(job)?, JobState::Failed, Some(failure), None).await?);
        }
        Ok((ended, late.len()))
    }
}
