//! The task-key index: which artifact is the result of which task. The first result wins for as long as it is intact.

use phalanx_claim::Digest;

use crate::{
    Store, StoreError,
    codec::key::{self, KEY_FILE_BYTES},
    layout,
};

impl Store {
    /// Records that the task with this key has this result, which was put before, and returns the result that counts:
    /// the one recorded first, if its artifact is intact, else this one.
    ///
    /// Proofs are not deterministic, so two runs of one task may give two artifacts; everyone uses the one that this
    /// returns. A binding whose artifact is missing or corrupt is dead and is replaced.
    ///
    /// # Errors
    /// When the index cannot be read or written.
    pub fn record(&self, key: Digest, artifact: Digest) -> Result<Digest, StoreError> {
        let inner = &self.inner;
        let path = layout::key(&key);
        {
            let gate = inner.gate.shared()?;
            inner.holds.hold(&gate, &artifact)?;
            if inner.objects.create(&path, key::encode(&key, &artifact))? {
                return Ok(artifact);
            }
            if let Some(first) = self.live_binding(&key, &artifact)? {
                inner.holds.hold(&gate, &first)?;
                return Ok(first);
            }
        }
        // Dead a moment ago. Only one process at a time replaces it, and the next sees that it lives again.
        let gate = inner.gate.exclusive()?;
        if let Some(first) = self.live_binding(&key, &artifact)? {
            inner.holds.hold(&gate, &first)?;
            return Ok(first);
        }
        inner.objects.write(&path, key::encode(&key, &artifact))?;
        Ok(artifact)
    }

    /// The recorded artifact if it is intact; `known` was just put and need not be read again.
    fn live_binding(&self, key: &Digest, known: &Digest) -> Result<Option<Digest>, StoreError> {
        match self.binding(key)? {
            Some(first) if first == *known => Ok(Some(first)),
            Some(first) => Ok(self.read(&first)?.is_some_and(|read| read.is_ok()).then_some(first)),
            None => Ok(None),
        }
    }

    /// The recorded result of a task; `None` when there is none or the key file is corrupt. The artifact may be gone.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn lookup(&self, key: Digest) -> Result<Option<Digest>, StoreError> {
        let gate = self.inner.gate.shared()?;
        let Some(artifact) = self.binding(&key)? else { return Ok(None) };
        self.inner.holds.hold(&gate, &artifact)?;
        Ok(Some(artifact))
    }

    /// As [`lookup`](Self::lookup), and the artifact [is there](Self::contains).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn lookup_present(&self, key: Digest) -> Result<Option<Digest>, StoreError> {
        match self.lookup(key)? {
            Some(artifact) if self.contains(&artifact)? => Ok(Some(artifact)),
            _ => Ok(None),
        }
    }

    /// What the key file says, held by nobody.
    pub(crate) fn binding(&self, key: &Digest) -> Result<Option<Digest>, StoreError> {
        let path = layout::key(key);
        let Some(stored) = self.inner.objects.read(&path, KEY_FILE_BYTES as u64 + 1)? else { return Ok(None) };
        match key::decode(key, &stored) {
            Ok(artifact) => Ok(Some(artifact)),
            Err(corrupt) => {
                let path = self.inner.objects.file_path(&path);
                tracing::warn!(path = %path.display(), "corrupt key counts as missing: {corrupt}");
                Ok(None)
            }
        }
    }
}
