//! Artifacts on this machine's disk: what one task made is often what the next one reads.
//!
//! In: artifacts in stored form, by digest. Out: the same, until there are too many bytes; then the least recently used
//! go. Nothing depends on it: a missing or corrupt file is fetched again. One process uses one directory.

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use phalanx_claim::Digest;

/// Files under one directory.
pub struct Cache {
    directory: PathBuf,
    bytes_max: u64,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    entries: HashMap<Digest, Entry>,
    /// From the time of the last use, which only counts up, to what was used then.
    by_use: BTreeMap<u64, Digest>,
    bytes: u64,
    now: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    bytes: u64,
    used: u64,
}

impl Cache {
    /// Opens the directory, makes it if it is not there, and knows what an earlier process left.
    pub fn open(directory: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            match entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) {
                Some(digest) if metadata.is_file() => {
                    found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), digest, metadata.len()));
                }
                // A file that was not finished.
                None if entry.path().extension().is_some_and(|extension| extension == "part") => {
                    fs::remove_file(entry.path())?;
                }
                _ => {}
            }
        }
        found.sort_unstable();
        let cache = Self { directory: directory.to_owned(), bytes_max, index: Mutex::default() };
        for (_, digest, bytes) in found {
            cache.enter(&digest, bytes);
        }
        Ok(cache)
    }

    /// The artifact in stored form, if it is here.
    pub fn get(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.index(|index| index.touch(digest))?;
        match fs::read(self.path(digest)) {
            Ok(stored) => Some(stored),
            Err(_) => {
                self.remove(digest);
                None
            }
        }
    }

    /// Keeps an artifact in stored form. A full disk is no reason to fail: it is kept elsewhere too.
    pub fn put(&self, digest: &Digest, stored: &[u8]) {
        let bytes = stored.len() as u64;
        if bytes > self.bytes_max || self.index(|index| index.touch(digest)).is_some() {
            return;
        }
        let part = self.directory.join(format!("{digest}.{:?}.part", std::thread::current().id()));
        let written = fs::write(&part, stored).and_then(|()| fs::rename(&part, self.path(digest)));
        match written {
            Ok(()) => self.enter(digest, bytes),
            Err(error) => {
                tracing::debug!(%digest, %error, "an artifact is not cached");
                let _ = fs::remove_file(&part);
            }
        }
    }

    /// Forgets an artifact, which was corrupt.
    pub fn remove(&self, digest: &Digest) {
        self.index(|index| index.forget(digest));
        let _ = fs::remove_file(self.path(digest));
    }

    fn enter(&self, digest: &Digest, bytes: u64) {
        let gone = self.index(|index| {
            index.forget(digest);
            index.now += 1;
            index.entries.insert(*digest, Entry { bytes, used: index.now });
            index.by_use.insert(index.now, *digest);
            index.bytes += bytes;
            index.shrink(self.bytes_max)
        });
        for digest in gone {
            let _ = fs::remove_file(self.path(&digest));
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.to_string())
    }

    fn index<T>(&self, change: impl FnOnce(&mut Index) -> T) -> T {
        // Nothing in a change can panic halfway.
        change(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Index {
    fn touch(&mut self, digest: &Digest) -> Option<()> {
        let entry = self.entries.get_mut(digest)?;
        self.now += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.now;
        self.by_use.insert(self.now, *digest);
        Some(())
    }

    fn forget(&mut self, digest: &Digest) {
        if let Some(entry) = self.entries.remove(digest) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    /// Takes the least recently used out until the rest fits.
    fn shrink(&mut self, bytes_max: u64) -> Vec<Digest> {
        let mut gone = Vec::new();
        while self.bytes > bytes_max
            && let Some((_, digest)) = self.by_use.first_key_value()
        {
            let digest = *digest;
            self.forget(&digest);
            gone.push(digest);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::of(&[byte])
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), 30).unwrap();
        for byte in 0..3 {
            cache.put(&digest(byte), &[byte; 10]);
        }
        assert!(cache.get(&digest(0)).is_some());
        cache.put(&digest(3), &[3; 10]);
        assert_eq!(cache.get(&digest(0)), Some(vec![0; 10]), "it was used after the others");
        assert_eq!(cache.get(&digest(1)), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_an_earlier_process_left_is_found_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), 100).unwrap();
        for byte in 0..5 {
            cache.put(&digest(byte), &[byte; 10]);
        }
        fs::write(folder.path().join("half.part"), b"half").unwrap();
        let cache = Cache::open(folder.path(), 20).unwrap();
        let there = (0..5).filter(|byte| cache.get(&digest(*byte)).is_some()).count();
        assert_eq!(there, 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the half file is gone too");
    }

    #[test]
    fn a_file_that_vanished_is_missing_and_can_be_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), 100).unwrap();
        cache.put(&digest(1), &[1; 10]);
        fs::remove_file(folder.path().join(digest(1).to_string())).unwrap();
        assert_eq!(cache.get(&digest(1)), None);
        cache.put(&digest(1), &[1; 10]);
        assert_eq!(cache.get(&digest(1)), Some(vec![1; 10]));
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path(), 9).unwrap();
        cache.put(&digest(1), &[1; 10]);
        assert_eq!(cache.get(&digest(1)), None);
    }
}
