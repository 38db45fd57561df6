//! What would run when: list scheduling of a whole job under the cost model.
//!
//! In: constants, a fold shape and a [`Scenario`]. Out: a [`Schedule`]. Scheduled with the real [`FoldPlanner`], the
//! order of [`Position`] and the admission rule of [`Budget`], so it predicts what the local pool does. Time is integer
//! microseconds inside, so the same scenario gives the same schedule everywhere.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use serde::{Deserialize, Serialize};

use crate::{Budget, Calibration, FoldError, FoldPlanner, FoldShape, Position, SEGMENTS_MAX, SizingError};

/// Most slots that a schedule may have.
pub const SLOTS_MAX: u32 = 4096;

/// One way to run a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// Instructions of the whole execution.
    pub cycles: u64,
    /// Instructions of each segment but the last.
    pub segment_cycles: u64,
    /// Tasks that run at once at most.
    pub slots: u32,
    /// Cores that they share.
    pub cores: u32,
    /// RAM for the engine and all running tasks.
    pub ram_bytes: u64,
}

/// One task in a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Scheduled {
    /// Which task.
    pub position: Position,
    /// Where it runs, from 0.
    pub slot: u32,
    /// When it starts, since the job's start.
    pub start_ms: u64,
    /// When it ends, since the job's start.
    pub end_ms: u64,
    /// Its predicted peak, beyond what the engine holds.
    pub peak_bytes: u64,
}

/// A whole job: every proof, fold and the seal, in the order they start. The execution runs beside them on a thread of
/// its own and shows only in when the first segments become ready.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Schedule {
    /// From the job's start to its receipt.
    pub wall_ms: u64,
    /// The tasks.
    pub tasks: Vec<Scheduled>,
}

/// Schedules the whole job.
pub fn simulate(calibration: &Calibration, shape: &FoldShape, scenario: &Scenario) -> Result<Schedule, SizingError> {
    calibration.check()?;
    Simulation::new(calibration, shape, scenario)?.run()
}

/// How fast each of `1..=slots` tasks runs beside its like, in CPU seconds per second; at index `tasks - 1`.
///
/// The tasks share one work-stealing pool: a serial stretch holds one core, and the cores it leaves idle go to the
/// parallel stretches of others. That is a closed queueing network of a delay (serial) and a shared server (parallel),
/// whose throughput mean value analysis gives exactly. One task alone gets Amdahl's law; all cores are the ceiling.
pub(crate) fn speeds(serial_fraction: f64, cores: u32, slots: u32) -> Vec<f64> {
    let cores = f64::from(cores);
    let demand = (1.0 - serial_fraction) / cores;
    let mut queued = 0.0;
    let speed = |tasks: u32| {
        let response = demand * (1.0 + queued);
        let throughput = f64::from(tasks) / (serial_fraction + response);
        queued = throughput * response;
        throughput.min(cores) / f64::from(tasks)
    };
    (1..=slots).map(speed).collect()
}

struct Simulation<'a> {
    calibration: &'a Calibration,
    scenario: &'a Scenario,
    budget: Budget,
    speeds: Vec<f64>,
    planner: FoldPlanner,
    segments: u32,
    /// Segments that the execution has cut so far.
    cut: u32,
    now_us: u64,
    /// CPU time that each task running since the start would have had. All running tasks are equally fast, so they end
    /// in the order of what this will read when they do.
    progress_us: u64,
    ready: BTreeSet<Ready>,
    running: BinaryHeap<Reverse<Running>>,
    running_bytes: Vec<u64>,
    free_slots: BTreeSet<u32>,
    tasks: Vec<Scheduled>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    position: Position,
    cpu_ms: u64,
    peak_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Running {
    ends_at_progress_us: u64,
    position: Position,
    /// Its place in the schedule.
    task: usize,
}

impl<'a> Simulation<'a> {
    fn new(calibration: &'a Calibration, shape: &FoldShape, scenario: &'a Scenario) -> Result<Self, SizingError> {
        if scenario.cores == 0 {
            return Err(SizingError::NoCores);
        }
        if !(1..=SLOTS_MAX).contains(&scenario.slots) {
            return Err(SizingError::Slots { slots: scenario.slots });
        }
        if scenario.segment_cycles == 0 {
            return Err(SizingError::NoSegmentCycles);
        }
        let segments = scenario.cycles.div_ceil(scenario.segment_cycles).max(1);
        let segments = u32::try_from(segments)
            .ok()
            .filter(|segments| *segments <= SEGMENTS_MAX)
            .ok_or(FoldError::TooManySegments { segments })?;
        Ok(Self {
            calibration,
            scenario,
            budget: Budget::beside(scenario.ram_bytes, calibration.base_bytes),
            speeds: speeds(calibration.serial_fraction, scenario.cores, scenario.slots),
            planner: FoldPlanner::new(shape.clone())?,
            segments,
            cut: 0,
            now_us: 0,
            progress_us: 0,
            ready: BTreeSet::new(),
            running: BinaryHeap::new(),
            running_bytes: Vec::new(),
            free_slots: (0..scenario.slots).collect(),
            tasks: Vec::new(),
        })
    }

