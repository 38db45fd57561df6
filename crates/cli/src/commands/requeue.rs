//! `phalanx requeue`: failed tasks run again, and their job goes on.

use crate::{
    error::{Error, Result},
    job_lines::JobOrTask,
    printer::Printer,
    server::{ServerArgs, patiently},
    text::count,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The job, or one task of it
    #[arg(value_name = "JOB[/TASK]")]
    what: JobOrTask,

    #[command(flatten)]
    server: ServerArgs,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let JobOrTask { job, task } = args.what;
    let client = args.server.client()?;
    let requeued = patiently(&client, || client.requeue(job, task))?;
    if requeued.tasks == 0 {
        return Err(Error::input("nothing was requeued: no such task is dead")
            .hint(format!("`phalanx status {job} -v` shows how its tasks stand")));
    }
    if printer.is_json() {
        return printer.object(&requeued);
    }
    printer.line(format!("requeued  {}", count(requeued.tasks, "task")))
}
