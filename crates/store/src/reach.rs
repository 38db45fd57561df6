//! Reachability: which digests are kept, starting from roots and holds and following what artifacts name.

use std::collections::HashSet;

use phalanx_claim::{ArtifactKind, Digest};

use crate::{Store, StoreError, store::may_name};

/// Which digests an artifact names. The engine knows what artifacts say; the store does not.
///
/// Called with every reachable segment, execution, proof and receipt whose digest is right.
pub type References<'a> = &'a dyn Fn(ArtifactKind, &[u8]) -> Vec<Digest>;

/// The digests that are kept. Grows only.
pub(crate) struct Reached<'a> {
    store: &'a Store,
    references: References<'a>,
    /// Kept, and what they name is kept too.
    followed: HashSet<Digest>,
    /// Kept, but missing or corrupt when last looked at: someone may be about to put them.
    unresolved: HashSet<Digest>,
}

impl<'a> Reached<'a> {
    /// Nothing yet.
    pub fn new(store: &'a Store, references: References<'a>) -> Self {
        Self { store, references, followed: HashSet::new(), unresolved: HashSet::new() }
    }

    /// Whether the digest is kept.
    pub fn has(&self, digest: &Digest) -> bool {
        self.followed.contains(digest) || self.unresolved.contains(digest)
    }

    /// Adds what the named roots and `held` lead to, and looks again for what was missing.
    pub fn add(&mut self, held: impl IntoIterator<Item = Digest>) -> Result<(), StoreError> {
        let mut ahead: Vec<Digest> = self.unresolved.drain().chain(held).collect();
        ahead.extend(self.store.roots()?.into_values().flatten());
        while let Some(digest) = ahead.pop() {
            if self.has(&digest) {
                continue;
            }
            match self.named_by(&digest)? {
                Some(named) => {
                    self.followed.insert(digest);
                    ahead.extend(named);
                }
                None => {
                    self.unresolved.insert(digest);
                }
            }
        }
        Ok(())
    }

    /// What an artifact names; `None` when it is missing or corrupt.
    fn named_by(&self, digest: &Digest) -> Result<Option<Vec<Digest>>, StoreError> {
        match self.store.header(digest)? {
            Some(Ok(header)) if !may_name(header.kind) => Ok(Some(Vec::new())),
            Some(Ok(_)) => match self.store.read(digest)? {
                Some(Ok((kind, bytes))) => Ok(Some((self.references)(kind, &bytes))),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }
}
