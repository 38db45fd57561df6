//! What `prove` and `execute` share: from options to limits of the execution and a pool that fit this machine.

use std::{
    fs::File,
    io::Read,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use phalanx_engine::elf::{ELF_BYTES_MAX, Elf};
use phalanx_plan::{ExecuteParams, SizingError, SizingRequest};
use phalanx_store::{Store, StoreError};
use phalanx_worker::{JobError, PoolConfig, available_ram};

use crate::{
    engine::Prover,
    error::{Error, Result},
    input::InputArgs,
    paths::StoreArg,
    size,
};

/// An execution that has not ended by then is taken for one that never ends.
const CYCLES_MAX_DEFAULT: &str = "10000000000";

/// Options of both commands.
#[derive(clap::Args, Debug)]
pub struct JobArgs {
    /// The program: an RV32IM ELF
    #[arg(value_name = "ELF")]
    pub elf: PathBuf,

    #[command(flatten)]
    pub input: InputArgs,

    /// Fail when the guest has not finished after this many cycles
    #[arg(long, value_name = "N", default_value = CYCLES_MAX_DEFAULT)]
    pub cycles_max: NonZeroU64,

    /// End each segment after this many cycles [default: what is predicted to be fastest]
    #[arg(long, value_name = "N")]
    pub segment_cycles: Option<NonZeroU64>,

    #[command(flatten)]
    pub store: StoreArg,
}

/// Free RAM is rounded down to a multiple of this many bytes when nobody says how much to use. RAM decides which sizes of
/// segments fit, so without a grain small changes of free memory would change where an execution is cut, and an
/// interrupted job would not find its tasks.
const RAM_GRAIN_BYTES: u64 = 1 << 30;

/// Limits on what a job takes of this machine; absent means what the machine leaves.
#[derive(Clone, Copy, Default, Debug)]
pub struct Limits {
    /// RAM for keys and all running tasks.
    pub ram_bytes: Option<u64>,
    /// Tasks at once.
    pub slots: Option<NonZeroU32>,
}

/// What a job may take of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// RAM for keys and all running tasks.
    pub ram_bytes: u64,
    /// Threads that compute at once.
    pub cores: usize,
    /// Tasks at once, if the user chose.
    slots: Option<NonZeroU32>,
}

/// How a job runs.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Where segments end.
    pub execute: ExecuteParams,
    /// What it may take.
    pub pool: PoolConfig,
}

impl Limits {
    /// Fills in what the machine has.
    pub fn machine(&self) -> Result<Machine> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        match self.ram_bytes.or_else(|| available_ram().map(default_ram)) {
            Some(ram_bytes) => Ok(Machine { ram_bytes, cores, slots: self.slots }),
            None => Err(Error::input("cannot find out how much RAM there is").hint("say it with --ram")),
        }
    }
}

/// What is taken of the RAM that is there to take.
fn default_ram(available_bytes: u64) -> u64 {
    match available_bytes / RAM_GRAIN_BYTES * RAM_GRAIN_BYTES {
        // Too little for any job; the error then says how little.
        0 => available_bytes,
        rounded => rounded,
    }
}

/// The program's bytes, known to be an ELF that can be loaded.
pub fn read_program(path: &Path) -> Result<Vec<u8>> {
    let refuse = |cause: std::io::Error| Error::unreadable("program", path, &cause);
    let mut bytes = Vec::new();
    // One byte more than is accepted tells a file that is too long.
    let limit = ELF_BYTES_MAX as u64 + 1;
    File::open(path).map_err(refuse)?.take(limit).read_to_end(&mut bytes).map_err(refuse)?;
    Elf::parse(&bytes).map_err(|error| {
        Error::input(format!("cannot load program {}: {error}", path.display()))
            .hint("the program is an RV32IM executable, see docs/guest.md")
    })?;
    Ok(bytes)
}

impl JobArgs {
    /// Chooses sizes for an execution of so many cycles, or for a long one if nobody knows.
    pub fn plan(&self, machine: Machine, prover: &Prover, cycles: Option<u64>) -> Result<Plan> {
        let Machine { ram_bytes, cores, slots } = machine;
        let request = SizingRequest {
            ram_bytes,
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            cycles,
            segment_cycles: self.segment_cycles.map(NonZeroU64::get),
            slots: slots.map(NonZeroU32::get),
        };
        let sizing = prover.sizing(&request).map_err(|error| unsizable(&error))?;
        let execute = ExecuteParams {
            segment_cycles_max: sizing.segment_cycles_max,
            segment_bytes_max: sizing.segment_bytes_max,
            cycles_max: self.cycles_max.get(),
        };
        let slots = usize::try_from(sizing.slots).unwrap_or(usize::MAX);
        let pool = PoolConfig { memory: crate::MEMORY, ..PoolConfig::new(ram_bytes, slots, cores) };
        Ok(Plan { execute, pool })
    }
}

