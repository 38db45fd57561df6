//! The measured constants of this engine on the machine they were measured on; scheduling and sizing start from them.

use phalanx_plan::Task;
use serde::{Deserialize, Serialize};

use super::cost_model::CostModel;
use crate::{Cost, CostHint};

/// What a fold costs, by the number of proofs it takes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct FoldCost {
    /// Peak bytes whatever the number.
    pub bytes_fixed: f64,
    /// Peak bytes for each proof.
    pub bytes_per_child: f64,
    /// CPU milliseconds whatever the number.
    pub cpu_ms_fixed: f64,
    /// CPU milliseconds for each proof.
    pub cpu_ms_per_child: f64,
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
    pub seal: FoldCost,
    /// The same in cycles, for choosing a segment size before anything has run.
    pub sizing: phalanx_plan::Calibration,
}

impl Calibration {
    /// The constants as committed.
    pub fn committed() -> Self {
        serde_json::from_str(include_str!("calibration.json")).expect("a test of this crate reads calibration.json")
    }

    /// What a task will need.
    pub fn cost(&self, task: &Task, hint: &CostHint) -> Cost {
        let cores = u32::MAX;
        let fold = |cost: &FoldCost, children: u32| Cost {
            peak_bytes: (cost.bytes_fixed + cost.bytes_per_child * f64::from(children)) as u64,
            device_bytes: 0,
            cores,
            cpu_ms: (cost.cpu_ms_fixed + cost.cpu_ms_per_child * f64::from(children)) as u64,
        };
        match task {
            Task::Execute(_) => {
                let cpu_ms = hint.cycles / self.execute_cycles_per_ms.max(1);
                Cost { peak_bytes: self.execute_bytes, device_bytes: 0, cores: 1, cpu_ms }
            }
            Task::Prove => Cost { peak_bytes: hint.peak_bytes, device_bytes: 0, cores, cpu_ms: hint.cpu_ms },
            Task::Fold { layer } => match self.folds.get((*layer as usize).min(self.folds.len().saturating_sub(1))) {
                Some(cost) => fold(cost, hint.children.max(1)),
                None => Cost::default(),
            },
            Task::Seal => fold(&self.seal, 1),
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
    }
}
