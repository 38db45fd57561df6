//! Fuzzing: feeds mutated bytes to every decoder of hostile input. Out: nothing, or the bytes that broke one.
//!
//! Uses libFuzzer with the coverage instrumentation that stable rustc can emit, so no nightly compiler is needed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command::{cargo, command, root, run as run_shown, shown};

/// What libFuzzer needs to see which branches an input takes and what it was compared with.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// A fuzz target. It starts from the files in `fuzz/seeds/<name>`, and from golden files of our tests where there are any.
struct Target {
    name: &'static str,
    goldens: Option<&'static str>,
    len_max: u32,
}

const TARGETS: [Target; 5] = [
    Target { name: "elf", goldens: None, len_max: 64 << 10 },
    Target { name: "receipt", goldens: Some("crates/receipt/tests/golden"), len_max: 1 << 20 },
    Target { name: "artifact", goldens: Some("crates/store/tests/golden"), len_max: 64 << 10 },
    Target { name: "input_json", goldens: None, len_max: 4 << 10 },
    Target { name: "request", goldens: None, len_max: 16 << 10 },
];

/// More than any decoder may take for inputs of these sizes.
const RSS_LIMIT_MB: u32 = 2048;
/// Seconds that one input may take.
const INPUT_SECONDS_MAX: u32 = 10;

#[derive(Args)]
pub struct FuzzArgs {
    /// Targets: elf, receipt, artifact, input_json, request; all of them if none is given
    targets: Vec<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds the targets and runs each for the given time, as many at once as there are cores.
pub fn run(args: FuzzArgs) -> Result<()> {
    if let Some(unknown) = args.targets.iter().find(|name| TARGETS.iter().all(|target| target.name != **name)) {
        bail!("there is no fuzz target `{unknown}`: there are {}", TARGETS.map(|target| target.name).join(", "));
    }
    let chosen = |target: &&Target| args.targets.is_empty() || args.targets.iter().any(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    let triple = host_triple()?;

    // Named with --target, build scripts and procedural macros are left without instrumentation, which they cannot link.
    let mut build = cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &triple]);
    build.args(targets.iter().flat_map(|target| ["--bin", target.name])).env("RUSTFLAGS", RUSTFLAGS);
    // The folder is fixed because the binaries are looked up in it.
    build.env("CARGO_TARGET_DIR", root().join("fuzz/target"));
    run_shown(&mut build)?;

    let binaries = root().join("fuzz/target").join(triple).join("release");
    let waiting = Mutex::new(targets.into_iter());
    let failures = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(target) = next(&waiting) {
                    if let Err(error) = fuzz(target, &binaries, args.seconds) {
                        failures.lock().expect("no thread panics").push(format!("{error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no thread panics");
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

/// Takes the next target; a function so that the lock is released before the target runs.
fn next<'a>(waiting: &Mutex<impl Iterator<Item = &'a Target>>) -> Option<&'a Target> {
    waiting.lock().expect("no thread panics").next()
}

fn fuzz(target: &Target, binaries: &Path, seconds: u32) -> Result<()> {
    let Target { name, goldens, len_max } = target;
    let folder = |kind: &str| -> Result<PathBuf> {
        let folder = root().join("fuzz").join(kind).join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    };
    let (corpus, artifacts) = (folder("corpus")?, folder("artifacts")?);
    copy_files(&root().join("fuzz/seeds").join(name), &corpus)?;
    if let Some(goldens) = goldens {
        copy_files(&root().join(goldens), &corpus)?;
    }
    let mut fuzzer = command(binaries.join(name), &[]);
    fuzzer
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={len_max}"))
        .arg(format!("-rss_limit_mb={RSS_LIMIT_MB}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus);
    println!("$ {}", shown(&fuzzer));
    let output = fuzzer.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("cannot run fuzz target {name}"))?;
    let talk = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let at = talk.lines().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
        bail!("{at}\nfuzz target {name} failed; run it again with: fuzz/target/…/{name} FILE, FILE as named above");
    }
    let runs = talk.lines().rev().find(|line| line.starts_with("Done ")).unwrap_or("Done");
    println!("{name:<11} {}", runs.trim_start_matches("Done "));
    Ok(())
}

/// Copies the files of a folder, if there is one, into the corpus. The fuzzer itself cuts what is too long.
fn copy_files(from: &Path, corpus: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", from.display()))?.path();
        if path.is_file() {
            let name = path.file_name().unwrap_or_default();
            fs::copy(&path, corpus.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

/// What rustc calls this machine.
fn host_triple() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("cannot run `rustc -vV`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).context("`rustc -vV` names no host")?;
    Ok(host.to_owned())
}
