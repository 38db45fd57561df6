//! `phalanx jobs`: the jobs of a gateway, the newest first.

use phalanx_api::{JobList, JobQuery, JobState};

use crate::{
    error::Result,
    job_lines::job_table,
    printer::Printer,
    server::{ServerArgs, patiently},
};

/// The most that is asked for at once.
const PAGE_MAX: u32 = 500;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only jobs that stand so: queued, running, done, failed or cancelled
    #[arg(long, value_name = "STATE", value_parser = parse_state)]
    state: Option<JobState>,

    /// How many to list
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// List all of them
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    server: ServerArgs,
}

fn parse_state(text: &str) -> std::result::Result<JobState, String> {
    JobState::ALL
        .into_iter()
        .find(|state| state.name() == text)
        .ok_or_else(|| "a job is queued, running, done, failed or cancelled".to_owned())
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let client = args.server.client()?;
    let mut list = JobList { jobs: Vec::new(), next: None };
    let mut left = if args.all { u32::MAX } else { args.limit };
    while left > 0 {
        let query = JobQuery { state: args.state, before: list.next, limit: Some(left.min(PAGE_MAX)) };
        let page = patiently(&client, || client.jobs(&query))?;
        left = left.saturating_sub(u32::try_from(page.jobs.len()).unwrap_or(u32::MAX));
        list.jobs.extend(page.jobs);
        // A gateway that names the same place again would be asked for ever.
        let is_last = page.next.is_none() || page.next == list.next;
        list.next = page.next;
        if is_last {
            break;
        }
    }
    if printer.is_json() {
        return printer.object(&list);
    }
    if list.jobs.is_empty() {
        printer.talk().line("no jobs");
        return Ok(());
    }
    job_table(&list.jobs).into_iter().try_for_each(|line| printer.line(line))?;
    if list.next.is_some() {
        printer.talk().line("there are more: --limit or --all lists them");
    }
    Ok(())
}
