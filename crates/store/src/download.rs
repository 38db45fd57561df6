//! Downloads: an artifact as a stream of bytes, raw or in stored form, whole or a range of it, in bounded memory.
//!
//! The streams are for async callers on any runtime; what they read and decode runs on the store's own threads.

use std::{
    io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{
    Stream,
    executor::{block_on, block_on_stream},
};
use object_store::{ObjectMeta, ObjectStore};
use phalanx_claim::{ArtifactKind, Digest};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Corrupt, Store, StoreError,
    chunks::Chunks,
    codec::{
        artifact::{HEADER_BYTES, Header, stored_bytes_max},
        streamed::{Decoding, FRONT_BYTES},
    },
    layout,
    objects::{front, stopped},
};

/// Chunks that wait for a slow reader; then the store waits for it.
const CHUNKS_AHEAD: usize = 2;

/// How an artifact is transferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Its bytes. A stream of them that ends without an error was checked: its last bytes come after the check.
    Raw,
    /// As the store keeps it, header and zstd frame. Whoever gets it checks it.
    Stored,
}

/// An artifact that was found, of which nothing but the header has been read.
#[derive(Debug)]
pub struct Opened {
    store: Store,
    digest: Digest,
    meta: ObjectMeta,
    header: Header,
    front: Bytes,
}

/// Bytes of an artifact. Ends with an error when the artifact cannot be read to its end or is corrupt.
pub struct Download {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl Stream for Download {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(context)
    }
}

impl Store {
    /// Finds an artifact; `None` when it is missing or its header is corrupt.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub async fn open_artifact(&self, digest: &Digest) -> Result<Option<Opened>, StoreError> {
        let path = layout::artifact(digest);
        let failed = |reason| StoreError::Read { place: self.inner.objects.place(&path), reason };
        let (sender, receiver) = oneshot::channel();
        let (inner, at) = (self.inner.objects.inner().clone(), path.clone());
        self.inner.objects.threads().map_err(failed)?.spawn(async move {
            // Who does not wait any more does not want it.
            let _ = sender.send(front(&*inner, &at, FRONT_BYTES as u64).await);
        });
        let read = receiver.await.map_err(|_| failed(stopped()))?;
        let Some((meta, front)) = self.inner.objects.found(&path, read)? else { return Ok(None) };
        match Header::parse(&front) {
            Ok(header) if meta.size <= stored_bytes_max() => {
                Ok(Some(Opened { store: self.clone(), digest: *digest, meta, header, front }))
            }
            _ => Ok(None),
        }
    }
}

impl Store {
    /// The header of an artifact that is intact, found so by downloading it to nowhere. Blocks.
    pub(crate) fn intact_remote(&self, digest: &Digest) -> Result<Option<Header>, StoreError> {
        let Some(opened) = block_on(self.open_artifact(digest))? else { return Ok(None) };
        for chunk in block_on_stream(opened.download(Form::Raw, 0..u64::MAX)?) {
            match chunk {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
                Err(reason) => {
                    let place = self.inner.objects.place(&opened.meta.location);
                    return Err(StoreError::Read { place, reason });
                }
            }
        }
        Ok(Some(opened.header))
    }
}

impl Opened {
    /// What it was put as.
    pub fn kind(&self) -> ArtifactKind {
        self.header.kind
    }

    /// How many bytes it has in this form.
    pub fn bytes(&self, form: Form) -> u64 {
        match form {
            Form::Raw => self.header.raw_bytes,
            Form::Stored => self.meta.size,
        }
    }

    /// Those of its bytes in this form that are in `range` and exist.
    ///
    /// A range of raw bytes costs as much as all of them: only so they can be checked.
    ///
    /// # Errors
    /// When the system gives the store no threads.
    pub fn download(&self, form: Form, range: Range<u64>) -> Result<Download, StoreError> {
        let end = range.end.min(self.bytes(form));
        let range = range.start.min(end)..end;
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let objects = &self.store.inner.objects;
        let place = objects.place(&self.meta.location);
        let threads = objects.threads().map_err(|reason| StoreError::Read { place, reason })?;
        let (inner, meta, digest, front) =
            (objects.inner().clone(), self.meta.clone(), self.digest, self.front.clone());
        threads.spawn(async move {
            let sent = match form {
                Form::Stored => send(&inner, &meta, range, &sender).await,
                Form::Raw => send_decoded(&inner, &meta, &digest, &front, range, &sender).await,
            };
            if let Err(error) = sent {
                // Who does not wait any more does not want the error either.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok(Download { chunks })
    }
}

type Sender = mpsc::Sender<io::Result<Bytes>>;

/// Sends the file's bytes in `range`.
async fn send(objects: &Arc<dyn ObjectStore>, meta: &ObjectMeta, range: Range<u64>, to: &Sender) -> io::Result<()> {
    let mut chunks = Chunks::open(&**objects, meta, range).await?;
    while let Some(chunk) = chunks.next().await? {
        if to.send(Ok(chunk)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the artifact's bytes in `range`, the last of them when all were checked.
async fn send_decoded(
    objects: &Arc<dyn ObjectStore>,
    meta: &ObjectMeta,
    digest: &Digest,
    front: &[u8],
    range: Range<u64>,
    to: &Sender,
) -> io::Result<()> {
    let corrupt = |corrupt: Corrupt| io::Error::new(io::ErrorKind::InvalidData, corrupt);
    let mut decoding = Decoding::start(front).map_err(corrupt)?;
    let mut chunks = Chunks::open(&**objects, meta, HEADER_BYTES as u64..meta.size).await?;
    let (mut at, mut last) = (0, Bytes::new());
    while let Some(chunk) = chunks.next().await? {
        let mut body = &*chunk;
        loop {
            let piece = decoding.decode(&mut body).map_err(corrupt)?;
            if piece.is_empty() && body.is_empty() {
                break;
            }
            let (end, wanted) = cut(piece, at, &range);
            at = end;
            if wanted.is_empty() {
                continue;
            }
            let before = std::mem::replace(&mut last, wanted);
            if !before.is_empty() && to.send(Ok(before)).await.is_err() {
                return Ok(());
            }
        }
    }
    decoding.finish(digest).map_err(corrupt)?;
    if !last.is_empty() {
        // Who does not wait any more does not want it.
        let _ = to.send(Ok(last)).await;
    }
    Ok(())
}

/// Where a piece that starts at `at` ends, and what of it is in `range`.
fn cut(piece: Vec<u8>, at: u64, range: &Range<u64>) -> (u64, Bytes) {
    let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
    let inside = |to: u64| usize::try_from(to.saturating_sub(at).min(bytes)).unwrap_or(usize::MAX);
    let wanted = Bytes::from(piece).slice(inside(range.start)..inside(range.end).max(inside(range.start)));
    (at.saturating_add(bytes), wanted)
}
