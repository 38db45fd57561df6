//! What a developer runs, called by `./x`: each subcommand is one module. Drives cargo and the built `phalanx`; links
//! none of our crates, so that it compiles in seconds.
#![forbid(unsafe_code)]

mod bench;
mod build;
mod command;
mod console;
mod dashboard;
mod demo;
mod docs;
mod fuzz;
mod guests;
mod links;
mod schema;
mod servers;
mod test;
mod tools;

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "x", bin_name = "x", about = "Builds, tests and shows Phalanx", disable_help_subcommand = false)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Proves a real program in several segments, verifies the receipt and draws what ran when
    Demo(demo::DemoArgs),
    /// Runs the whole suite, or the steps named
    Test(test::TestArgs),
    /// Builds the guest programs, or checks that the committed ones are what their sources give
    Guests(guests::GuestsArgs),
    /// Measures Phalanx against the plain SDK and against the numbers it is to reach
    Bench(bench::BenchArgs),
    /// Feeds random bytes to the decoders
    Fuzz(fuzz::FuzzArgs),
    /// Checks the links between the pages of the documentation, and with --run the commands in them
    Docs(docs::DocsArgs),
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    // Commands run in the repository, so relative paths in arguments mean the same for them and for us.
    if let Err(error) = env::set_current_dir(command::root()) {
        eprintln!("error: cannot enter {}: {error}", command::root().display());
        return ExitCode::FAILURE;
    }
    let done = match task {
        Task::Demo(args) => demo::run(args),
        Task::Test(args) => test::run(args),
        Task::Guests(args) => guests::run(args),
        Task::Bench(args) => bench::run(args),
        Task::Fuzz(args) => fuzz::run(args),
        Task::Docs(args) => docs::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
