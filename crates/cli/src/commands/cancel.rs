//! `phalanx cancel`: ends a job. One that is over stays as it is.

use phalanx_api::{JobId, JobState};

use crate::{
    error::Result,
    printer::Printer,
    server::{ServerArgs, patiently},
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The job
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let client = args.server.client()?;
    let job = patiently(&client, || client.cancel(args.job))?;
    if job.state != JobState::Cancelled {
        printer.talk().line(&format!("job {} was over before: it is {}", job.job, job.state.name()));
    }
    if printer.is_json() { printer.object(&job) } else { printer.line(job.state.name()) }
}
