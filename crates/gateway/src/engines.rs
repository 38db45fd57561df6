//! The engines of workers that claim, so that a claim need not ask for what a registration said.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use phalanx_queue::{Queue, QueueError};

/// Workers that are remembered; beyond it, all are forgotten.
const KNOWN_MAX: usize = 10_000;

/// Engines by worker and boot, as the queue wants them in an offer.
#[derive(Default)]
pub(crate) struct Engines {
    known: Mutex<HashMap<String, (String, String)>>,
}

impl Engines {
    /// The engine of a worker.
    pub async fn of(&self, queue: &Queue, worker: &str, boot: &str) -> Result<String, QueueError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(worker).cloned();
        if let Some((_, engine)) = known.filter(|(of, _)| of == boot) {
            return Ok(engine);
        }
        let engine = queue.engine_of(worker, boot).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(worker.to_owned(), (boot.to_owned(), engine.clone()));
        Ok(engine)
    }

    /// A worker registers, perhaps with another engine.
    pub fn forget(&self, worker: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(worker);
    }
}
