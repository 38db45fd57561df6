//! How far a job is, one line per stage: counts, time, rate, time left.
//!
//! In: the pool's events, each with the time since the start. Out: lines. Pure: no clock, no terminal, so that what people
//! read is tested; `display` shows it.

use std::time::Duration;

use phalanx_plan::TaskKind;
use phalanx_worker::{PoolEvent, TaskRecord};

use crate::text::{count, duration, rate, thousands};

/// The stages in the order in which they are shown.
pub const STAGES: [TaskKind; 4] = [TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];

/// What is known of a running job.
#[derive(Default, Debug)]
pub struct Progress {
    stages: [Stage; STAGES.len()],
    /// Instructions executed so far, or all of them.
    cycles: u64,
    /// Segments cut so far, or all of them.
    segments: u64,
    /// Set once the execution is known.
    folds: Option<u64>,
}

#[derive(Default, Debug)]
struct Stage {
    done: u64,
    reused: u64,
    /// Of finished and reused tasks.
    cycles: u64,
    /// Of finished tasks, for the rate.
    cycles_run: u64,
    running: u32,
    /// Time during which at least one task ran, up to `since`.
    busy: Duration,
    since: Duration,
}

impl Stage {
    fn clock(&mut self, now: Duration) {
        if self.running > 0 {
            self.busy += now.saturating_sub(self.since);
        }
        self.since = now;
    }

    fn busy(&self, now: Duration) -> Duration {
        if self.running > 0 { self.busy + now.saturating_sub(self.since) } else { self.busy }
    }

    fn end(&mut self, now: Duration) {
        self.clock(now);
        self.running = self.running.saturating_sub(1);
    }

    fn record(&mut self, record: &TaskRecord) {
        self.done += 1;
        self.cycles += record.cycles;
        if record.reused {
            self.reused += 1;
        } else {
            self.cycles_run += record.cycles;
        }
    }
}

impl Progress {
    /// Takes one event that happened at `now`.
    pub fn on(&mut self, event: &PoolEvent, now: Duration) {
        match event {
            PoolEvent::Started { task, .. } => {
                let stage = self.stage_mut(task.kind);
                stage.clock(now);
                stage.running += 1;
            }
            PoolEvent::Failed { task, .. } => self.stage_mut(task.kind).end(now),
            PoolEvent::Finished(record) => {
                let stage = self.stage_mut(record.name.kind);
                stage.end(now);
                stage.record(record);
            }
            PoolEvent::Reused(record) => self.stage_mut(record.name.kind).record(record),
            PoolEvent::Cycles(cycles) => self.cycles = *cycles,
            PoolEvent::Segment { index, .. } => self.segments = self.segments.max(u64::from(*index) + 1),
            PoolEvent::Totals { cycles, segments, folds } => {
                self.cycles = *cycles;
                self.segments = (*segments).into();
                self.folds = Some((*folds).into());
            }
            PoolEvent::GuestOutput(_) => {}
        }
    }

    /// Whether anything of the stage has started.
    pub fn is_begun(&self, kind: TaskKind) -> bool {
        let stage = self.stage(kind);
        stage.done > 0 || stage.busy > Duration::ZERO || stage.running > 0 || self.is_complete(kind)
    }

    /// Whether nothing of the stage is left to do.
    pub fn is_complete(&self, kind: TaskKind) -> bool {
        // Whoever has the receipt needs none of its parts: they are reused without being looked up.
        let sealed = self.stage(TaskKind::Seal).done > 0;
        let done = self.stage(kind).done;
        sealed
            || self.folds.is_some_and(|folds| match kind {
                TaskKind::Execute => done > 0,
                TaskKind::Prove => done >= self.segments,
                TaskKind::Fold => done >= folds,
                TaskKind::Seal => false,
            })
    }

