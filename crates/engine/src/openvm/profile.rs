//! Where the cost of an execution comes from: trace rows and cells, chip by chip.

use phalanx_claim::ArtifactKind;
use serde::Serialize;

use super::{
    segment::Segment,
    vm_table::{Air, AirTable},
};
use crate::{ArtifactSource, Execution, TaskError};

/// What one chip contributed, summed over all segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ChipCost {
    /// What it does: upstream's name of the AIR, without the types around it.
    pub chip: String,
    /// Rows, before padding to powers of two.
    pub rows: u64,
    /// Cells of the main trace, padding included: what is committed to and what memory follows.
    pub cells: u64,
    /// Rows times interactions, padding included: what the LogUp argument is over.
    pub interaction_cells: u64,
    /// Columns of its trace, which the proof of a segment opens: what verifying it in a fold follows.
    pub columns: u64,
}

pub(super) fn profile(
    airs: &AirTable,
    execution: &Execution,
    source: &dyn ArtifactSource,
) -> Result<Vec<ChipCost>, TaskError> {
    let zero = |air: &Air| ChipCost {
        chip: chip_name(&air.name),
        rows: 0,
        cells: 0,
        interaction_cells: 0,
        columns: air.width,
    };
    let mut costs: Vec<_> = airs.airs.iter().map(zero).collect();
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

/// What [`ChipCost::chip`] calls an AIR of upstream's:
/// `BaseAlu256` for `VmAirWrapper<Rv32VecHeapAdapterAir<2, 8, …>, BaseAluCoreAir<32, 8>`.
pub fn chip_name(air: &str) -> String {
    let words = || air.split(|c: char| !c.is_ascii_alphanumeric());
    // What wraps an AIR comes before it.
    let Some(name) = words().rfind(|word| word.ends_with("Air")) else { return air.to_owned() };
    let mut name = name.trim_end_matches("Air").trim_end_matches("Vm").trim_end_matches("Core");
    name = name.trim_start_matches("Rv32");
    let wide = if air.contains("VecHeap") { "256" } else { "" };
    let config = words().find_map(|word| word.strip_suffix("Config"));
    let config = config.map(|config| format!("<{config}>")).unwrap_or_default();
    format!("{name}{wide}{config}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::openvm::vm_table::VmTable;

    #[test]
    fn short_names_tell_all_chips_apart() {
        let table = VmTable::committed();
        let names: BTreeSet<String> = table.airs.airs.iter().map(|air| chip_name(&air.name)).collect();
        assert_eq!(names.len(), table.airs.airs.len(), "{names:?}");
        for name in ["LoadStore", "BaseAlu", "BaseAlu256", "Sha2Main<Sha256>", "Poseidon2Periphery", "Jalr", "Phantom"]
        {
            assert!(names.contains(name), "{name} is not in {names:?}");
        }
    }
}
