//! `phalanx worker`: proves for a gateway until it is told to stop.
//!
//! The first Ctrl-C or SIGTERM drains: what runs ends, nothing new is taken. The second gives back what runs.

use std::{path::PathBuf, process};

use phalanx_worker::fleet::{self, Artifacts, Shutdown};

use super::fleet::{FleetArgs, Teller, machine_name};
use crate::{
    error::{Error, Result},
    interrupt, paths,
    printer::Printer,
    server::ServerArgs,
    size,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    fleet: FleetArgs,

    /// Where artifacts are kept for the next task [default: $XDG_CACHE_HOME/phalanx/artifacts, else
    /// ~/.cache/phalanx/artifacts]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// How much of them is kept
    #[arg(long, value_name = "SIZE", default_value = "10G", value_parser = size::parse)]
    cache_max: u64,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let prover = args.fleet.prover()?;
    let gateway = args.server.config()?;
    let directory = args.cache.clone().or_else(|| paths::cache_directory().map(|cache| cache.join("artifacts")));
    let homeless = || Error::input("no place for artifacts: HOME is not set").hint("name a directory with --cache");
    let artifacts = Artifacts::Cached { directory: directory.ok_or_else(homeless)?, bytes_max: args.cache_max };
    let name = args.fleet.name.clone().unwrap_or_else(|| format!("{}-{}", machine_name(), process::id()));
    printer.talk().line(&format!("worker {name} for {}", gateway.server));
    let config = args.fleet.config(&prover, gateway, name, artifacts)?;
    let shutdown = Shutdown::default();
    let (drain, abort) = (shutdown.clone(), shutdown.clone());
    interrupt::twice(move || drain.drain(), move || abort.abort())?;
    let teller = Teller::new(printer.talk());
    fleet::run(&prover.engine(), &config, &teller, &shutdown)?;
    if printer.is_json() { printer.object(&teller.counts()) } else { Ok(()) }
}
