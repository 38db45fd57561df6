//! `phalanx status`: how a job stands, or how the whole service does.

use phalanx_api::{ErrorCode, JobId, JobQuery, JobView, QueueView, TaskView};
use phalanx_client::Client;
use serde::Serialize;

use crate::{
    error::Result,
    follow::all_tasks,
    job_lines::{job_lines, job_table, task_table},
    printer::Printer,
    server::{ServerArgs, patiently},
    span::show_ms,
    table::Table,
    text::{count, thousands},
};

/// Jobs that are listed beside the queue.
const JOBS: u32 = 10;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The job [default: the queue and the latest jobs]
    #[arg(value_name = "JOB")]
    job: Option<JobId>,

    /// Also list every task of the job
    #[arg(long, short)]
    verbose: bool,

    #[command(flatten)]
    server: ServerArgs,
}

/// What `--json` prints of a job.
#[derive(Serialize)]
struct JobStatus {
    #[serde(flatten)]
    job: JobView,
    /// With `--verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_list: Option<Vec<TaskView>>,
}

/// What `--json` prints of the service.
#[derive(Serialize)]
struct ServiceStatus {
    /// Absent for those who may not see it.
    queue: Option<QueueView>,
    jobs: Vec<JobView>,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let client = args.server.client()?;
    match args.job {
        Some(job) => job_status(&client, job, args.verbose, printer),
        None => service_status(&client, printer),
    }
}

fn job_status(client: &Client, job: JobId, is_verbose: bool, printer: &Printer) -> Result<()> {
    let view = patiently(client, || client.job(job))?;
    let tasks = is_verbose.then(|| patiently(client, || all_tasks(client, job))).transpose()?;
    if printer.is_json() {
        return printer.object(&JobStatus { job: view, task_list: tasks });
    }
    job_lines(&view).into_iter().try_for_each(|line| printer.line(line))?;
    if let Some(tasks) = tasks {
        printer.line("")?;
        task_table(&tasks).into_iter().try_for_each(|line| printer.line(line))?;
    }
    Ok(())
}

fn service_status(client: &Client, printer: &Printer) -> Result<()> {
    let queue = match client.queue() {
        // A client sees its jobs, not how much others have to do.
        Err(error) if error.code() == Some(ErrorCode::Forbidden) => None,
        Err(_) => Some(patiently(client, || client.queue())?),
        Ok(queue) => Some(queue),
    };
    let query = JobQuery { limit: Some(JOBS), ..JobQuery::default() };
    let jobs = patiently(client, || client.jobs(&query))?.jobs;
    if printer.is_json() {
        return printer.object(&ServiceStatus { queue, jobs });
    }
    if let Some(queue) = queue {
        queue_lines(&queue).into_iter().try_for_each(|line| printer.line(line))?;
        printer.line("")?;
    }
    if jobs.is_empty() {
        return printer.line("no jobs");
    }
    job_table(&jobs).into_iter().try_for_each(|line| printer.line(line))
}

fn queue_lines(queue: &QueueView) -> Vec<String> {
    let mut table = Table::new(&["KIND", ">READY", ">RUNNING", ">WAITING", ">DEAD", ">OLDEST READY"]);
    for (kind, load) in &queue.kinds {
        let oldest = if load.ready == 0 { "-".to_owned() } else { show_ms(load.oldest_ready_age_ms) };
        let numbers = [load.ready, load.running, load.pending, load.dead].map(thousands);
        table.row([kind.clone()].into_iter().chain(numbers).chain([oldest]));
    }
    let mut lines = table.lines();
    let slots = format!("{}, {} would keep all busy", count(queue.slots, "slot"), thousands(queue.slots_wanted));
    lines.push(format!("{} with {slots}; {} under way", count(queue.workers, "worker"), count(queue.jobs, "job")));
    if queue.unclaimable > 0 {
        let tasks = count(queue.unclaimable, "ready task");
        lines.push(format!(
            "{tasks} that no worker here can run: of another engine, of a kind that none takes, or too large"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use phalanx_api::KindLoad;

    use super::*;

    #[test]
    fn the_queue_is_a_table_by_kind_and_what_would_help() {
        let load = KindLoad { pending: 1, ready: 1_200, running: 3, dead: 0, oldest_ready_age_ms: 65_000 };
        let queue = QueueView {
            kinds: [("prove".to_owned(), load)].into(),
            ready: 1_200,
            running: 3,
            dead: 0,
            jobs: 1,
            workers: 2,
            slots: 3,
            slots_wanted: 1_203,
            unclaimable: 4,
        };
        let expected = [
            "KIND   READY  RUNNING  WAITING  DEAD  OLDEST READY",
            "prove  1,200        3        1     0        65.0 s",
            "2 workers with 3 slots, 1,203 would keep all busy; 1 job under way",
            "4 ready tasks that no worker here can run: of another engine, of a kind that none takes, or too large",
        ];
        assert_eq!(queue_lines(&queue), expected);
    }
}
