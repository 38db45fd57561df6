//! The key cache: one directory per configuration, one file per kind of key.
//!
//! A file that is missing, damaged or foreign is made again, with a warning unless it was merely missing. A cache that
//! cannot be written costs time, not the proof.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use phalanx_claim::{Digest, ProgramId};

use super::{DeferralKeys, FileError, KeysError, ProvingKeys, file};
use crate::openvm::config;

const APP: &str = "app.key";
const FOLD: &str = "fold.key";
const DEFERRAL: &str = "deferral.key";
/// A folder with a file for each program that was named here.
const PROGRAMS: &str = "programs";
/// Counts the ways in which an ELF became what the VM runs; a name of an earlier way is no name.
const NAMING: u32 = 1;

/// A directory with key files for this version and configuration.
pub struct KeyCache {
    root: PathBuf,
    dir: PathBuf,
    verifying_key: Digest,
}

/// What the cache holds.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeysInfo {
    /// Where the files are.
    pub dir: PathBuf,
    /// The key that receipts are verified with.
    pub verifying_key: Digest,
    /// One entry per kind of key, present or not.
    pub files: Vec<KeyFile>,
}

/// One file of the cache.
#[derive(Debug, Clone, serde::Serialize)]
pub struct KeyFile {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Its size in bytes; `None` when it is not there.
    pub bytes: Option<u64>,
    /// Digest of its content as announced in its header.
    pub digest: Option<Digest>,
}

impl KeyCache {
    /// The cache in `root`, or in the user's cache directory. Touches no file.
    pub fn new(root: Option<&Path>) -> Result<Self, KeysError> {
        let root = match root {
            Some(root) => root.to_owned(),
            None => default_root()?,
        };
        let dir = root.join(configuration_digest()?.to_string());
        Ok(Self { root, dir, verifying_key: phalanx_receipt::engine_id().verifying_key })
    }

    /// The keys of ordinary proving, generated and written if the cache has none.
    pub fn proving(&self) -> Result<ProvingKeys, KeysError> {
        match self.stored_proving() {
            Ok(keys) => Ok(keys),
            Err((name, error)) => {
                self.report(name, &error);
                Ok(self.generate()?.0)
            }
        }
    }

    /// The keys of deferral proving, generated and written if the cache has none.
    pub fn deferral(&self) -> Result<DeferralKeys, KeysError> {
        match self.read(DEFERRAL) {
            Ok(keys) => Ok(keys),
            Err(error) => {
                self.report(DEFERRAL, &error);
                Ok(self.generate()?.1)
            }
        }
    }

    /// The id of the program with this digest, if it was worked out here before.
    pub fn program_id(&self, elf: &Digest) -> Option<ProgramId> {
        let (naming, id): (u32, [u8; 32]) = self.read(&program_file(elf)).ok()?;
        (naming == NAMING).then(|| ProgramId::new(id))
    }

    /// Keeps the id of a program. That it cannot be kept costs time only.
    pub fn keep_program_id(&self, elf: &Digest, id: &ProgramId) {
        let path = self.dir.join(program_file(elf));
        let kept = fs::create_dir_all(self.dir.join(PROGRAMS))
            .and_then(|()| file::write(&path, &self.verifying_key, &(NAMING, id.as_bytes())));
        if let Err(error) = kept {
            tracing::debug!(path = %path.display(), %error, "the id of a program is not kept");
        }
    }

    /// Makes all keys, checks them against the verifying key and writes them.
    pub fn generate(&self) -> Result<(ProvingKeys, DeferralKeys), KeysError> {
        tracing::info!(dir = %self.dir.display(), "generating proving keys");
        let (proving, deferral) = ProvingKeys::generate()?;
        proving.check()?;
        if let Err(error) = self.write_all(&proving, &deferral) {
            tracing::warn!(dir = %self.dir.display(), %error, "proving keys are not cached");
        }
        Ok((proving, deferral))
    }

    /// What is there, without reading it.
    pub fn info(&self) -> KeysInfo {
        let file = |name, purpose| {
            let path = self.dir.join(name);
            KeyFile { name, purpose, bytes: fs::metadata(&path).ok().map(|m| m.len()), digest: file::announced(&path) }
        };
        KeysInfo {
            dir: self.dir.clone(),
            verifying_key: self.verifying_key,
            files: vec![
                file(APP, "proves segments"),
                file(FOLD, "folds proofs"),
                file(DEFERRAL, "verifies receipts inside a guest"),
            ],
        }
    }

    /// Removes the keys of every version and configuration; says how many bytes that were.
    pub fn clear(&self) -> Result<u64, KeysError> {
        let bytes = size(&self.root);
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(KeysError::Io { path: self.root.clone(), error })
            }
            _ => Ok(bytes),
        }
    }

    fn stored_proving(&self) -> Result<ProvingKeys, (&'static str, FileError)> {
        let app = self.read(APP).map_err(|error| (APP, error))?;
        let fold = self.read(FOLD).map_err(|error| (FOLD, error))?;
        Ok(ProvingKeys::new(app, fold))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, FileError> {
        file::read(&self.dir.join(name), &self.verifying_key)
    }

    fn write_all(&self, proving: &ProvingKeys, deferral: &DeferralKeys) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        file::write(&self.dir.join(APP), &self.verifying_key, proving.app())?;
        file::write(&self.dir.join(FOLD), &self.verifying_key, proving.fold())?;
        file::write(&self.dir.join(DEFERRAL), &self.verifying_key, deferral)
    }

    fn report(&self, name: &str, error: &FileError) {
        if !matches!(error, FileError::Missing) {
            tracing::warn!(path = %self.dir.join(name).display(), %error, "unusable key file, generating keys again");
        }
    }
}

fn program_file(elf: &Digest) -> String {
    format!("{PROGRAMS}/{elf}")
}

/// Digest of all that the keys are a function of: OpenVM's version, the VM configuration and the parameters.
fn configuration_digest() -> Result<Digest, KeysError> {
    let all = (
        (phalanx_receipt::ENGINE_NAME, phalanx_receipt::ENGINE_VERSION),
        config::vm_config(None),
        (config::app_params(), config::fold_params(), config::hook_params()),
    );
    postcard::to_stdvec(&all)
        .map(|bytes| Digest::of(&bytes))
        .map_err(|error| KeysError::Configuration(error.to_string()))
}

fn default_root() -> Result<PathBuf, KeysError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification says that a relative path is to be ignored.
    let cache = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    cache
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("phalanx").join("keys"))
        .ok_or(KeysError::NoCacheDirectory)
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_keeps_its_name_until_the_file_is_damaged() {
        let root = tempfile::tempdir().unwrap();
        let cache = KeyCache::new(Some(root.path())).unwrap();
        let (elf, id) = (Digest::of(b"elf"), ProgramId::new([7; 32]));
        assert_eq!(cache.program_id(&elf), None);
        cache.keep_program_id(&elf, &id);
        assert_eq!(cache.program_id(&elf), Some(id));
        assert_eq!(cache.program_id(&Digest::of(b"another")), None);
        let path = cache.dir.join(program_file(&elf));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.program_id(&elf), None);
    }
}
