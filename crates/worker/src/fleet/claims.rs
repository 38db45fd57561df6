//! Asking for tasks by long poll, in a thread beside the one that decides.
//!
//! In: what the worker has room for. Out: a task, or none, or why there is no answer; one for each question.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use phalanx_api::{Assignment, Claim};
use phalanx_client::{Client, ClientError};

use super::room::Wish;

/// What came of one question.
pub type Answer = Result<Option<Assignment>, ClientError>;

/// A busy worker's question waits so long at most: when one of its tasks ends it has room for more than it asked for.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// Takes questions, one at a time.
pub struct Claims {
    wishes: SyncSender<Wish>,
}

impl Claims {
    /// Starts the thread; `tell` gets the answers in it. It ends when this is dropped and the last answer is there.
    pub fn start(
        client: Client,
        worker: String,
        boot: String,
        idle_wait: Duration,
        tell: impl Fn(Answer) + Send + 'static,
    ) -> io::Result<Self> {
        let (wishes, asked): (_, Receiver<Wish>) = sync_channel(1);
        thread::Builder::new().name("phalanx-claims".into()).spawn(move || {
            for Wish { kinds, ram_bytes, is_idle } in asked {
                let wait = if is_idle { idle_wait } else { idle_wait.min(BUSY_WAIT) };
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                tell(client.claim(&worker, &Claim { boot: boot.clone(), kinds, ram_bytes, wait_ms }));
            }
        })?;
        Ok(Self { wishes })
    }

    /// Asks. The answer comes through `tell`; nothing else may be asked before.
    pub fn ask(&self, wish: Wish) {
        // The thread lives as long as this does.
        let _ = self.wishes.send(wish);
    }
}
