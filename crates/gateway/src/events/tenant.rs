//! The events of all jobs that a token may see.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use phalanx_api::{JobId, JobQuery, JobState, JobView};
use tokio::time::Instant;

use super::{OVERLAP_MS, Sender, send};
use crate::{failure::Answer, limits::PAGE_MAX, state::Shared, wait::Waiter};

/// Least time between two looks.
const CALM: Duration = Duration::from_secs(1);
/// A stream ends after this time; clients come again.
const LONGEST: Duration = Duration::from_secs(3600);

pub(crate) struct TenantEvents {
    shared: Shared,
    /// None sees all.
    tenant: Option<String>,
    after_ms: Option<u64>,
    /// Jobs that were not over when they were sent, as they were.
    live: HashMap<JobId, JobView>,
    /// Nothing that was sent is newer.
    newest_ms: u64,
}

impl TenantEvents {
    /// All jobs that are not over, and those that ended since `after_ms`.
    pub fn new(shared: Shared, tenant: Option<String>, after_ms: Option<u64>) -> Self {
        Self { shared, tenant, after_ms, live: HashMap::new(), newest_ms: after_ms.unwrap_or_default() }
    }

    /// Sends events until nobody listens.
    pub async fn run(mut self, to: Sender) -> Answer<()> {
        let until = Instant::now() + LONGEST;
        let mut waiter = Waiter::new(&self.shared);
        if let Some(after_ms) = self.after_ms {
            for view in self.page(None).await? {
                let has_ended = view.ended_ms.is_some_and(|ended_ms| ended_ms.saturating_add(OVERLAP_MS) >= after_ms);
                if has_ended && !self.send(&to, view).await? {
                    return Ok(());
                }
            }
        }
        loop {
            for view in self.changed().await? {
                if !self.send(&to, view).await? {
                    return Ok(());
                }
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

    /// Jobs that are not as they were when they were sent.
    async fn changed(&mut self) -> Answer<Vec<JobView>> {
        let mut changed = Vec::new();
        let mut seen = BTreeSet::new();
        for state in [JobState::Queued, JobState::Running] {
            for view in self.page(Some(state)).await? {
                seen.insert(view.job);
                if self.live.get(&view.job) != Some(&view) {
                    changed.push(view);
                }
            }
        }
        let gone: Vec<JobId> = self.live.keys().filter(|job| !seen.contains(job)).copied().collect();
        for job in gone {
            // One that was deleted meanwhile has ended before.
            if let Ok(view) = self.shared.queue.job(job).await
                && self.live.get(&job) != Some(&view)
            {
                changed.push(view);
            } else {
                self.live.remove(&job);
            }
        }
        Ok(changed)
    }

    /// The newest jobs in a state.
    async fn page(&self, state: Option<JobState>) -> Answer<Vec<JobView>> {
        let query = JobQuery { state, before: None, limit: Some(PAGE_MAX) };
        Ok(self.shared.queue.jobs(self.tenant.as_deref(), &query).await?.jobs)
    }

    async fn send(&mut self, to: &Sender, view: JobView) -> Answer<bool> {
        let at_ms = view.ended_ms.or(view.started_ms).unwrap_or(view.created_ms);
        self.newest_ms = self.newest_ms.max(at_ms);
        let is_heard = send(to, "job", self.newest_ms, &view).await?;
        if view.state.is_over() {
            self.live.remove(&view.job);
        } else {
            self.live.insert(view.job, view);
        }
        Ok(is_heard)
    }
}
