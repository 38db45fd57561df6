//! Collection by a list: removes what nobody says is in use and what is not young. For stores that processes share without
//! locks, where [`gc`](Store::gc) cannot know who is about to use what.
//!
//! # Why nothing in use is lost for good
//!
//! Who uploads an artifact for a job has the grace to make the job known. Who finds an old result by its key has less: the
//! key goes before the artifact, and the list is asked again right before each removal, so only a job that becomes known
//! between the two loses one. A missing artifact is no wrong one: its task runs again.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt, path::Path};
use phalanx_claim::Digest;

use crate::{
    Collected, Store, StoreError,
    error::reason,
    layout::{self, ARTIFACTS, COLLECTED, KEYS},
};

/// Removals that run at once.
const AT_ONCE: usize = 16;

/// Removals between two looks at what is in use.
const BATCH: usize = 256;

/// Whether an artifact is in use: an input or output of a job that is not over, or of a receipt that is to stay, or named
/// by such an artifact.
pub type Live<'a> = &'a dyn Fn(&Digest) -> bool;

/// What is removed and what stays.
struct Rule<'a> {
    live: Live<'a>,
    /// Pinned, or held by living processes.
    kept: HashSet<Digest>,
    /// Whatever was written at this time or later is young. In seconds, by the store's own clock.
    young_s: i64,
}

impl Rule<'_> {
    fn keeps(&self, digest: &Digest, meta: &ObjectMeta) -> bool {
        meta.last_modified.timestamp() >= self.young_s || self.kept.contains(digest) || (self.live)(digest)
    }
}

impl Store {
    /// Removes every artifact that is neither live, nor pinned, nor younger than `grace`, and the keys of such artifacts.
    /// With `dry_run`, only counts. The grace has to be longer than from an upload to its job: an hour, say.
    ///
    /// # Errors
    /// When the store cannot be read or written; what was removed until then was not needed.
    pub fn collect(&self, live: Live<'_>, grace: Duration, dry_run: bool) -> Result<Collected, StoreError> {
        let mut rule = Rule { live, kept: self.kept()?, young_s: self.young_s(grace)? };
        let mut done = Collected::default();
        for shard in 0..=u8::MAX {
            let mut condemned = Vec::new();
            for meta in self.shard(KEYS, shard)? {
                let Some(key) = layout::sharded_name(KEYS, &meta.location) else { continue };
                // Young itself, or its artifact is in use; one that is corrupt serves nobody.
                let is_kept = meta.last_modified.timestamp() >= rule.young_s
                    || self.binding(&key)?.is_some_and(|artifact| rule.keeps(&artifact, &meta));
                if !is_kept {
                    condemned.push(meta);
                }
            }
            done.removed_keys = done.removed_keys.saturating_add(count(condemned.len()));
            if !dry_run {
                self.remove_all(&condemned)?;
            }
        }
        for shard in 0..=u8::MAX {
            let there = self.shard(ARTIFACTS, shard)?;
            for batch in there.chunks(BATCH) {
                self.collect_batch(batch, &mut rule, dry_run, &mut done)?;
            }
        }
        if let Some(local) = &self.inner.local {
            done.removed_temporaries = local.sweep(dry_run)?;
        }
        Ok(done)
    }

    fn collect_batch(
        &self,
        batch: &[ObjectMeta],
        rule: &mut Rule<'_>,
        dry_run: bool,
        done: &mut Collected,
    ) -> Result<(), StoreError> {
        // In a directory nobody holds anything new while a batch is removed.
        let gate = match &self.inner.local {
            Some(local) if !dry_run => Some((local, local.gate.exclusive()?)),
            _ => None,
        };
        if let Some((local, gate)) = &gate {
            rule.kept.extend(local.holds.of_the_living(gate)?);
            rule.kept.extend(self.roots()?.into_values().flatten());
        }
        let mut condemned = Vec::new();
        for meta in batch {
            let Some(digest) = layout::sharded_name(ARTIFACTS, &meta.location) else { continue };
            let (artifacts, bytes) = if rule.keeps(&digest, meta) {
                (&mut done.kept_artifacts, &mut done.kept_bytes)
            } else {
                condemned.push(meta.clone());
                (&mut done.removed_artifacts, &mut done.removed_bytes)
            };
            *artifacts = artifacts.saturating_add(1);
            *bytes = bytes.saturating_add(meta.size);
        }
        if dry_run { Ok(()) } else { self.remove_all(&condemned) }
    }

    fn kept(&self) -> Result<HashSet<Digest>, StoreError> {
        let mut kept: HashSet<Digest> = self.roots()?.into_values().flatten().collect();
        if let Some(local) = &self.inner.local {
            kept.extend(local.holds.of_the_living(&local.gate.exclusive()?)?);
        }
        Ok(kept)
    }

    /// When what is young now began. Clocks differ between machines, so the store itself says what time it is.
    fn young_s(&self, grace: Duration) -> Result<i64, StoreError> {
        let path = Path::from(COLLECTED);
        self.inner.objects.write(&path, Vec::new())?;
        let now = self.inner.objects.meta(&path)?.map_or(i64::MIN, |meta| meta.last_modified.timestamp());
        // The store's clock may tick in seconds: what was written in the same second is young with any grace but none.
        let young = now.saturating_sub(i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
        Ok(if grace.is_zero() { young.saturating_add(1) } else { young })
    }

    fn shard(&self, kind: &str, shard: u8) -> Result<Vec<ObjectMeta>, StoreError> {
        self.inner.objects.list_meta(&Path::from_iter([kind, &format!("{shard:02x}")]))
    }

    fn remove_all(&self, objects: &[ObjectMeta]) -> Result<(), StoreError> {
        let Some(first) = objects.first() else { return Ok(()) };
        let place = self.inner.objects.place(&first.location);
        let paths: Vec<Path> = objects.iter().map(|meta| meta.location.clone()).collect();
        let inner = self.inner.objects.inner().clone();
        let removed = self.inner.objects.wait(async move {
            let removals = stream::iter(paths).map(|path| {
                let inner = inner.clone();
                async move {
                    match inner.delete(&path).await {
                        // Another collection was faster.
                        Err(object_store::Error::NotFound { .. }) => Ok(()),
                        removed => removed,
                    }
                }
            });
            removals.buffer_unordered(AT_ONCE).try_collect::<()>().await
        });
        removed.map_err(|error| StoreError::Remove { place, reason: reason(error) })
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
