//! Named roots: what a job in progress and a finished receipt keep from collection, across processes and restarts.
//!
//! A root is a set of digests under a name, one empty file for each. So adding to a root reads nothing, cannot lose what
//! another process adds at the same moment, and cannot be torn.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use phalanx_claim::Digest;

use crate::{
    Store, StoreError,
    layout::{self, ROOTS},
};

/// The longest name of a root, in bytes.
pub const ROOT_NAME_BYTES_MAX: usize = 128;

impl Store {
    /// Adds digests to the root `name`: they, and all that they name, stay until the root is unpinned.
    ///
    /// # Errors
    /// When the name does not do, or the root cannot be written.
    pub fn pin(&self, name: &str, digests: &[Digest]) -> Result<(), StoreError> {
        check(name)?;
        let _gate = self.inner.shared()?;
        for digest in digests {
            let path = layout::pin(name, digest);
            if !self.inner.objects.exists(&path)? {
                self.inner.objects.write(&path, Vec::new())?;
            }
        }
        Ok(())
    }

    /// Removes the root `name`; whether there was one. What it kept goes with the next collection.
    ///
    /// # Errors
    /// When the name does not do, or the root cannot be removed.
    pub fn unpin(&self, name: &str) -> Result<bool, StoreError> {
        check(name)?;
        let _gate = self.inner.shared()?;
        let mut removed = false;
        for digest in self.roots()?.remove(name).unwrap_or_default() {
            removed |= self.inner.objects.remove(&layout::pin(name, &digest))?;
        }
        if let Some(local) = &self.inner.local {
            // Left alone when another process pins under the same name again.
            let _ = fs::remove_dir(local.root.join(ROOTS).join(name));
        }
        Ok(removed)
    }

    /// Every root with its digests.
    ///
    /// # Errors
    /// When the roots cannot be read.
    pub fn roots(&self) -> Result<BTreeMap<String, BTreeSet<Digest>>, StoreError> {
        let mut roots = BTreeMap::<_, BTreeSet<_>>::new();
        for (path, _) in self.inner.objects.list(ROOTS)? {
            if let Some((name, digest)) = layout::pinned(&path) {
                roots.entry(name).or_default().insert(digest);
            }
        }
        Ok(roots)
    }
}

fn check(name: &str) -> Result<(), StoreError> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if letters && !name.is_empty() && !name.starts_with('.') && name.len() <= ROOT_NAME_BYTES_MAX {
        return Ok(());
    }
    let name = name.chars().take(ROOT_NAME_BYTES_MAX).collect();
    Err(StoreError::RootName { name, bytes_max: ROOT_NAME_BYTES_MAX })
}
