//! The measured constants of this engine on the machine they were measured on; scheduling and sizing start from them.

use phalanx_plan::{FoldCost, ProveCost, SealCost, Task};
use serde::{Deserialize, Serialize};

use super::{
    Prover,
    cost_model::{CostModel, Size},
};
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
    pub fn committed(prover: Prover) -> Self {
        let constants = match prover {
            Prover::Swirl => include_str!("calibration/swirl.json"),
            Prover::Upstream => include_str!("calibration/upstream.json"),
        };
        serde_json::from_str(constants).expect("a test of this crate reads the constants of each prover")
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
            Task::Prove => {
                let size = Size::of(hint);
                on(all, self.segment.peak_bytes(&size).saturating_add(hint.memory_bytes), self.segment.cpu_ms(&size))
            }
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
        for prover in [Prover::Swirl, Prover::Upstream] {
            let calibration = Calibration::committed(prover);
            assert_eq!(calibration.folds.len(), super::super::fold::ARITIES.len());
            assert_eq!(calibration.for_sizing().check(), Ok(()));
        }
    }

    #[test]
    fn a_segment_costs_what_it_did_when_it_was_cut() {
        let calibration = Calibration::committed(Prover::Swirl);
        let size = Size { main_cells: 100_000_000, interaction_cells: 30_000_000, ..Size::default() };
        let hint = CostHint {
            main_cells: size.main_cells,
            interaction_cells: size.interaction_cells,
            memory_bytes: 5,
            ..CostHint::default()
        };
        let cost = calibration.cost(&Task::Prove, &hint);
        assert_eq!(cost.peak_bytes, calibration.segment.peak_bytes(&size) + 5);
        assert_eq!(cost.cpu_ms, calibration.segment.cpu_ms(&size));
    }
}
