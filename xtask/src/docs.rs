//! Keeps the documentation true: its links lead somewhere and, with `--run`, its commands print what it shows.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    command::{root, target_dir},
    console::{self, Shown},
    links,
};

#[derive(Args)]
pub struct DocsArgs {
    /// Also run the commands of blocks marked `console run`, with the phalanx under target/release
    #[arg(long)]
    run: bool,
}

/// Checks the documentation.
pub fn run(args: DocsArgs) -> Result<()> {
    let pages = pages(root())?;
    let mut broken = Vec::new();
    for page in &pages {
        broken.extend(links::broken(root(), page)?);
    }
    if !broken.is_empty() {
        bail!("{} links lead nowhere:\n  {}", broken.len(), broken.join("\n  "));
    }
    println!("{} pages: every link leads somewhere", pages.len());
    if args.run {
        for page in &pages {
            run_commands(page)?;
        }
    }
    Ok(())
}

/// Every Markdown file that we wrote.
fn pages(root: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().with_context(|| format!("cannot look at {}", path.display()))?.is_dir() {
                let built = ["target", "demo", "node_modules", "corpus"].iter().any(|built| name == *built);
                if !built && !name.to_string_lossy().starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

/// Runs a page's marked blocks, one after another in one empty folder that has the guests in it.
fn run_commands(page: &Path) -> Result<()> {
    let text = fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let blocks = console::blocks(&text);
    if blocks.is_empty() {
        return Ok(());
    }
    let name = page.strip_prefix(root()).unwrap_or(page).display();
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    symlink(root().join("guests"), folder.path().join("guests")).context("cannot link the guests")?;
    for block in blocks {
        let mut status = 0;
        for (at, shown) in block.iter().enumerate() {
            println!("{name}:{}: $ {}", shown.line, shown.command);
            let (code, output) = run_command(shown, folder.path(), status)?;
            if let Some(difference) = console::differs(&shown.output, &output) {
                bail!("{name}:{}: {difference}; all of it:\n{output}", shown.line);
            }
            // A command may fail if the page goes on to show its exit code.
            if code != 0 && block.get(at + 1).is_none_or(|next| next.command != "echo $?") {
                bail!("{name}:{}: `{}` exits {code}:\n{output}", shown.line, shown.command);
            }
            status = code;
        }
    }
    Ok(())
}

/// Runs one command as a shell would whose last command exited with `status`.
fn run_command(shown: &Shown, folder: &Path, status: i32) -> Result<(i32, String)> {
    let mut path = target_dir().join("release").into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n(exit {status})\n{}", shown.command)])
        .current_dir(folder)
        .env("PATH", path)
        // Examples need not say where, and leave nothing in the store of whoever runs them.
        .env("PHALANX_STORE", folder.join("store"))
        .output()
        .with_context(|| format!("cannot run `{}`", shown.command))?;
    let code = output.status.code().with_context(|| format!("`{}` was killed", shown.command))?;
    Ok((code, String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &str) -> Shown {
        Shown { line: 1, command: command.into(), output: vec![] }
    }

    #[test]
    fn a_command_sees_how_the_last_one_ended() {
        assert_eq!(run_command(&shown("echo $?"), root(), 3).unwrap(), (0, "3\n".to_owned()));
    }

    #[test]
    fn stderr_is_part_of_what_is_shown() {
        assert_eq!(run_command(&shown("echo a; echo b >&2; exit 2"), root(), 0).unwrap(), (2, "a\nb\n".to_owned()));
    }
}
