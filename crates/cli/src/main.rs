//! `phalanx`: prove a program, on one machine, from the command line.
//!
//! In: the arguments. Out: data on stdout, talk on stderr, an exit code that says whose turn it is (see [`error::Class`]).
//! One file per command under [`commands`]; only [`engine`] names a proving backend.

#[cfg(feature = "openvm")]
mod allocator;
mod commands;
mod display;
mod engine;
mod error;
mod input;
mod interrupt;
mod log;
mod measure;
mod paths;
mod printer;
mod progress;
mod receipt_file;
mod report;
mod size;
mod stdout;
mod text;
mod timeline;
mod write;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    commands::Command,
    error::Class,
    printer::{Printer, Talk},
};

/// Many machines, one proof: prove RISC-V programs and check the receipts.
#[derive(Parser)]
#[command(
    name = "phalanx",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
#[command(after_help = "Exit codes: 0 done, 1 your input, 2 our fault, 3 proof rejected, 130 interrupted.
Log messages: set PHALANX_LOG, for example PHALANX_LOG=info.")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    json: bool,

    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

/// The allocator of this process.
#[cfg(feature = "openvm")]
use allocator::MEMORY;
#[cfg(not(feature = "openvm"))]
const MEMORY: phalanx_worker::Memory = phalanx_worker::Memory::SYSTEM;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => {
            // clap's own code for bad usage is 2, which here means our fault.
            let class = if refusal.use_stderr() { ExitCode::from(Class::Input.exit_code()) } else { ExitCode::SUCCESS };
            // Nothing is left to tell it to when the terminal is gone.
            let _ = refusal.print();
            return class;
        }
    };
    log::start();
    let talk = Talk::to_stderr(cli.quiet);
    let data = match stdout::take() {
        Ok(data) => data,
        Err(error) => {
            talk.error(&error);
            return ExitCode::from(error.class.exit_code());
        }
    };
    let printer = Printer::new(data, cli.json, talk);
    match cli.command.run(&printer).and_then(|()| printer.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.class.exit_code())
        }
    }
}
