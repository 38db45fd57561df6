//! Spools: files on the local disk that collect an upload until it is whole and can be checked.
//!
//! Those of a store in a directory lie inside it, so that a checked one only has to be renamed. As with holds, a lock says
//! that somebody lives who writes it; a collection removes the others. Those of other stores have no name at all.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{Store, StoreError, layout::SPOOL, objects::text};

/// A new, empty file for an upload, gone when this is dropped. Write to [`file`](Self::file), then give it to
/// [`Store::put_stored`] or [`Store::put_raw`], which read it from its beginning.
#[derive(Debug)]
pub struct Spool {
    file: File,
    path: Option<PathBuf>,
}

impl Spool {
    /// The file, open for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it lies, for errors.
    pub(crate) fn place(&self) -> String {
        text(&self.path.clone().unwrap_or_else(std::env::temp_dir))
    }

    /// Gives the file its final name, in place of what was there. Needs a path.
    pub(crate) fn rename(mut self, to: &Path) -> io::Result<()> {
        let Some(from) = self.path.clone() else { return Err(io::ErrorKind::Unsupported.into()) };
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, to)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // A file that stays is unlocked with this process and removed by the next collection.
        self.path.as_ref().map(fs::remove_file);
    }
}

impl Store {
    /// A file for an upload.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn spool(&self) -> Result<Spool, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let Some(local) = &self.inner.local else {
            let place = || text(&std::env::temp_dir());
            let file = tempfile::tempfile().map_err(|reason| StoreError::Write { place: place(), reason })?;
            return Ok(Spool { file, path: None });
        };
        let dir = local.root.join(SPOOL);
        let failed = |reason| StoreError::Write { place: text(&dir), reason };
        // No collection sees the file before it is locked.
        let _gate = local.gate.shared()?;
        fs::create_dir_all(&dir).map_err(failed)?;
        loop {
            let path = dir.join(format!("{}-{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let spool = Spool { file, path: Some(path) };
                    spool.file.try_lock().map_err(|error| failed(error.into()))?;
                    return Ok(spool);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}
