//! Work that blocks a thread, on the runtime's blocking pool, a bounded number at once.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::failure::{Answer, Refused};

/// Threads that block at once.
const BLOCKING_MAX: usize = 32;

/// Runs what blocks.
pub(crate) struct Blocking {
    permits: Arc<Semaphore>,
}

impl Blocking {
    pub fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(BLOCKING_MAX)) }
    }

    /// Runs `work` on a thread of its own once there is one. It goes on if the caller is gone.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Answer<T> {
        let permit = self.permits.clone().acquire_owned().await.map_err(Refused::internal)?;
        let done = spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(Refused::internal)
    }
}
