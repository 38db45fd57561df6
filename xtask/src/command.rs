//! Running other programs: each command is shown before it runs, and one that fails is named in the error.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// The repository: the parent of this crate's folder.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // What cargo says now comes first: checkouts that share a target directory share this binary too.
        let ours = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        Path::new(&ours).parent().expect("xtask lies in the repository").to_owned()
    })
}

/// Cargo, in the repository. The one that runs us, so that a `+toolchain` holds for everything below it.
pub fn cargo(args: &[&str]) -> Command {
    let mut cargo = command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args);
    // Set for us by `cargo run`; build scripts that watch them would run again at every other call.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// This program itself, for a subcommand that should be a line of its own in the output.
pub fn xtask(args: &[&str]) -> Result<Command> {
    Ok(command(env::current_exe().context("cannot find this program")?, args))
}

/// A program, in the repository.
pub fn command(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Shows and runs a command; an error unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let text = shown(command);
    println!("$ {text}");
    let status = command.status().with_context(|| format!("cannot run `{text}`"))?;
    if !status.success() {
        bail!("`{text}` failed: {status}");
    }
    Ok(())
}

/// Shows and runs a command, hands each line of its stdout to `line` and passes it on. Says whether it succeeded.
pub fn run_reading(command: &mut Command, mut line: impl FnMut(&str)) -> Result<bool> {
    let text = shown(command);
    println!("$ {text}");
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{text}`"))?;
    let output = child.stdout.take().expect("stdout is piped");
    let mut ours = std::io::stdout().lock();
    for read in BufReader::new(output).split(b'\n') {
        let read = read.with_context(|| format!("cannot read what `{text}` prints"))?;
        let read = String::from_utf8_lossy(&read);
        line(&read);
        writeln!(ours, "{read}").context("cannot write to stdout")?;
    }
    Ok(child.wait().with_context(|| format!("lost `{text}`"))?.success())
}

/// The command as one would type it: the program by its name, paths relative to the repository.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut text = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let prefix = format!("{}/", root().display());
    for arg in command.get_args() {
        let arg = arg.to_string_lossy();
        let arg = arg.strip_prefix(&prefix).unwrap_or(&arg);
        text.push(' ');
        if arg.is_empty() || arg.contains([' ', '"', '$', '*']) {
            text.push_str(&format!("'{arg}'"));
        } else {
            text.push_str(arg);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let elf = root().join("guests/elf/a.elf");
        let command = command("/usr/bin/phalanx", &["prove", elf.to_str().unwrap(), "two words"]);
        assert_eq!(shown(&command), "phalanx prove guests/elf/a.elf 'two words'");
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(&mut command("sh", &["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c 'exit 3'") && error.contains('3'), "{error}");
    }
}
