//! What every bench runs on: the built programs, a folder for inputs and stores, and runs that take turns.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::process::{Ran, json};
use crate::command::command;

/// Programs, folder and settings.
pub struct Lab {
    /// The `phalanx` that is measured.
    pub phalanx: PathBuf,
    /// The plain SDK with the same keys.
    pub sdk: PathBuf,
    /// Says what this machine's cores do at most.
    pub limits: PathBuf,
    /// Says how fast the queue is.
    pub throughput: PathBuf,
    /// Says how long an idle worker waits.
    pub claim_latency: PathBuf,
    /// A gateway with a full database.
    pub crowd: PathBuf,
    /// How often each variant runs.
    pub rounds: usize,
    /// Budgets for the bench `ram`.
    pub ram: Vec<String>,
    /// For inputs, stores and receipts.
    pub folder: PathBuf,
}

/// A program and its input.
#[derive(Clone, Debug)]
pub struct Job {
    /// For people.
    pub name: String,
    elf: PathBuf,
    inputs: Vec<PathBuf>,
}

impl Job {
    /// A command that takes a program and its input.
    fn told_to(&self, mut command: Command) -> Command {
        command.arg(&self.elf);
        for input in &self.inputs {
            command.arg("--input").arg(input);
        }
        command
    }
}

/// One item of input.
#[derive(Clone, Debug)]
pub enum Item {
    /// A file of the repository.
    File(&'static str),
    /// Made up here.
    Bytes(Vec<u8>),
}

impl Lab {
    /// A guest of the repository with its input, written to files.
    pub fn job(&self, guest: &str, size: &str, items: &[Item]) -> Result<Job> {
        let name = if size.is_empty() { guest.to_owned() } else { format!("{guest} {size}") };
        let folder = self.folder.join("inputs");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut inputs = Vec::new();
        for (index, item) in items.iter().enumerate() {
            inputs.push(match item {
                Item::File(path) => PathBuf::from(path),
                Item::Bytes(bytes) => {
                    let path = folder.join(format!("{}-{index}.bin", name.replace([' ', ','], "-")));
                    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
                    path
                }
            });
        }
        Ok(Job { name, elf: Path::new("guests/elf").join(guest).with_added_extension("elf"), inputs })
    }

    /// Merge sort of a list of so many numbers: about 200 cycles for each.
    pub fn mergesort(&self, numbers: u32) -> Result<Job> {
        let (list, _) = crate::demo::list(numbers);
        self.job("mergesort", &numbers.to_string(), &[Item::Bytes(list)])
    }

    /// Fibonacci numbers with so many additions: 15 cycles for each.
    pub fn fibonacci(&self, n: u64) -> Result<Job> {
        self.job("fibonacci", &n.to_string(), &[Item::Bytes(n.to_le_bytes().to_vec())])
    }