    /// The stage's line at `now`.
    pub fn line(&self, kind: TaskKind, now: Duration) -> String {
        let stage = self.stage(kind);
        let (verb, amount) = match kind {
            TaskKind::Execute => ("executed", format!("{} cycles", thousands(self.cycles))),
            TaskKind::Prove => ("proved", self.proved(stage)),
            TaskKind::Fold => ("folded", self.folded(stage)),
            TaskKind::Seal => ("sealed", count(stage.done, "receipt")),
        };
        row(verb, &amount, Some(stage.busy(now)), &self.note(kind, stage, now))
    }

    fn proved(&self, stage: &Stage) -> String {
        // More segments may come while the execution goes on.
        let more = if self.folds.is_some() { "" } else { "+" };
        let done = if self.is_complete(TaskKind::Prove) { self.segments } else { stage.done };
        format!("{}/{}{more} segments", thousands(done), thousands(self.segments))
    }

    fn folded(&self, stage: &Stage) -> String {
        match self.folds {
            _ if self.is_complete(TaskKind::Fold) => format!("{} → 1", thousands(self.segments)),
            Some(folds) => format!("{}/{} folds", thousands(stage.done), thousands(folds)),
            None => count(stage.done, "fold"),
        }
    }

    fn note(&self, kind: TaskKind, stage: &Stage, now: Duration) -> String {
        let busy = stage.busy(now);
        let complete = self.is_complete(kind);
        let mut parts = Vec::new();
        match kind {
            TaskKind::Execute if complete => parts.push(count(self.segments, "segment")),
            TaskKind::Execute => parts.extend(rate(self.cycles, busy)),
            TaskKind::Prove => parts.extend(rate(stage.cycles_run, busy)),
            TaskKind::Fold | TaskKind::Seal => {}
        }
        if complete && stage.done == stage.reused {
            parts.push("reused".to_owned());
        } else if stage.reused > 0 {
            parts.push(format!("{} reused", thousands(stage.reused)));
        }
        if !complete && let Some(left) = self.time_left(kind, stage, busy) {
            parts
                .push(format!("about {} left", duration(Duration::from_secs(left.as_secs().max(1))).replace(".0", "")));
        }
        parts.join(", ")
    }

    /// What is left at the pace so far; proofs are paced by cycles, folds by count.
    fn time_left(&self, kind: TaskKind, stage: &Stage, busy: Duration) -> Option<Duration> {
        let folds = self.folds?;
        let (done, left) = match kind {
            TaskKind::Prove => (stage.cycles_run, self.cycles.saturating_sub(stage.cycles)),
            TaskKind::Fold if self.is_complete(TaskKind::Prove) => {
                (stage.done - stage.reused, folds.saturating_sub(stage.done))
            }
            _ => return None,
        };
        (done > 0).then(|| busy.mul_f64(left as f64 / done as f64))
    }

    fn stage(&self, kind: TaskKind) -> &Stage {
        &self.stages[position(kind)]
    }

    fn stage_mut(&mut self, kind: TaskKind) -> &mut Stage {
        &mut self.stages[position(kind)]
    }
}

const fn position(kind: TaskKind) -> usize {
    match kind {
        TaskKind::Execute => 0,
        TaskKind::Prove => 1,
        TaskKind::Fold => 2,
        TaskKind::Seal => 3,
    }
}

