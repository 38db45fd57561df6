//! What `prove --json` prints: the contract that scripts rely on.
//!
//! In: the pool's report and what is known of the receipt. Out: one serialisable value. Pure.

use phalanx_claim::ProgramId;
use phalanx_plan::TaskKind;
use phalanx_worker::{JobReport, TaskRecord};
use serde::Serialize;

use crate::progress::STAGES;

/// A proven job.
#[derive(Serialize, Debug)]
pub struct ProveReport<'a> {
    program_id: String,
    exit_code: u32,
    /// Hexadecimal.
    public_values: String,
    cycles: u64,
    segments: u32,
    tasks_run: u64,
    tasks_reused: u64,
    wall_ms: u64,
    predicted_wall_ms: u64,
    cpu_ms: u64,
    peak_rss_bytes: u64,
    /// Path of the file.
    receipt: &'a str,
    receipt_bytes: u64,
    security_bits: u32,
    phases: Vec<Phase>,
    tasks: Vec<TaskLine>,
}

/// All tasks of one kind.
#[derive(Serialize, PartialEq, Eq, Debug)]
struct Phase {
    name: TaskKind,
    /// Tasks of this kind in the job, reused ones included.
    count: u64,
    /// Time during which at least one of them ran.
    wall_ms: u64,
    cpu_ms: u64,
}

/// One task that ran or was looked up.
#[derive(Serialize, Debug)]
struct TaskLine {
    kind: TaskKind,
    layer: u32,
    index: u32,
    slot: usize,
    start_ms: u64,
    wall_ms: u64,
    cpu_ms: u64,
    predicted_peak_bytes: u64,
    measured_peak_bytes: Option<u64>,
    reused: bool,
}

/// What is known of the receipt's file.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptFacts<'a> {
    /// What it claims.
    pub program: ProgramId,
    /// Path of the file.
    pub path: &'a str,
    /// Its length.
    pub bytes: u64,
    /// As its verifier states.
    pub security_bits: u32,
}

impl<'a> ProveReport<'a> {
    /// Puts both together.
    pub fn new(report: &JobReport, receipt: ReceiptFacts<'a>, predicted_wall_ms: u64) -> Self {
        Self {
            program_id: receipt.program.to_string(),
            exit_code: report.exit_code,
            public_values: hex::encode(&report.public_values),
            cycles: report.cycles,
            segments: report.segments,
            tasks_run: report.tasks_run,
            tasks_reused: report.tasks_reused,
            wall_ms: report.wall_ms,
            predicted_wall_ms,
            cpu_ms: report.cpu_ms,
            peak_rss_bytes: report.peak_rss_bytes,
            receipt: receipt.path,
            receipt_bytes: receipt.bytes,
            security_bits: receipt.security_bits,
            phases: STAGES.iter().map(|kind| phase(report, *kind)).collect(),
            tasks: report.tasks.iter().map(task_line).collect(),
        }
    }
}

fn phase(report: &JobReport, kind: TaskKind) -> Phase {
    let segments = u64::from(report.segments);
    // A job whose receipt was there lists no proofs and folds, but they count as reused.
    let count = match kind {
        TaskKind::Execute | TaskKind::Seal => 1,
        TaskKind::Prove => segments,
        TaskKind::Fold => (report.tasks_run + report.tasks_reused).saturating_sub(segments + 2),
    };
    let ran = || report.tasks.iter().filter(|task| task.name.kind == kind && !task.reused);
    let times = ran().map(|task| (task.start_ms, task.end_ms)).collect();
    Phase { name: kind, count, wall_ms: covered(times), cpu_ms: ran().map(|task| task.cpu_ms).sum() }
}

fn task_line(task: &TaskRecord) -> TaskLine {
    TaskLine {
        kind: task.name.kind,
        layer: task.name.layer,
        index: task.name.index,
        slot: task.slot,
        start_ms: task.start_ms,
        wall_ms: task.end_ms.saturating_sub(task.start_ms),
        cpu_ms: task.cpu_ms,
        predicted_peak_bytes: task.predicted_peak_bytes,
        measured_peak_bytes: task.measured_peak_bytes,
        reused: task.reused,
    }
}

/// The length of the union of intervals.
pub fn covered(mut intervals: Vec<(u64, u64)>) -> u64 {
    intervals.sort_unstable();
    let (total, _) = intervals.into_iter().fold((0, 0), |(total, reached), (start, end)| {
        let start = start.max(reached);
        (total + end.saturating_sub(start), reached.max(end))
    });
    total
}

#[cfg(test)]
mod tests {
    use phalanx_claim::Digest;
    use phalanx_worker::TaskName;

    use super::*;

    fn task(name: TaskName, slot: usize, start_ms: u64, end_ms: u64, reused: bool) -> TaskRecord {
        TaskRecord {
            name,
            slot,
            start_ms,
            end_ms,
            cpu_ms: 2 * (end_ms - start_ms),
            cores: 2,
            predicted_peak_bytes: if reused { 0 } else { 4_000_000_000 },
            measured_peak_bytes: (name.kind == TaskKind::Seal).then_some(3_900_000_000),
            reused,
            cycles: 0,
            attempt: 1,
            output: Digest::of(b""),
        }
    }

    fn report() -> JobReport {
        JobReport {
            receipt: Digest::of(b"receipt"),
            exit_code: 0,
            public_values: vec![0xde, 0xad, 0x00],
            cycles: 1_500_000,
            segments: 2,
            tasks: vec![
                task(TaskName::EXECUTE, 0, 1, 1, true),
                task(TaskName::prove(0), 0, 10, 1_010, false),
                task(TaskName::prove(1), 1, 20, 1_220, false),
                task(TaskName::fold(0, 0), 0, 1_220, 1_720, false),
                task(TaskName::SEAL, 0, 1_720, 1_820, false),
            ],
            tasks_run: 4,
            tasks_reused: 1,
            wall_ms: 1_830,
            cpu_ms: 5_600,
            peak_rss_bytes: 8_600_000_000,
        }
    }

    #[test]
    fn the_object_is_the_one_of_the_contract() {
        let receipt = ReceiptFacts {
            program: ProgramId::new([0xab; 32]),
            path: "out/a.receipt",
            bytes: 268_288,
            security_bits: 100,
        };
        let got = serde_json::to_string_pretty(&ProveReport::new(&report(), receipt, 1_900)).unwrap();
        assert_eq!(got, include_str!("../tests/json/prove.json").trim_end());
    }

    #[test]
    fn phases_count_tasks_that_were_not_looked_up() {
        let tasks = vec![task(TaskName::SEAL, 0, 1, 1, true)];
        let report = JobReport { segments: 5, tasks, tasks_run: 0, tasks_reused: 11, ..report() };
        assert_eq!(STAGES.map(|kind| phase(&report, kind).count), [1, 5, 4, 1]);
        assert!(STAGES.iter().all(|kind| phase(&report, *kind).wall_ms == 0));
    }

    #[test]
    fn wall_time_of_a_phase_counts_each_moment_once() {
        assert_eq!(covered(vec![(20, 30), (0, 10), (5, 12), (6, 7)]), 22);
        assert_eq!(covered(vec![]), 0);
    }
}