    /// Makes place for a new store. The last one is put aside and not removed: for minutes after a removal, ext4 takes
    /// several times as long to make a file, because it avoids the inodes that have just become free.
    pub fn fresh_store(&self) -> Result<()> {
        let (store, aside) = (self.store(), self.aside());
        if !store.exists() {
            return Ok(());
        }
        fs::create_dir_all(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
        let number = fs::read_dir(&aside).with_context(|| format!("cannot read {}", aside.display()))?.count();
        let to = aside.join(number.to_string());
        fs::rename(&store, &to).with_context(|| format!("cannot move {} to {}", store.display(), to.display()))
    }

    /// Removes all stores.
    pub fn remove_stores(&self) -> Result<()> {
        for folder in [self.store(), self.aside()] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Where the stores of earlier runs are.
    fn aside(&self) -> PathBuf {
        self.folder.join("aside")
    }

    /// The store of the last run.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Proves into the store as it is.
    pub fn prove(&self, job: &Job, options: &[&str]) -> Command {
        let mut prove = self.on(&self.phalanx, &["prove"], job);
        prove.arg("--store").arg(self.store()).arg("-o").arg(self.folder.join("bench.receipt"));
        prove.args(options).args(["--json", "--quiet"]);
        prove
    }

    /// Executes into the store as it is.
    pub fn execute(&self, job: &Job, options: &[&str]) -> Command {
        let mut execute = self.on(&self.phalanx, &["execute"], job);
        execute.arg("--store").arg(self.store()).args(options).args(["--json", "--quiet"]);
        execute
    }

    /// Looks at the store.
    pub fn look(&self, verb: &str) -> Command {
        let mut look = command(&self.phalanx, &["store", verb, "--store"]);
        look.arg(self.store()).args(["--json", "--quiet"]);
        look
    }

    /// Proves with the plain SDK.
    pub fn sdk(&self, job: &Job, segment_bytes: Option<u64>) -> Command {
        let mut sdk = self.on(&self.sdk, &[], job);
        if let Some(bytes) = segment_bytes {
            sdk.arg("--segment-bytes").arg(bytes.to_string());
        }
        sdk
    }

    /// Proves with a store that is new.
    pub fn proven_anew(&self, job: &Job, options: &[&str]) -> Result<Ran> {
        self.fresh_store()?;
        json(&mut self.prove(job, options))
    }

    /// How many cycles the job has.
    pub fn cycles(&self, job: &Job) -> Result<u64> {
        self.fresh_store()?;
        json(&mut self.execute(job, &[]))?.count("cycles")
    }

    /// Runs the variants in turn, so many times in each round: A B A B. Out: the runs of each variant.
    pub fn take_turns<R>(&self, turns: usize, variants: &[&dyn Fn() -> Result<R>]) -> Result<Vec<Vec<R>>> {
        let mut runs: Vec<Vec<R>> = variants.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds * turns {
            for (variant, runs) in variants.iter().zip(&mut runs) {
                runs.push(variant()?);
            }
        }
        Ok(runs)
    }

    /// A command of `phalanx` that takes a program and its input.
    pub fn on_job(&self, verb: &[&str], job: &Job) -> Command {
        self.on(&self.phalanx, verb, job)
    }

    /// The same on one core.
    pub fn on_core(&self, core: &str, verb: &str, job: &Job) -> Command {
        let mut command = command("taskset", &["--cpu-list", core]);
        command.arg(&self.phalanx).arg(verb);
        job.told_to(command)
    }

    fn on(&self, program: &Path, verb: &[&str], job: &Job) -> Command {
        job.told_to(command(program, verb))
    }
}

/// Such a number of each run.
pub fn numbers(runs: &[Ran], name: &str) -> Result<Vec<f64>> {
    runs.iter().map(|ran| ran.number(name)).collect()
}

/// A number that must be the same in every run.
pub fn same(runs: &[Ran], name: &str) -> Result<u64> {
    let counts = runs.iter().map(|ran| ran.count(name)).collect::<Result<Vec<_>>>()?;
    match counts.as_slice() {
        [first, rest @ ..] if rest.iter().all(|count| count == first) => Ok(*first),
        _ => bail!("`{name}` should be the same in every run, but is {counts:?}"),
    }
}

#[cfg(test)]
pub mod tests {
    use serde_json::Value;

    use super::*;
    use crate::command::shown;

    /// A lab whose programs are not there.
    pub fn lab(folder: &Path) -> Lab {
        Lab {
            phalanx: "phalanx".into(),
            sdk: "sdk_baseline".into(),
            limits: "limits".into(),
            throughput: "throughput".into(),
            claim_latency: "claim_latency".into(),
            crowd: "crowd".into(),
            rounds: 2,
            ram: Vec::new(),
            folder: folder.to_path_buf(),
        }
    }

    /// A run that printed this.
    pub fn ran(json: Value) -> Ran {
        Ran { json, wall_ms: 0.0, minor_faults: 0 }
    }

    #[test]
    fn variants_take_turns() {
        let folder = tempfile::tempdir().unwrap();
        let order = std::cell::RefCell::new(String::new());
        let variant = |name: char| {
            order.borrow_mut().push(name);
            Ok(ran(serde_json::json!({ "cycles": order.borrow().len() })))
        };
        let runs = lab(folder.path()).take_turns(1, &[&|| variant('a'), &|| variant('b')]).unwrap();
        assert_eq!(order.into_inner(), "abab");
        assert_eq!(numbers(&runs[1], "cycles").unwrap(), [2.0, 4.0]);
        assert!(same(&runs[0], "cycles").is_err());
    }

    #[test]
    fn a_store_is_put_aside_until_all_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(folder.path());
        for run in ["0", "1"] {
            fs::create_dir(lab.store()).unwrap();
            lab.fresh_store().unwrap();
            assert!(!lab.store().exists() && folder.path().join("aside").join(run).exists());
        }
        lab.fresh_store().unwrap();
        lab.remove_stores().unwrap();
        lab.remove_stores().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn both_sides_get_the_same_program_and_input() {
        let folder = tempfile::tempdir().unwrap();
        let lab = lab(folder.path());
        let job = lab.fibonacci(7).unwrap();
        let input = folder.path().join("inputs/fibonacci-7-0.bin");
        assert_eq!(fs::read(&input).unwrap(), [7, 0, 0, 0, 0, 0, 0, 0]);
        let both = format!("guests/elf/fibonacci.elf --input {}", input.display());
        assert!(shown(&lab.prove(&job, &["--jobs", "1"])).starts_with(&format!("phalanx prove {both} --store")));
        assert_eq!(shown(&lab.sdk(&job, Some(5))), format!("sdk_baseline {both} --segment-bytes 5"));
    }
}