/// One line of the report: verb, amount, time and note in columns.
pub fn row(verb: &str, amount: &str, time: Option<Duration>, note: &str) -> String {
    let line = match time {
        Some(time) => format!("{verb:<10}{amount:<16} {:>7}   {note}", duration(time)),
        None => format!("{verb:<10}{amount:<16}  {note}"),
    };
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use phalanx_claim::Digest;
    use phalanx_worker::TaskName;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn started(task: TaskName) -> PoolEvent {
        PoolEvent::Started { task, slot: 0, cores: 1, attempt: 1, predicted_peak_bytes: 0 }
    }

    fn record(name: TaskName, cycles: u64, reused: bool) -> TaskRecord {
        TaskRecord {
            name,
            slot: 0,
            start_ms: 0,
            end_ms: 0,
            cpu_ms: 0,
            cores: 1,
            predicted_peak_bytes: 0,
            measured_peak_bytes: None,
            reused,
            cycles,
            attempt: 1,
            output: Digest::of(b""),
        }
    }

    fn after(events: &[(u64, PoolEvent)]) -> Progress {
        let mut progress = Progress::default();
        events.iter().for_each(|(at, event)| progress.on(event, ms(*at)));
        progress
    }

    fn totals() -> PoolEvent {
        PoolEvent::Totals { cycles: 4_129_521, segments: 5, folds: 4 }
    }

    #[test]
    fn a_finished_job_reads_as_in_the_style_guide() {
        let mut events = vec![(0, started(TaskName::EXECUTE)), (300, totals())];
        events.push((300, PoolEvent::Finished(record(TaskName::EXECUTE, 4_129_521, false))));
        events.push((300, started(TaskName::prove(0))));
        events.extend((1..5).map(|i| (400, started(TaskName::prove(i)))));
        let finished =
            |i| PoolEvent::Finished(record(TaskName::prove(i), [825_905, 825_904][usize::from(i > 0)], false));
        events.extend((0..5).map(|i| (41_500, finished(i))));
        events.push((41_500, started(TaskName::fold(0, 0))));
        events.extend((0..4).map(|i| (54_400, PoolEvent::Finished(record(TaskName::fold(0, i), 0, i < 3)))));
        let progress = after(&events);
        let lines: Vec<_> = STAGES[..3].iter().map(|kind| progress.line(*kind, ms(90_000))).collect();
        let expected = [
            "executed  4,129,521 cycles   0.3 s   5 segments",
            "proved    5/5 segments      41.2 s   100 kHz",
            "folded    5 → 1             12.9 s   3 reused",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn proving_shows_that_more_segments_may_come() {
        let segment = |index| PoolEvent::Segment { index, cycles: 10 };
        let progress = after(&[
            (0, started(TaskName::EXECUTE)),
            (9, segment(0)),
            (20, segment(1)),
            (20, started(TaskName::prove(0))),
        ]);
        assert_eq!(progress.line(TaskKind::Prove, ms(520)), "proved    0/2+ segments      0.5 s");
        assert!(!progress.is_complete(TaskKind::Prove));
    }

    #[test]
    fn time_left_follows_the_cycles_that_are_left() {
        let progress = after(&[
            (0, totals()),
            (0, started(TaskName::prove(0))),
            (10_000, PoolEvent::Finished(record(TaskName::prove(0), 1_032_380, false))),
            (10_000, started(TaskName::prove(1))),
        ]);
        let line = progress.line(TaskKind::Prove, ms(10_000));
        assert_eq!(line, "proved    1/5 segments      10.0 s   103 kHz, about 30 s left");
    }

    #[test]
    fn a_failed_attempt_stops_its_clock() {
        let failed = PoolEvent::Failed { task: TaskName::prove(0), attempt: 1, reason: String::new() };
        let progress = after(&[(0, totals()), (0, started(TaskName::prove(0))), (2_000, failed)]);
        assert_eq!(progress.line(TaskKind::Prove, ms(60_000)), "proved    0/5 segments       2.0 s");
    }

    #[test]
    fn a_receipt_that_was_there_completes_every_stage() {
        let progress = after(&[(1, totals()), (1, PoolEvent::Reused(record(TaskName::SEAL, 0, true)))]);
        let lines = STAGES.map(|kind| progress.line(kind, ms(5)));
        assert!(STAGES.iter().all(|kind| progress.is_complete(*kind)));
        let expected = [
            "executed  4,129,521 cycles   0.0 s   5 segments, reused",
            "proved    5/5 segments       0.0 s   reused",
            "folded    5 → 1              0.0 s   reused",
            "sealed    1 receipt          0.0 s   reused",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_row_without_time_keeps_its_note() {
        let line = row("wrote", "sorted.receipt", None, "262 KiB, 100-bit security");
        assert_eq!(line, "wrote     sorted.receipt    262 KiB, 100-bit security");
    }
}
