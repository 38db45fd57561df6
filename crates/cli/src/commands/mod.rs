//! One file per command: its options, what it does, what it prints.

mod cancel;
mod config;
mod database;
mod execute;
mod fleet;
mod inspect;
mod job;
mod jobs;
mod keys;
mod place;
mod prove;
mod queue;
mod receipt;
mod replay;
mod requeue;
mod serve;
mod stats;
mod status;
mod store;
mod submit;
mod tenant;
mod token;
mod verify;
mod watch;
mod worker;
mod workers;

use crate::{config::Layers, error::Result, printer::Printer};

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
    /// Serve: API, dashboard and a worker on this machine
    Serve(serve::Args),
    /// Prove for a service that runs elsewhere
    Worker(worker::Args),
    /// Send a program and its input to a service that proves it
    Submit(submit::Args),
    /// Show how a job stands, or the whole service
    Status(status::Args),
    /// List jobs, the newest first
    Jobs(jobs::Args),
    /// Follow a job until it is over
    Watch(watch::Args),
    /// End a job
    Cancel(cancel::Args),
    /// Run the failed tasks of a job again
    Requeue(requeue::Args),
    /// Fetch the receipt of a done job
    Receipt(receipt::Args),
    /// List the workers of a service, or tell one to drain or resume
    Workers(workers::Args),
    /// Show how long tasks took
    Stats(stats::Args),
    /// Run one task of a job here, once, from the artifacts that it had there
    Replay(replay::Args),
    /// Make, list or revoke tokens
    Token(token::Args),
    /// Say how much each tenant may take
    Tenant(tenant::Args),
    /// Look after the database of a service
    Queue(queue::Args),
    /// Show what is in force and where it came from
    Config(config::Args),
}

impl Command {
    /// Runs the command.
    pub fn run(self, layers: &Layers, printer: &Printer) -> Result<()> {
        match self {
            Self::Execute(args) => execute::run(&args, printer),
            Self::Prove(args) => prove::run(&args, printer),
            Self::Verify(args) => verify::run(&args, printer),
            Self::Inspect(args) => inspect::run(&args, printer),
            Self::Keys(args) => keys::run(&args, printer),
            Self::Store(args) => store::run(&args, printer),
            Self::Serve(args) => serve::run(&args, printer),
            Self::Worker(args) => worker::run(&args, printer),
            Self::Submit(args) => submit::run(&args, printer),
            Self::Status(args) => status::run(&args, printer),
            Self::Jobs(args) => jobs::run(&args, printer),
            Self::Watch(args) => watch::run(&args, printer),
            Self::Cancel(args) => cancel::run(&args, printer),
            Self::Requeue(args) => requeue::run(&args, printer),
            Self::Receipt(args) => receipt::run(&args, printer),
            Self::Workers(args) => workers::run(&args, printer),
            Self::Stats(args) => stats::run(&args, printer),
            Self::Replay(args) => replay::run(&args, printer),
            Self::Token(args) => token::run(&args, printer),
            Self::Tenant(args) => tenant::run(&args, printer),
            Self::Queue(args) => queue::run(&args, printer),
            Self::Config(args) => config::run(&args, layers, printer),
        }
    }
}
