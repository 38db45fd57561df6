//! Holds: what keeps a collection in one process from taking artifacts that another process is about to use.
//!
//! Every open store *holds* each digest that it has put, recorded or looked up: it writes the digest to a file of its
//! own under `holds/` before it touches the artifact, and keeps an operating-system lock on that file. A collection
//! treats the digests in locked hold files as roots. When a process ends, however it ends, the system drops its lock; an
//! unlocked hold file speaks for nobody and is removed. So no lock file can go stale: whether a file *exists* never
//! decides anything, only whether a living process has it locked.
//!
//! # Why nothing in use is lost
//!
//! The gate is a lock on the file `lock`. Writers pass it *shared*, for as long as it takes to write down a hold, a
//! key or a pin; a collection takes it *exclusive* for each small batch of removals.
//!
//! 1. Inside a batch no hold, key or pin can appear. The batch first reads all of them again, follows the references of
//!    those that are new, and only then removes. So an artifact that was held before the batch stays, and a hold that
//!    comes after the batch finds the artifact gone, before its owner has looked at it: [`put`](crate::Store::put)
//!    writes it, [`lookup_present`](crate::Store::lookup_present) reports nothing.
//! 2. A hold ends only with its process or store handle. What the process wants to outlive it, it pins first, which
//!    needs the gate, so each batch sees the hold or the pin.
//! 3. Keys go before artifacts, in batches of their own. While keys remain, nothing is missing yet; once they are gone,
//!    nobody finds a condemned artifact by key. So nobody looks up an execution whose segments are half collected.
//! 4. A temporary file of an artifact belongs to someone who holds its digest; those of keys and pins are written inside
//!    the gate. So a batch knows which temporary files nobody writes any more.
//!
//! Lock order: the gate, then the mutex on the own holds. Nobody waits for the gate with the mutex taken.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process,
    sync::{Mutex, MutexGuard, PoisonError},
};

use phalanx_claim::Digest;

use crate::{
    StoreError,
    layout::{HOLDS, LOCK},
    objects::text,
};

/// The lock that orders writers and collections; every pass through it opens the file anew, so it also orders threads.
pub(crate) struct Gate {
    path: PathBuf,
}

/// The gate is passed for as long as this lives.
pub(crate) struct Passed {
    _locked: File,
}

impl Gate {
    /// The gate of the store at `root`; proves that the store is writable.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let gate = Self { path: root.join(LOCK) };
        gate.file().map_err(|reason| StoreError::Open { place: text(&gate.path), reason })?;
        Ok(gate)
    }

    /// Waits while a batch of a collection runs.
    pub fn shared(&self) -> Result<Passed, StoreError> {
        self.pass(File::lock_shared)
    }

    /// Waits until nobody is inside.
    pub fn exclusive(&self) -> Result<Passed, StoreError> {
        self.pass(File::lock)
    }

    fn pass(&self, lock: fn(&File) -> io::Result<()>) -> Result<Passed, StoreError> {
        let locked = self.file().and_then(|file| uninterrupted(|| lock(&file)).map(|()| file));
        locked.map(|_locked| Passed { _locked }).map_err(|reason| StoreError::Lock { place: text(&self.path), reason })
    }

    fn file(&self) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.path)
    }
}

/// A lock that a signal interrupts is asked for again.
fn uninterrupted(mut lock: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// What this store handle holds, and what all of them do.
pub(crate) struct Holds {
    dir: PathBuf,
    own: Mutex<Option<Own>>,
}

/// The hold file of this handle, locked; made with the first hold, so that only reading writes nothing.
struct Own {
    path: PathBuf,
    file: File,
    held: HashSet<Digest>,
}

impl Holds {
    /// The holds of the store at `root`; none of this handle yet.
    pub fn open(root: &Path) -> Self {
        Self { dir: root.join(HOLDS), own: Mutex::new(None) }
    }

    fn own(&self) -> MutexGuard<'_, Option<Own>> {
        // A panic elsewhere cannot leave a hold half made: the set changes after the file.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this handle holds the digest already.
    pub fn has(&self, digest: &Digest) -> bool {
        self.own().as_ref().is_some_and(|own| own.held.contains(digest))
    }

    /// Holds `digest` until the handle or the process ends.
    pub fn hold(&self, _gate: &Passed, digest: &Digest) -> Result<(), StoreError> {
        let failed = |path: &Path| {
            let place = text(path);
            move |reason| StoreError::Write { place, reason }
        };
        let mut slot = self.own();
        let own = match slot.as_mut() {
            Some(own) => own,
            None => slot.insert(Own::create(&self.dir).map_err(failed(&self.dir))?),
        };
        own.add(digest).map_err(failed(&own.path))
    }

    /// What living processes hold; removes the files of dead ones. Needs the exclusive gate, so that no file is new and
    /// not locked yet.
    pub fn of_the_living(&self, _gate: &Passed) -> Result<HashSet<Digest>, StoreError> {
        let mut held = HashSet::new();
        for path in self.files()? {
            let read = match File::open(&path) {
                Ok(file) if is_locked(&file) => read_all(file),
                Ok(_) => fs::remove_file(&path).map(|()| Vec::new()),
                Err(error) => Err(error),
            };
            match read {
                Ok(bytes) => held.extend(bytes.as_chunks::<{ Digest::LEN }>().0.iter().copied().map(Digest::new)),
                // Its process ended just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(reason) => return Err(StoreError::Read { place: text(&path), reason }),
            }
        }
        Ok(held)
    }

    fn files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let failed = |reason| StoreError::Read { place: text(&self.dir), reason };
        match fs::read_dir(&self.dir) {
            Ok(entries) => {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>().map_err(failed)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(reason) => Err(failed(reason)),
        }
    }
}

/// When in doubt, the owner lives.
pub(crate) fn is_locked(file: &File) -> bool {
    uninterrupted(|| match file.try_lock_shared() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    })
    .is_err()
}

fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Own {
    fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut number = 0_u64;
        loop {
            let path = dir.join(format!("{}-{number}", process::id()));
            match File::create_new(&path) {
                Ok(file) => {
                    uninterrupted(|| file.lock()).inspect_err(|_| {
                        let _ = fs::remove_file(&path);
                    })?;
                    return Ok(Self { path, file, held: HashSet::new() });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.wrapping_add(1),
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, digest: &Digest) -> io::Result<()> {
        if self.held.contains(digest) {
            return Ok(());
        }
        // At its own place, not at the end: what a full disk cut short is overwritten by the next hold.
        let at = self.held.len().saturating_mul(Digest::LEN);
        self.file.seek(SeekFrom::Start(u64::try_from(at).unwrap_or(u64::MAX)))?;
        self.file.write_all(digest.as_bytes())?;
        self.held.insert(*digest);
        Ok(())
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // A file that stays is unlocked with this process and removed by the next collection.
        let _ = fs::remove_file(&self.path);
    }
}
