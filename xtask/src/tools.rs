//! Checkers that are programs of their own: built once from crates.io at pinned versions, kept under the target folder.

use std::path::PathBuf;

use anyhow::Result;

use crate::command::{cargo, run, target_dir};

/// A program from crates.io.
pub struct Tool {
    package: &'static str,
    version: &'static str,
    binary: &'static str,
}

/// Licences, bans and sources of dependencies.
pub const CARGO_DENY: Tool = Tool { package: "cargo-deny", version: "0.20.2", binary: "cargo-deny" };
/// Spelling.
pub const TYPOS: Tool = Tool { package: "typos-cli", version: "1.52.0", binary: "typos" };

impl Tool {
    /// Where the program is; builds it if it is not there.
    pub fn path(&self) -> Result<PathBuf> {
        // A folder for each version, so that a new pin is a new build and never the old program.
        let folder = target_dir().join("tools").join(format!("{}-{}", self.package, self.version));
        let path = folder.join("bin").join(self.binary);
        if !path.exists() {
            let version = format!("{}@{}", self.package, self.version);
            let mut install = cargo(&["install", "--locked", "--debug", &version, "--root"]);
            install.arg(&folder).env("CARGO_TARGET_DIR", target_dir().join("tools/build"));
            // They run for seconds: compiling them fast is worth more than fast code.
            install.env("CARGO_PROFILE_DEV_DEBUG", "0").env("RUSTFLAGS", "");
            run(&mut install)?;
        }
        Ok(path)
    }
}
