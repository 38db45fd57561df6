//! Jobs and their tasks as lines that people read.

use phalanx_api::{Counts, JobId, JobState, JobView, TaskId, TaskState, TaskView};

use crate::{
    size,
    span::{ago, now_ms, show_ms},
    table::Table,
    text::{count, harmless, short, thousands},
};

/// One job, or one task of it: `JOB` or `JOB/TASK`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JobOrTask {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: Option<TaskId>,
}

impl std::str::FromStr for JobOrTask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (job, task) = text.split_once('/').map_or((text, None), |(job, task)| (job, Some(task)));
        let job = job.parse().map_err(|error: phalanx_api::ParseJobIdError| error.to_string())?;
        let task =
            task.map(str::parse).transpose().map_err(|error: phalanx_api::ParsePositionError| error.to_string())?;
        Ok(Self { job, task })
    }
}

/// Many jobs, one line each.
pub fn job_table(jobs: &[JobView]) -> Vec<String> {
    let mut table = Table::new(&["JOB", "STATE", ">DONE", ">SEGMENTS", ">CYCLES", ">AGE", "PROGRAM"]);
    for job in jobs {
        table.row([
            job.job.to_string(),
            job.state.name().to_owned(),
            percent(job.progress),
            job.segments.map_or_else(|| "-".to_owned(), thousands),
            job.cycles.map_or_else(|| "-".to_owned(), thousands),
            show_ms(now_ms().saturating_sub(job.created_ms) / 1000 * 1000),
            short(&job.program.to_string()),
        ]);
    }
    table.lines()
}

/// One job.
pub fn job_lines(job: &JobView) -> Vec<String> {
    let mut lines = vec![format!("job       {}", job.job), format!("state     {}", state(job))];
    let mut line = |label: &str, text: String| lines.push(format!("{label:<10}{text}"));
    if let Some(failure) = &job.failure {
        let task = job.failed_task.as_deref().map(|task| format!("{task}: ")).unwrap_or_default();
        line("cause", task + &harmless(failure.as_bytes()).replace('\n', "\n          "));
    }
    line("program", job.program.to_string());
    line("input", job.input.to_string());
    if let Some(receipt) = &job.receipt {
        line("receipt", receipt.to_string());
    }
    if let Some(cycles) = job.cycles {
        let segments = job.segments.map(|segments| format!(" in {}", count(segments, "segment"))).unwrap_or_default();
        line("cycles", thousands(cycles) + &segments);
    }
    line("tenant", harmless(job.tenant.as_bytes()));
    if job.priority != 0 {
        line("priority", job.priority.to_string());
    }
    line("came", format!("{} ago", ago(job.created_ms)));
    if let Some(deadline_ms) = job.deadline_ms.filter(|_| !job.state.is_over()) {
        line("deadline", format!("in {}", show_ms(deadline_ms.saturating_sub(now_ms()))));
    }
    if let Some(ended_ms) = job.ended_ms {
        line("took", show_ms(ended_ms.saturating_sub(job.created_ms)));
    }
    let stages = [
        ("executed", job.tasks.execute),
        ("proved", job.tasks.prove),
        ("folded", job.tasks.fold),
        ("sealed", job.tasks.seal),
    ];
    for (verb, counts) in stages.into_iter().filter(|(_, counts)| counts.total() > 0) {
        line(verb, stage(&counts));
    }
    lines
}

fn state(job: &JobView) -> String {
    let left = || job.eta_ms.map(|ms| format!(", about {} left", show_ms(ms.max(1000)))).unwrap_or_default();
    match job.state {
        JobState::Running => format!("running, {} done{}", percent(job.progress), left()),
        state => state.name().to_owned(),
    }
}

fn stage(counts: &Counts) -> String {
    let others = [
        (counts.running, "running"),
        (counts.ready, "ready"),
        (counts.pending, "waiting"),
        (counts.dead, "dead"),
        (counts.cancelled, "cancelled"),
    ];
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    let parts = others.map(|(number, what)| format!(", {} {what}", thousands(number)));
    format!("{}/{}", thousands(counts.done), thousands(counts.total())) + &parts.collect::<String>()
}

/// Tasks, one line each.
pub fn task_table(tasks: &[TaskView]) -> Vec<String> {
    let mut table = Table::new(&["TASK", "STATE", ">ATTEMPT", ">TOOK", ">RAM", "WORKER", "CAUSE"]);
    for task in tasks {
        let took = match (task.started_ms, task.ended_ms) {
            (Some(started_ms), Some(ended_ms)) => show_ms(ended_ms.saturating_sub(started_ms)),
            (Some(started_ms), None) if task.state == TaskState::Running => ago(started_ms),
            _ => "-".to_owned(),
        };
        let state = if task.is_reused { "reused" } else { task.state.name() };
        table.row([
            task.task.to_string(),
            state.to_owned(),
            task.attempt.to_string(),
            took,
            size::show(task.ram_bytes),
            task.worker.as_deref().map_or_else(|| "-".to_owned(), |worker| harmless(worker.as_bytes())),
            task.failure.as_deref().map(|failure| harmless(failure.as_bytes()).replace('\n', " ")).unwrap_or_default(),
        ]);
    }
    table.lines()
}

/// `42%`; 100 is said only when it is so.
fn percent(progress: f64) -> String {
    let percent = (progress.clamp(0.0, 1.0) * 100.0).floor();
    format!("{percent}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_or_one_of_its_tasks_is_named() {
        let job = JobId::new();
        let parsed = |text: &str| text.parse::<JobOrTask>();
        assert_eq!(parsed(&job.to_string()), Ok(JobOrTask { job, task: None }));
        let task = parsed(&format!("{job}/fold-2.0")).unwrap().task.unwrap();
        assert_eq!(task.to_string(), "fold-2.0");
        assert!(parsed(&format!("{job}/")).is_err() && parsed("7").is_err() && parsed("").is_err());
    }

    #[test]
    fn a_stage_says_what_is_not_done_and_why() {
        let counts = Counts { done: 1_000, running: 2, pending: 5, ..Counts::default() };
        assert_eq!(stage(&counts), "1,000/1,007, 2 running, 5 waiting");
        assert_eq!(stage(&Counts { done: 1, ..Counts::default() }), "1/1");
    }

    #[test]
    fn almost_done_is_not_done() {
        assert_eq!([0.0, 0.428, 0.9999, 1.0, 7.0].map(percent), ["0%", "42%", "99%", "100%", "100%"]);
    }
}
