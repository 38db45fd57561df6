//! Running a program to be measured. In: a command that prints one JSON object. Out: the object and what the system
//! counted for the process.
//!
//! Linux keeps the counters of a process that has ended until its parent asks how it ended, so they are read in between.

use std::{
    fs,
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::shown;

/// How often a process that has closed its output is looked at until it ends.
const POLL_EVERY: Duration = Duration::from_millis(1);

/// The exit code of `phalanx` that says that it is the user's turn.
const REFUSED: i32 = 1;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// What one run gave.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What it printed.
    pub json: Value,
    /// From its start to its end, in milliseconds.
    pub wall_ms: f64,
    /// Pages that the kernel mapped on first touch.
    pub minor_faults: u64,
}

impl Ran {
    /// A number of the object.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.json[name].as_f64().with_context(|| format!("`{name}` is not among what the program printed"))
    }

    /// A whole number of the object.
    pub fn count(&self, name: &str) -> Result<u64> {
        self.json[name].as_u64().with_context(|| format!("`{name}` is not among what the program printed"))
    }
}

/// Shows the command, runs it and reads what it prints. An error unless it succeeds.
pub fn json(command: &mut Command) -> Result<Ran> {
    println!("$ {}", with_settings(command));
    match unless_refused(command)? {
        Some(ran) => Ok(ran),
        None => bail!("`{}` was refused", with_settings(command)),
    }
}

/// Runs the command and reads what it prints; nothing if it refuses what it was asked. Any other failure is an error.
pub fn unless_refused(command: &mut Command) -> Result<Option<Ran>> {
    match attempt(command)? {
        Attempt::Done(ran) => Ok(Some(ran)),
        Attempt::Refused => Ok(None),
        Attempt::Killed(status) => bail!("`{}` failed: {status}", with_settings(command)),
    }
}

/// How a run ended that may need more than the machine has.
#[derive(Debug)]
pub enum Attempt {
    /// It succeeded.
    Done(Ran),
    /// It refused what it was asked.
    Refused,
    /// It ended as when RAM runs out: by the kernel, or by itself when it got no more.
    Killed(ExitStatus),
}

/// Runs the command and reads what it prints. What it says on stderr is shown as it comes, unless that was redirected.
pub fn attempt(command: &mut Command) -> Result<Attempt> {
    let text = with_settings(command);
    let start = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot run `{text}`"))?;
    let mut printed = Vec::new();
    let mut output = child.stdout.take().context("stdout is not piped")?;
    output.read_to_end(&mut printed).with_context(|| format!("cannot read what `{text}` prints"))?;
    let minor_faults = ended(&child);
    let wall_ms = start.elapsed().as_secs_f64() * 1e3;
    let status = child.wait().with_context(|| format!("lost `{text}`"))?;
    if status.code() == Some(REFUSED) {
        return Ok(Attempt::Refused);
    }
    if matches!(status.signal(), Some(SIGKILL | SIGABRT)) {
        return Ok(Attempt::Killed(status));
    }
    if !status.success() {
        bail!("`{text}` failed: {status}");
    }
    let json = serde_json::from_slice(&printed).with_context(|| format!("`{text}` did not print JSON"))?;
    Ok(Attempt::Done(Ran { json, wall_ms, minor_faults }))
}

/// Shows the command, runs it and gives what it prints as it is. An error unless it succeeds.
pub fn printed(command: &mut Command) -> Result<String> {
    let text = with_settings(command);
    println!("$ {text}");
    let run = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = run.with_context(|| format!("cannot run `{text}`"))?;
    if !output.status.success() {
        bail!("`{text}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{text}` did not print UTF-8"))
}

/// Starts the command and ends it like the out-of-memory killer does, after `wait`. Says whether it was still running.
pub fn kill_after(command: &mut Command, wait: Duration) -> Result<bool> {
    let text = with_settings(command);
    println!("$ {text}    (killed after {:.1} s)", wait.as_secs_f64());
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = spawned.with_context(|| format!("cannot run `{text}`"))?;
    thread::sleep(wait);
    let was_running = child.try_wait().with_context(|| format!("lost `{text}`"))?.is_none();
    if was_running {
        child.kill().with_context(|| format!("cannot kill `{text}`"))?;
        child.wait().with_context(|| format!("lost `{text}`"))?;
    }
    Ok(was_running)
}

/// The command as one would type it, with the environment variables that were set for it.
pub fn with_settings(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let settings: String =
        settings.map(|(name, value)| format!("{}={} ", name.to_string_lossy(), value.to_string_lossy())).collect();
    settings + &shown(command)
}

/// Waits until the process has ended, without taking its status, and reads its minor page faults.
fn ended(child: &Child) -> u64 {
    loop {
        // Not on Linux, or gone against all rules: then nobody counts.
        let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", child.id())) else { return 0 };
        match state_and_faults(&stat) {
            Some(('Z' | 'X', faults)) => return faults,
            Some(_) => thread::sleep(POLL_EVERY),
            None => return 0,
        }
    }
}

/// From the text of `/proc/<pid>/stat`. The program's name stands in parentheses and may hold any character.
fn state_and_faults(stat: &str) -> Option<(char, u64)> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(6)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::command;

    #[test]
    fn faults_are_read_behind_a_name_with_parentheses() {
        let stat = "7 (a) b (c) Z 1 2 3 4 5 6 4711 8 9 10 11 12";
        assert_eq!(state_and_faults(stat), Some(('Z', 4711)));
        assert_eq!(state_and_faults("7 (a) Z 1"), None);
    }

    #[test]
    fn a_process_that_has_ended_is_still_counted() {
        let ran = json(&mut command("sh", &["-c", "echo '{\"a\": 3}'"])).unwrap();
        assert_eq!(ran.count("a").unwrap(), 3);
        assert!(ran.minor_faults > 0 || !cfg!(target_os = "linux"));
        assert!(ran.count("b").unwrap_err().to_string().contains("`b`"));
    }

    #[test]
    fn a_run_that_was_killed_is_not_taken_for_one_that_was_refused() {
        let refused = || command("sh", &["-c", "exit 1"]);
        assert!(unless_refused(&mut refused()).unwrap().is_none());
        assert!(json(&mut refused()).is_err());
        assert!(unless_refused(&mut command("sh", &["-c", "kill -9 $$"])).is_err());
    }

    #[test]
    fn only_a_run_that_ended_as_without_ram_is_taken_for_killed() {
        let ended = |how: &str| attempt(&mut command("sh", &["-c", how]));
        assert!(matches!(ended("kill -9 $$"), Ok(Attempt::Killed(_))));
        assert!(matches!(ended("kill -6 $$"), Ok(Attempt::Killed(_))));
        assert!(matches!(ended("exit 1"), Ok(Attempt::Refused)));
        assert!(matches!(ended("echo '{}'"), Ok(Attempt::Done(_))));
        assert!(ended("kill -11 $$").is_err() && ended("exit 2").is_err());
    }

    #[test]
    fn text_is_given_as_it_is_printed() {
        assert_eq!(printed(&mut command("echo", &["8.0 M/s"])).unwrap(), "8.0 M/s\n");
        assert!(printed(&mut command("sh", &["-c", "echo half; exit 3"])).is_err());
    }

    #[test]
    fn settings_are_shown_before_the_command() {
        assert_eq!(with_settings(command("/bin/phalanx", &["keys"]).env("A", "b:1")), "A=b:1 phalanx keys");
    }
}