    fn run(mut self) -> Result<Schedule, SizingError> {
        loop {
            while self.cut < self.segments && self.cut_at_us(self.cut) <= self.now_us {
                self.segment_cut()?;
            }
            self.start_tasks();
            let cut_us = (self.cut < self.segments).then(|| self.cut_at_us(self.cut));
            match (self.running.peek().map(|Reverse(first)| *first), cut_us) {
                (Some(first), cut_us) => {
                    let left_us = first.ends_at_progress_us - self.progress_us;
                    let speed = self.speeds[self.running.len() - 1];
                    let end_us = self.now_us.saturating_add((left_us as f64 / speed).ceil() as u64);
                    if let Some(cut_us) = cut_us.filter(|cut_us| *cut_us < end_us) {
                        let gained_us = ((cut_us - self.now_us) as f64 * speed) as u64;
                        self.progress_us += gained_us.min(left_us);
                        self.now_us = cut_us;
                    } else {
                        (self.now_us, self.progress_us) = (end_us, first.ends_at_progress_us);
                        self.running.pop();
                        self.end_task(first)?;
                    }
                }
                (None, Some(cut_us)) => self.now_us = cut_us,
                (None, None) => break,
            }
        }
        Ok(Schedule { wall_ms: self.now_us.div_ceil(1000), tasks: self.tasks })
    }

    /// When the execution has passed the end of segment `index`.
    fn cut_at_us(&self, index: u32) -> u64 {
        let end = self.scenario.segment_cycles.saturating_mul(u64::from(index) + 1).min(self.scenario.cycles);
        end.saturating_mul(1000) / self.calibration.execute_cycles_per_ms
    }

    fn segment_cut(&mut self) -> Result<(), SizingError> {
        let index = self.cut;
        let start = self.scenario.segment_cycles.saturating_mul(index.into());
        let cycles = self.scenario.segment_cycles.min(self.scenario.cycles.saturating_sub(start));
        self.make_ready(Ready {
            position: Position::Prove { index },
            cpu_ms: self.calibration.prove_cpu_ms(cycles),
            peak_bytes: self.calibration.prove_peak_bytes(cycles),
        })?;
        self.cut += 1;
        if self.cut == self.segments {
            self.planner.segments_total(self.segments)?;
            self.folds_ready()?;
        }
        Ok(())
    }

    fn make_ready(&mut self, task: Ready) -> Result<(), SizingError> {
        self.budget.check(task.peak_bytes)?;
        self.ready.insert(task);
        Ok(())
    }

    fn folds_ready(&mut self) -> Result<(), SizingError> {
        while let Some(node) = self.planner.next_ready() {
            let children = node.children.end - node.children.start;
            self.make_ready(Ready {
                position: Position::Fold { layer: node.layer, index: node.index },
                cpu_ms: self.calibration.fold_cpu_ms(node.layer, children),
                peak_bytes: self.calibration.fold_peak_bytes(node.layer, children),
            })?;
        }
        Ok(())
    }

    /// Starts ready tasks in order until the first that must wait.
    fn start_tasks(&mut self) {
        while let (Some(first), Some(slot)) = (self.ready.first().copied(), self.free_slots.first().copied()) {
            if !self.budget.admit(&self.running_bytes, first.peak_bytes) {
                break;
            }
            self.ready.remove(&first);
            self.free_slots.remove(&slot);
            self.running_bytes.push(first.peak_bytes);
            self.running.push(Reverse(Running {
                ends_at_progress_us: self.progress_us.saturating_add(first.cpu_ms.saturating_mul(1000)),
                position: first.position,
                task: self.tasks.len(),
            }));
            self.tasks.push(Scheduled {
                position: first.position,
                slot,
                start_ms: self.now_us / 1000,
                end_ms: 0,
                peak_bytes: first.peak_bytes,
            });
        }
    }

    fn end_task(&mut self, ended: Running) -> Result<(), SizingError> {
        let task = &mut self.tasks[ended.task];
        task.end_ms = self.now_us.div_ceil(1000);
        self.free_slots.insert(task.slot);
        if let Some(at) = self.running_bytes.iter().position(|bytes| *bytes == task.peak_bytes) {
            self.running_bytes.swap_remove(at);
        }
        match ended.position {
            Position::Prove { index } => self.planner.segment_done(index)?,
            Position::Fold { layer, index } => {
                self.planner.fold_done(layer, index)?;
                if self.planner.is_complete() {
                    let seal = self.calibration.seal;
                    let (cpu_ms, peak_bytes) = (seal.cpu_ms, seal.peak_bytes);
                    self.make_ready(Ready { position: Position::Seal, cpu_ms, peak_bytes })?;
                }
            }
            Position::Execute | Position::Seal => {}
        }
        self.folds_ready()
    }
}
