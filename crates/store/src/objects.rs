//! A blocking face on `object_store`: whole objects in and out, errors with the full place and the system's own words.
//!
//! Outside an async runtime, local files are read and written on the caller's own thread: a future is ready when it is
//! first polled. Inside one, where blocking on a future is forbidden, and for objects behind a network, the future runs
//! on threads of the store's own and the caller waits on a plain channel.

use std::{
    io,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
    client::{HttpError, HttpErrorKind},
    local::LocalFileSystem,
    path::Path,
    signer::Signer,
};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{
    StoreError,
    error::reason,
    parts::{self, Body},
    remote::Remote,
};

/// Threads that drive futures; file I/O itself runs on the blocking pool.
const DRIVERS: usize = 2;

/// Most file operations that run at once; more would wait for the same disk.
const BLOCKING_MAX: usize = 32;

/// Objects under one directory, or under one prefix of a bucket.
pub(crate) struct Objects {
    inner: Arc<dyn ObjectStore>,
    at: At,
    /// Made when a caller needs it for the first time.
    runtime: Mutex<Option<Runtime>>,
}

enum At {
    Directory { root: PathBuf, name: String },
    Bucket { signer: Arc<dyn Signer>, prefix: Path, name: String, patience: Duration },
}

/// A path of the file system, for an error.
pub(crate) fn text(path: &FilePath) -> String {
    path.display().to_string()
}

