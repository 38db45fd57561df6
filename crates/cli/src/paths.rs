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
        let default = || data_directory().map(|data| data.join("store"));
        self.store.clone().map_or_else(default, Ok)
    }
}

/// Where everything is kept that cannot be made again without work.
pub fn data_directory() -> Result<PathBuf> {
    directory(|name| env::var_os(name), "XDG_DATA_HOME", ".local/share")
        .ok_or_else(|| homeless("artifacts").hint("name a directory with --store"))
}

/// Where proving keys are cached.
pub fn keys_directory() -> Result<PathBuf> {
    let own = env::var_os("PHALANX_KEYS").filter(|value| !value.is_empty()).map(PathBuf::from);
    own.or_else(|| cache_directory().map(|cache| cache.join("keys")))
        .ok_or_else(|| homeless("proving keys").hint("set PHALANX_KEYS to a directory"))
}

/// Where things are kept that can be made or fetched again.
pub fn cache_directory() -> Option<PathBuf> {
    directory(|name| env::var_os(name), "XDG_CACHE_HOME", ".cache")
}

fn homeless(what: &str) -> Error {
    Error::input(format!("no place for {what}: HOME is not set"))
}

/// `phalanx` under the XDG directory, or under its default in the home directory. Relative XDG directories are ignored, as
/// the specification says.
fn directory(variable: impl Fn(&str) -> Option<OsString>, xdg: &str, xdg_default: &str) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || path("HOME").map(|home| home.join(xdg_default));
    path(xdg).filter(|base| base.is_absolute()).or_else(home).map(|base| base.join("phalanx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        directory(variable, "XDG_DATA_HOME", ".local/share")
    }

    #[test]
    fn the_most_specific_variable_wins() {
        let all = [("XDG_DATA_HOME", "/data"), ("HOME", "/home/me")];
        assert_eq!(data(&all), Some("/data/phalanx".into()));
        assert_eq!(data(&all[1..]), Some("/home/me/.local/share/phalanx".into()));
        assert_eq!(data(&[]), None);
    }

    #[test]
    fn an_empty_or_relative_base_directory_is_ignored() {
        for value in ["", "data"] {
            let found = data(&[("XDG_DATA_HOME", value), ("HOME", "/home/me")]);
            assert_eq!(found, Some("/home/me/.local/share/phalanx".into()), "{value:?}");
        }
    }
}
