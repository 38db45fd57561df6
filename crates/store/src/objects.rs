//! A blocking face on `object_store`: whole objects in and out, errors with the full path and the system's own words.
//!
//! Outside an async runtime, local files are read and written on the caller's own thread: a future is ready when it is
//! first polled. Inside one, where blocking on a future is forbidden, the future runs on threads of the store's own and
//! the caller waits on a plain channel.

use std::{
    io,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use bytes::Bytes;
use futures::{FutureExt, TryStreamExt};
use object_store::{
    GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, local::LocalFileSystem,
    path::Path,
};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{StoreError, error::reason};

/// Threads that drive futures; file I/O itself runs on the blocking pool.
const DRIVERS: usize = 2;

/// Most file operations that run at once; more would wait for the same disk.
const BLOCKING_MAX: usize = 32;

/// Objects under one directory.
pub(crate) struct Objects {
    inner: Arc<dyn ObjectStore>,
    root: PathBuf,
    /// Made when a caller is inside an async runtime for the first time.
    runtime: Mutex<Option<Runtime>>,
}

impl Objects {
    /// The objects below `root`, which exists.
    pub fn open_dir(root: &FilePath) -> Result<Self, StoreError> {
        let inner = LocalFileSystem::new_with_prefix(root)
            .map_err(|error| StoreError::Open { path: root.to_owned(), reason: reason(error) })?;
        Ok(Self { inner: Arc::new(inner), root: root.to_owned(), runtime: Mutex::new(None) })
    }

    /// Where an object lies in the file system.
    pub fn file_path(&self, path: &Path) -> PathBuf {
        self.root.join(path.as_ref())
    }

    /// Runs a future to its end.
    fn wait<T, F>(&self, future: F) -> Result<T, object_store::Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, object_store::Error>> + Send + 'static,
    {
        let mut future = Box::pin(future);
        if Handle::try_current().is_err()
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
                .build()?,
        };
        Ok(slot.insert(runtime).handle().clone())
    }

    /// The first `bytes_max` bytes of an object, or all of it if it is shorter; `None` if there is none.
    pub fn read(&self, path: &Path, bytes_max: u64) -> Result<Option<Bytes>, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        let read = self.wait(async move { front(&*inner, &at, bytes_max).await });
        self.found(path, read).map(|found| found.map(|(_, bytes)| bytes))
    }

    /// What was read of an object; `None` if there is none.
    pub fn found<T>(&self, path: &Path, read: Result<T, object_store::Error>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StoreError::Read { path: self.file_path(path), reason: reason(error) }),
        }
    }

    /// Whether there is an object.
    pub fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        match self.wait(async move { inner.head(&at).await }) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StoreError::Read { path: self.file_path(path), reason: reason(error) }),
        }
    }

    /// Writes an object whole, in place of what was there.
    pub fn write(&self, path: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.put(path, bytes, PutMode::Overwrite).map(drop)
    }

    /// Writes an object whole if there is none yet; whether it did.
    pub fn create(&self, path: &Path, bytes: Vec<u8>) -> Result<bool, StoreError> {
        self.put(path, bytes, PutMode::Create)
    }

    fn put(&self, path: &Path, bytes: Vec<u8>, mode: PutMode) -> Result<bool, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        match self.wait(async move { inner.put_opts(&at, PutPayload::from(bytes), mode.into()).await }) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(StoreError::Write { path: self.file_path(path), reason: reason(error) }),
        }
    }

    /// Removes an object; whether there was one.
    pub fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        let (inner, at) = (self.inner.clone(), path.clone());
        match self.wait(async move { inner.delete(&at).await }) {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(StoreError::Remove { path: self.file_path(path), reason: reason(error) }),
        }
    }

    /// Every object below `prefix` with its length, ordered by path. Temporary files are not objects.
    pub fn list(&self, prefix: &str) -> Result<Vec<(Path, u64)>, StoreError> {
        let (inner, below) = (self.inner.clone(), Path::from(prefix));
        let listed = self.wait(async move {
            inner.list(Some(&below)).map_ok(|meta| (meta.location, meta.size)).try_collect::<Vec<_>>().await
        });
        let mut objects =
            listed.map_err(|error| StoreError::Read { path: self.root.join(prefix), reason: reason(error) })?;
        objects.sort();
        Ok(objects)
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

/// Why an answer does not come: only a store that is being dropped stops its threads.
pub(crate) fn stopped() -> io::Error {
    io::Error::other("the store's I/O threads have stopped")
}

fn failed(source: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "phalanx", source: source.into() }
}
