//! How much work there is, counted once for all who ask.
//!
//! To count a queue of a million tasks takes the database seconds, and autoscalers, dashboards and metrics all ask. So one of
//! them counts, the others wait for it, and the answer stands for a while: longer when it took longer.

use std::time::Duration;

use phalanx_api::QueueView;
use phalanx_queue::{Queue, QueueError};
use tokio::{sync::Mutex, time::Instant};

/// How long an answer stands at least.
const FRESH: Duration = Duration::from_secs(1);
/// Counting takes this share of the time at most: one part in ten.
const REST: u32 = 9;

/// The last count.
#[derive(Default)]
pub(crate) struct Load {
    last: Mutex<Option<(QueueView, Instant)>>,
}

impl Load {
    /// How much work there is, or was a moment ago.
    pub async fn of(&self, queue: &Queue) -> Result<QueueView, QueueError> {
        let mut last = self.last.lock().await;
        if let Some((view, until)) = &*last
            && Instant::now() < *until
        {
            return Ok(view.clone());
        }
        let began = Instant::now();
        let view = queue.queue_view().await?;
        let now = Instant::now();
        let stands = FRESH.max(now.duration_since(began).saturating_mul(REST));
        *last = Some((view.clone(), now + stands));
        Ok(view)
    }
}
