//! The events of all jobs that a token may see.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use phalanx_api::{JobId, JobQuery, JobState, JobView};
use tokio::time::Instant;

use super::{LONGEST, OVERLAP_MS, Sender, send};
use crate::{failure::Answer, limits::PAGE_MAX, state::Shared, wait::Waiter};

/// Least time between two looks.
const CALM: Duration = Duration::from_secs(1);
/// The newest jobs, among which those are looked for that came and ended between two looks.
const NEWEST: u32 = 100;

pub(crate) struct TenantEvents {
    shared: Shared,
    /// None sees all.
    tenant: Option<String>,
    after_ms: Option<u64>,
    /// Jobs that were not over when they were sent, as they were.
    live: HashMap<JobId, JobView>,
    /// Those of the newest jobs that were sent as over.
    over: BTreeSet<JobId>,
    /// Nothing that was sent is newer.
    newest_ms: u64,
}

impl TenantEvents {
    /// All jobs that are not over, and those that ended since `after_ms`.
    pub fn new(shared: Shared, tenant: Option<String>, after_ms: Option<u64>) -> Self {
        let newest_ms = after_ms.unwrap_or_default();
        Self { shared, tenant, after_ms, live: HashMap::new(), over: BTreeSet::new(), newest_ms }
    }

    /// Sends events until nobody listens.
    pub async fn run(mut self, to: Sender) -> Answer<()> {
        let until = Instant::now() + LONGEST;
        let mut waiter = Waiter::new(&self.shared);
        let since_ms = match self.after_ms {
            Some(after_ms) => after_ms,
            None => self.shared.queue.now_ms().await?,
        };
        if let Some(after_ms) = self.after_ms {
            for view in self.page(None, PAGE_MAX).await? {
                let has_ended = view.ended_ms.is_some_and(|ended_ms| ended_ms.saturating_add(OVERLAP_MS) >= after_ms);
                if has_ended && !self.send(&to, view).await? {
                    return Ok(());
                }
            }
        }
        loop {
            for view in self.changed(since_ms).await? {
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

    /// Jobs that are not as they were when they were sent, and those that came after `since_ms` and are over.
    async fn changed(&mut self, since_ms: u64) -> Answer<Vec<JobView>> {
        let mut changed = Vec::new();
        let mut seen = BTreeSet::new();
        for state in [JobState::Queued, JobState::Running] {
            for view in self.page(Some(state), PAGE_MAX).await? {
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
        let newest = self.page(None, NEWEST).await?;
        self.over.retain(|job| newest.iter().any(|view| view.job == *job));
        let is_unseen = |view: &JobView| {
            view.state.is_over()
                && view.created_ms >= since_ms
                && !self.over.contains(&view.job)
                && !self.live.contains_key(&view.job)
        };
        changed.extend(newest.into_iter().filter(is_unseen));
        Ok(changed)
    }

    /// The newest jobs, in a state or in any.
    async fn page(&self, state: Option<JobState>, limit: u32) -> Answer<Vec<JobView>> {
        let query = JobQuery { state, before: None, limit: Some(limit) };
        Ok(self.shared.queue.jobs(self.tenant.as_deref(), &query).await?.jobs)
    }

    async fn send(&mut self, to: &Sender, view: JobView) -> Answer<bool> {
        let at_ms = view.ended_ms.or(view.started_ms).unwrap_or(view.created_ms);
        self.newest_ms = self.newest_ms.max(at_ms);
        let is_heard = send(to, "job", self.newest_ms, &view).await?;
        if view.state.is_over() {
            self.live.remove(&view.job);
            self.over.insert(view.job);
        } else {
            self.live.insert(view.job, view);
        }
        Ok(is_heard)
    }
}
