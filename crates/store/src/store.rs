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
    hold::{Gate, Holds, Passed},
    layout,
    objects::{Objects, text},
    remote,
};

/// A handle on a store. Clones share it; so do processes that open the same directory or bucket.
///
/// In a directory, a handle holds every artifact that it has put, recorded or looked up against collection, until its last
/// clone is dropped or its process ends. Open one per job, and [`pin`](Self::pin) what must outlive it.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub objects: Objects,
    /// What only a store in a directory has.
    pub local: Option<Local>,
}

/// What orders the processes that share a directory.
pub(crate) struct Local {
    pub root: PathBuf,
    pub gate: Gate,
    pub holds: Holds,
}

impl Inner {
    /// Waits while a collection removes; nothing to wait for where there are no locks.
    pub fn shared(&self) -> Result<Option<Passed>, StoreError> {
        self.local.as_ref().map(|local| local.gate.shared()).transpose()
    }

    /// Holds `digest` until the handle or the process ends, where holds are.
    pub fn hold(&self, gate: Option<&Passed>, digest: &Digest) -> Result<(), StoreError> {
        match (&self.local, gate) {
            (Some(local), Some(gate)) => local.holds.hold(gate, digest),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.name()).finish()
    }
}

impl Store {
    /// Opens the store at `place`, and makes it when there is none: a directory, `s3://bucket/prefix`,
    /// `gs://bucket/prefix` or `az://container/prefix`. How to reach a bucket, the environment says: `AWS_…`, `GOOGLE_…`
    /// and `AZURE_…` variables.
    ///
    /// # Errors
    /// When the place names no store, cannot be reached or written, or holds something else or a store of another format.
    pub fn open(place: &str) -> Result<Self, StoreError> {
        let variables = std::env::vars_os();
        Self::open_with(
            place,
            variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        )
    }

    /// As [`open`](Self::open), with these variables in place of the environment's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(place: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, StoreError> {
        if !place.contains("://") {
            return Self::open_dir(place);
        }
        let objects = Objects::new(remote::connect(place, &variables.into_iter().collect::<Vec<_>>())?);
        format::open_remote(&objects)?;
        Ok(Self { inner: Arc::new(Inner { objects, local: None }) })
    }

    /// Opens the store in a directory, and makes it when there is none.
    ///
    /// # Errors
    /// When the directory cannot be written, holds something else, or a store of another format.
    pub fn open_dir(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = std::path::absolute(path.as_ref())
            .map_err(|reason| StoreError::Open { place: text(path.as_ref()), reason })?;
        format::open(&root)?;
        let (gate, holds, objects) = (Gate::open(&root)?, Holds::open(&root), Objects::open_dir(&root)?);
        Ok(Self { inner: Arc::new(Inner { objects, local: Some(Local { root, gate, holds }) }) })
    }

    /// The directory or URL, without secrets.
    pub fn name(&self) -> &str {
        self.inner.objects.name()
    }

    /// The directory, if it is in one.
    pub fn path(&self) -> Option<&Path> {
        self.inner.local.as_ref().map(|local| local.root.as_path())
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
        if self.inner.local.is_none() {
            // Not read back to compare, which would cost as much: writing it again heals it and keeps it young.
            if !self.is_kept_as_other(&digest, kind)? {
                let place = self.inner.objects.place(&path);
                let stored = artifact::encode(kind, bytes).map_err(|reason| StoreError::Write { place, reason })?;
                self.inner.objects.write(&path, stored)?;
            }
            return Ok(digest);
        }
        if let Some(stored) = self.inner.objects.read(&path, artifact::stored_bytes_max())?
            && let Ok((found, there)) = artifact::decode(&stored)
            && there == bytes
            && (found == kind || !may_name(kind))
        {
            return Ok(digest);
        }
        let stored = artifact::encode(kind, bytes)
            .map_err(|reason| StoreError::Write { place: self.inner.objects.place(&path), reason })?;
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
                let place = self.inner.objects.place(&layout::artifact(digest));
                tracing::warn!(%digest, %kind, place, "corrupt artifact counts as missing: {corrupt}");
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
        match &self.inner.local {
            Some(local) if !local.holds.has(digest) => local.holds.hold(&local.gate.shared()?, digest),
            _ => Ok(()),
        }
    }

    /// Whether the artifact is there as a kind whose references have to be followed, which those of `kind` have not.
    pub(crate) fn is_kept_as_other(&self, digest: &Digest, kind: ArtifactKind) -> Result<bool, StoreError> {
        if may_name(kind) {
            return Ok(false);
        }
        let is_other = self.header(digest)?.is_some_and(|header| header.is_ok_and(|header| may_name(header.kind)));
        Ok(is_other && self.is_intact(digest)?)
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
