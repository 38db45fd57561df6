//! The dashboard's test: a real gateway, headless Chromium, and a fleet that does what each test says.
//!
//! In: nothing. Out: what the tests say; screenshots under the target folder.

use anyhow::Result;

use crate::{
    build::example,
    command::{command, root, run as run_shown, target_dir},
};

/// Chromium's names in distributions.
const BROWSERS: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];

/// What is missing to run it, if anything is.
pub fn missing() -> Option<&'static str> {
    if !BROWSERS.iter().any(|path| std::path::Path::new(path).exists()) {
        return Some("no Chromium: install chromium");
    }
    let node = std::process::Command::new("node").arg("--version").output();
    let version = node.map(|node| String::from_utf8_lossy(&node.stdout).into_owned()).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(20..) => None,
        _ => Some("no Node.js 20 or newer"),
    }
}

/// Runs it.
pub fn run() -> Result<()> {
    let gateway = example("dashboard")?;
    let folder = root().join("dashboard/test");
    let npm = ["ci", "--silent", "--no-audit", "--no-fund"];
    run_shown(command("npm", &npm).current_dir(&folder))?;
    let shots = target_dir().join("dashboard");
    std::fs::create_dir_all(&shots)?;
    run_shown(command("node", &["run.mjs"]).arg(gateway).current_dir(&folder).env("SHOTS", shots))
}
