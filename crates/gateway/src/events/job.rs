//! The events of one job.

use std::collections::HashMap;

use phalanx_api::{JobId, JobView, TaskId, TaskView};
use tokio::time::Instant;

use super::{CALM, LONGEST, OVERLAP_MS, Sender, send};
use crate::{failure::Answer, state::Shared, wait::Waiter};

/// Rows that are read at once.
const ROWS: u32 = 500;

pub(crate) struct JobEvents {
    shared: Shared,
    job: JobId,
    /// Changes before this time were sent.
    since_ms: u64,
    /// When each task that was sent lately had changed.
    sent: HashMap<TaskId, u64>,
    last: Option<JobView>,
}

impl JobEvents {
    /// All of the job, or what changed since `after`.
    pub fn new(shared: Shared, job: JobId, after: Option<u64>) -> Self {
        let since_ms = after.unwrap_or_default().saturating_sub(OVERLAP_MS);
        Self { shared, job, since_ms, sent: HashMap::new(), last: None }
    }

    /// Sends events until the job is over or nobody listens.
    pub async fn run(mut self, to: Sender) -> Answer<()> {
        let until = Instant::now() + LONGEST;
        let mut waiter = Waiter::new(&self.shared);
        loop {
            // The job first: when it is over, its tasks do not change any more.
            let view = self.shared.queue.job(self.job).await?;
            if !self.send_tasks(&to).await? {
                return Ok(());
            }
            let is_over = view.state.is_over();
            if self.last.as_ref() != Some(&view) {
                if !send(&to, "job", self.since_ms, &view).await? {
                    return Ok(());
                }
                self.last = Some(view);
            }
            if is_over {
                return Ok(());
            }
            let woken = tokio::select! {
                woken = waiter.woken(CALM, until) => woken,
                () = to.closed() => false,
            };
            if !woken {
                return Ok(());
            }
        }
    }

    /// Sends the tasks that changed; false when nobody listens any more.
    async fn send_tasks(&mut self, to: &Sender) -> Answer<bool> {
        let mut from_ms = self.since_ms.saturating_sub(OVERLAP_MS);
        loop {
            let tasks = self.shared.queue.changed_since(self.job, from_ms, ROWS).await?;
            let is_all = u32::try_from(tasks.len()).is_ok_and(|read| read < ROWS);
            let Some(newest_ms) = tasks.last().map(|task| task.changed_ms) else { return Ok(true) };
            if !self.send_new(to, tasks).await? {
                return Ok(false);
            }
            if is_all {
                let kept_ms = self.since_ms.saturating_sub(OVERLAP_MS);
                self.sent.retain(|_, changed_ms| *changed_ms >= kept_ms);
                return Ok(true);
            }
            if newest_ms == from_ms {
                // A whole page of one time, as when a job ends; the next would be the same.
                if !self.send_all_of(to, newest_ms).await? {
                    return Ok(false);
                }
                from_ms = newest_ms.saturating_add(1);
            } else {
                from_ms = newest_ms;
            }
        }
    }

    /// Sends all tasks that changed at this time.
    async fn send_all_of(&mut self, to: &Sender, changed_ms: u64) -> Answer<bool> {
        let mut after = None;
        loop {
            let page = self.shared.queue.tasks(self.job, after, ROWS).await?;
            let tasks = page.tasks.into_iter().filter(|task| task.changed_ms == changed_ms).collect();
            if !self.send_new(to, tasks).await? {
                return Ok(false);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(true),
            }
        }
    }

    async fn send_new(&mut self, to: &Sender, tasks: Vec<TaskView>) -> Answer<bool> {
        for task in tasks {
            self.since_ms = self.since_ms.max(task.changed_ms);
            let is_known = self.sent.insert(task.task, task.changed_ms) == Some(task.changed_ms);
            if !is_known && !send(to, "task", task.changed_ms, &task).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
