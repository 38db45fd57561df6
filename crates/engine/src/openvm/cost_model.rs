//! What proving a segment costs in memory and time, predicted from the size of its traces.
//!
//! Both are affine in two sizes: the cells of the main traces, which the prover holds and reads a fixed number of times, and
//! the leaves of the fraction tree of LogUp-GKR, one for each row and interaction, padded to a power of two. Memory has two
//! peaks, that of LogUp-GKR, which follows the leaves, and that of commitment and opening, which follows the cells; the
//! larger counts. The constants are measured by `cargo xtask bench --calibrate` and committed in
//! `calibration/`.

use serde::{Deserialize, Serialize};

use crate::CostHint;

/// The size of one segment's traces, heights padded to powers of two.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Size {
    /// Cells of all main traces.
    pub main_cells: u64,
    /// Rows times interactions, summed.
    pub interaction_cells: u64,
    /// Messages sent at most, without padding to powers of two; bounded by the field's order.
    pub interactions: u64,
    /// Columns of the traces that are there.
    pub columns: u64,
    /// Height of the tallest trace that is not constant.
    pub rows_max: u64,
}

impl Size {
    /// As recorded when the segment was cut; what a cost does not depend on is 0.
    pub fn of(hint: &CostHint) -> Self {
        let CostHint { main_cells, interaction_cells, columns, .. } = *hint;
        Self { main_cells, interaction_cells, columns, ..Self::default() }
    }

    /// Leaves of the fraction tree.
    pub fn gkr_leaves(&self) -> u64 {
        self.interaction_cells.next_power_of_two()
    }
}

/// Constants of the affine model.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Affine {
    /// Whatever the size.
    pub fixed: f64,
    /// For each main trace cell.
    pub per_main_cell: f64,
    /// For each leaf of the fraction tree.
    pub per_gkr_leaf: f64,
}

impl Affine {
    fn at(&self, size: &Size) -> f64 {
        self.fixed + self.per_main_cell * size.main_cells as f64 + self.per_gkr_leaf * size.gkr_leaves() as f64
    }
}

/// Predicts the cost of proving segments.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct CostModel {
    /// Peak bytes beyond the keys, in LogUp-GKR and around it.
    pub peak_bytes: [Affine; 2],
    /// CPU milliseconds on one core.
    pub cpu_ms: Affine,
}

impl CostModel {
    /// Peak bytes of proving a segment of this size.
    pub fn peak_bytes(&self, size: &Size) -> u64 {
        self.peak_bytes.iter().map(|peak| peak.at(size)).fold(0.0, f64::max) as u64
    }

    /// CPU milliseconds of proving a segment of this size.
    pub fn cpu_ms(&self, size: &Size) -> u64 {
        self.cpu_ms.at(size) as u64
    }
}
