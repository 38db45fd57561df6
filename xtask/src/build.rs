//! Building `phalanx`: once, whoever asks for it.
//!
//! Cargo compiles a crate again for every set of features, and which set it takes depends on the packages and on whether
//! tests are among what is built. OpenVM takes minutes, so everything here names the same packages and includes a test.

use std::path::PathBuf;

use anyhow::Result;

use crate::command::{cargo, run, target_dir};

/// All packages that hold our code in the profile that all of them share, with every feature that builds here; xtask is light
/// and has a profile of its own.
pub const PACKAGES: [&str; 6] = ["--release", "--workspace", "--exclude", "xtask", "--features", "phalanx/otlp"];

/// The smallest test: without one, cargo leaves out the features that test dependencies ask for.
const A_TEST: [&str; 2] = ["--test", "stdout"];

/// Builds phalanx unless it is built and says where it is.
pub fn phalanx() -> Result<PathBuf> {
    run(cargo(&["build"]).args(PACKAGES).args(["--bin", "phalanx"]).args(A_TEST))?;
    Ok(target_dir().join("release/phalanx"))
}

/// Builds an example beside phalanx, unless it is built, and says where it is.
pub fn example(name: &str) -> Result<PathBuf> {
    run(cargo(&["build"]).args(PACKAGES).args(["--bin", "phalanx", "--example", name]).args(A_TEST))?;
    Ok(target_dir().join("release/examples").join(name))
}

/// Builds an example of a package that does without OpenVM, alone, unless it is built, and says where it is.
pub fn light_example(package: &str, name: &str) -> Result<PathBuf> {
    run(cargo(&["build", "--release"]).args(["-p", package, "--example", name]))?;
    Ok(target_dir().join("release/examples").join(name))
}
