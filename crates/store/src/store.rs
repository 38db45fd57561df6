//! [`Store`]: opening it, and putting and getting artifacts.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use phalanx_claim::{ArtifactKind, Digest};

use crate::{
    ARTIFACT_BYTES_MAX, Corrupt, StoreError,
    codec::artifact::{self, HEADER_BYTES, Header},
    format,
    hold::{Gate, Holds},
    layout,
    objects::Objects,
};

/// A handle on a store. Clones share it; so do processes that open the same directory.
///
/// A handle holds every artifact that it has put, recorded or looked up against collection, until its last clone is
/// dropped or its process ends. Open one per job, and [`pin`](Self::pin) what must outlive it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub root: PathBuf,
    pub objects: Objects,
    pub gate: Gate,
    pub holds: Holds,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.inner.root).finish()
    }
}

impl Store {
    /// Opens the store in a directory, and makes it when there is none.
    ///
    /// # Errors
    /// When the directory cannot be written, holds something else, or a store of another format.
    pub fn open_dir(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = std::path::absolute(path.as_ref())
            .map_err(|reason| StoreError::Open { path: path.as_ref().to_owned(), reason })?;
        format::open(&root)?;
        let (gate, holds, objects) = (Gate::open(&root)?, Holds::open(&root), Objects::open_dir(&root)?);
        Ok(Self { inner: Arc::new(Inner { root, objects, gate, holds }) })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.inner.root
    }

    /// Stores `bytes` and returns their digest. Writes nothing when they are there already, and heals what is corrupt.
    ///
    /// The kind says what the bytes were made as and decides whether a collection looks for names in them. Bytes that
    /// were put as two kinds keep the one whose references have to be followed.
    ///
    /// # Errors
    /// When the bytes are longer than [`ARTIFACT_BYTES_MAX`] or cannot be written; then nothing is left of them.
    pub fn put(&self, kind: ArtifactKind, bytes: &[u8]) -> Result<Digest, StoreError> {
        let raw_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if raw_bytes > ARTIFACT_BYTES_MAX {
            return Err(StoreError::TooLong { bytes: raw_bytes, bytes_max: ARTIFACT_BYTES_MAX });
        }
        let digest = Digest::of(bytes);
        self.hold(&digest)?;
        let path = layout::artifact(&digest);
        if let Some(stored) = self.inner.objects.read(&path, artifact::stored_bytes_max())?
            && let Ok((found, there)) = artifact::decode(&stored)
            && there == bytes
            && (found == kind || !may_name(kind))
        {
            return Ok(digest);
        }
        let stored = artifact::encode(kind, bytes)
            .map_err(|reason| StoreError::Write { path: self.inner.objects.file_path(&path), reason })?;
        self.inner.objects.write(&path, stored)?;
        Ok(digest)
    }

    /// The bytes that `digest` names, checked against it; `None` when they are missing or corrupt, which is the same.
    ///
    /// `kind` is what the caller takes them for and what the log says when they are corrupt. The digest alone names the
    /// bytes: they are found whatever they were put as.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn get(&self, digest: &Digest, kind: ArtifactKind) -> Result<Option<Arc<[u8]>>, StoreError> {
        match self.read(digest)? {
            Some(Ok((_, bytes))) => Ok(Some(bytes.into())),
            Some(Err(corrupt)) => {
                let path = self.inner.objects.file_path(&layout::artifact(digest));
                tracing::warn!(%digest, %kind, path = %path.display(), "corrupt artifact counts as missing: {corrupt}");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Whether there is an artifact of this name. Reads its header only: [`get`](Self::get) may still find it corrupt.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn contains(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.header(digest)?.is_some_and(|header| header.is_ok()))
    }

    pub(crate) fn header(&self, digest: &Digest) -> Result<Option<Result<Header, Corrupt>>, StoreError> {
        let read = self.inner.objects.read(&layout::artifact(digest), HEADER_BYTES as u64)?;
        Ok(read.map(|stored| Header::parse(&stored)))
    }

    pub(crate) fn read(&self, digest: &Digest) -> Result<Option<Decoded>, StoreError> {
        let read = self.inner.objects.read(&layout::artifact(digest), artifact::stored_bytes_max())?;
        Ok(read.map(|stored: Bytes| artifact::decode_named(digest, &stored)))
    }

    pub(crate) fn hold(&self, digest: &Digest) -> Result<(), StoreError> {
        if self.inner.holds.has(digest) {
            return Ok(());
        }
        self.inner.holds.hold(&self.inner.gate.shared()?, digest)
    }
}

/// What a file holds: an artifact, or nothing that counts as one.
pub(crate) type Decoded = Result<(ArtifactKind, Vec<u8>), Corrupt>;

/// Whether an artifact of this kind can name others. The first three are the user's bytes and the machine's memory:
/// whatever looks like a digest in them names nothing.
pub(crate) fn may_name(kind: ArtifactKind) -> bool {
    match kind {
        ArtifactKind::Program | ArtifactKind::Stdin | ArtifactKind::Pages => false,
        ArtifactKind::Segment | ArtifactKind::Execution | ArtifactKind::Proof | ArtifactKind::Receipt => true,
    }
}
