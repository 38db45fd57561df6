//! Result files: all of it or nothing, and refused before the work if it could not be written after.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use crate::error::{Error, Result};

/// How many leftovers of killed processes with our number are stepped over.
const ATTEMPTS_MAX: u32 = 64;

/// A file that can be written, as far as one can know beforehand.
#[derive(Debug)]
pub struct Target {
    what: &'static str,
    /// As the user named it.
    path: PathBuf,
    /// Behind symbolic links: the link shall stay a link.
    real: PathBuf,
}

impl Target {
    /// Checks that a file can be made in the target's directory and be renamed to its name.
    pub fn prepare(what: &'static str, path: &Path) -> Result<Self> {
        let refused = |cause: &io::Error| Error::unwritable(what, path, cause);
        let real = match fs::symlink_metadata(path) {
            Ok(_) => fs::canonicalize(path).map_err(|cause| refused(&cause))?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(cause) => return Err(refused(&cause)),
        };
        if real.file_name().is_none() || fs::metadata(&real).is_ok_and(|metadata| !metadata.is_file()) {
            let reason = if real.is_dir() { "it is a directory" } else { "it is not a regular file" };
            return Err(Error::input(format!("cannot write {what} {}: {reason}", path.display())));
        }
        let target = Self { what, path: path.to_owned(), real };
        // Made and removed at once: nothing is left behind if the process is killed while it proves.
        target.temporary().and_then(|(_, path)| fs::remove_file(path)).map_err(|cause| refused(&cause))?;
        Ok(target)
    }

    /// Writes the file whole: a temporary one beside it, made durable, then renamed.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let write = || {
            let (mut file, temporary) = self.temporary()?;
            let whole = file.write_all(bytes).and_then(|()| file.sync_all());
            let placed = whole.and_then(|()| fs::rename(&temporary, &self.real));
            if placed.is_err() {
                // It is of no use; should it stay, the error that is reported matters more.
                let _ = fs::remove_file(&temporary);
            }
            placed
        };
        write().map_err(|cause| Error::unwritable(self.what, &self.path, &cause))
    }

    /// Whether this is the same file, as far as it exists.
    pub fn is(&self, other: &Path) -> bool {
        fs::canonicalize(other).is_ok_and(|other| fs::canonicalize(&self.real).is_ok_and(|own| own == other))
    }

    /// As the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file beside the target; the umask decides who may read it, as for any file.
    fn temporary(&self) -> io::Result<(File, PathBuf)> {
        let directory = self.real.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Another process has another number; one that was killed may have left a file under ours.
        let mut attempt = 0;
        loop {
            let path = directory.join(format!(".phalanx-{}-{attempt}.tmp", process::id()));
            match File::create_new(&path) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && attempt < ATTEMPTS_MAX => attempt += 1,
                opened => return opened.map(|file| (file, path)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.receipt");
        fs::write(&path, "old and longer").unwrap();
        let target = Target::prepare("receipt", &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old and longer", "preparing changes nothing");
        target.write(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_refused_before_the_work() {
        let directory = tempfile::tempdir().unwrap();
        let error = Target::prepare("receipt", &directory.path().join("no/a.receipt")).unwrap_err();
        assert!(error.what.contains("no/a.receipt: no such file or directory"), "{error}");
    }

    #[test]
    fn a_directory_or_device_is_refused() {
        assert!(Target::prepare("receipt", Path::new("/")).is_err());
        let error = Target::prepare("receipt", Path::new("/dev/null")).unwrap_err();
        assert!(error.what.ends_with("it is not a regular file"), "{error}");
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink(&file, &link).unwrap();
        Target::prepare("receipt", &link).unwrap().write(b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
}
