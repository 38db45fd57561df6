//! The guest programs: builds them, and checks that the committed ELFs are what their sources give and do what an
//! independent oracle says.
//!
//! `guests/template/build.sh` is the only build recipe, for us and for users; `guests/oracle.py` the only source of expected
//! values; `guests/elf/DIGESTS.json` says what is committed and which compiler built it.

mod cases;
mod digests;
mod leaks;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::command::{command, root, run as run_shown, target_dir};
use cases::Expected;
use digests::Digests;

#[derive(Args)]
#[group(id = "guests_task", required = true, multiple = false, args = ["check", "build"])]
pub struct GuestsArgs {
    /// Rebuilds the guests and compares with the committed ELFs: the same bytes if the compiler is the same, the same
    /// public values otherwise
    #[arg(long)]
    check: bool,
    /// Rebuilds the guests and commits to them: rewrites guests/elf
    #[arg(long)]
    build: bool,
    /// The phalanx that executes guests; by default the built one, if there is one
    #[arg(long, value_name = "FILE")]
    phalanx: Option<PathBuf>,
}

/// Builds or checks the guests.
pub fn run(args: GuestsArgs) -> Result<()> {
    let phalanx = phalanx(args.phalanx)?;
    if args.build { build(phalanx.as_deref()) } else { check(phalanx.as_deref()) }
}

/// The phalanx to execute guests with: the one asked for, or the built one if it exists.
fn phalanx(asked: Option<PathBuf>) -> Result<Option<PathBuf>> {
    match asked {
        Some(path) => {
            ensure!(path.is_file(), "no phalanx at {}", path.display());
            Ok(Some(path))
        }
        None => Ok(Some(target_dir().join("release/phalanx")).filter(|path| path.is_file())),
    }
}

