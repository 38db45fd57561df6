//! One key file: a header that says what it is and for whom, and a body whose digest the header holds.
//!
//! Layout, little-endian: magic (8 bytes), format version (u16), digest of the verifying key it belongs to (32), body
//! length (u64), BLAKE3 of the body (32), body (postcard). Written to a temporary file and renamed, so a reader sees all of
//! a file or none of it, and two writers of the same content do no harm.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use phalanx_claim::Digest;
use serde::{Serialize, de::DeserializeOwned};

const MAGIC: &[u8; 8] = b"phlx-pk\n";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 32 + 8 + 32;
/// No key file is larger than this, in bytes; the largest has about one megabyte.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Why a key file cannot be used. Its keys are generated again.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("there is no file")]
    Missing,
    /// The system did not let us read it.
    #[error("{0}")]
    Io(io::Error),
    /// It is no key file.
    #[error("not a key file")]
    Magic,
    /// It is of another version of this format.
    #[error("key file of format version {got}, this program reads {VERSION}")]
    Version {
        /// The version found.
        got: u16,
    },
    /// Its keys belong to another verifying key.
    #[error("keys for verifying key {got}, expected {expected}")]
    Foreign {
        /// The key it names.
        got: Digest,
        /// The key wanted.
        expected: Digest,
    },
    /// It is cut or damaged.
    #[error("damaged: {0}")]
    Damaged(String),
}

/// Reads and checks the file at `path`.
pub(super) fn read<T: DeserializeOwned>(path: &Path, verifying_key: &Digest) -> Result<T, FileError> {
    let bytes = read_bounded(path)?;
    let (header, body) =
        bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| FileError::Damaged("shorter than a header".into()))?;
    if &header[..8] != MAGIC {
        return Err(FileError::Magic);
    }
    let version = u16::from_le_bytes(field(header, 8));
    if version != VERSION {
        return Err(FileError::Version { got: version });
    }
    let owner = Digest::new(field(header, 10));
    if owner != *verifying_key {
        return Err(FileError::Foreign { got: owner, expected: *verifying_key });
    }
    let len = u64::from_le_bytes(field(header, 42));
    if len != body.len() as u64 {
        return Err(FileError::Damaged(format!("the header announces {len} bytes, {} follow", body.len())));
    }
    if Digest::of(body) != Digest::new(field(header, 50)) {
        return Err(FileError::Damaged("the digest of the content is another one".into()));
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, left)) => Err(FileError::Damaged(format!("{} bytes too many", left.len()))),
        Err(error) => Err(FileError::Damaged(error.to_string())),
    }
}

/// Digest of the content that the file at `path` announces, if it is a key file.
pub(super) fn announced(path: &Path) -> Option<Digest> {
    let mut header = [0; HEADER_BYTES];
    File::open(path).ok()?.read_exact(&mut header).ok()?;
    (&header[..8] == MAGIC).then(|| Digest::new(field(&header, 50)))
}

/// Writes `value` to `path`, all of it or nothing.
pub(super) fn write<T: Serialize>(path: &Path, verifying_key: &Digest, value: &T) -> io::Result<()> {
    let body = postcard::to_stdvec(value).map_err(io::Error::other)?;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(verifying_key.as_bytes());
    header.extend_from_slice(&(body.len() as u64).to_le_bytes());
    header.extend_from_slice(Digest::of(&body).as_bytes());

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(&header)?;
        file.write_all(&body)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // The error that matters is the one above; a temporary file left behind is removed by `clear`.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        _ => FileError::Io(error),
    })?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(FileError::Io)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::Damaged(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

fn field<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    header[at..at + N].try_into().expect("a slice of N bytes has N bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Digest = Digest::new([7; 32]);

    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.key");
        write(&path, &OWNER, &vec![1u32, 2, 3]).unwrap();
        (dir, path)
    }

    #[test]
    fn what_was_written_is_read() {
        let (_dir, path) = written();
        assert_eq!(read::<Vec<u32>>(&path, &OWNER).unwrap(), [1, 2, 3]);
        assert_eq!(announced(&path), Some(Digest::of(&postcard::to_stdvec(&vec![1u32, 2, 3]).unwrap())));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_refused() {
        let (_dir, path) = written();
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(read::<Vec<u32>>(&path, &OWNER).is_err(), "byte {at} flipped");
            fs::write(&path, &good[..at]).unwrap();
            assert!(read::<Vec<u32>>(&path, &OWNER).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn keys_of_another_verifying_key_are_foreign() {
        let (_dir, path) = written();
        let other = Digest::new([8; 32]);
        assert!(matches!(read::<Vec<u32>>(&path, &other), Err(FileError::Foreign { got: OWNER, .. })));
    }

    #[test]
    fn nothing_temporary_is_left_behind() {
        let (dir, _path) = written();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
