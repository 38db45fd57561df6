//! What is known of a job that runs elsewhere, as progress that can be shown.
//!
//! In: tasks and the job as they changed, in any order, some twice. Out: [`Progress`], built anew from the latest of each, with
//! the database's times. Pure: the caller says when something arrived.

use std::{collections::BTreeMap, time::Duration};

use phalanx_api::{JobView, TaskId, TaskState, TaskView};
use phalanx_claim::Digest;
use phalanx_plan::Position;
use phalanx_worker::{PoolEvent, TaskName, TaskRecord};

use crate::progress::Progress;

/// A job that runs elsewhere.
#[derive(Default, Debug)]
pub struct Followed {
    tasks: BTreeMap<TaskId, TaskView>,
    job: Option<JobView>,
    /// The database's clock less the time since following began; the most that was seen, since messages take time.
    clock_ahead_ms: u64,
}

impl Followed {
    /// A task stands so. Says what went wrong with it since it was last seen.
    pub fn task(&mut self, task: TaskView, arrived: Duration) -> Option<String> {
        self.clock(task.changed_ms, arrived);
        let before = self.tasks.get(&task.task);
        let has_failed = before.is_some_and(|before| before.failures < task.failures);
        let runs_again = !matches!(task.state, TaskState::Dead | TaskState::Cancelled);
        let said = (has_failed && runs_again).then(|| {
            let reason = task.failure.as_deref().unwrap_or("nobody knows why");
            format!("{} failed, attempt {}: {reason}; it runs again", task.task, task.attempt)
        });
        if before.is_none_or(|before| before.changed_ms <= task.changed_ms) {
            self.tasks.insert(task.task, task);
        }
        said
    }

    /// The job stands so.
    pub fn job(&mut self, job: JobView, arrived: Duration) {
        let latest = job.ended_ms.or(job.started_ms).unwrap_or(job.created_ms);
        self.clock(latest, arrived);
        self.job = Some(job);
    }

    fn clock(&mut self, now_ms: u64, arrived: Duration) {
        self.clock_ahead_ms = self.clock_ahead_ms.max(now_ms.saturating_sub(millis(arrived)));
    }

    /// How old the job is, `local` after following began; an ended job does not age.
    pub fn now(&self, local: Duration) -> Duration {
        let now_ms = self.clock_ahead_ms + millis(local);
        let end_ms = self.job.as_ref().and_then(|job| job.ended_ms).unwrap_or(now_ms);
        Duration::from_millis(end_ms.saturating_sub(self.begin_ms()))
    }

    fn begin_ms(&self) -> u64 {
        let first = || self.tasks.values().filter_map(|task| task.ready_ms).min();
        self.job.as_ref().map(|job| job.created_ms).or_else(first).unwrap_or(self.clock_ahead_ms)
    }

    /// The stages as they stand.
    pub fn progress(&self) -> Progress {
        let begin_ms = self.begin_ms();
        let mut events: Vec<(u64, PoolEvent)> = Vec::new();
        for task in self.tasks.values() {
            let record = record(task, begin_ms);
            if let Position::Prove { index } = task.task.0 {
                events.push((0, PoolEvent::Segment { index, cycles: record.cycles }));
            }
            if let (Position::Execute, Some(cycles)) = (task.task.0, task.cycles) {
                events.push((0, PoolEvent::Cycles(cycles)));
            }
            if task.state == TaskState::Done && task.is_reused {
                events.push((record.end_ms, PoolEvent::Reused(record)));
                continue;
            }
            if matches!(task.state, TaskState::Running | TaskState::Done | TaskState::Dead) && task.started_ms.is_some()
            {
                let started = PoolEvent::Started {
                    task: record.name,
                    slot: 0,
                    cores: 1,
                    attempt: task.attempt,
                    predicted_peak_bytes: task.ram_bytes,
                };
                events.push((record.start_ms, started));
                let failed = |reason| PoolEvent::Failed { task: record.name, attempt: record.attempt, reason };
                match task.state {
                    TaskState::Done => events.push((record.end_ms, PoolEvent::Finished(record))),
                    TaskState::Dead => events.push((record.end_ms, failed(task.failure.clone().unwrap_or_default()))),
                    _ => {}
                }
            }
        }
        // Stable, so a task that took no time starts before it ends.
        events.sort_by_key(|(at_ms, _)| *at_ms);
        if let Some(totals) = self.job.as_ref().and_then(totals) {
            events.push((0, totals));
        }
        let mut progress = Progress::default();
        events.iter().for_each(|(at_ms, event)| progress.on(event, Duration::from_millis(*at_ms)));
        progress
    }
}

/// Known when the execution has ended: only then are all folds announced, with the seal.
fn totals(job: &JobView) -> Option<PoolEvent> {
    let (cycles, segments) = (job.cycles?, job.segments?);
    let short = |number: u64| u32::try_from(number).ok();
    (job.tasks.seal.total() > 0).then_some(())?;
    Some(PoolEvent::Totals { cycles, segments: short(segments)?, folds: short(job.tasks.fold.total())? })
}

