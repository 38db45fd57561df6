//! What proving a segment costs in memory and time, predicted from the size of its traces.
//!
//! Both are affine in the trace cells and the interaction cells: the prover holds and reads each a fixed number of times.
//! The constants are measured by `cargo xtask bench --calibrate` and committed in `calibration.json`.

use serde::{Deserialize, Serialize};

/// The size of one segment's traces, heights padded to powers of two.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Size {
    /// Cells of all main traces.
    pub main_cells: u64,
    /// Rows times interactions, summed.
    pub interaction_cells: u64,
    /// Messages sent at most, without padding to powers of two; bounded by the field's order.
    pub interactions: u64,
    /// Height of the tallest trace that is not constant.
    pub rows_max: u64,
}

/// Constants of the affine model.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Affine {
    /// Whatever the size.
    pub fixed: f64,
    /// For each main trace cell.
    pub per_main_cell: f64,
    /// For each interaction cell.
    pub per_interaction_cell: f64,
}

impl Affine {
    fn at(&self, size: &Size) -> f64 {
        self.fixed
            + self.per_main_cell * size.main_cells as f64
            + self.per_interaction_cell * size.interaction_cells as f64
    }
}

/// Predicts the cost of proving segments.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct CostModel {
    /// Peak bytes beyond the keys.
    pub peak_bytes: Affine,
    /// CPU milliseconds on one core.
    pub cpu_ms: Affine,
}

impl CostModel {
    /// Peak bytes of proving a segment of this size.
    pub fn peak_bytes(&self, size: &Size) -> u64 {
        self.peak_bytes.at(size) as u64
    }

    /// CPU milliseconds of proving a segment of this size.
    pub fn cpu_ms(&self, size: &Size) -> u64 {
        self.cpu_ms.at(size) as u64
    }
}
