//! The artifacts that a task reads and makes: in the gateway's own store, or sent to and from it with some kept on disk.
//!
//! In: digests to read, artifacts to keep. Out: bytes whose digest was checked, or names that the gateway knows from then on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use phalanx_api::Transfer;
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_client::{Client, ClientError};
use phalanx_engine::{Artifact, ArtifactSource, CancelToken, SourceError};
use phalanx_store::{Store, StoreError, decode_artifact, encode_artifact};

use super::cache::Cache;
use crate::{attempt::Failure, work::StoreSource};

/// Whether longer artifacts are there already is asked before they are sent.
const ASKED_BYTES_MIN: usize = 32 << 10;
/// A transfer is tried again for so long: longer than a gateway takes to come back, shorter than anyone would wait.
const TRANSFER_MAX: Duration = Duration::from_mins(10);

/// How long to wait for room in a store that is full.
const ROOM_PAUSE: Duration = Duration::from_millis(500);

/// Where one task's artifacts are.
#[derive(Clone)]
pub struct Depot {
    kept: Kept,
    stop: CancelToken,
}

#[derive(Clone)]
enum Kept {
    Here(Store),
    There(Arc<Carrier>),
}

/// Sends artifacts to the gateway or where it says, and fetches them from there; one for all tasks of a worker.
pub struct Carrier {
    client: Client,
    cache: Cache,
    /// The gateway's store gives no places of its own, so nobody need ask it for each artifact.
    is_through_gateway: AtomicBool,
}

impl Carrier {
    /// With the artifacts of this cache at hand.
    pub fn new(client: Client, cache: Cache) -> Self {
        Self { client, cache, is_through_gateway: AtomicBool::new(false) }
    }

    fn place(&self, digest: &Digest, transfer: Transfer) -> Result<Option<String>, ClientError> {
        if self.is_through_gateway.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let url = self.client.place(digest, transfer)?.url;
        self.is_through_gateway.store(url.is_none(), Ordering::Relaxed);
        Ok(url)
    }

    fn send(&self, digest: &Digest, stored: &[u8]) -> Result<(), ClientError> {
        // What an execution that runs again puts is there already.
        if stored.len() > ASKED_BYTES_MIN && self.client.has_artifact(digest)? {
            return Ok(());
        }
        match self.place(digest, Transfer::Put)? {
            Some(url) => self.client.put_url(&url, stored),
            None => self.client.put_artifact_stored(digest, stored),
        }
    }

    fn fetch(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        match self.place(digest, Transfer::Get)? {
            Some(url) => self.client.get_url(&url),
            None => self.client.artifact_stored(digest),
        }
    }
}

impl Depot {
    /// In the gateway's store.
    pub fn here(store: Store, stop: CancelToken) -> Self {
        Self { kept: Kept::Here(store), stop }
    }

    /// At the gateway.
    pub fn there(carrier: Arc<Carrier>, stop: CancelToken) -> Self {
        Self { kept: Kept::There(carrier), stop }
    }

    /// Makes an artifact known to the gateway.
    pub fn put(&self, artifact: &Artifact) -> Result<Digest, Failure> {
        match &self.kept {
            Kept::Here(store) => Ok(self.with_room(|| store.put(artifact.kind, &artifact.bytes))?),
            Kept::There(carrier) => {
                let digest = artifact.digest();
                let stored = encode_artifact(artifact.kind, &artifact.bytes)
                    .map_err(|error| Failure::Store(format!("cannot compress artifact {digest}: {error}")))?;
                carrier.cache.put(&digest, &stored);
                self.persistently(carrier, || carrier.send(&digest, &stored))
                    .map_err(|error| Failure::Store(format!("cannot send artifact {digest}: {error}")))?;
                Ok(digest)
            }
        }
    }

    /// Tries again while there is no room, as somebody will make some; a result is worth waiting for.
    fn with_room<T>(&self, mut call: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let until = Instant::now() + TRANSFER_MAX;
        loop {
            match call() {
                Err(error) if error.is_full() && !self.stop.is_cancelled() && Instant::now() < until => {
                    tracing::warn!(%error, "the store is full; it is tried again");
                    thread::sleep(ROOM_PAUSE);
                }
                ended => return ended,
            }
        }
    }

    /// Tries again until it works, the task is not wanted any more, or too long has passed.
    fn persistently<T>(
        &self,
        carrier: &Carrier,
        call: impl FnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let wanted = || !self.stop.is_cancelled();
        carrier.client.persistently_while(Instant::now() + TRANSFER_MAX, &wanted, call)
    }
}

impl ArtifactSource for Depot {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError> {
        let carrier = match &self.kept {
            Kept::Here(store) => return StoreSource(store).get(digest, kind),
            Kept::There(carrier) => carrier,
        };
        let cache = &carrier.cache;
        if let Some(stored) = cache.get(digest) {
            match read(digest, &stored) {
                Some(bytes) => return Ok(bytes),
                None => cache.remove(digest),
            }
        }
        let stored =
            self.persistently(carrier, || carrier.fetch(digest)).map_err(|error| match error.is_not_found() {
                true => SourceError::Missing { digest: *digest, kind },
                false => SourceError::Failed { digest: *digest, reason: error.to_string() },
            })?;
        // Corrupt is missing: whoever made it makes it again.
        let bytes = read(digest, &stored).ok_or(SourceError::Missing { digest: *digest, kind })?;
        cache.put(digest, &stored);
        Ok(bytes)
    }
}

/// The bytes of an artifact in stored form, if they are those of its name.
fn read(digest: &Digest, stored: &[u8]) -> Option<Arc<[u8]>> {
    let (_, bytes) = decode_artifact(stored).ok()?;
    (Digest::of(&bytes) == *digest).then(|| bytes.into())
}
