//! What executing must know of the proving key: the deferral circuit's commitment and what a row of each AIR costs.
//!
//! Read from a committed table, so that executing needs no key. A test holds the table against the keys;
//! `cargo run --release -p phalanx-engine --example vm_table` prints it anew.

use openvm_circuit::arch::PROGRAM_AIR_ID;
use openvm_sdk_config::deferral::DeferralConfig;
use serde::{Deserialize, Serialize};

use super::cost_model::Size;

/// One AIR, in the order of the verifying key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Air {
    /// Upstream's name.
    pub name: String,
    /// Columns of the main trace, cached and preprocessed ones included.
    pub width: u64,
    /// Interactions (LogUp terms) per row.
    pub interactions: u64,
    /// Rows it always has, whatever runs.
    pub constant_rows: Option<u32>,
}

/// The table as committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct VmTable {
    /// The deferral circuits of the VM configuration.
    pub deferral: DeferralConfig,
    /// `of_executor[i]` is the AIR that instructions of executor `i` add rows to.
    pub of_executor: Vec<usize>,
    /// What each AIR costs.
    pub airs: AirTable,
}

impl VmTable {
    /// The table of this version's keys.
    pub fn committed() -> Self {
        serde_json::from_str(include_str!("vm_table.json")).expect("a test of this crate reads vm_table.json")
    }
}

/// All AIRs, in the order of the verifying key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct AirTable {
    /// The AIRs.
    pub airs: Vec<Air>,
}

impl AirTable {
    /// The table for one program, whose code is a trace of constant height.
    pub fn for_program(&self, instructions: usize) -> Self {
        let mut table = self.clone();
        table.airs[PROGRAM_AIR_ID].constant_rows = Some(u32::try_from(instructions).unwrap_or(u32::MAX));
        table
    }

    /// The size of a segment whose traces have these heights before padding.
    pub fn size(&self, heights: &[u32]) -> Size {
        let mut size = Size::default();
        for (air, &height) in self.airs.iter().zip(heights) {
            let padded = if height == 0 { 0 } else { u64::from(height).next_power_of_two() };
            size.columns += if height == 0 { 0 } else { air.width };
            size.main_cells += padded * air.width;
            size.interaction_cells += padded * air.interactions;
            // A padding row still sends each of its messages once.
            size.interactions += (u64::from(height) + 1) * air.interactions;
            size.rows_max = size.rows_max.max(if air.constant_rows.is_some() { 0 } else { padded });
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use openvm_circuit::arch::{
        execution_mode::MeteredCtx,
        instructions::{exe::VmExe, program::Program},
    };
    use openvm_sdk::SC;
    use openvm_sdk_config::SdkVmCpuBuilder;
    use openvm_stark_backend::{StarkEngine, keygen::types::MultiStarkProvingKey, prover::DeviceDataTransporter};

    use super::*;
    use crate::openvm::{
        backend::{Device, Vm},
        keys::KeyCache,
    };

    /// The table of a key; `metered` is a context of a VM with that key, which knows the constant heights.
    fn of_key(key: &MultiStarkProvingKey<SC>, metered: &MeteredCtx) -> AirTable {
        let constants = metered.is_trace_height_constant.iter().zip(&metered.trace_heights);
        let airs = key.per_air.iter().zip(constants).map(|(air, (constant, rows))| Air {
            name: air.air_name.clone(),
            width: air.vk.params.width.total_width() as u64,
            interactions: air.vk.symbolic_constraints.interactions.len() as u64,
            constant_rows: constant.then_some(*rows),
        });
        AirTable { airs: airs.collect() }
    }

    /// `PHALANX_BLESS=1` writes the table anew.
    #[test]
    fn the_committed_table_is_true_to_the_keys() {
        let keys = KeyCache::new(None).unwrap().proving().unwrap();
        let key = &keys.app().app_vm_pk;
        let engine = Device::new(key.vm_pk.params.clone());
        let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
        let vm = Vm::new(engine, SdkVmCpuBuilder, key.vm_config.clone(), device_key).unwrap();
        let metered = vm.build_metered_ctx(&VmExe::new(Program::new_empty(0)));
        let table = VmTable {
            deferral: key.vm_config.deferral.clone().unwrap(),
            of_executor: vm.executor_idx_to_air_idx(),
            airs: of_key(&key.vm_pk, &metered),
        };
        let text = serde_json::to_string_pretty(&table).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openvm/vm_table.json");
        if std::env::var_os("PHALANX_BLESS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert!(text == include_str!("vm_table.json"), "run again with PHALANX_BLESS=1 and look at the difference");
    }
}
