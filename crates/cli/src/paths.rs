//! Where things are kept when the user does not say: artifacts as data, proving keys as cache (XDG base directories).

use std::{env, ffi::OsString, path::PathBuf};

use crate::error::{Error, Result};

/// What `--store` means, everywhere.
#[derive(clap::Args, Debug)]
pub struct StoreArg {
    /// Where artifacts are kept [default: $PHALANX_STORE, else $XDG_DATA_HOME/phalanx/store, else
    /// ~/.local/share/phalanx/store]
    #[arg(long = "store", value_name = "DIR")]
    store: Option<PathBuf>,
}

impl StoreArg {
    /// The directory, which need not exist.
    pub fn directory(&self) -> Result<PathBuf> {
        let default = || directory(|name| env::var_os(name), "PHALANX_STORE", "XDG_DATA_HOME", ".local/share", "store");
        self.store.clone().or_else(default).ok_or_else(|| homeless("artifacts").hint("name a directory with --store"))
    }
}

/// Where proving keys are cached.
pub fn keys_directory() -> Result<PathBuf> {
    directory(|name| env::var_os(name), "PHALANX_KEYS", "XDG_CACHE_HOME", ".cache", "keys")
        .ok_or_else(|| homeless("proving keys").hint("set PHALANX_KEYS to a directory"))
}

fn homeless(what: &str) -> Error {
    Error::input(format!("no place for {what}: HOME is not set"))
}

/// `own` as it is, or `phalanx/<leaf>` under the XDG directory, or under its default in the home directory. Relative XDG
/// directories are ignored, as the specification says.
fn directory(
    variable: impl Fn(&str) -> Option<OsString>,
    own: &str,
    xdg: &str,
    xdg_default: &str,
    leaf: &str,
) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base =
        || path(xdg).filter(|base| base.is_absolute()).or_else(|| path("HOME").map(|home| home.join(xdg_default)));
    path(own).or_else(|| base().map(|base| base.join("phalanx").join(leaf)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        directory(variable, "PHALANX_STORE", "XDG_DATA_HOME", ".local/share", "store")
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let all = [("PHALANX_STORE", "/own"), ("XDG_DATA_HOME", "/data"), ("HOME", "/home/me")];
        assert_eq!(store(&all), Some("/own".into()));
        assert_eq!(store(&all[1..]), Some("/data/phalanx/store".into()));
        assert_eq!(store(&all[2..]), Some("/home/me/.local/share/phalanx/store".into()));
        assert_eq!(store(&[]), None);
    }

    #[test]
    fn an_empty_or_relative_base_directory_is_ignored() {
        for value in ["", "data"] {
            let found = store(&[("PHALANX_STORE", ""), ("XDG_DATA_HOME", value), ("HOME", "/home/me")]);
            assert_eq!(found, Some("/home/me/.local/share/phalanx/store".into()), "{value:?}");
        }
    }
}
