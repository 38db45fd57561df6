//! What the store reports when it cannot do its work: which path, and why.

use std::{error::Error, io, path::PathBuf};

/// The store itself failed. A missing or corrupt artifact is no error, it is `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or used.
    #[error("cannot open the store {}: {reason}", path.display())]
    Open {
        /// The directory, or the file in it that failed.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The directory holds something else.
    #[error("{} is not a phalanx store and not empty", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
    },
    /// The store was written by another version.
    #[error("store {} has format {found}, this phalanx reads format {ours}", path.display())]
    OtherFormat {
        /// The directory.
        path: PathBuf,
        /// The format that it says it has.
        found: u64,
        /// The format that this program reads.
        ours: u64,
    },
    /// The store does not say which format it has.
    #[error("store {}: the file FORMAT does not name a format", path.display())]
    NoFormat {
        /// The directory.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file cannot be written: no space, no permission. Nothing is left of it.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file cannot be removed.
    #[error("cannot remove {}: {reason}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file system does not lock files, so processes cannot share the store safely.
    #[error("cannot lock {}: {reason}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The artifact is larger than any artifact may be.
    #[error("an artifact of {bytes} bytes is longer than the limit of {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A root cannot have this name.
    #[error("{name:?} cannot name a root: 1 to {bytes_max} letters, digits, `-`, `_` or `.`, not starting with `.`")]
    RootName {
        /// The name.
        name: String,
        /// The limit on its length.
        bytes_max: usize,
    },
}

/// The system's own words at the bottom of an `object_store` error, which repeats paths and wraps them in its own.
pub(crate) fn reason(error: object_store::Error) -> io::Error {
    let mut cause: &(dyn Error + 'static) = &error;
    loop {
        if let Some(code) = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return io::Error::other(cause.to_string()),
        }
    }
}
