//! Result files: all of it or nothing, and refused before the work if it could not be written after.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

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
        target.temporary().and_then(NamedTempFile::close).map_err(|cause| refused(&cause))?;
        Ok(target)
    }

    /// Writes the file whole: a temporary one beside it, made durable, then renamed.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let write = || {
            let mut file = self.temporary()?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&self.real).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|cause: io::Error| Error::unwritable(self.what, &self.path, &cause))
    }

    /// Whether this is the same file, as far as it exists.
    pub fn is(&self, other: &Path) -> bool {
        fs::canonicalize(other).is_ok_and(|other| fs::canonicalize(&self.real).is_ok_and(|own| own == other))
    }

    /// As the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn temporary(&self) -> io::Result<NamedTempFile> {
        let directory = self.real.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The umask decides who may read it, as for any file.
        tempfile::Builder::new()
            .prefix(".phalanx-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
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
