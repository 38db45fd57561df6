//! The store's handle, renewed now and then.
//!
//! A handle holds all that went through it against collection for as long as it is open, and remembers it. A gateway runs for
//! months, so it opens a new one every hour and closes the one before: what a client uploads stays for an hour at least, until
//! a job keeps it by its name.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use phalanx_store::{Store, StoreError};

/// How long a handle is given out; it is closed after as long again.
pub(crate) const RENEWED_EVERY: Duration = Duration::from_secs(3600);

/// The handle that is given out, and the one before it.
pub(crate) struct Stores {
    handles: RwLock<(Store, Option<Store>)>,
}

impl Stores {
    pub fn new(store: Store) -> Self {
        Self { handles: RwLock::new((store, None)) }
    }

    /// The handle of this hour.
    pub fn current(&self) -> Store {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Opens another handle. Buckets have no holds, so theirs stays. Blocks.
    pub fn renew(&self) -> Result<(), StoreError> {
        let Some(next) = self.current().path().map(Store::open_dir).transpose()? else { return Ok(()) };
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut handles.0, next);
        handles.1 = Some(before);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use phalanx_claim::ArtifactKind;

    use super::*;

    #[test]
    fn an_upload_survives_a_collection_for_one_renewal() {
        let directory = tempfile::TempDir::new().unwrap();
        let stores = Stores::new(Store::open_dir(directory.path()).unwrap());
        let digest = stores.current().put(ArtifactKind::Stdin, b"input").unwrap();
        let is_kept = || {
            let store = Store::open_dir(directory.path()).unwrap();
            store.gc(false, &|_, _| Vec::new()).unwrap();
            store.contains(&digest).unwrap()
        };
        assert!(is_kept());
        stores.renew().unwrap();
        assert!(is_kept());
        stores.renew().unwrap();
        assert!(!is_kept());
    }
}
