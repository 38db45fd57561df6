//! The measured constants of this engine on the machine they were measured on; scheduling and sizing start from them.

use phalanx_plan::{FoldCost, ProveCost, SealCost, Task};
use serde::{Deserialize, Serialize};

use super::cost_model::CostModel;
use crate::{Cost, CostHint};

/// What is known of segments before any has run, in cycles.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct InCycles {
    /// The shortest segment worth cutting.
    pub segment_cycles_min: u64,
    /// The longest segment that can be proven.
    pub segment_cycles_max: u64,
    /// The part of a task's CPU time that keeps only one core busy, 0 to 1.
    pub serial_fraction: f64,
    /// Proving a segment of a typical guest.
    pub prove: ProveCost,
}

/// All constants.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Calibration {
    /// The processor they were measured on.
    pub measured_on: String,
    /// Keys, provers and the program, in bytes.
    pub resident_bytes: u64,
    /// An execution's state and bookkeeping, in bytes.
    pub execute_bytes: u64,
    /// Instructions per millisecond.
    pub execute_cycles_per_ms: u64,
    /// Proving a segment.
    pub segment: CostModel,
    /// Folding, by layer; the last repeats.
    pub folds: Vec<FoldCost>,
    /// Sealing.
    pub seal: SealCost,
    /// For choosing a segment size before anything has run.
    pub sizing: InCycles,
}

impl Calibration {
    /// The constants as committed.
    pub fn committed() -> Self {
        serde_json::from_str(include_str!("calibration.json")).expect("a test of this crate reads calibration.json")
    }

    /// The constants as sizing reads them.
    pub fn for_sizing(&self) -> phalanx_plan::Calibration {
        phalanx_plan::Calibration {
            measured_on: self.measured_on.clone(),
            base_bytes: self.resident_bytes,
            execute_cycles_per_ms: self.execute_cycles_per_ms,
            segment_cycles_min: self.sizing.segment_cycles_min,
            segment_cycles_max: self.sizing.segment_cycles_max,
            serial_fraction: self.sizing.serial_fraction,
            prove: self.sizing.prove,
            folds: self.folds.clone(),
            seal: self.seal,
        }
    }

    /// What a task will need.
    pub fn cost(&self, task: &Task, hint: &CostHint) -> Cost {
        let on = |cores, peak_bytes, cpu_ms| Cost { peak_bytes, device_bytes: 0, cores, cpu_ms };
        let all = u32::MAX;
        match task {
            Task::Execute(_) => on(1, self.execute_bytes, hint.cycles / self.execute_cycles_per_ms.max(1)),
            Task::Prove => on(all, hint.peak_bytes, hint.cpu_ms),
            Task::Fold { layer } => match self.folds.get((*layer as usize).min(self.folds.len().saturating_sub(1))) {
                Some(cost) => on(all, cost.peak_bytes(hint.children, hint.columns), cost.cpu_ms(hint.children.max(1))),
                None => Cost::default(),
            },
            Task::Seal => on(all, self.seal.peak_bytes, self.seal.cpu_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_constants_are_read_and_cover_every_layer() {
        let calibration = Calibration::committed();
        assert_eq!(calibration.folds.len(), super::super::fold::ARITIES.len());
        assert_eq!(calibration.for_sizing().check(), Ok(()));
    }
}
