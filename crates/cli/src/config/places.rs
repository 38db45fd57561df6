//! Which configuration files are read.
//!
//! The one named with `--config` or `PHALANX_CONFIG`, alone; else the user's and the machine's, where they are there, the
//! user's first.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// For every user of the machine.
const MACHINE: &str = "/etc/phalanx/config.toml";

/// The files, the most important first.
#[derive(PartialEq, Eq, Debug)]
pub struct Places {
    /// Their paths.
    pub paths: Vec<PathBuf>,
    /// Whether the user named it, so that it must be there.
    pub is_named: bool,
}

/// Looks at the arguments and the environment. The arguments are not parsed yet: how they parse depends on the files.
pub fn places(arguments: &[OsString], variable: impl Fn(&str) -> Option<OsString>) -> Places {
    let variable = |name| variable(name).filter(|value| !value.is_empty());
    if let Some(path) = named(arguments).or_else(|| variable("PHALANX_CONFIG")) {
        return Places { paths: vec![path.into()], is_named: true };
    }
    let base = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|base| base.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")));
    let user = base.map(|base| base.join("phalanx").join("config.toml"));
    Places { paths: user.into_iter().chain([PathBuf::from(MACHINE)]).collect(), is_named: false }
}

/// The value of `--config`.
fn named(arguments: &[OsString]) -> Option<OsString> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().cloned();
        }
        if let Some(path) = argument.to_str().and_then(|argument| argument.strip_prefix("--config=")) {
            return Some(OsStr::new(path).to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(arguments: &[&str], variables: &[(&str, &str)]) -> Places {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        places(&arguments, |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn a_file_that_is_named_is_the_only_one() {
        let variables = [("PHALANX_CONFIG", "/variable"), ("HOME", "/home/me")];
        let named = |path: &str| Places { paths: vec![path.into()], is_named: true };
        assert_eq!(found(&["jobs", "--config", "a.toml"], &variables), named("a.toml"));
        assert_eq!(found(&["--config=a.toml", "jobs"], &variables), named("a.toml"));
        assert_eq!(found(&["jobs", "--", "--config", "a.toml"], &variables), named("/variable"));
    }

    #[test]
    fn else_the_users_file_comes_before_the_machines() {
        let paths = |variables: &[(&str, &str)]| {
            let found = found(&["jobs"], variables);
            assert!(!found.is_named);
            found.paths
        };
        let machine = PathBuf::from(MACHINE);
        assert_eq!(paths(&[("HOME", "/me")]), [PathBuf::from("/me/.config/phalanx/config.toml"), machine.clone()]);
        let both = [("HOME", "/me"), ("XDG_CONFIG_HOME", "/xdg"), ("PHALANX_CONFIG", "")];
        assert_eq!(paths(&both), [PathBuf::from("/xdg/phalanx/config.toml"), machine.clone()]);
        assert_eq!(paths(&[]), [machine]);
    }
}
