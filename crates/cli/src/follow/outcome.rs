//! How a job ended, as the command that waited for it ends.

use phalanx_api::{JobState, JobView, TaskId};
use phalanx_client::Client;

use crate::{
    error::{Error, Result},
    text::harmless,
};

/// Nothing for a job that is done; else why not, and whose turn it is.
pub fn ended(client: &Client, job: &JobView) -> Result<()> {
    match job.state {
        JobState::Done => Ok(()),
        JobState::Failed => Err(failed(job, last_outcome(client, job).as_deref())),
        JobState::Cancelled => Err(Error::input(format!("job {} was cancelled", job.job))),
        JobState::Queued | JobState::Running => {
            Err(Error::ours(format!("job {} is {}, not over", job.job, job.state.name())))
        }
    }
}

/// What became of the last start of the task that failed.
fn last_outcome(client: &Client, job: &JobView) -> Option<String> {
    let task: TaskId = job.failed_task.as_ref()?.parse().ok()?;
    // Without an answer nobody is blamed; the reason is there anyway.
    let attempts = client.attempts(job.job, task).ok()?;
    attempts.into_iter().max_by_key(|attempt| attempt.attempt).map(|attempt| attempt.outcome)
}

fn failed(job: &JobView, outcome: Option<&str>) -> Error {
    let reason = job.failure.as_deref().unwrap_or("no reason is recorded");
    let reason = harmless(reason.as_bytes());
    // Without a task it was the deadline; `failed` is the engine's word for a fault of the program or its input.
    let is_users = job.failed_task.is_none() || outcome == Some("failed");
    let what = format!("job {} failed: {}", job.job, reason.lines().next().unwrap_or_default());
    let error = if is_users { Error::input(what) } else { Error::ours(what) };
    let error = reason.lines().skip(1).fold(error, |error, line| error.fact("", line));
    match &job.failed_task {
        Some(task) => error.fact("task", task).hint(format!("`phalanx status {} -v` shows every task", job.job)),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::{JobId, KindCounts};
    use phalanx_claim::Digest;

    use super::*;
    use crate::error::Class;

    fn job(failed_task: Option<&str>, failure: &str) -> JobView {
        JobView {
            job: JobId::new(),
            tenant: "default".into(),
            state: JobState::Failed,
            program: Digest::of(b"p"),
            input: Digest::of(b"i"),
            priority: 0,
            failed_task: failed_task.map(str::to_owned),
            failure: Some(failure.to_owned()),
            receipt: None,
            cycles: None,
            segments: None,
            created_ms: 0,
            started_ms: None,
            ended_ms: Some(1),
            deadline_ms: None,
            tasks: KindCounts::default(),
            progress: 0.0,
            eta_ms: None,
        }
    }

    #[test]
    fn a_guest_that_panics_and_a_deadline_are_the_users_turn_and_machines_are_not() {
        assert_eq!(failed(&job(Some("execute"), "the guest panicked"), Some("failed")).class, Class::Input);
        assert_eq!(failed(&job(None, "the deadline passed"), None).class, Class::Input);
        assert_eq!(failed(&job(Some("prove-3"), "no memory"), Some("retry")).class, Class::Ours);
        assert_eq!(failed(&job(Some("prove-3"), "no memory"), None).class, Class::Ours);
    }

    #[test]
    fn the_cause_comes_first_and_its_other_lines_follow() {
        let job = job(Some("execute"), "the guest panicked\nat main.rs:3\u{1b}[2J");
        let text = failed(&job, Some("failed")).to_string();
        let expected = format!("error: job {} failed: the guest panicked\n  ", job.job);
        assert!(text.starts_with(&expected) && text.contains("at main.rs:3\u{fffd}[2J"), "{text}");
    }
}
