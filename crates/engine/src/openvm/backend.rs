//! The upstream types that the rest of this engine is built from; the only place that chooses a proving backend.

use openvm_circuit::arch::VirtualMachine;
use openvm_sdk::{F, SC};
use openvm_sdk_config::{SdkVmConfig, SdkVmConfigExecutor, SdkVmCpuBuilder};
use openvm_stark_backend::{
    StarkEngine, SystemParams,
    prover::{CommittedTraceData, DeviceMultiStarkProvingKey},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2CpuEngine;

/// Proves one STARK.
pub(super) type Prover = BabyBearPoseidon2CpuEngine;
/// The zkVM: executes and makes traces.
pub(super) type Vm = VirtualMachine<Prover, SdkVmCpuBuilder>;
/// Executes instructions.
pub(super) type Executor = SdkVmConfigExecutor<F>;
/// A committed trace, here always that of a program.
pub(super) type Committed = CommittedTraceData<<Prover as StarkEngine>::PB>;
/// A STARK proof.
pub(super) type Proof = openvm_stark_backend::proof::Proof<SC>;

/// A VM that can commit to programs and knows its chips, but has no proving key and so cannot prove.
pub(super) fn keyless_vm(config: SdkVmConfig, params: SystemParams) -> Result<Vm, String> {
    let no_key = DeviceMultiStarkProvingKey::new(Vec::new(), Vec::new(), 0, params.clone(), Default::default());
    Vm::new(Prover::new(params), SdkVmCpuBuilder, config, no_key).map_err(|error| error.to_string())
}
