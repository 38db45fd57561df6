//! Artifacts of a gateway, through a store of this machine.
//!
//! In: digests. Out: bytes whose digest is right; what the local store lacks is fetched and kept there.

use std::sync::Arc;

use phalanx_claim::{ArtifactKind, Digest};
use phalanx_client::Client;
use phalanx_engine::{Artifact, ArtifactSink, ArtifactSource, SourceError, TaskError};
use phalanx_store::Store;

/// Reads from the store, then from the gateway; writes to the store.
pub struct RemoteSource<'a> {
    /// Where missing artifacts come from.
    pub client: &'a Client,
    /// Where they are kept.
    pub store: &'a Store,
}

impl ArtifactSource for RemoteSource<'_> {
    fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Arc<[u8]>, SourceError> {
        let failed = |reason: String| SourceError::Failed { digest: *digest, reason };
        if let Some(bytes) = self.store.get(digest, kind).map_err(|error| failed(error.to_string()))? {
            return Ok(bytes);
        }
        let bytes = self.client.artifact(digest).map_err(|error| match error.is_not_found() {
            true => SourceError::Missing { digest: *digest, kind },
            false => failed(error.to_string()),
        })?;
        if Digest::of(&bytes) != *digest {
            return Err(failed(format!("{} sent other bytes", self.client.server())));
        }
        self.store.put(kind, &bytes).map_err(|error| failed(error.to_string()))?;
        Ok(bytes.into())
    }
}

impl ArtifactSink for RemoteSource<'_> {
    fn put(&self, artifact: Artifact) -> Result<Digest, TaskError> {
        self.store.put(artifact.kind, &artifact.bytes).map_err(|error| TaskError::Retry(error.to_string()))
    }
}