/// The task as the local pool would note it, with times since the job came.
pub fn record(task: &TaskView, begin_ms: u64) -> TaskRecord {
    let since = |at_ms: Option<u64>| at_ms.unwrap_or(begin_ms).saturating_sub(begin_ms);
    let start_ms = since(task.started_ms.or(task.ended_ms));
    TaskRecord {
        name: name(task.task),
        slot: 0,
        start_ms,
        end_ms: since(task.ended_ms).max(start_ms),
        cpu_ms: 0,
        cores: 1,
        predicted_peak_bytes: task.ram_bytes,
        measured_peak_bytes: None,
        reused: task.is_reused,
        cycles: task.cycles.unwrap_or(0),
        attempt: task.attempt,
        output: task.output.unwrap_or(Digest::new([0; Digest::LEN])),
    }
}

const fn name(task: TaskId) -> TaskName {
    match task.0 {
        Position::Execute => TaskName::EXECUTE,
        Position::Prove { index } => TaskName::prove(index),
        Position::Fold { layer, index } => TaskName::fold(layer, index),
        Position::Seal => TaskName::SEAL,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use phalanx_api::{Counts, JobState, KindCounts};
    use phalanx_plan::TaskKind;

    use super::*;
    use crate::progress::STAGES;

    const CREATED_MS: u64 = 1_000_000;

    fn task(name: &str, state: TaskState, times: (Option<u64>, Option<u64>), cycles: u64) -> TaskView {
        let id: TaskId = name.parse().unwrap();
        let at = |ms: Option<u64>| ms.map(|ms| CREATED_MS + ms);
        TaskView {
            task: id,
            kind: id.0.kind(),
            state,
            children: vec![],
            attempt: 1,
            failures: 0,
            worker: None,
            ram_bytes: 0,
            cycles: Some(cycles),
            output: None,
            is_reused: false,
            ready_ms: Some(CREATED_MS),
            started_ms: at(times.0),
            ended_ms: at(times.1),
            changed_ms: CREATED_MS + times.1.or(times.0).unwrap_or(0),
            failure: None,
        }
    }

    fn job(state: JobState, ended_ms: Option<u64>, folds: u64) -> JobView {
        let done = |done| Counts { done, ..Counts::default() };
        JobView {
            job: phalanx_api::JobId::new(),
            tenant: "default".into(),
            state,
            program: Digest::of(b"p"),
            input: Digest::of(b"i"),
            priority: 0,
            failed_task: None,
            failure: None,
            receipt: None,
            cycles: Some(4_129_521),
            segments: Some(5),
            created_ms: CREATED_MS,
            started_ms: Some(CREATED_MS),
            ended_ms: ended_ms.map(|ms| CREATED_MS + ms),
            deadline_ms: None,
            tasks: KindCounts { fold: done(folds), seal: done(1), ..KindCounts::default() },
            progress: 1.0,
            eta_ms: None,
        }
    }

    #[test]
    fn a_job_that_ran_elsewhere_reads_as_one_that_ran_here() {
        // The lines are those of the style guide; the times are the database's, whenever they arrive and in which order.
        let arrived = Duration::from_secs(90);
        let mut followed = Followed::default();
        followed.task(task("fold-0.0", TaskState::Done, (Some(41_500), Some(54_400)), 0), arrived);
        for index in (0..5).rev() {
            let cycles = [825_905, 825_904][usize::from(index > 0)];
            followed.task(task(&format!("prove-{index}"), TaskState::Done, (Some(300), Some(41_500)), cycles), arrived);
        }
        followed.task(task("execute", TaskState::Done, (Some(0), Some(300)), 4_129_521), arrived);
        followed.job(job(JobState::Done, Some(54_500), 1), arrived);
        let (progress, now) = (followed.progress(), followed.now(Duration::from_secs(100)));
        let lines: Vec<_> = STAGES[..3].iter().map(|kind| progress.line(*kind, now)).collect();
        let expected = [
            "executed  4,129,521 cycles   0.3 s   5 segments",
            "proved    5/5 segments      41.2 s   100 kHz",
            "folded    5 → 1             12.9 s",
        ];
        assert_eq!(lines, expected);
        assert_eq!(now, Duration::from_millis(54_500));
    }

    #[test]
    fn a_running_stage_goes_on_by_the_databases_clock() {
        let mut followed = Followed::default();
        followed
            .job(JobView { cycles: None, segments: None, ..job(JobState::Running, None, 0) }, Duration::from_secs(1));
        followed.task(task("execute", TaskState::Done, (Some(0), Some(100)), 10), Duration::from_secs(2));
        followed.task(task("prove-0", TaskState::Running, (Some(2_000), None), 10), Duration::from_secs(3));
        // It was seen at 2 s of the job and 3 s of ours; 4 s of ours are 3 s of the job.
        let line = followed.progress().line(TaskKind::Prove, followed.now(Duration::from_secs(4)));
        assert_eq!(line, "proved    0/1+ segments      1.0 s");
    }

    #[test]
    fn a_failure_is_told_once_and_an_older_view_changes_nothing() {
        let mut followed = Followed::default();
        let running = task("prove-0", TaskState::Running, (Some(10), None), 10);
        assert_eq!(followed.task(running.clone(), Duration::ZERO), None);
        let mut failed = task("prove-0", TaskState::Ready, (Some(10), Some(20)), 10);
        (failed.failures, failed.failure) = (1, Some("the disk is full".into()));
        let said = followed.task(failed.clone(), Duration::ZERO);
        assert_eq!(said.as_deref(), Some("prove-0 failed, attempt 1: the disk is full; it runs again"));
        assert_eq!(followed.task(failed, Duration::ZERO), None);
        followed.task(running, Duration::ZERO);
        assert_eq!(followed.tasks.values().next().map(|task| task.state), Some(TaskState::Ready));
    }
}
