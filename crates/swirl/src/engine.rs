//! The engine type: upstream's CPU engine with `prove` replaced.

use std::marker::PhantomData;

use openvm_cpu_backend::{CpuBackend, CpuDevice};
use openvm_stark_backend::{
    FiatShamirTranscript, ProverError, StarkEngine, SystemParams,
    proof::Proof,
    prover::{Coordinator, DeviceMultiStarkProvingKey, ProvingContext},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, CpuTranscript};
use p3_baby_bear::{Poseidon2BabyBear, default_babybear_poseidon2_16};

use crate::{device::Device, prove::prove};

type SC = BabyBearPoseidon2Config;

/// Proves as `BabyBearPoseidon2CpuEngine<TS>` does, faster. On upstream's device the chips of the VM take it; on
/// [`SwirlDevice`](crate::SwirlDevice) it also commits faster, for circuits that commit to something.
pub struct SwirlEngine<TS = CpuTranscript, PD = CpuDevice<SC>> {
    device: PD,
    transcript: PhantomData<TS>,
}

impl<TS, PD> StarkEngine for SwirlEngine<TS, PD>
where
    TS: FiatShamirTranscript<SC> + From<Poseidon2BabyBear<16>>,
    PD: Device<TS>,
{
    type SC = SC;
    type PB = CpuBackend<SC>;
    type PD = PD;
    type TS = TS;

    fn new(params: SystemParams) -> Self {
        let config = BabyBearPoseidon2Config::default_from_params(params);
        Self { device: PD::of(config), transcript: PhantomData }
    }

    fn config(&self) -> &SC {
        self.device.config()
    }

    fn device(&self) -> &PD {
        &self.device
    }

    fn initial_transcript(&self) -> TS {
        TS::from(default_babybear_poseidon2_16())
    }

    fn prover_from_transcript(&self, transcript: TS) -> Coordinator<SC, Self::PB, PD, TS> {
        Coordinator::new(CpuBackend::new(), self.device.clone(), transcript)
    }

    fn prove(
        &self,
        pk: &DeviceMultiStarkProvingKey<Self::PB>,
        ctx: ProvingContext<Self::PB>,
    ) -> Result<Proof<SC>, ProverError<Self>> {
        prove(self.params(), &mut self.initial_transcript(), pk, ctx)
    }
}
