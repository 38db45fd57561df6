//! The whole suite, cheap steps first. In: the names of steps, or none for all. Out: what each step says, a table of
//! times, and how many tests passed. Stops at the first step that fails.
//!
//! Every step that compiles OpenVM uses the release profile and the same set of packages, so that cargo compiles it once
//! for checking (clippy, doc) and once for running (test; the demo takes the binary from there).

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    build::{PACKAGES, phalanx},
    command::{cargo, command, run as run_shown, run_reading, shown, target_dir, xtask},
    dashboard, schema, servers,
    tools::{CARGO_DENY, TYPOS},
};

/// A part of the suite.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&mut Counts) -> Result<Outcome>,
}

/// How a step ended if it did not fail.
enum Outcome {
    Passed,
    /// And why.
    Skipped(&'static str),
}

/// Results of tests so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Counts {
    passed: u64,
    failed: u64,
}

const STEPS: [Step; 14] = [
    Step { name: "fmt", what: "formatting", run: fmt },
    Step { name: "tidy", what: "crate graph, tidiness and xtask's own tests", run: tidy },
    Step { name: "links", what: "links between the pages of the documentation", run: |_| call(&["docs"]) },
    Step { name: "typos", what: "spelling", run: typos },
    Step { name: "deny", what: "licences, bans and sources of dependencies", run: deny },
    Step { name: "clippy", what: "lints", run: clippy },
    Step { name: "doc", what: "API documentation", run: doc },
    Step { name: "tests", what: "every test of the workspace", run: tests },
    Step { name: "dashboard", what: "the dashboard in a browser", run: dashboard_page },
    Step { name: "schema", what: "the gateway against its OpenAPI document", run: schema_of_api },
    Step { name: "guests", what: "committed guests are what their sources give", run: guests },
    Step { name: "demo", what: "the demo", run: demo },
    Step { name: "docs", what: "commands in the documentation", run: docs },
    Step { name: "fuzz", what: "a minute for each fuzz target", run: |_| call(&["fuzz", "--seconds", "60"]) },
];

#[derive(Args)]
pub struct TestArgs {
    /// Steps to run; all of them if none is given
    steps: Vec<String>,
    /// Prints the names of the steps
    #[arg(long)]
    list: bool,
}

/// Runs the suite.
pub fn run(args: TestArgs) -> Result<()> {
    if args.list {
        STEPS.iter().for_each(|step| println!("{:<9} {}", step.name, step.what));
        return Ok(());
    }
    if let Some(unknown) = args.steps.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step `{unknown}`: `x test --list` shows them");
    }
    let chosen = |step: &&Step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name);
    let mut counts = Counts::default();
    let mut table = Vec::new();
    let mut failure = None;
    for step in STEPS.iter().filter(chosen) {
        println!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let ended = (step.run)(&mut counts);
        let word = match &ended {
            Ok(Outcome::Passed) => "ok".to_owned(),
            Ok(Outcome::Skipped(why)) => format!("skipped: {why}"),
            Err(_) => "FAILED".to_owned(),
        };
        table.push(format!("{:<9} {:>8}  {word}", step.name, clock(start.elapsed())));
        if let Err(error) = ended {
            failure = Some(error.context(format!("step {} failed", step.name)));
            break;
        }
    }
    println!("\n{}", table.join("\n"));
    if failure.is_some() {
        // A step that fails outside a test has no line in the counts of one.
        counts.failed = counts.failed.max(1);
    }
    println!("{} passed, {} failed", counts.passed, counts.failed);
    failure.map_or(Ok(()), Err)
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    format!("{}:{:04.1}", time.as_secs() / 60, time.as_secs_f64() % 60.0)
}

/// A command whose success is the step's.
fn pass(command: &mut Command) -> Result<Outcome> {
    run_shown(command).map(|()| Outcome::Passed)
}

/// A subcommand of xtask as a step.
fn call(args: &[&str]) -> Result<Outcome> {
    pass(&mut xtask(args)?)
}

