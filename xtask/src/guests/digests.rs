//! `DIGESTS.json`: which ELFs are committed, and which compiler built them. In: a folder of ELFs. Out: the file, or the
//! first difference between two such lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A folder of ELFs.
pub struct Digests {
    /// What built them: compiler, cargo and linker with their versions.
    pub compiler: String,
    guests: BTreeMap<String, Elf>,
}

#[derive(PartialEq, Eq)]
struct Elf {
    blake3: String,
    bytes: u64,
}

impl Digests {
    /// The ELFs of these guests in `folder`, which must hold no other.
    pub fn of(folder: &Path, names: &BTreeSet<String>, compiler: String) -> Result<Self> {
        let mut guests = BTreeMap::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry.with_context(|| format!("cannot list {}", folder.display()))?.path();
            if path.extension().is_none_or(|extension| extension != "elf") {
                continue;
            }
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            ensure!(names.contains(&name), "{} belongs to no program under guests/programs", path.display());
            let elf = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let blake3 = blake3::hash(&elf).to_hex().to_string();
            guests.insert(name, Elf { blake3, bytes: elf.len() as u64 });
        }
        for name in names {
            ensure!(guests.contains_key(name), "{} holds no {name}.elf", folder.display());
        }
        Ok(Self { compiler, guests })
    }

    /// Reads the folder's `DIGESTS.json`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = file(folder);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text)
            .with_context(|| format!("{} is not as `cargo xtask guests --build` writes it", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let compiler = value["compiler"].as_str().context("no `compiler`")?.to_owned();
        let mut guests = BTreeMap::new();
        for guest in value["guests"].as_array().context("no list `guests`")? {
            let name = guest["name"].as_str().context("a guest without `name`")?;
            let blake3 = guest["blake3"].as_str().with_context(|| format!("{name} has no `blake3`"))?.to_owned();
            let bytes = guest["bytes"].as_u64().with_context(|| format!("{name} has no `bytes`"))?;
            guests.insert(name.to_owned(), Elf { blake3, bytes });
        }
        Ok(Self { compiler, guests })
    }

    /// Writes the folder's `DIGESTS.json`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = file(folder);
        let text = format!("{:#}\n", self.json());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn json(&self) -> Value {
        let guests =
            self.guests.iter().map(|(name, elf)| json!({"name": name, "blake3": elf.blake3, "bytes": elf.bytes}));
        json!({"compiler": self.compiler, "guests": guests.collect::<Vec<_>>()})
    }

    /// The first guest in which the two differ, whatever built them.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let names: BTreeSet<&String> = self.guests.keys().chain(other.guests.keys()).collect();
        for name in names {
            match (self.guests.get(name), other.guests.get(name)) {
                (Some(ours), Some(theirs)) if ours == theirs => {}
                (Some(ours), Some(theirs)) => {
                    let [ours, theirs] = [ours, theirs]
                        .map(|elf| format!("{} ({} bytes)", &elf.blake3[..16.min(elf.blake3.len())], elf.bytes));
                    return Some(format!("{name} is {ours} here and {theirs} there"));
                }
                (None, _) => return Some(format!("{name} is not listed")),
                (_, None) => return Some(format!("{name} is listed but not there")),
            }
        }
        None
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("DIGESTS.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(elf: &[u8]) -> Digests {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.elf"), elf).unwrap();
        Digests::of(folder.path(), &BTreeSet::from(["a".to_owned()]), "rustc".to_owned()).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let written = digests(b"one");
        let read = Digests::parse(&written.json().to_string()).unwrap();
        assert_eq!(written.difference(&read), None);
        assert_eq!(read.compiler, "rustc");
    }

    #[test]
    fn another_byte_is_a_difference_that_names_the_guest() {
        assert!(digests(b"one").difference(&digests(b"two")).unwrap().starts_with("a is "));
    }

    #[test]
    fn an_elf_without_a_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("stray.elf"), b"").unwrap();
        assert!(Digests::of(folder.path(), &BTreeSet::new(), String::new()).is_err());
    }
}
