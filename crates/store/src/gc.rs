//! Collection by reachability: removes what no root and no living process leads to. Never by age, never by use.
//!
//! Safe beside processes that put and look up at the same time; [`hold`](crate::hold) has the argument.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Path as FilePath, PathBuf},
};

use object_store::path::Path;
use phalanx_claim::Digest;

use crate::{
    Store, StoreError,
    format::FORMAT_FILE,
    hold::{Passed, is_locked},
    layout::{self, ARTIFACTS, KEYS, ROOTS, SPOOL},
    objects::text,
    reach::{Reached, References},
    store::Local,
};

/// Removals in one batch: other processes wait for the gate as long as this many take, a few milliseconds.
const BATCH: usize = 256;

/// What a collection removed, or would.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Collected {
    /// Artifacts that stay.
    pub kept_artifacts: u64,
    /// Their bytes on disk.
    pub kept_bytes: u64,
    /// Artifacts removed.
    pub removed_artifacts: u64,
    /// Their bytes on disk.
    pub removed_bytes: u64,
    /// Keys removed, because their artifact is gone or goes, or because they are corrupt.
    pub removed_keys: u64,
    /// Files removed that a killed process left half-written or spooled.
    pub removed_temporaries: u64,
}

impl Store {
    /// Removes every artifact that neither a root nor a living process leads to, the keys of artifacts that are gone, and
    /// what killed processes left half-written. With `dry_run`, only counts.
    ///
    /// # Errors
    /// When the store is not in a directory, which needs [`collect`](Self::collect), or cannot be read, or a file cannot be
    /// removed; what was removed until then was not needed.
    pub fn gc(&self, dry_run: bool, references: References<'_>) -> Result<Collected, StoreError> {
        let Some(local) = &self.inner.local else {
            return Err(StoreError::NotCollectable { place: self.name().to_owned() });
        };
        let mut reached = Reached::new(self, references);
        // The long walk over what is held now; each batch then adds the little that came since.
        reached.add(local.holds.of_the_living(&local.gate.exclusive()?)?)?;

        let artifacts: Vec<(Digest, u64)> = self
            .inner
            .objects
            .list(ARTIFACTS)?
            .into_iter()
            .filter_map(|(path, bytes)| Some((layout::sharded_name(ARTIFACTS, &path)?, bytes)))
            .collect();
        let there: HashSet<Digest> = artifacts.iter().map(|(digest, _)| *digest).collect();
        let keys = self.condemned_keys(&reached, &there)?;
        let mut done = Collected::default();
        for batch in keys.chunks(BATCH) {
            let _gate = batch_of(local, dry_run, &mut reached)?;
            for key in batch {
                if dry_run || (self.is_condemned(key, &reached)? && self.inner.objects.remove(&layout::key(key))?) {
                    done.removed_keys += 1;
                }
            }
        }
        for batch in artifacts.chunks(BATCH) {
            let condemned = |reached: &Reached<'_>| batch.iter().any(|(digest, _)| !reached.has(digest));
            let _gate = if condemned(&reached) { batch_of(local, dry_run, &mut reached)? } else { None };
            for (digest, bytes) in batch {
                if reached.has(digest) {
                    done.kept_artifacts += 1;
                    done.kept_bytes = done.kept_bytes.saturating_add(*bytes);
                } else if dry_run || self.inner.objects.remove(&layout::artifact(digest))? {
                    done.removed_artifacts += 1;
                    done.removed_bytes = done.removed_bytes.saturating_add(*bytes);
                }
            }
        }
        done.removed_temporaries = local.sweep(dry_run)?;
        Ok(done)
    }

    fn condemned_keys(&self, reached: &Reached<'_>, there: &HashSet<Digest>) -> Result<Vec<Digest>, StoreError> {
        let mut condemned = Vec::new();
        for key in self.keys()? {
            let kept = self.binding(&key)?.is_some_and(|artifact| reached.has(&artifact) && there.contains(&artifact));
            if !kept {
                condemned.push(key);
            }
        }
        Ok(condemned)
    }

    fn is_condemned(&self, key: &Digest, reached: &Reached<'_>) -> Result<bool, StoreError> {
        match self.binding(key)? {
            Some(artifact) => Ok(!reached.has(&artifact) || !self.inner.objects.exists(&layout::artifact(&artifact))?),
            None => Ok(true),
        }
    }

    /// Every task key that has a file.
    pub(crate) fn keys(&self) -> Result<Vec<Digest>, StoreError> {
        let listed = self.inner.objects.list(KEYS)?;
        Ok(listed.iter().filter_map(|(path, _): &(Path, u64)| layout::sharded_name(KEYS, path)).collect())
    }
}

/// Passes the gate for one batch and adds what has been pinned or held since the last.
fn batch_of(local: &Local, dry_run: bool, reached: &mut Reached<'_>) -> Result<Option<Passed>, StoreError> {
    if dry_run {
        return Ok(None);
    }
    let gate = local.gate.exclusive()?;
    reached.add(local.holds.of_the_living(&gate)?)?;
    Ok(Some(gate))
}

impl Local {
    /// Removes what killed processes left half-written or spooled; how many files.
    pub fn sweep(&self, dry_run: bool) -> Result<u64, StoreError> {
        let mut removed = 0;
        for batch in temporaries(&self.root)?.chunks(BATCH) {
            let gate = self.gate.exclusive()?;
            let held = self.holds.of_the_living(&gate)?;
            for Temporary { file, artifact } in batch {
                let written = artifact.is_some_and(|digest| held.contains(&digest));
                if !written && (dry_run || remove_file(file)?) {
                    removed += 1;
                }
            }
        }
        let _gate = self.gate.exclusive()?;
        for file in entries(&self.root.join(SPOOL))? {
            let dead = || File::open(&file).is_ok_and(|file| !is_locked(&file));
            if dead() && (dry_run || remove_file(&file)?) {
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// A file under a name that is not final: someone writes it, or was killed while writing it.
struct Temporary {
    file: PathBuf,
    /// The artifact that it was to become; `None` for a key, a pin or the format.
    artifact: Option<Digest>,
}

/// Every temporary file. `object_store` hides them, so this looks at the directories itself.
fn temporaries(root: &FilePath) -> Result<Vec<Temporary>, StoreError> {
    let mut found = Vec::new();
    for dir in [ARTIFACTS, KEYS, ROOTS] {
        for below in entries(&root.join(dir))? {
            for file in entries(&below)? {
                if let Some(target) = staged_for(&file) {
                    // A strange name belongs to nobody, and `None` says so.
                    let artifact = if dir == ARTIFACTS { layout::digest(&target) } else { None };
                    found.push(Temporary { file, artifact });
                }
            }
        }
    }
    for file in entries(root)? {
        if staged_for(&file).is_some_and(|target| target == FORMAT_FILE) {
            found.push(Temporary { file, artifact: None });
        }
    }
    Ok(found)
}

/// The name that a file called `<name>#<digits>` was to get.
fn staged_for(file: &FilePath) -> Option<String> {
    let (target, number) = file.file_name()?.to_str()?.rsplit_once('#')?;
    let staged = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    staged.then(|| target.to_owned())
}

/// What is in a directory; nothing if it is none.
fn entries(dir: &FilePath) -> Result<Vec<PathBuf>, StoreError> {
    let listed = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    match listed {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(reason) => Err(StoreError::Read { place: text(dir), reason }),
        Ok(entries) => Ok(entries),
    }
}

fn remove_file(file: &FilePath) -> Result<bool, StoreError> {
    match fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(reason) => Err(StoreError::Remove { place: text(file), reason }),
    }
}
