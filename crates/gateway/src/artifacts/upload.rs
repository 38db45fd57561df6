//! Uploads: a body becomes a file beside the store, and the file an artifact once it was checked.

use std::{
    io::{ErrorKind, Seek, SeekFrom},
    time::Instant,
};

use axum::extract::Request;
use phalanx_api::{ErrorCode, Stored};
use phalanx_claim::{ArtifactKind, Digest};
use phalanx_store::{Spool, UploadError};
use tokio::{fs::File, io::AsyncWriteExt, sync::SemaphorePermit};

use crate::{
    failure::{Answer, FULL, Refused},
    metrics::{self, Direction},
    receive::Pieces,
    state::State,
};

/// How much of the beginning is remembered.
const HEAD_BYTES: usize = 16;
/// Where the stored form names its kind.
const KIND_AT: usize = 4;

/// A body that was received whole.
pub(crate) struct Spooled<'a> {
    spool: Spool,
    head: Vec<u8>,
    bytes: u64,
    began: Instant,
    _permit: SemaphorePermit<'a>,
}

impl Spooled<'_> {
    /// Whether its first bytes are these, 16 at most.
    pub fn begins_with(&self, magic: &[u8]) -> bool {
        self.head.starts_with(magic)
    }
}

/// Receives a body of at most `bytes_max` bytes.
pub(crate) async fn spool(state: &State, request: Request, bytes_max: u64) -> Answer<Spooled<'_>> {
    // What is too long says so before it waits for its turn.
    let mut pieces = Pieces::new(request, bytes_max, state.limits.chunk_wait)?;
    let permit = state.transfers.acquire().await.map_err(Refused::internal)?;
    let (store, began) = (state.stores.current(), Instant::now());
    let spool = state.blocking.run(move || store.spool()).await??;
    let mut file = File::from_std(spool.file().try_clone().map_err(unwritable)?);
    let (mut head, mut bytes) = (Vec::new(), 0_u64);
    while let Some(piece) = pieces.next().await? {
        let missing = HEAD_BYTES.saturating_sub(head.len());
        head.extend(piece.iter().take(missing));
        bytes = bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        file.write_all(&piece).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)?;
    Ok(Spooled { spool, head, bytes, began, _permit: permit })
}

/// Stores what was received, which is raw; under this name only, if it is given.
pub(crate) async fn put_raw(
    state: &State,
    kind: ArtifactKind,
    name: Option<Digest>,
    spooled: Spooled<'_>,
) -> Answer<Stored> {
    let Spooled { spool, bytes, began, _permit, .. } = spooled;
    if let Some(expected) = name {
        let mut file = spool.file().try_clone().map_err(unwritable)?;
        let hashed = move || {
            file.seek(SeekFrom::Start(0))?;
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(file)?;
            Ok::<_, std::io::Error>(Digest::new(*hasher.finalize().as_bytes()))
        };
        let got = state.blocking.run(hashed).await?.map_err(unwritable)?;
        if got != expected {
            let message = format!("these {bytes} bytes are artifact {got}, not {expected}");
            return Err(Refused::new(ErrorCode::Corrupt, message));
        }
    }
    let store = state.stores.current();
    let digest = state.blocking.run(move || store.put_raw(kind, &spool)).await??;
    metrics::transferred(Direction::Up, bytes, began.elapsed());
    Ok(Stored { digest, bytes })
}

/// Stores what was received if it is the stored form of this artifact, of one of these kinds.
pub(crate) async fn put_stored(
    state: &State,
    digest: Digest,
    kinds: &'static [ArtifactKind],
    spooled: Spooled<'_>,
) -> Answer<Stored> {
    // A byte that names no kind is the store's to refuse.
    let kind = spooled.head.get(KIND_AT).copied().and_then(ArtifactKind::from_number);
    if let Some(kind) = kind.filter(|kind| !kinds.contains(kind)) {
        return Err(Refused::new(ErrorCode::Forbidden, format!("a token of this scope may not store a {kind}")));
    }
    let Spooled { spool, bytes, began, _permit, .. } = spooled;
    let store = state.stores.current();
    let put = state.blocking.run(move || store.put_stored(&digest, spool)).await?;
    let (_, raw_bytes) = put.map_err(|error| match error {
        UploadError::Corrupt { .. } => Refused::new(ErrorCode::Corrupt, error.to_string()),
        UploadError::Store(error) => error.into(),
    })?;
    metrics::transferred(Direction::Up, bytes, began.elapsed());
    Ok(Stored { digest, bytes: raw_bytes })
}

fn unwritable(error: std::io::Error) -> Refused {
    let says = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FULL,
        _ => "the gateway cannot keep the upload; try again",
    };
    Refused::new(ErrorCode::Unavailable, says).cause(error)
}
