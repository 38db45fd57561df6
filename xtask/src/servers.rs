//! Servers that tests start on loopback: S3 and GCS (moto, from PyPI) and Azure (azurite, from npm), at pinned versions, in
//! a folder of their own. In: nothing. Out: the folder, which tests find by the variable `PHALANX_TEST_SERVERS`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::command::{command, run as run_shown, target_dir};

/// The variable by which tests find the folder.
pub const VARIABLE: &str = "PHALANX_TEST_SERVERS";

const MOTO: &str = "moto[server]==5.2.5";
/// The last that runs on Node 20.
const AZURITE: &str = "azurite@3.35.0";

/// Where the servers are; installs those that are not there.
pub fn folder() -> Result<PathBuf> {
    // The tests look into the same place when nobody tells them.
    let folder = target_dir().join("test-servers");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let python = folder.join("python");
    install(&folder, "moto", MOTO, |text| {
        run_shown(command("python3", &["-m", "venv", "--clear"]).arg(&python))?;
        run_shown(&mut command(python.join("bin/pip"), &["install", "--quiet", "--disable-pip-version-check", text]))
    })?;
    install(&folder, "azurite", AZURITE, |text| {
        let npm = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
        run_shown(command("npm", &npm).arg(folder.join("node")).arg(text))
    })?;
    Ok(folder)
}

/// Installs a package unless a file beside it says that this version is there. The file is written last.
fn install(
    folder: &std::path::Path,
    name: &str,
    version: &str,
    install: impl FnOnce(&str) -> Result<()>,
) -> Result<()> {
    let stamp = folder.join(format!("{name}.version"));
    if fs::read_to_string(&stamp).is_ok_and(|found| found == version) {
        return Ok(());
    }
    install(version).with_context(|| format!("cannot install {version}"))?;
    fs::write(&stamp, version).with_context(|| format!("cannot write {}", stamp.display()))
}