fn build(phalanx: Option<&Path>) -> Result<()> {
    let names = programs()?;
    let built = Built::new(&guests_dir(), "guests")?;
    for name in &names {
        leaks::check(&built.elf(name))?;
    }
    let elf_dir = elf_dir();
    for entry in fs::read_dir(&elf_dir).with_context(|| format!("cannot list {}", elf_dir.display()))? {
        let path = entry.with_context(|| format!("cannot list {}", elf_dir.display()))?.path();
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    for name in &names {
        let to = elf_dir.join(format!("{name}.elf"));
        fs::copy(built.elf(name), &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Digests::of(&elf_dir, &names, compiler()?)?.write(&elf_dir)?;
    println!("wrote {} guests to {}", names.len(), elf_dir.display());
    check_values(phalanx, &elf_dir)
}

fn check(phalanx: Option<&Path>) -> Result<()> {
    let names = programs()?;
    run_shown(&mut command("python3", &["guests/oracle.py", "--check"]))?;
    let recorded = Digests::read(&elf_dir())?;
    let committed = Digests::of(&elf_dir(), &names, recorded.compiler.clone())?;
    if let Some(difference) = recorded.difference(&committed) {
        bail!("guests/elf and its DIGESTS.json disagree: {difference}\n  hint: `cargo xtask guests --build`");
    }
    for name in &names {
        leaks::check(&elf_dir().join(format!("{name}.elf")))?;
    }
    check_values(phalanx, &elf_dir())?;
    check_rebuilt(phalanx, &names, &recorded)?;
    check_template(phalanx)
}

/// Rebuilds the guests and compares them with the committed ones.
fn check_rebuilt(phalanx: Option<&Path>, names: &BTreeSet<String>, recorded: &Digests) -> Result<()> {
    let built = Built::new(&guests_dir(), "guests")?;
    for name in names {
        leaks::check(&built.elf(name))?;
    }
    let compiler = compiler()?;
    let rebuilt = Digests::of(built.out.path(), names, compiler.clone())?;
    let Some(difference) = recorded.difference(&rebuilt) else {
        println!("rebuilt {} guests: the same bytes as the committed ones", names.len());
        return Ok(());
    };
    if compiler == recorded.compiler {
        bail!(
            "the committed guests are not what their sources give: {difference}\n  compiler {compiler}\n  \
             hint: `cargo xtask guests --build`"
        );
    }
    println!("the committed guests are another compiler's, so only public values are compared");
    println!("  theirs {}\n  ours   {compiler}", recorded.compiler);
    ensure!(
        phalanx.is_some(),
        "{difference}, by another compiler, and there is no phalanx to compare what they reveal\n  \
         hint: `./x demo` builds it, or --phalanx FILE"
    );
    check_values(phalanx, built.out.path())
}

/// Executes what the oracle computed. Without a phalanx it says so and checks nothing.
fn check_values(phalanx: Option<&Path>, elf_dir: &Path) -> Result<()> {
    let Some(phalanx) = phalanx else {
        println!("no phalanx is built, so no guest was executed");
        return Ok(());
    };
    let expected = Expected::read(&guests_dir())?;
    for case in &expected.cases {
        case.check(phalanx, &elf_dir.join(format!("{}.elf", case.guest)))?;
    }
    println!("executed {} cases: all as the oracle says", expected.cases.len());
    Ok(())
}

/// Builds a copy of the template, as a user has it: somewhere else, alone.
fn check_template(phalanx: Option<&Path>) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let copy = folder.path().join("my-guest");
    run_shown(command("cp", &["-R"]).arg(guests_dir().join("template")).arg(&copy))?;
    let target = target_dir().join("guest-template");
    run_shown(Command::new("sh").arg("build.sh").arg("--target-dir").arg(&target).current_dir(&copy))?;
    let elf = copy.join("elf/my-guest.elf");
    leaks::check(&elf)?;
    if let Some(phalanx) = phalanx {
        Expected::read(&guests_dir())?.template.check(phalanx, &elf)?;
    }
    println!("the template builds");
    Ok(())
}

/// Freshly built ELFs, deleted when dropped.
struct Built {
    out: tempfile::TempDir,
}

impl Built {
    /// Builds a project; what cargo made stays under our target directory, so that the next build is quick.
    fn new(project: &Path, name: &str) -> Result<Self> {
        let out = tempfile::tempdir().context("cannot make a temporary folder")?;
        let recipe = recipe();
        let mut build = command("sh", &[]);
        build.arg(&recipe).arg("--project").arg(project);
        build.arg("--target-dir").arg(target_dir().join(name)).arg("--out").arg(out.path());
        run_shown(&mut build)?;
        Ok(Self { out })
    }

    fn elf(&self, name: &str) -> PathBuf {
        self.out.path().join(format!("{name}.elf"))
    }
}

/// What builds guests on this machine: compiler, cargo and linker with their versions.
fn compiler() -> Result<String> {
    let output = command("sh", &[]).arg(recipe()).arg("--compiler").output().context("cannot run build.sh")?;
    ensure!(output.status.success(), "build.sh --compiler: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The guests' names: the folders under guests/programs.
fn programs() -> Result<BTreeSet<String>> {
    let folder = guests_dir().join("programs");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
        names.insert(entry.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

fn guests_dir() -> PathBuf {
    root().join("guests")
}

fn elf_dir() -> PathBuf {
    guests_dir().join("elf")
}

fn recipe() -> PathBuf {
    guests_dir().join("template/build.sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guest_has_an_expected_value_and_every_case_a_guest() {
        let expected = Expected::read(&guests_dir()).unwrap();
        let of_cases: BTreeSet<String> = expected.cases.iter().map(|case| case.guest.clone()).collect();
        assert_eq!(of_cases, programs().unwrap());
    }

    #[test]
    fn the_committed_elfs_are_the_recorded_ones() {
        let recorded = Digests::read(&elf_dir()).unwrap();
        let committed = Digests::of(&elf_dir(), &programs().unwrap(), recorded.compiler.clone()).unwrap();
        assert_eq!(recorded.difference(&committed), None);
    }
}
