//! Checkers that are programs of their own, at pinned versions, kept under the target folder: built once from crates.io, or
//! taken from PyPI where it has them built.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::command::{cargo, command, run, target_dir};

/// A program.
pub struct Tool {
    package: &'static str,
    version: &'static str,
    binary: &'static str,
    from: Registry,
}

/// Where a program comes from.
enum Registry {
    Crates,
    PyPi,
}

/// Licences, bans and sources of dependencies.
pub const CARGO_DENY: Tool =
    Tool { package: "cargo-deny", version: "0.20.2", binary: "cargo-deny", from: Registry::Crates };
/// Spelling.
pub const TYPOS: Tool = Tool { package: "typos", version: "1.52.0", binary: "typos", from: Registry::PyPi };
/// Requests made from the API's document.
pub const SCHEMATHESIS: Tool =
    Tool { package: "schemathesis", version: "4.32.5", binary: "schemathesis", from: Registry::PyPi };

impl Tool {
    /// Where the program is; builds it if it is not there.
    pub fn path(&self) -> Result<PathBuf> {
        // A folder for each version, so that a new pin is a new build and never the old program.
        let folder = target_dir().join("tools").join(format!("{}-{}", self.package, self.version));
        let path = folder.join("bin").join(self.binary);
        if !path.exists() {
            match self.from {
                Registry::Crates => self.build(&folder)?,
                Registry::PyPi => self.fetch(&folder)?,
            }
        }
        Ok(path)
    }
    fn build(&self, folder: &Path) -> Result<()> {
        let version = format!("{}@{}", self.package, self.version);
        let mut install = cargo(&["install", "--locked", "--debug", &version, "--root"]);
        install.arg(folder).env("CARGO_TARGET_DIR", target_dir().join("tools/build"));
        // They run for seconds: compiling them fast is worth more than fast code.
        install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("RUSTFLAGS", "");
        run(&mut install)
    }

    fn fetch(&self, folder: &Path) -> Result<()> {
        run(command("python3", &["-m", "venv", "--clear"]).arg(folder))?;
        let version = format!("{}=={}", self.package, self.version);
        let pip = folder.join("bin/pip");
        run(&mut command(
            pip,
            &["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", &version],
        ))
    }
}
