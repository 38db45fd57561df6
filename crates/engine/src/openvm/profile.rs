//! Where the cost of an execution comes from: trace rows and cells, chip by chip.

use phalanx_claim::ArtifactKind;
use serde::Serialize;

use super::{segment::Segment, vm_table::AirTable};
use crate::{ArtifactSource, Execution, TaskError};

/// What one chip contributed, summed over all segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChipCost {
    /// Upstream's name of the AIR.
    pub chip: String,
    /// Rows, before padding to powers of two.
    pub rows: u64,
    /// Cells of the main trace, padding included: what is committed to and what memory follows.
    pub cells: u64,
    /// Rows times interactions, padding included: what the LogUp argument is over.
    pub interaction_cells: u64,
}

pub(super) fn profile(
    airs: &AirTable,
    execution: &Execution,
    source: &dyn ArtifactSource,
) -> Result<Vec<ChipCost>, TaskError> {
    let zero = |name: &String| ChipCost { chip: name.clone(), rows: 0, cells: 0, interaction_cells: 0 };
    let mut costs: Vec<_> = airs.airs.iter().map(|air| zero(&air.name)).collect();
    for entry in &execution.segments {
        let segment = Segment::decode(&source.get(&entry.digest, ArtifactKind::Segment)?)?;
        for ((cost, air), &rows) in costs.iter_mut().zip(&airs.airs).zip(&segment.heights) {
            cost.rows += u64::from(rows);
            if rows > 0 {
                let padded = u64::from(rows).next_power_of_two();
                cost.cells += padded * air.width;
                cost.interaction_cells += padded * air.interactions;
            }
        }
    }
    costs.retain(|cost| cost.rows > 0);
    costs.sort_by(|a, b| b.cells.cmp(&a.cells).then_with(|| a.chip.cmp(&b.chip)));
    Ok(costs)
}
