//! `phalanx tenant`: how much of a service each of those who share it may take.

use phalanx_api::{TenantLimits, TenantView};
use serde::Serialize;

use super::{database::with_queue, token::PlaceArgs};
use crate::{
    error::Result,
    printer::Printer,
    server::patiently,
    table::Table,
    text::{harmless, thousands},
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Verb {
    /// List the tenants that have limits
    List(PlaceArgs),
    /// Say what a tenant may take; what is not said has no limit
    Set(SetArgs),
}

#[derive(clap::Args, Debug)]
struct SetArgs {
    /// The tenant
    name: String,

    /// Tasks that run at once
    #[arg(long, value_name = "N")]
    running_max: Option<u32>,

    /// Jobs that are not over
    #[arg(long, value_name = "N")]
    jobs_max: Option<u32>,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Serialize)]
struct Listed {
    tenants: Vec<TenantView>,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    match &args.verb {
        Verb::List(place) => list(place, printer),
        Verb::Set(args) => set(args, printer),
    }
}

fn list(place: &PlaceArgs, printer: &Printer) -> Result<()> {
    let tenants = match &place.database_url {
        Some(url) => with_queue(url, |queue| async move { queue.tenants().await })?,
        None => {
            let client = place.server.client()?;
            patiently(&client, || client.tenants())?
        }
    };
    if printer.is_json() {
        return printer.object(&Listed { tenants });
    }
    if tenants.is_empty() {
        printer.talk().line("no tenant has limits");
        return Ok(());
    }
    table(&tenants).into_iter().try_for_each(|line| printer.line(line))
}

fn set(args: &SetArgs, printer: &Printer) -> Result<()> {
    let limits = TenantLimits { running_max: args.running_max, jobs_max: args.jobs_max };
    match &args.place.database_url {
        Some(url) => {
            let name = args.name.clone();
            with_queue(url, |queue| async move { queue.set_tenant(&name, limits).await })?;
        }
        None => {
            let client = args.place.server.client()?;
            patiently(&client, || client.set_tenant(&args.name, &limits))?;
        }
    }
    let tenant = TenantView { name: args.name.clone(), limits };
    if printer.is_json() {
        return printer.object(&tenant);
    }
    table(&[tenant]).into_iter().try_for_each(|line| printer.line(line))
}

fn table(tenants: &[TenantView]) -> Vec<String> {
    let mut table = Table::new(&["TENANT", ">TASKS AT ONCE", ">OPEN JOBS"]);
    let limit = |limit: Option<u32>| limit.map_or_else(|| "no limit".to_owned(), |limit| thousands(limit.into()));
    for TenantView { name, limits } in tenants {
        table.row([harmless(name.as_bytes()), limit(limits.running_max), limit(limits.jobs_max)]);
    }
    table.lines()
}
