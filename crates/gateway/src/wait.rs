//! Waiting for the queue to change: woken by its wakes, by a slow poll in case one got lost, and by the end of the gateway.

use std::time::Duration;

use rand::Rng;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::state::State;

/// How long to wait at most before looking again.
const POLL: Duration = Duration::from_secs(2);

/// Waits for one request.
pub(crate) struct Waiter {
    wakes: watch::Receiver<u64>,
    ending: CancellationToken,
    looked: Instant,
}

impl Waiter {
    /// Least time between two looks at a job.
    pub const CALM: Duration = Duration::from_millis(50);

    /// Make it before the first look, so that no change between them is missed.
    pub fn new(state: &State) -> Self {
        let mut wakes = state.queue.wakes();
        wakes.mark_unchanged();
        Self { wakes, ending: state.ending.clone(), looked: Instant::now() }
    }

    /// Waits until it is worth looking again, at least `calm` after the last look; false if there is no time for that.
    pub async fn woken(&mut self, calm: Duration, until: Instant) -> bool {
        let poll = Instant::now() + POLL.mul_f64(rand::rng().random_range(1.0..2.5));
        let next = poll.min(until);
        tokio::select! {
            changed = self.wakes.changed() => if changed.is_err() { sleep_until(next).await },
            () = sleep_until(next) => {}
            () = self.ending.cancelled() => return false,
        }
        let earliest = self.looked + calm;
        if earliest >= until {
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.ending.cancelled() => {}
            }
            return false;
        }
        sleep_until(earliest).await;
        self.looked = Instant::now();
        self.wakes.mark_unchanged();
        self.looked < until
    }
}