fn fmt(_: &mut Counts) -> Result<Outcome> {
    run_shown(&mut cargo(&["fmt", "--all", "--check"]))?;
    run_shown(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", "guests/Cargo.toml"]))?;
    // Without --all, which would format the crates it depends on once more.
    pass(&mut cargo(&["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]))
}

fn tidy(counts: &mut Counts) -> Result<Outcome> {
    let xtask = ["--profile", "xtask", "--package", "xtask"];
    run_shown(cargo(&["clippy", "--quiet"]).args(xtask).args(["--all-targets", "--", "-D", "warnings"]))?;
    count(cargo(&["test"]).args(xtask), counts)
}

fn typos(_: &mut Counts) -> Result<Outcome> {
    pass(&mut command(TYPOS.path()?, &[]))
}

fn deny(_: &mut Counts) -> Result<Outcome> {
    // Advisories are left out: the database is fetched from GitHub, and a new entry would fail a build that changed nothing.
    pass(&mut command(CARGO_DENY.path()?, &["--log-level", "error", "check", "licenses", "bans", "sources"]))
}

fn clippy(_: &mut Counts) -> Result<Outcome> {
    pass(cargo(&["clippy"]).args(PACKAGES).args(["--all-targets", "--", "-D", "warnings"]))
}

fn doc(_: &mut Counts) -> Result<Outcome> {
    pass(cargo(&["doc"]).args(PACKAGES).arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests(counts: &mut Counts) -> Result<Outcome> {
    let mut tests = cargo(&["test"]);
    tests.args(PACKAGES).args(["--lib", "--bins", "--tests", "--no-fail-fast"]);
    count(tests.env(servers::VARIABLE, servers::folder()?), counts)
}

fn dashboard_page(_: &mut Counts) -> Result<Outcome> {
    match dashboard::missing() {
        Some(what) => Ok(Outcome::Skipped(what)),
        None => dashboard::run().map(|()| Outcome::Passed),
    }
}

fn schema_of_api(_: &mut Counts) -> Result<Outcome> {
    match schema::missing() {
        Some(what) => Ok(Outcome::Skipped(what)),
        None => schema::run().map(|()| Outcome::Passed),
    }
}

fn guests(_: &mut Counts) -> Result<Outcome> {
    let compiler = command("guests/template/build.sh", &["--compiler"]).output();
    if !compiler.context("cannot run guests/template/build.sh")?.status.success() {
        return Ok(Outcome::Skipped("no compiler for guests, see docs/guest.md"));
    }
    call(&["guests", "--check"])
}

fn demo(_: &mut Counts) -> Result<Outcome> {
    let out = target_dir().join("demo");
    // A store from the last run would make this one prove nothing.
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    let phalanx = phalanx()?;
    let text = |path: &Path| path.display().to_string();
    call(&["demo", "--out", &text(&out), "--phalanx", &text(&phalanx)])
}

fn docs(_: &mut Counts) -> Result<Outcome> {
    phalanx()?;
    call(&["docs", "--run"])
}

/// Runs `cargo test` and adds up what its test binaries report.
fn count(command: &mut Command, counts: &mut Counts) -> Result<Outcome> {
    let succeeded = run_reading(command, |line| counts.add(line))?;
    if !succeeded {
        bail!("`{}` failed", shown(command));
    }
    Ok(Outcome::Passed)
}

impl Counts {
    /// Adds a line like `test result: ok. 3 passed; 0 failed; …`; other lines add nothing.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |word: &str| -> Option<u64> {
            result.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
        };
        self.passed += number("passed").unwrap_or(0);
        self.failed += number("failed").unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_test_binaries_add_up() {
        let mut counts = Counts::default();
        counts.add("running 2 tests");
        counts.add("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s");
        assert_eq!(counts, Counts { passed: 15, failed: 2 });
    }

    #[test]
    fn minutes_and_seconds() {
        assert_eq!(clock(Duration::from_millis(125_340)), "2:05.3");
    }
}
