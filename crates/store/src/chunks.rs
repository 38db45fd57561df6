//! An object's bytes, chunk by chunk: exactly those asked for, or an error.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectMeta, ObjectStore};

use crate::error::reason;

/// How much of a local file is read at once.
const FILE_CHUNK_BYTES: u64 = 256 << 10;

/// Bytes on their way. Lives on the store's own threads.
pub(crate) struct Chunks {
    source: Source,
    left: u64,
}

enum Source {
    Empty,
    File(File),
    Network(BoxStream<'static, Result<Bytes, object_store::Error>>),
}

impl Chunks {
    /// The bytes in `range`, which lies inside the object, as long as it still is the object that `meta` describes.
    pub async fn open(objects: &dyn ObjectStore, meta: &ObjectMeta, range: Range<u64>) -> io::Result<Self> {
        let left = range.end.saturating_sub(range.start);
        if left == 0 {
            return Ok(Self { source: Source::Empty, left });
        }
        let options = GetOptions::new().with_if_match(meta.e_tag.clone());
        let options = options.with_range(Some(GetRange::Bounded(range.clone())));
        let source = match objects.get_opts(&meta.location, options).await.map_err(reason)?.payload {
            GetResultPayload::Stream(stream) => Source::Network(stream),
            GetResultPayload::File(mut file, _) => {
                file.seek(SeekFrom::Start(range.start))?;
                Source::File(file)
            }
        };
        Ok(Self { source, left })
    }

    /// The next chunk; `None` after the last.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            return Ok(None);
        }
        let chunk = match &mut self.source {
            Source::Empty => Bytes::new(),
            Source::Network(stream) => stream.next().await.transpose().map_err(reason)?.unwrap_or_default(),
            Source::File(file) => {
                let (file, bytes_max) = (file.try_clone()?, self.left.min(FILE_CHUNK_BYTES));
                let read = tokio::task::spawn_blocking(move || {
                    let mut bytes = Vec::new();
                    file.take(bytes_max).read_to_end(&mut bytes).map(|_| Bytes::from(bytes))
                });
                read.await.map_err(io::Error::other)??
            }
        };
        let bytes = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if bytes == 0 || bytes > self.left {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the object does not have the length it had"));
        }
        self.left -= bytes;
        Ok(Some(chunk))
    }
}