/// Opens a store, making it if there is none.
pub fn open_store(directory: &Path) -> Result<Arc<Store>> {
    Store::open_dir(directory).map(Arc::new).map_err(|error| store_failed(&error))
}

/// A store that cannot be opened is the user's turn; one that fails later is ours.
pub fn store_failed(error: &StoreError) -> Error {
    match error {
        StoreError::Open { .. } | StoreError::Lock { .. } => {
            Error::input(error.to_string()).hint("choose another place with --store")
        }
        StoreError::NotAStore { .. } => {
            Error::input(error.to_string()).hint("name an empty or a new directory with --store")
        }
        StoreError::OtherFormat { .. } | StoreError::NoFormat { .. } => Error::input(error.to_string())
            .hint("use another directory with --store, or the phalanx that made this one"),
        _ => Error::ours(error.to_string()),
    }
}

/// Why a cut that fits cannot be found.
pub fn unsizable(error: &SizingError) -> Error {
    match error {
        SizingError::RamTooSmall { segment_cycles, slots, needed_bytes, ram_bytes } => {
            let tasks = if *slots == 1 { "a segment".to_owned() } else { format!("{slots} segments at once") };
            Error::input(format!("proving {tasks} needs more RAM than is allowed"))
                .fact("needed", amount(*needed_bytes))
                .fact("allowed", amount(*ram_bytes))
                .fact("segment", format!("{segment_cycles} cycles"))
                .hint("raise --ram, or lower --jobs or --segment-cycles")
        }
        SizingError::TaskTooLarge(task) => Error::input("folding proofs needs more RAM than is allowed")
            .fact("needed", amount(task.needed_bytes))
            .fact("allowed", amount(task.budget_bytes))
            .hint("raise it with --ram"),
        SizingError::Slots { .. } => Error::input(error.to_string()).hint("choose another number with --jobs"),
        SizingError::NoSegmentCycles | SizingError::Fold(_) => Error::input(error.to_string()),
        SizingError::NoCores | SizingError::Calibration(_) => Error::ours(error.to_string()),
    }
}

fn amount(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", size::show(bytes))
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        match &error {
            JobError::Fault { fault, .. } => fault.into(),
            JobError::BudgetTooSmall { task, needed_bytes, budget_bytes } => {
                Self::input(format!("{task} needs more RAM than is allowed"))
                    .fact("needed", amount(*needed_bytes))
                    .fact("allowed", amount(*budget_bytes))
                    .hint("raise it with --ram")
            }
            JobError::Cancelled => {
                Self::interrupted("interrupted").hint("run the same command again to go on: finished tasks are kept")
            }
            _ => {
                let class = if error.is_users() { Self::input } else { Self::ours };
                Self { hint: error.hint().map(Into::into), ..class(error.to_string()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use phalanx_worker::TaskName;

    use super::*;
    use crate::error::Class;

    #[test]
    fn too_little_ram_says_how_much_is_needed() {
        let error = unsizable(&SizingError::RamTooSmall {
            segment_cycles: 65_536,
            slots: 1,
            needed_bytes: 3 << 30,
            ram_bytes: 1 << 30,
        });
        let expected = "error: proving a segment needs more RAM than is allowed
  needed  3.0 GiB (3221225472 bytes)
  allowed 1.0 GiB (1073741824 bytes)
  segment 65536 cycles
  hint: raise --ram, or lower --jobs or --segment-cycles";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn small_changes_of_free_memory_change_nothing() {
        const GIB: u64 = 1 << 30;
        assert_eq!([7 * GIB, 7 * GIB + 1, 8 * GIB - 1].map(default_ram), [7 * GIB; 3]);
        assert_eq!(default_ram(GIB - 1), GIB - 1, "what is too little is said as it is");
    }

    #[test]
    fn an_interrupted_job_says_that_it_can_go_on() {
        let error = Error::from(JobError::Cancelled);
        assert_eq!(error.class, Class::Interrupted);
        assert!(error.hint.is_some_and(|hint| hint.contains("again")));
    }

    #[test]
    fn a_machine_that_makes_bad_proofs_is_not_the_users_fault() {
        let error = JobError::BadMachine { task: TaskName::SEAL, attempts: 3, reason: "a sum is wrong".into() };
        assert_eq!(Error::from(error).class, Class::Ours);
    }
}
