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

use crate::prove::prove;

type SC = BabyBearPoseidon2Config;

/// Proves as `BabyBearPoseidon2CpuEngine<TS>` does, faster.
pub struct SwirlEngine<TS = CpuTranscript> {
    device: CpuDevice<SC>,
    transcript: PhantomData<TS>,
}

impl<TS> StarkEngine for SwirlEngine<TS>
where
    TS: FiatShamirTranscript<SC> + From<Poseidon2BabyBear<16>>,
{
    type SC = SC;
    type PB = CpuBackend<SC>;
    type PD = CpuDevice<SC>;
    type TS = TS;

    fn new(params: SystemParams) -> Self {
        let config = BabyBearPoseidon2Config::default_from_params(params);
        Self { device: CpuDevice::new(config), transcript: PhantomData }
    }

    fn config(&self) -> &SC {
        self.device.config()
    }

    fn device(&self) -> &Self::PD {
        &self.device
    }

    fn initial_transcript(&self) -> TS {
        TS::from(default_babybear_poseidon2_16())
    }

    fn prover_from_transcript(&self, transcript: TS) -> Coordinator<SC, Self::PB, Self::PD, TS> {
        Coordinator::new(CpuBackend::new(), self.device.clone(), transcript)
    }

    fn prove(
        &self,
        pk: &DeviceMultiStarkProvingKey<Self::PB>,
        ctx: ProvingContext<Self::PB>,
    ) -> Result<Proof<SC>, ProverError<Self>> {
        prove(&self.device, &mut self.initial_transcript(), pk, ctx)
    }
}
