//! `phalanx watch`: follows a job until it is over, and ends as it did.

use phalanx_api::JobId;

use crate::{
    error::Result,
    follow,
    job_lines::job_lines,
    printer::Printer,
    progress::row,
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
    // A job that is not there is told before anything is shown.
    let job = patiently(&client, || client.job(args.job))?;
    printer.talk().line(&row("watching", &job.job.to_string(), None, job.state.name()));
    follow::leave_running_on_interrupt(args.job, printer.talk())?;
    let job = follow::follow(&client, args.job, printer.talk())?;
    follow::ended(&client, &job)?;
    if printer.is_json() {
        return printer.object(&job);
    }
    job_lines(&job).into_iter().try_for_each(|line| printer.line(line))
}
