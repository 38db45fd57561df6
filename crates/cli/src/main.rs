//! `phalanx`: prove a program, on one machine or many, from the command line.
//!
//! In: the arguments, and under them the environment and files (see [`config`]). Out: data on stdout, talk on stderr, an exit
//! code that says whose turn it is (see [`error::Class`]).
//! One file per command under [`commands`]; only [`engine`] names a proving backend.

#[cfg(feature = "openvm")]
mod allocator;
mod commands;
mod config;
mod display;
mod engine;
mod error;
mod fetched;
mod follow;
mod input;
mod interrupt;
mod job_lines;
mod log;
#[cfg(feature = "otlp")]
mod otlp;
mod paths;
mod printer;
mod progress;
mod receipt_file;
mod remote_report;
mod remote_source;
mod report;
mod server;
mod size;
mod span;
mod stdout;
mod table;
mod text;
mod timeline;
mod write;

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::{
    commands::Command,
    config::Layers,
    error::{Class, Error},
    log::LogFormat,
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
Log messages: set PHALANX_LOG, for example PHALANX_LOG=info; --log-format json is for machines.
Every option is also a variable (PHALANX_RAM is --ram) and a key of a file (--config FILE, else
~/.config/phalanx/config.toml): `phalanx config show` lists them all.")]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    json: bool,

    /// Say nothing on stderr but errors
    #[arg(long, short, global = true)]
    quiet: bool,

    /// Read options from this file instead of ~/.config/phalanx/config.toml and /etc/phalanx/config.toml
    #[arg(long, global = true, hide = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How log messages are written on stderr
    #[arg(long, global = true, hide = true, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
}

/// The allocator of this process.
#[cfg(feature = "openvm")]
use allocator::MEMORY;
#[cfg(not(feature = "openvm"))]
const MEMORY: phalanx_worker::Memory = phalanx_worker::Memory::SYSTEM;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let layers = match Layers::read(&arguments, &Cli::command()) {
        Ok(layers) => layers,
        Err(error) => return refuse(Talk::to_stderr(false), &error),
    };
    let matches = layers.under(Cli::command()).try_get_matches_from(arguments);
    let cli = match matches.and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches)) {
        Ok(cli) => cli,
        Err(refusal) => {
            // clap's own code for bad usage is 2, which here means our fault.
            let class = if refusal.use_stderr() { ExitCode::from(Class::Input.exit_code()) } else { ExitCode::SUCCESS };
            // Nothing is left to tell it to when the terminal is gone.
            let _ = refusal.print();
            return class;
        }
    };
    log::start(cli.log_format);
    let talk = match cli.log_format {
        LogFormat::Text => Talk::to_stderr(cli.quiet),
        LogFormat::Json => Talk::to_stderr(cli.quiet).logged(),
    };
    let data = match stdout::take() {
        Ok(data) => data,
        Err(error) => return refuse(talk, &error),
    };
    let printer = Printer::new(data, cli.json, talk);
    let code = match cli.command.run(&layers, &printer).and_then(|()| printer.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.class.exit_code())
        }
    };
    log::end();
    code
}

fn refuse(talk: Talk, error: &Error) -> ExitCode {
    talk.error(error);
    ExitCode::from(error.class.exit_code())
}
