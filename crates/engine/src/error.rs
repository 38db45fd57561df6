//! Why a task failed, with the verdict on what to do about it.

use crate::SourceError;

/// A failed task. The variant is the verdict; schedulers never guess from text.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Nothing is wrong with the task: run it again here.
    #[error("{0}")]
    Retry(String),
    /// This machine made a proof that does not verify: run the task on another one.
    #[error("a fresh proof did not verify: {0}")]
    RetryElsewhere(String),
    /// An input is gone or corrupt: run the task that makes it again.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The scheduler asked for it.
    #[error("cancelled")]
    Cancelled,
    /// No run of this task can succeed.
    #[error(transparent)]
    FailJob(#[from] Fault),
}

/// What is wrong with the job itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The program cannot be loaded.
    #[error("{0}")]
    BadElf(String),
    /// An artifact does not decode although its digest is right: it was made by another version, or by someone hostile.
    #[error("{what}: {reason}")]
    BadArtifact {
        /// Which artifact.
        what: &'static str,
        /// What is wrong with its bytes.
        reason: String,
    },
    /// The program reached an instruction that the VM does not have.
    #[error("instruction {word:#010x} at pc {pc:#x}{} is not supported", at(symbol))]
    UnsupportedInstruction {
        /// Address of the instruction.
        pc: u32,
        /// The function it is in, if the ELF has symbols.
        symbol: Option<String>,
        /// The instruction word.
        word: u32,
    },
    /// The guest ended with an exit code other than 0.
    #[error("the guest exited with code {exit_code} at pc {pc:#x}{}{}", at(symbol), said(message))]
    GuestPanic {
        /// Its exit code.
        exit_code: u32,
        /// Address of the terminating instruction.
        pc: u32,
        /// The function it is in, if the ELF has symbols.
        symbol: Option<String>,
        /// The last thing it printed, usually the panic message.
        message: String,
    },
    /// The guest did something the machine forbids.
    #[error("the guest failed at pc {pc:#x}{}: {reason}", at(symbol))]
    GuestFault {
        /// Address of the instruction.
        pc: u32,
        /// The function it is in, if the ELF has symbols.
        symbol: Option<String>,
        /// What happened.
        reason: String,
    },
    /// The guest asked for more input items than there are.
    #[error("the guest asked for input item {item} at pc {pc:#x}{}, but there are only {given}", at(symbol))]
    MissingInput {
        /// The item it asked for, from 0.
        item: usize,
        /// How many there are.
        given: usize,
        /// Address of the instruction.
        pc: u32,
        /// The function it is in, if the ELF has symbols.
        symbol: Option<String>,
    },
    /// The execution took too long.
    #[error("the guest did not finish within {cycles_max} cycles")]
    CycleLimit {
        /// The limit.
        cycles_max: u64,
    },
    /// Even the smallest segment does not fit.
    #[error("the smallest segment needs {needed_bytes} bytes to prove, more than the {budget_bytes} allowed")]
    BudgetTooSmall {
        /// What it needs.
        needed_bytes: u64,
        /// What there is.
        budget_bytes: u64,
    },
}

fn at(symbol: &Option<String>) -> String {
    symbol.as_ref().map(|symbol| format!(" ({symbol})")).unwrap_or_default()
}

fn said(message: &str) -> String {
    let message = message.trim();
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl Fault {
    /// What the user might do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::BadElf(_) => Some("build the guest for riscv32im-risc0-zkvm-elf, see docs/guest.md"),
            Self::UnsupportedInstruction { .. } => {
                Some("the VM runs RV32IM: no compressed, floating-point or atomic instructions")
            }
            Self::MissingInput { .. } => Some("give one --input for each read of the guest"),
            Self::CycleLimit { .. } => Some("raise it with --cycles-max"),
            Self::BudgetTooSmall { .. } => Some("raise it with --ram"),
            Self::BadArtifact { .. } => Some("`phalanx store verify` shows what is corrupt"),
            Self::GuestPanic { .. } | Self::GuestFault { .. } => None,
        }
    }
}
