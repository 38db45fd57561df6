//! The file or object `FORMAT`: what makes a directory or a bucket a store, and which version of one.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process,
};

use crate::{
    StoreError,
    objects::{Objects, text},
};

/// The store format that this program reads and writes.
pub const FORMAT: u64 = 1;

/// Name of the file. It is written first, so a directory with anything else and without it is not ours.
pub(crate) const FORMAT_FILE: &str = "FORMAT";

const PREFIX: &str = "phalanx-store ";
const FORMAT_FILE_BYTES_MAX: u64 = 64;

/// How often a store that appears or vanishes while it is opened is looked at again.
const OPEN_TRIES_MAX: u32 = 8;

/// Makes `root` a store of this format, or checks that it is one.
pub(crate) fn open(root: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(root).map_err(|reason| StoreError::Open { place: text(root), reason })?;
    let path = root.join(FORMAT_FILE);
    let mut tries = 0;
    loop {
        if let Some(found) = read(&path).map_err(|reason| StoreError::Open { place: text(&path), reason })? {
            return check(text(root), &found);
        }
        tries += 1;
        let empty = is_empty(root).map_err(|reason| StoreError::Open { place: text(root), reason })?;
        match (empty, tries < OPEN_TRIES_MAX) {
            // Whoever filled the directory just now may have been another process making this store: look again.
            (false, true) => continue,
            (false, false) => return Err(StoreError::NotAStore { place: text(root) }),
            (true, again) => match write(root, &path) {
                Ok(()) => {}
                // Another process finished the store and collected our temporary file.
                Err(error) if error.kind() == io::ErrorKind::NotFound && again => {}
                Err(reason) => return Err(StoreError::Open { place: text(&path), reason }),
            },
        }
    }
}

/// As [`open`], for objects behind a network.
pub(crate) fn open_remote(objects: &Objects) -> Result<(), StoreError> {
    let path = object_store::path::Path::from(FORMAT_FILE);
    let mut tries = 0;
    loop {
        if let Some(found) = objects.read(&path, FORMAT_FILE_BYTES_MAX)? {
            return check(objects.name().to_owned(), &found);
        }
        tries += 1;
        if objects.is_any()? && tries < OPEN_TRIES_MAX {
            // Whoever put something there just now may have been another process making this store: look again.
            continue;
        }
        if tries >= OPEN_TRIES_MAX {
            return Err(StoreError::NotAStore { place: objects.name().to_owned() });
        }
        objects.create(&path, format!("{PREFIX}{FORMAT}\n").into_bytes())?;
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(FORMAT_FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(Some(text))
}

fn check(place: String, text: &[u8]) -> Result<(), StoreError> {
    let found = str::from_utf8(text).ok().and_then(|text| text.strip_prefix(PREFIX)?.trim_end().parse().ok());
    match found {
        Some(FORMAT) => Ok(()),
        Some(found) => Err(StoreError::OtherFormat { place, found, ours: FORMAT }),
        None => Err(StoreError::NoFormat { place }),
    }
}

/// Whether nothing is in the directory but what a killed creator may have left.
fn is_empty(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        if !entry?.file_name().to_string_lossy().starts_with(FORMAT_FILE) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Written once in a store's life, so it can afford to be synced. Whoever links it first decides the format.
fn write(root: &Path, path: &Path) -> io::Result<()> {
    let (staged, mut file) = stage(root)?;
    let written = writeln!(file, "{PREFIX}{FORMAT}").and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&staged, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let _ = fs::remove_file(&staged);
    linked?;
    File::open(root)?.sync_all()
}

/// A new temporary file that nobody else writes.
fn stage(root: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = u64::from(process::id());
    loop {
        let staged = root.join(format!("{FORMAT_FILE}#{number}"));
        match File::create_new(&staged) {
            Ok(file) => return Ok((staged, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number = number.wrapping_add(1),
            Err(error) => return Err(error),
        }
    }
}
