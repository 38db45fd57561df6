//! Looking at a store without changing it: what is there, what is reachable, what is corrupt.

use std::collections::BTreeSet;

use phalanx_claim::{ArtifactKind, Digest};

use crate::{
    Corrupt, Store, StoreError,
    codec::key::{self, KEY_FILE_BYTES},
    layout::{self, ARTIFACTS},
    reach::{Reached, References},
};

/// One artifact in the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredArtifact {
    /// Its name.
    pub digest: Digest,
    /// What it was put as; `None` when its header is corrupt.
    pub kind: Option<ArtifactKind>,
    /// Its length as its header says, 0 when that is corrupt.
    pub raw_bytes: u64,
    /// The length of its file.
    pub stored_bytes: u64,
    /// Whether a root leads to it.
    pub reachable: bool,
}

/// A file that counts as missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CorruptFile {
    /// The digest or task key that it is named by.
    pub name: Digest,
    /// Where it lies.
    pub place: String,
    /// What is wrong with it.
    pub corrupt: Corrupt,
}

/// What [`Store::verify`] found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Artifacts whose bytes are those that their name stands for.
    pub intact_artifacts: u64,
    /// The uncompressed bytes of those.
    pub intact_bytes: u64,
    /// Artifacts that are not.
    pub corrupt_artifacts: Vec<CorruptFile>,
    /// Keys whose artifact is intact.
    pub intact_keys: u64,
    /// Key files that do not decode.
    pub corrupt_keys: Vec<CorruptFile>,
    /// Keys whose artifact is missing or corrupt: their tasks run again.
    pub dangling_keys: Vec<Digest>,
    /// Roots, with a digest each that is pinned and missing or corrupt.
    pub missing_pins: Vec<(String, Digest)>,
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.corrupt_artifacts.is_empty()
            && self.corrupt_keys.is_empty()
            && self.dangling_keys.is_empty()
            && self.missing_pins.is_empty()
    }
}

impl Store {
    /// Every artifact, ordered by digest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn ls(&self, references: References<'_>) -> Result<Vec<StoredArtifact>, StoreError> {
        let mut reached = Reached::new(self, references);
        reached.add([])?;
        let mut artifacts = Vec::new();
        for (path, stored_bytes) in self.inner.objects.list(ARTIFACTS)? {
            let Some(digest) = layout::sharded_name(ARTIFACTS, &path) else { continue };
            // Collected since it was listed.
            let Some(header) = self.header(&digest)? else { continue };
            artifacts.push(StoredArtifact {
                digest,
                kind: header.as_ref().ok().map(|header| header.kind),
                raw_bytes: header.map_or(0, |header| header.raw_bytes),
                stored_bytes,
                reachable: reached.has(&digest),
            });
        }
        Ok(artifacts)
    }

    /// Reads everything and checks every digest. Changes nothing.
    ///
    /// # Errors
    /// When a file cannot be read at all.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        // Keys and pins first: what they lead to was put before them, so a store in use has no false danglers.
        let keys = self.keys()?;
        let roots = self.roots()?;
        let mut bindings = Vec::new();
        for name in keys {
            let path = layout::key(&name);
            let Some(stored) = self.inner.objects.read(&path, KEY_FILE_BYTES as u64 + 1)? else { continue };
            match key::decode(&name, &stored) {
                Ok(artifact) => bindings.push((name, artifact)),
                Err(corrupt) => {
                    let place = self.inner.objects.place(&path);
                    verified.corrupt_keys.push(CorruptFile { name, place, corrupt });
                }
            }
        }
        let mut intact = BTreeSet::new();
        for (path, _) in self.inner.objects.list(ARTIFACTS)? {
            let Some(name) = layout::sharded_name(ARTIFACTS, &path) else { continue };
            match self.read(&name)? {
                Some(Ok((_, bytes))) => {
                    intact.insert(name);
                    let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    verified.intact_bytes = verified.intact_bytes.saturating_add(bytes);
                }
                Some(Err(corrupt)) => {
                    let place = self.inner.objects.place(&path);
                    verified.corrupt_artifacts.push(CorruptFile { name, place, corrupt });
                }
                None => {}
            }
        }
        verified.intact_artifacts = u64::try_from(intact.len()).unwrap_or(u64::MAX);
        for (key, artifact) in bindings {
            if intact.contains(&artifact) {
                verified.intact_keys += 1;
            } else {
                verified.dangling_keys.push(key);
            }
        }
        let pins = roots.into_iter().flat_map(|(name, digests)| digests.into_iter().map(move |d| (name.clone(), d)));
        verified.missing_pins = pins.filter(|(_, digest)| !intact.contains(digest)).collect();
        Ok(verified)
    }
}
