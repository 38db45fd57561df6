//! What all requests of a gateway share. None of it must outlive the gateway: another one on the same database can take over.

use std::sync::{Arc, atomic::AtomicUsize};

use phalanx_queue::Queue;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Auth, Limits, Verify, auth::Tokens, blocking::Blocking, engines::Engines, load::Load, pages::Pages, rate::Rates,
    stores::Stores,
};

/// A gateway's state, as handlers see it.
pub(crate) type Shared = Arc<State>;

pub(crate) struct State {
    pub queue: Queue,
    pub stores: Stores,
    pub verify: Verify,
    pub auth: Auth,
    pub limits: Limits,
    pub tokens: Tokens,
    pub rates: Rates,
    /// Threads for the store and the verifier.
    pub blocking: Blocking,
    pub engines: Engines,
    pub load: Load,
    pub pages: Pages,
    /// One permit for each transfer of an artifact.
    pub transfers: Arc<Semaphore>,
    /// One permit for each event stream.
    pub streams: Arc<Semaphore>,
    /// One permit for each look at a task that is only for metrics.
    pub looks: Arc<Semaphore>,
    /// Claims that wait for a task.
    pub claims_waiting: AtomicUsize,
    /// The gateway shuts down: whoever waits answers now.
    pub ending: CancellationToken,
    pub openapi: String,
}
