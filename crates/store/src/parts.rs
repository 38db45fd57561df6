//! Writing an object: short ones in one request, long ones in parts, so that no more than two parts lie in memory.

use std::{
    fs::File,
    io::{self, Read},
};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart, path::Path};

use crate::objects::failed;

/// How long a part is: every server takes 8 MiB, and the longest artifact has fewer parts than any server's limit.
const PART_BYTES: usize = 8 << 20;

/// What is to be written.
pub(crate) enum Body {
    Bytes(Bytes),
    /// From where the file stands to its end.
    File(File),
}

impl Body {
    /// The next part, shorter than [`PART_BYTES`] only at the end.
    async fn next(&mut self) -> io::Result<Bytes> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.split_to(bytes.len().min(PART_BYTES))),
            Self::File(file) => {
                let file = file.try_clone()?;
                let read = tokio::task::spawn_blocking(move || {
                    let mut part = Vec::new();
                    file.take(PART_BYTES as u64).read_to_end(&mut part).map(|_| Bytes::from(part))
                });
                read.await.map_err(io::Error::other)?
            }
        }
    }
}

/// Writes an object in place of what was there. It appears whole or not at all.
pub(crate) async fn put(objects: &dyn ObjectStore, path: &Path, mut body: Body) -> Result<(), object_store::Error> {
    let first = body.next().await.map_err(failed)?;
    if first.len() < PART_BYTES {
        return objects.put(path, PutPayload::from_bytes(first)).await.map(drop);
    }
    let mut writing = WriteMultipart::new_with_chunk_size(objects.put_multipart(path).await?, PART_BYTES);
    match send(&mut writing, first, body).await {
        Ok(()) => writing.finish().await.map(drop),
        Err(error) => {
            // What was sent costs space until the server forgets it; the first error says more than this one.
            let _ = writing.abort().await;
            Err(error)
        }
    }
}

async fn send(writing: &mut WriteMultipart, first: Bytes, mut body: Body) -> Result<(), object_store::Error> {
    let mut part = first;
    while !part.is_empty() {
        writing.wait_for_capacity(1).await?;
        writing.put(part);
        part = body.next().await.map_err(failed)?;
    }
    Ok(())
}
