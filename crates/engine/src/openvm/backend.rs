//! The upstream types that the rest of this engine is built from; the only place that chooses a proving backend.

use openvm_circuit::arch::VirtualMachine;
use openvm_sdk::{F, SC};
use openvm_sdk_config::{SdkVmConfigExecutor, SdkVmCpuBuilder};
use openvm_stark_backend::{
    StarkEngine,
    prover::{CommittedTraceData, DeviceMultiStarkProvingKey, ProvingContext},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2CpuEngine, CpuTranscript};
use phalanx_swirl::{SwirlDevice, SwirlEngine};

/// Who makes the proofs. Proofs, keys and memory layout are the same; time and RAM are not.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Prover {
    /// `phalanx-swirl`.
    #[default]
    Swirl,
    /// `openvm-cpu-backend`, the reference.
    Upstream,
}

/// Holds keys and verifies; both provers work on its matrices.
pub(super) type Device = BabyBearPoseidon2CpuEngine;
/// Commits to programs, and to what recursion circuits verify.
pub(super) type Committer = SwirlEngine<CpuTranscript, SwirlDevice>;
/// The zkVM: executes and makes traces.
pub(super) type Vm = VirtualMachine<Device, SdkVmCpuBuilder>;
/// Executes instructions.
pub(super) type Executor = SdkVmConfigExecutor<F>;
/// A committed trace, here always that of a program.
pub(super) type Committed = CommittedTraceData<Backend>;
/// Where traces and keys live.
type Backend = <Device as StarkEngine>::PB;
/// A STARK proof.
pub(super) type Proof = openvm_stark_backend::proof::Proof<SC>;

impl Prover {
    /// Proves that the traces of `ctx` satisfy the AIRs of `key`.
    pub(super) fn prove(
        self,
        key: &DeviceMultiStarkProvingKey<Backend>,
        ctx: ProvingContext<Backend>,
    ) -> Result<Proof, String> {
        let params = key.params.clone();
        match self {
            Self::Swirl => <SwirlEngine>::new(params).prove(key, ctx).map_err(|error| error.to_string()),
            Self::Upstream => Device::new(params).prove(key, ctx).map_err(|error| error.to_string()),
        }
    }
}