impl Objects {
    /// The objects below `root`, which exists.
    pub fn open_dir(root: &FilePath) -> Result<Self, StoreError> {
        let inner = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| StoreError::Open { place: text(root), reason: reason(error) })?;
        let at = At::Directory { root: root.to_owned(), name: text(root) };
        Ok(Self { inner: Arc::new(inner), at, runtime: Mutex::new(None) })
    }

    /// The objects that `remote` leads to.
    pub fn new(remote: Remote) -> Self {
        let Remote { objects, signer, prefix, name, patience } = remote;
        Self { inner: objects, at: At::Bucket { signer, prefix, name, patience }, runtime: Mutex::new(None) }
    }

    /// What the store is called, without secrets.
    pub fn name(&self) -> &str {
        match &self.at {
            At::Directory { name, .. } | At::Bucket { name, .. } => name,
        }
    }

    /// Where an object lies, for an error or a log.
    pub fn place(&self, path: &Path) -> String {
        match &self.at {
            At::Directory { root, .. } => text(&root.join(path.as_ref())),
            At::Bucket { name, .. } => format!("{name}/{path}"),
        }
    }

    /// How long what fails is tried again.
    fn patience(&self) -> Duration {
        match &self.at {
            At::Directory { .. } => Duration::ZERO,
            At::Bucket { patience, .. } => *patience,
        }
    }

    /// What signs URLs, and the name that it knows the object by.
    pub fn signer(&self, path: &Path) -> Option<(Arc<dyn Signer>, Path)> {
        match &self.at {
            At::Directory { .. } => None,
            At::Bucket { signer, prefix, .. } => Some((signer.clone(), prefix.parts().chain(path.parts()).collect())),
        }
    }

    /// Runs a future to its end.
    pub fn wait<T, F>(&self, future: F) -> Result<T, object_store::Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, object_store::Error>> + Send + 'static,
    {
        let mut future = Box::pin(future);
        if matches!(self.at, At::Directory { .. })
            && Handle::try_current().is_err()
            && let Some(done) = future.as_mut().now_or_never()
        {
            return done;
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        self.threads().map_err(failed)?.spawn(async move {
            // The receiver waits below for as long as this runs.
            let _ = sender.send(future.await);
        });
        receiver.recv().unwrap_or_else(|_| Err(failed(stopped())))
    }

    /// The objects themselves, for a future that runs on [`threads`](Self::threads).
    pub fn inner(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }

    /// Threads of the store's own; whatever lives longer than one call runs there.
    pub fn threads(&self) -> io::Result<Handle> {
        let mut slot = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match slot.take() {
            Some(runtime) => runtime,
            None => Builder::new_multi_thread()
                .worker_threads(DRIVERS)
                .max_blocking_threads(BLOCKING_MAX)
                .thread_name("phalanx-store")
                .enable_all()
                .build()?,
        };
        Ok(slot.insert(runtime).handle().clone())
    }

    /// The first `bytes_max` bytes of an object, or all of it if it is shorter; `None` if there is none.
    pub fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.read_meta(path, bytes_max)?.map(|(_, bytes)| bytes))
    }

    /// As [`read`](Self::read), with the version for [`replace`](Self::replace).
    pub fn read_versioned(&self, path: &Path, bytes_max: u64) -> Result<Option<(UpdateVersion, Bytes)>, StoreError> {
        let version = |meta: ObjectMeta| UpdateVersion { e_tag: meta.e_tag, version: meta.version };
        Ok(self.read_meta(path, bytes_max)?.map(|(meta, bytes)| (version(meta), bytes)))
    }

    fn read_meta(&self, path: &Path, bytes_max: u64) -> Result<Option<(ObjectMeta, Bytes)>, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        let read = self.wait(async move { front(&*inner, &at, bytes_max).await });
        self.found(path, read)
    }

    /// What was read of an object; `None` if there is none.
    pub fn found<T>(&self, path: &Path, read: Result<T, object_store::Error>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::Read { place: self.place(path), reason: reason(error) }),
        }
    }

    /// What the system says about an object; `None` if there is none.
    pub fn meta(&self, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        let read = self.wait(async move { inner.head(&at).await });
        self.found(path, read)
    }

    /// Whether there is an object.
    pub fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        Ok(self.meta(path)?.is_some())
    }

    /// Writes an object whole, in place of what was there.
    pub fn write(&self, path: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        match &self.at {
            At::Directory { .. } => self.put(path, bytes, PutMode::Overwrite).map(drop),
            At::Bucket { .. } => self.write_body(path, Body::Bytes(bytes.into())),
        }
    }

    /// As [`write`](Self::write), for objects behind a network, from a source that need not be in memory.
    pub fn write_body(&self, path: &Path, body: Body) -> Result<(), StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        let written = self.wait(async move { parts::put(&*inner, &at, body).await });
        written.map_err(|error| StoreError::Write { place: self.place(path), reason: reason(error) })
    }

    /// Writes an object whole if there is none yet; whether it did.
    pub fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, StoreError> {
        self.put(path, bytes, PutMode::Create)
    }

    /// Writes an object whole if it still has this version; whether it did.
    pub fn replace(&self, path: &Path, bytes: Vec<u8>, version: UpdateVersion) -> Result<bool, StoreError> {
        self.put(path, bytes, PutMode::Update(version))
    }

    fn put(&self, path: &Path, bytes: Vec<u8>, mode: PutMode) -> Result<bool, StoreError> {
        use object_store::Error::{AlreadyExists, NotFound, NotImplemented, Precondition};
        let (inner, at, payload) = (self.inner.clone(), path.clone(), PutPayload::from(bytes));
        let creates = matches!(mode, PutMode::Create);
        let patience = self.patience();
        let put = self.wait(async move {
            let start = Instant::now();
            loop {
                match inner.put_opts(&at, payload.clone(), mode.clone().into()).await {
                    // A server without conditions: two who write at once may both believe that they were first. Each has
                    // a verified result, so this costs agreement and no correctness.
                    Err(NotImplemented { .. }) if creates && inner.head(&at).await.is_ok() => return Ok(false),
                    Err(NotImplemented { .. }) => return inner.put(&at, payload).await.map(|_| true),
                    Err(AlreadyExists { .. } | Precondition { .. }) => return Ok(false),
                    // Removed since its version was read.
                    Err(NotFound { .. }) if !creates => return Ok(false),
                    // Nobody knows whether it was written. `object_store` does not ask again, as it could not tell our
                    // own write from another's; callers of this can, by what they then find.
                    Err(error) if is_unanswered(&error) && start.elapsed() < patience => {}
                    put => return put.map(|_| true),
                }
            }
        });
        put.map_err(|error| StoreError::Write { place: self.place(path), reason: reason(error) })
    }

    /// Removes an object; whether there was one, as far as the system says.
    pub fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        match self.wait(async move { inner.delete(&at).await }) {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StoreError::Remove { place: self.place(path), reason: reason(error) }),
        }
    }

    /// Every object below `prefix` with its length, ordered by path. Temporary files are not objects.
    pub fn list(&self, prefix: &str) -> Result<Vec<(Path, u64)>, StoreError> {
        Ok(self.list_meta(&Path::from(prefix))?.into_iter().map(|meta| (meta.location, meta.size)).collect())
    }

    /// Every object below `prefix`, ordered by path.
    pub fn list_meta(&self, prefix: &Path) -> Result<Vec<ObjectMeta>, StoreError> {
        let (inner, below) = (self.inner.clone(), prefix.clone());
        let listed = self.wait(async move { inner.list(Some(&below)).try_collect::<Vec<_>>().await });
        let mut objects =
            listed.map_err(|error| StoreError::Read { place: self.place(prefix), reason: reason(error) })?;
        objects.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(objects)
    }

    /// Whether there is any object at all.
    pub fn is_any(&self) -> Result<bool, StoreError> {
        let inner = self.inner.clone();
        let first = self.wait(async move { inner.list(None).next().await.transpose() });
        let first = first.map_err(|error| StoreError::Read { place: self.name().to_owned(), reason: reason(error) })?;
        Ok(first.is_some())
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Dropping a runtime inside another one panics; nothing is in flight here, as every call waits for its answer.
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

/// The first `bytes_max` bytes of an object, or all of it if it is shorter, and which object they are of.
pub(crate) async fn front(
    objects: &dyn ObjectStore,
    path: &Path,
    bytes_max: u64,
) -> Result<(ObjectMeta, Bytes), object_store::Error> {
    let range = GetRange::Bounded(0..bytes_max);
    match objects.get_opts(path, GetOptions::new().with_range(Some(range))).await {
        Ok(found) => {
            let meta = found.meta.clone();
            Ok((meta, found.bytes().await?))
        }
        Err(error @ object_store::Error::NotFound { .. }) => Err(error),
        // No range of an empty object is valid.
        Err(error) => match objects.head(path).await {
            Ok(meta) if meta.size == 0 => Ok((meta, Bytes::new())),
            _ => Err(error),
        },
    }
}

/// Whether a request was perhaps sent and never answered.
fn is_unanswered(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return matches!(
                error.kind(),
                HttpErrorKind::Timeout | HttpErrorKind::Interrupted | HttpErrorKind::Request
            );
        }
        cause = error.source();
    }
    false
}

/// Why an answer does not come: only a store that is being dropped stops its threads.
pub(crate) fn stopped() -> io::Error {
    io::Error::other("the store's I/O threads have stopped")
}

/// An error of our own among those of `object_store`.
pub(crate) fn failed(source: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "phalanx", source: source.into() }
}
