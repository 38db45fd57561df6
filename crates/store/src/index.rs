//! The task-key index: which artifact is the result of which task. The first result wins for as long as it is intact.

use std::io;

use phalanx_claim::Digest;

use crate::{
    Store, StoreError,
    codec::key::{self, KEY_FILE_BYTES},
    layout,
    store::Local,
};

/// How often a binding that changes while it is looked at is looked at again.
const RECORD_TRIES_MAX: u32 = 16;

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
        match &self.inner.local {
            Some(local) => self.record_locked(local, key, artifact),
            None => self.record_versioned(key, artifact),
        }
    }

    /// By locks: only one process at a time replaces a dead binding.
    fn record_locked(&self, local: &Local, key: Digest, artifact: Digest) -> Result<Digest, StoreError> {
        let (objects, path) = (&self.inner.objects, layout::key(&key));
        {
            let gate = local.gate.shared()?;
            local.holds.hold(&gate, &artifact)?;
            if objects.create(&path, key::encode(&key, &artifact))? {
                return Ok(artifact);
            }
            if let Some(first) = self.live_binding(&key, &artifact)? {
                local.holds.hold(&gate, &first)?;
                return Ok(first);
            }
        }
        // Dead a moment ago. The next to pass sees that it lives again.
        let gate = local.gate.exclusive()?;
        if let Some(first) = self.live_binding(&key, &artifact)? {
            local.holds.hold(&gate, &first)?;
            return Ok(first);
        }
        objects.write(&path, key::encode(&key, &artifact))?;
        Ok(artifact)
    }

    /// By versions: whoever replaces a dead binding replaces exactly the one that was found dead.
    fn record_versioned(&self, key: Digest, artifact: Digest) -> Result<Digest, StoreError> {
        let (objects, path) = (&self.inner.objects, layout::key(&key));
        for _ in 0..RECORD_TRIES_MAX {
            if objects.create(&path, key::encode(&key, &artifact))? {
                return Ok(artifact);
            }
            let Some((version, stored)) = objects.read_versioned(&path, KEY_FILE_BYTES as u64 + 1)? else { continue };
            match key::decode(&key, &stored) {
                Ok(first) if first == artifact || self.is_intact(&first)? => return Ok(first),
                _ => {}
            }
            if objects.replace(&path, key::encode(&key, &artifact), version)? {
                return Ok(artifact);
            }
        }
        let reason = io::Error::other("others change it all the time");
        Err(StoreError::Write { place: objects.place(&path), reason })
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
        let gate = self.inner.shared()?;
        let Some(artifact) = self.binding(&key)? else { return Ok(None) };
        self.inner.hold(gate.as_ref(), &artifact)?;
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
                let place = self.inner.objects.place(&path);
                tracing::warn!(place, "corrupt key counts as missing: {corrupt}");
                Ok(None)
            }
        }
    }
}
