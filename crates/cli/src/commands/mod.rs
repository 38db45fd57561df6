//! One file per command: its options, what it does, what it prints.

mod execute;
mod inspect;
mod job;
mod keys;
mod prove;
mod store;
mod verify;

use crate::{error::Result, printer::Printer};

/// The verbs.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Run a program without proving it: cycles, segments, public values, cost by chip
    Execute(execute::Args),
    /// Prove that a program ran: writes a receipt
    Prove(prove::Args),
    /// Check a receipt and print its public values
    Verify(verify::Args),
    /// Show what a receipt proves and how it was made
    Inspect(inspect::Args),
    /// Show, make or remove the proving keys of this machine
    Keys(keys::Args),
    /// Look after the artifacts that proving leaves behind
    Store(store::Args),
}

impl Command {
    /// Runs the command.
    pub fn run(self, printer: &Printer) -> Result<()> {
        match self {
            Self::Execute(args) => execute::run(&args, printer),
            Self::Prove(args) => prove::run(&args, printer),
            Self::Verify(args) => verify::run(&args, printer),
            Self::Inspect(args) => inspect::run(&args, printer),
            Self::Keys(args) => keys::run(&args, printer),
            Self::Store(args) => store::run(&args, printer),
        }
    }
}
