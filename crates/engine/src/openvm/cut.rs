//! Where segments end.
//!
//! A segment must not outgrow its limits, and a checkpoint can only be taken where the execution stands, never behind it.
//! So the meter stops ahead of the limits: at every stop it projects the traces forward by twice their recent growth, and
//! when the projection leaves the limits it takes smaller steps, then cuts. Deterministic: depends on the trace heights
//! and the limits alone.

use super::{cost_model::CostModel, vm_table::AirTable};

/// Instructions between two stops, far from the limits.
const STEP_MAX: u64 = 1 << 14;
/// Instructions between two stops, close to the limits.
const STEP_MIN: u64 = 1 << 6;

/// What a segment may grow to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Limits {
    /// Instructions.
    pub cycles_max: u64,
    /// Predicted peak bytes of its proof.
    pub bytes_max: u64,
    /// Rows of one trace: the verifying key allows no taller one.
    pub rows_max: u64,
    /// Messages on all buses: the order of the field.
    pub interactions_max: u64,
}

/// What to do at a stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    /// Run this many more instructions, then ask again.
    Run(u64),
    /// End the segment here.
    Cut,
}

/// Decides at each stop; one for a whole execution.
pub(super) struct Cutter {
    limits: Limits,
    model: CostModel,
    step: u64,
    /// Heights and instructions at the previous stop of this segment.
    last: (Vec<u32>, u64),
}

impl Cutter {
    /// Starts before the first instruction.
    pub fn new(limits: Limits, model: CostModel, airs: &AirTable) -> Self {
        Self { limits, model, step: STEP_MIN, last: (vec![0; airs.airs.len()], 0) }
    }

    /// `heights` and `cycles` count from the start of the segment.
    pub fn decide(&mut self, airs: &AirTable, heights: &[u32], cycles: u64) -> Decision {
        if cycles >= self.limits.cycles_max {
            return self.cut();
        }
        let stretch = cycles - self.last.1;
        let mut step = STEP_MAX.min(2 * self.step).max(STEP_MIN);
        if stretch > 0 {
            while !self.fits(airs, &self.projected(heights, stretch, step)) {
                if step <= STEP_MIN {
                    return self.cut();
                }
                step /= 2;
            }
        } else {
            step = STEP_MIN;
        }
        self.step = step;
        self.last = (heights.to_vec(), cycles);
        Decision::Run(step.min(self.limits.cycles_max - cycles))
    }

    fn cut(&mut self) -> Decision {
        self.step = STEP_MIN;
        self.last.0.fill(0);
        self.last.1 = 0;
        Decision::Cut
    }

    fn projected(&self, heights: &[u32], stretch: u64, step: u64) -> Vec<u32> {
        let grown = |(now, before): (&u32, &u32)| {
            let growth = u64::from(now.saturating_sub(*before)) * 2 * step / stretch;
            u32::try_from(u64::from(*now) + growth).unwrap_or(u32::MAX)
        };
        heights.iter().zip(&self.last.0).map(grown).collect()
    }

    fn fits(&self, airs: &AirTable, heights: &[u32]) -> bool {
        let size = airs.size(heights);
        size.rows_max <= self.limits.rows_max
            && size.interactions < self.limits.interactions_max
            && self.model.peak_bytes(&size) <= self.limits.bytes_max
    }
}
