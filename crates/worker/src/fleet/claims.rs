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

use super::room::{Lane, Wish};

/// What came of one question.
pub type Answer = Result<Option<Assignment>, ClientError>;

/// A question for a part of the room waits so long at most: when a task ends there is room for more than was asked for.
const PART_WAIT: Duration = Duration::from_millis(250);

/// Takes questions, one at a time for each lane.
pub struct Claims {
    wishes: [SyncSender<Wish>; Lane::ALL.len()],
}

impl Claims {
    /// Starts a thread for each lane; `tell` gets the answers in it. They end when this is dropped and the last answers are
    /// there.
    pub fn start(
        client: &Client,
        worker: &str,
        boot: &str,
        idle_wait: Duration,
        tell: impl Fn(Lane, Answer) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let start = |lane: Lane| {
            let (client, worker, boot, tell) = (client.clone(), worker.to_owned(), boot.to_owned(), tell.clone());
            let (wishes, asked): (_, Receiver<Wish>) = sync_channel(1);
            thread::Builder::new().name("phalanx-claims".into()).spawn(move || {
                for Wish { kinds, ram_bytes, may_grow, .. } in asked {
                    let wait = if may_grow { idle_wait.min(PART_WAIT) } else { idle_wait };
                    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                    let claim = Claim { boot: boot.clone(), kinds, ram_bytes, wait_ms };
                    tell(lane, client.claim(&worker, &claim));
                }
            })?;
            Ok::<_, io::Error>(wishes)
        };
        let [execution, slots] = Lane::ALL;
        Ok(Self { wishes: [start(execution)?, start(slots)?] })
    }

    /// Asks. The answer comes through `tell`; nothing else may be asked in this lane before.
    pub fn ask(&self, wish: Wish) {
        // The thread lives as long as this does.
        let _ = self.wishes[wish.lane as usize].send(wish);
    }
}
