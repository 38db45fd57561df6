//! `phalanx workers`: who proves, what each has, and how to send one home.

use phalanx_api::{WorkerState, WorkerView};
use phalanx_client::Client;
use serde::Serialize;

use crate::{
    error::Result,
    printer::Printer,
    server::{ServerArgs, patiently},
    size,
    span::show_ms,
    table::Table,
    text::harmless,
};

/// Options.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,

    #[command(flatten)]
    server: ServerArgs,
}

/// What to do with one.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// It finishes what it has and takes no more
    Drain(OneArgs),
    /// It takes tasks again, and what it did wrong is forgotten
    Resume(OneArgs),
}

#[derive(clap::Args, Debug)]
struct OneArgs {
    /// The worker's name
    name: String,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Listed {
    workers: Vec<WorkerView>,
}

#[derive(Serialize)]
struct Told<'a> {
    worker: &'a str,
    state: WorkerState,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.verb {
        None => list(&args.server.client()?, printer),
        Some(Verb::Drain(one)) => tell(one, Client::drain, WorkerState::Draining, printer),
        Some(Verb::Resume(one)) => tell(one, Client::resume, WorkerState::Active, printer),
    }
}

fn tell(
    one: &OneArgs,
    call: impl Fn(&Client, &str) -> std::result::Result<(), phalanx_client::ClientError>,
    state: WorkerState,
    printer: &Printer,
) -> Result<()> {
    let client = one.server.client()?;
    patiently(&client, || call(&client, &one.name))?;
    if printer.is_json() {
        return printer.object(&Told { worker: &one.name, state });
    }
    printer.line(format!("{}  {}", one.name, state.name()))
}

fn list(client: &Client, printer: &Printer) -> Result<()> {
    let workers = patiently(client, || client.workers())?;
    if printer.is_json() {
        return printer.object(&Listed { workers });
    }
    if workers.is_empty() {
        printer.talk().line("no workers; `phalanx worker` starts one");
        return Ok(());
    }
    table(&workers).into_iter().try_for_each(|line| printer.line(line))
}

fn table(workers: &[WorkerView]) -> Vec<String> {
    let mut table = Table::new(&["NAME", "STATE", "HEARD", ">SLOTS", ">CORES", ">RAM", "KINDS", "VERSION", "RUNNING"]);
    for worker in workers {
        let running: Vec<String> = worker.running.iter().map(|held| format!("{}/{}", held.job, held.task)).collect();
        let kinds: Vec<&str> = worker.kinds.iter().map(|kind| kind.name()).collect();
        table.row([
            harmless(worker.name.as_bytes()),
            worker.state.name().to_owned(),
            format!("{} ago", show_ms(worker.silent_ms / 1000 * 1000)),
            worker.slots.to_string(),
            worker.cores.to_string(),
            size::show(worker.ram_bytes),
            kinds.join(","),
            harmless(worker.version.as_bytes()),
            running.join(" "),
        ]);
    }
    table.lines()
}
