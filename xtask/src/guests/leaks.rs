//! Paths of the machine that built an ELF: they differ between machines, so they would make builds unrepeatable, and they
//! are nobody's business. In: an ELF. Out: the first such path as an error.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::command::root;

/// Where people and package managers keep sources; the variables below add this machine's own places.
const USUAL: [&str; 6] = ["/home/", "/root/", "/work/", "/Users/", "/usr/src/", "/tmp/"];
/// Shorter than this, a folder such as `/` is no evidence.
const LEN_MIN: usize = 4;

/// An error if the file names a folder of this machine, or one that only some machine can have.
pub fn check(elf: &Path) -> Result<()> {
    let bytes = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let mut folders: Vec<String> = USUAL.map(str::to_owned).into();
    folders.extend(["HOME", "CARGO_HOME", "RUSTUP_HOME"].iter().filter_map(|name| env::var(name).ok()));
    folders.push(root().display().to_string());
    match first_leak(&bytes, &folders) {
        Some(leak) => bail!("{} names a path of the machine that built it: {leak}", elf.display()),
        None => Ok(()),
    }
}

/// The first of the folders that occurs, with what follows it.
fn first_leak(bytes: &[u8], folders: &[String]) -> Option<String> {
    let long_enough = folders.iter().filter(|folder| folder.len() >= LEN_MIN);
    long_enough.into_iter().find_map(|folder| {
        let at = bytes.windows(folder.len()).position(|window| window == folder.as_bytes())?;
        let printable = bytes[at..].iter().take(80).take_while(|byte| byte.is_ascii_graphic());
        Some(printable.map(|byte| char::from(*byte)).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_folder_is_reported_with_what_follows() {
        let folders = ["/home/".to_owned()];
        assert_eq!(first_leak(b"\x7fELF\0/home/ann/src/main.rs\0", &folders).unwrap(), "/home/ann/src/main.rs");
    }

    #[test]
    fn remapped_paths_and_the_root_folder_are_not_reported() {
        assert_eq!(first_leak(b"/cargo/registry/src/a.rs", &["/home/".to_owned(), "/".to_owned()]), None);
    }
}
