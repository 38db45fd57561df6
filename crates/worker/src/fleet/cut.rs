//! Where an execution's segments end, when nobody has chosen yet.
//!
//! In: the job's limits and what the fleet's provers have. Out: the cut that is predicted to be fastest there. The gateway
//! keeps the first answer, so an execution that runs again is cut in the same places.

use phalanx_api::{Cut, ExecuteSpec, Fleet};
use phalanx_plan::{Budget, SLOTS_MAX, SizingRequest};

use super::FleetConfig;

/// Chooses. `cycles` is the length of the execution, if it was counted.
///
/// # Errors
/// Says what does not fit, for the user of the job.
pub fn choose(
    config: &FleetConfig,
    resident_bytes: u64,
    fleet: Option<Fleet>,
    spec: &ExecuteSpec,
    cycles: Option<u64>,
) -> Result<Cut, String> {
    let provers = fleet.filter(|fleet| fleet.slots > 0).unwrap_or_else(|| alone(config, resident_bytes));
    let slots = provers.slots.clamp(1, u64::from(SLOTS_MAX));
    let request = SizingRequest {
        // The model is of one machine; so many alike make one of so much.
        ram_bytes: provers.slot_ram_bytes.saturating_mul(slots).saturating_add(resident_bytes),
        cores: provers.slot_cores.max(1).saturating_mul(u32::try_from(slots).unwrap_or(u32::MAX)),
        cycles,
        segment_cycles: spec.segment_cycles,
        slots: u32::try_from(slots).ok(),
    };
    match (config.size)(&request) {
        Ok(sizing) => {
            Ok(Cut { segment_cycles_max: sizing.segment_cycles_max, segment_bytes_max: sizing.segment_bytes_max })
        }
        Err(error) => Err(format!("cannot cut for the workers that prove: {error}")),
    }
}

/// What this worker would bring, if it proved alone.
fn alone(config: &FleetConfig, resident_bytes: u64) -> Fleet {
    let slots = config.slots.max(1) as u64;
    Fleet {
        slots,
        slot_ram_bytes: Budget::beside(config.ram_bytes, resident_bytes).total_bytes / slots,
        slot_cores: u32::try_from(config.cores / config.slots.max(1)).unwrap_or(u32::MAX).max(1),
    }
}
