//! What `submit --wait --json` prints: the object of `prove`, with `null` for what only the machine that proves knows.
//!
//! In: the job and its tasks as the gateway shows them, and the claim of the receipt. Out: one serialisable value. Pure.

use std::time::Duration;

use phalanx_api::{JobView, TaskState, TaskView};
use phalanx_claim::Claim;
use phalanx_plan::{Position, TaskKind};
use serde::Serialize;

use crate::{
    progress::STAGES,
    report::{ReceiptFacts, covered},
};

/// A job that was proven elsewhere.
#[derive(Serialize, Debug)]
pub struct RemoteReport<'a> {
    job: String,
    program_id: String,
    exit_code: u32,
    /// Hexadecimal.
    public_values: String,
    cycles: Option<u64>,
    segments: Option<u64>,
    tasks_run: u64,
    tasks_reused: u64,
    /// As this command waited.
    wall_ms: u64,
    predicted_wall_ms: Option<u64>,
    cpu_ms: Option<u64>,
    peak_rss_bytes: Option<u64>,
    /// Path of the file.
    receipt: &'a str,
    receipt_bytes: u64,
    security_bits: u32,
    phases: Vec<Phase>,
    tasks: Vec<TaskLine<'a>>,
}

/// All tasks of one kind.
#[derive(Serialize, Debug)]
struct Phase {
    name: TaskKind,
    count: u64,
    /// Time during which at least one of them ran.
    wall_ms: u64,
    cpu_ms: Option<u64>,
}

#[derive(Serialize, Debug)]
struct TaskLine<'a> {
    kind: TaskKind,
    layer: u32,
    index: u32,
    worker: Option<&'a str>,
    slot: Option<usize>,
    /// Since the job came.
    start_ms: u64,
    wall_ms: u64,
    cpu_ms: Option<u64>,
    predicted_peak_bytes: u64,
    measured_peak_bytes: Option<u64>,
    reused: bool,
}

impl<'a> RemoteReport<'a> {
    /// Puts together what is known. `was_done` says that the job was over before this command asked for it.
    pub fn new(
        job: &JobView,
        tasks: &'a [TaskView],
        claim: &Claim,
        receipt: ReceiptFacts<'a>,
        was_done: bool,
        waited: Duration,
    ) -> Self {
        let is_reused = |task: &&TaskView| was_done || task.is_reused;
        let done = || tasks.iter().filter(|task| task.state == TaskState::Done);
        let reused = done().filter(is_reused).count() as u64;
        Self {
            job: job.job.to_string(),
            program_id: receipt.program.to_string(),
            exit_code: claim.exit_code,
            public_values: hex::encode(&claim.public_values),
            cycles: job.cycles,
            segments: job.segments,
            tasks_run: done().count() as u64 - reused,
            tasks_reused: reused,
            wall_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            predicted_wall_ms: None,
            cpu_ms: None,
            peak_rss_bytes: None,
            receipt: receipt.path,
            receipt_bytes: receipt.bytes,
            security_bits: receipt.security_bits,
            phases: STAGES.iter().map(|kind| phase(*kind, tasks, was_done)).collect(),
            tasks: tasks.iter().map(|task| line(task, job.created_ms, was_done)).collect(),
        }
    }
}

fn phase(kind: TaskKind, tasks: &[TaskView], was_done: bool) -> Phase {
    let of_kind = || tasks.iter().filter(|task| task.kind == kind);
    let ran = of_kind().filter(|task| !was_done && !task.is_reused);
    let times = ran.filter_map(|task| Some((task.started_ms?, task.ended_ms?))).collect();
    Phase { name: kind, count: of_kind().count() as u64, wall_ms: covered(times), cpu_ms: None }
}

fn line(task: &TaskView, begin_ms: u64, was_done: bool) -> TaskLine<'_> {
    let (layer, index) = match task.task.0 {
        Position::Prove { index } => (0, index),
        Position::Fold { layer, index } => (layer, index),
        Position::Execute | Position::Seal => (0, 0),
    };
    let start_ms = task.started_ms.unwrap_or(begin_ms);
    TaskLine {
        kind: task.kind,
        layer,
        index,
        worker: task.worker.as_deref(),
        slot: None,
        start_ms: start_ms.saturating_sub(begin_ms),
        wall_ms: task.ended_ms.unwrap_or(start_ms).saturating_sub(start_ms),
        cpu_ms: None,
        predicted_peak_bytes: task.ram_bytes,
        measured_peak_bytes: None,
        reused: was_done || task.is_reused,
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::{JobId, JobState, KindCounts};
    use phalanx_claim::{Digest, ProgramId};

    use super::*;

    fn task(name: &str, is_reused: bool) -> TaskView {
        let id: phalanx_api::TaskId = name.parse().unwrap();
        TaskView {
            task: id,
            kind: id.0.kind(),
            state: TaskState::Done,
            children: vec![],
            attempt: 1,
            failures: 0,
            worker: Some("a".into()),
            ram_bytes: 7,
            cycles: Some(5),
            output: None,
            is_reused,
            ready_ms: Some(1_000),
            started_ms: Some(1_010),
            ended_ms: Some(1_030),
            changed_ms: 1_030,
            failure: None,
        }
    }

    fn report(was_done: bool) -> serde_json::Value {
        let job = JobView {
            job: JobId::new(),
            tenant: "default".into(),
            state: JobState::Done,
            program: Digest::of(b"p"),
            input: Digest::of(b"i"),
            priority: 0,
            failed_task: None,
            failure: None,
            receipt: None,
            cycles: Some(10),
            segments: Some(1),
            created_ms: 1_000,
            started_ms: Some(1_010),
            ended_ms: Some(1_040),
            deadline_ms: None,
            tasks: KindCounts::default(),
            progress: 1.0,
            eta_ms: None,
        };
        let program = ProgramId::new([7; 32]);
        let claim = Claim { program, exit_code: 0, public_values: vec![0xde, 0xad] };
        let receipt = ReceiptFacts { program, path: "a.receipt", bytes: 9, security_bits: 100 };
        let tasks = [task("execute", true), task("prove-0", false), task("fold-0.0", false), task("seal", false)];
        let report = RemoteReport::new(&job, &tasks, &claim, receipt, was_done, Duration::from_millis(50));
        serde_json::to_value(report).unwrap()
    }

    #[test]
    fn every_key_of_prove_is_there() {
        let prove: serde_json::Value = serde_json::from_str(include_str!("../tests/json/prove.json")).unwrap();
        let remote = report(false);
        for place in ["", "/phases/0", "/tasks/0"] {
            let keys = prove.pointer(place).unwrap().as_object().unwrap().keys();
            for key in keys {
                assert!(remote.pointer(place).unwrap().get(key).is_some(), "{place}/{key}");
            }
        }
    }

    #[test]
    fn what_was_found_is_counted_as_reused() {
        let counts = |report: serde_json::Value| (report["tasks_run"].as_u64(), report["tasks_reused"].as_u64());
        assert_eq!(counts(report(false)), (Some(3), Some(1)));
        assert_eq!(counts(report(true)), (Some(0), Some(4)));
        assert_eq!(report(false)["phases"][1]["wall_ms"], 20);
        assert_eq!(report(false)["tasks"][1]["start_ms"], 10);
    }
}
