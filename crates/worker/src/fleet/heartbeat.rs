//! Saying that the worker lives, from a thread that does nothing else, over connections of its own: whatever the tasks, the
//! transfers and the claims are doing, no lease runs out because of them.
//!
//! In: what runs. Out: leases extended; starts that are over are asked to stop; and whether the gateway wants a drain.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use phalanx_api::{Beat, Held, Running};
use phalanx_client::{Client, ClientError};
use phalanx_engine::CancelToken;

/// What runs, as the heartbeat sees it.
#[derive(Default)]
pub struct Pulse {
    running: Mutex<BTreeMap<Held, Runs>>,
    draining: AtomicBool,
    /// The gateway wants this worker to drain.
    told_to_drain: AtomicBool,
    /// The gateway does not know this worker, or another process has its name.
    lost: Mutex<Option<ClientError>>,
    ended: Mutex<bool>,
    bell: Condvar,
}

struct Runs {
    stop: CancelToken,
    cycles: Arc<AtomicU64>,
}

impl Pulse {
    /// A task starts.
    pub fn enter(&self, held: Held, stop: CancelToken, cycles: Arc<AtomicU64>) {
        self.running().insert(held, Runs { stop, cycles });
    }

    /// A task is over.
    pub fn leave(&self, held: &Held) {
        self.running().remove(held);
    }

    /// The worker takes no more tasks, by its own will: said of a drain that the gateway wanted, it would outlive its end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the gateway said so.
    pub fn told_to_drain(&self) -> bool {
        self.told_to_drain.load(Ordering::Acquire)
    }

    /// Why beats are refused, once; the worker has to register again or to end.
    pub fn take_lost(&self) -> Option<ClientError> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Ends the thread.
    pub fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<Held, Runs>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the thread should end; waits as long as it should not.
    fn rest(&self, time: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(ended, time, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn beat(&self, boot: &str) -> Beat {
        let runs = |(held, runs): (&Held, &Runs)| {
            let cycles = runs.cycles.load(Ordering::Relaxed);
            Running { held: *held, cycles: (cycles > 0).then_some(cycles) }
        };
        Beat {
            boot: boot.to_owned(),
            running: self.running().iter().map(runs).collect(),
            resident_bytes: crate::resident_bytes().unwrap_or(0),
            is_draining: self.draining.load(Ordering::Acquire),
        }
    }
}

/// Starts the thread.
pub fn start(
    pulse: Arc<Pulse>,
    client: Client,
    worker: String,
    boot: String,
    every: Duration,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("phalanx-heartbeat".into()).spawn(move || {
        loop {
            match client.beat(&worker, &pulse.beat(&boot)) {
                Ok(answer) => {
                    let running = pulse.running();
                    for runs in answer.stop.iter().filter_map(|held| running.get(held)) {
                        runs.stop.cancel();
                    }
                    drop(running);
                    pulse.told_to_drain.store(answer.drain, Ordering::Release);
                }
                // Tasks go on: when the gateway comes back before their leases run out, nothing was lost.
                Err(error) if error.may_retry() => tracing::warn!(%error, "the gateway does not take a heartbeat"),
                Err(error) => *pulse.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
            if pulse.rest(every) {
                return;
            }
        }
    })
}
