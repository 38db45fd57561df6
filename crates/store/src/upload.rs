//! Uploads: artifacts that come in a [`Spool`], in stored form or raw, checked and put in bounded memory.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use phalanx_claim::{ArtifactKind, Digest};

use crate::{
    ARTIFACT_BYTES_MAX, Corrupt, Spool, Store, StoreError,
    codec::{
        artifact::{self, HEADER_BYTES, Header},
        streamed::{Decoding, FRONT_BYTES},
    },
    layout,
    objects::text,
    parts::Body,
    store::may_name,
};

/// How much of a spool is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Why an upload did not become an artifact.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// What was sent is not the artifact that it was sent as: the sender's fault.
    #[error("what was sent is not artifact {digest}: {corrupt}")]
    Corrupt {
        /// The artifact that it was sent as.
        digest: Digest,
        /// What is wrong with it.
        corrupt: Corrupt,
    },
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Checks that the spool holds the artifact `digest` in stored form, puts it, and returns what it was put as and its
    /// length. Writes nothing when it is there already, and heals what is corrupt. Blocks.
    ///
    /// A frame that says, or turns out, to be longer than its header or [`ARTIFACT_BYTES_MAX`] is refused as soon as that
    /// shows; at no time does more than a piece of it lie in memory.
    ///
    /// # Errors
    /// When the spool holds something else, or the store cannot be read or written; then nothing is left of it.
    pub fn put_stored(&self, digest: &Digest, spool: Spool) -> Result<(ArtifactKind, u64), UploadError> {
        let unreadable = |reason| StoreError::Read { place: spool.place(), reason };
        let header = match check(spool.file(), digest).map_err(unreadable)? {
            Ok(header) => header,
            Err(corrupt) => return Err(UploadError::Corrupt { digest: *digest, corrupt }),
        };
        self.put_checked(digest, header.kind, spool)?;
        Ok((header.kind, header.raw_bytes))
    }

    /// As [`put`](Self::put), of the bytes in a spool. Blocks.
    ///
    /// # Errors
    /// When they are longer than [`ARTIFACT_BYTES_MAX`] or cannot be read or written; then nothing is left of them.
    pub fn put_raw(&self, kind: ArtifactKind, raw: &Spool) -> Result<Digest, StoreError> {
        let unreadable = |reason| StoreError::Read { place: raw.place(), reason };
        let raw_bytes = raw.file().metadata().map_err(unreadable)?.len();
        if raw_bytes > ARTIFACT_BYTES_MAX {
            return Err(StoreError::TooLong { bytes: raw_bytes, bytes_max: ARTIFACT_BYTES_MAX });
        }
        let stored = self.spool()?;
        let encoded = encode(Header { kind, raw_bytes }, raw.file(), stored.file());
        let digest = encoded.map_err(|reason| StoreError::Write { place: stored.place(), reason })?;
        self.put_checked(&digest, kind, stored)?;
        Ok(digest)
    }

    /// Whether the artifact is there and its bytes are the right ones: reads all of it, in bounded memory. Blocks.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn is_intact(&self, digest: &Digest) -> Result<bool, StoreError> {
        Ok(self.intact(digest)?.is_some())
    }

    fn put_checked(&self, digest: &Digest, kind: ArtifactKind, spool: Spool) -> Result<(), StoreError> {
        self.hold(digest)?;
        let path = layout::artifact(digest);
        let Some(local) = &self.inner.local else {
            if self.is_kept_as_other(digest, kind)? {
                return Ok(());
            }
            let start = spool.file().try_clone().and_then(|mut file| file.seek(SeekFrom::Start(0)).map(|_| file));
            let file = start.map_err(|reason| StoreError::Read { place: spool.place(), reason })?;
            return self.inner.objects.write_body(&path, Body::File(file));
        };
        if self.intact(digest)?.is_some_and(|there| there.kind == kind || !may_name(kind)) {
            return Ok(());
        }
        let file = local.root.join(path.as_ref());
        spool.rename(&file).map_err(|reason| StoreError::Write { place: text(&file), reason })
    }

    /// The header of an artifact that is intact.
    fn intact(&self, digest: &Digest) -> Result<Option<Header>, StoreError> {
        let path = layout::artifact(digest);
        let checked = match &self.inner.local {
            Some(local) => File::open(local.root.join(path.as_ref())).and_then(|file| check(&file, digest)),
            None => return self.intact_remote(digest),
        };
        match checked {
            Ok(checked) => Ok(checked.ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(reason) => Err(StoreError::Read { place: self.inner.objects.place(&path), reason }),
        }
    }
}

/// Whether a file is the artifact `digest`, and what it says it is.
fn check(mut stored: &File, digest: &Digest) -> io::Result<Result<Header, Corrupt>> {
    stored.seek(SeekFrom::Start(0))?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    stored.take(FRONT_BYTES as u64).read_to_end(&mut chunk)?;
    let mut decoding = match Decoding::start(&chunk) {
        Ok(decoding) => decoding,
        Err(corrupt) => return Ok(Err(corrupt)),
    };
    chunk.drain(..HEADER_BYTES.min(chunk.len()));
    while !chunk.is_empty() {
        let mut body = chunk.as_slice();
        loop {
            match decoding.decode(&mut body) {
                Ok(piece) if piece.is_empty() && body.is_empty() => break,
                Ok(_) => {}
                Err(corrupt) => return Ok(Err(corrupt)),
            }
        }
        chunk.clear();
        stored.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    }
    Ok(decoding.finish(digest))
}

/// Writes the stored form of `raw`, which has as many bytes as the header says, and returns their digest.
fn encode(header: Header, mut raw: &File, mut stored: &File) -> io::Result<Digest> {
    raw.seek(SeekFrom::Start(0))?;
    stored.write_all(&header.to_bytes())?;
    let mut encoder = zstd::Encoder::new(stored, artifact::ZSTD_LEVEL)?;
    encoder.set_pledged_src_size(Some(header.raw_bytes))?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = raw.read(&mut chunk)?;
        let Some(bytes @ [_, ..]) = chunk.get(..read) else { break };
        hasher.update(bytes);
        encoder.write_all(bytes)?;
    }
    encoder.finish()?;
    Ok(Digest::new(*hasher.finalize().as_bytes()))
}
