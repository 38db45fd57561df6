//! Devices that the engine runs on: upstream's, and one that also commits as fast as the prover does.
//!
//! The chips of the VM name upstream's device in their bounds; the recursion circuits take any.

use openvm_cpu_backend::{CpuBackend, CpuDevice, CpuProverError};
use openvm_stark_backend::{
    FiatShamirTranscript,
    keygen::types::MultiStarkProvingKey,
    proof::{BatchConstraintProof, GkrProof, StackingProof, WhirProof},
    prover::{
        ColMajorMatrix, DeviceDataTransporter, DeviceMultiStarkProvingKey, MultiRapProver, OpeningProver, ProverDevice,
        ProvingContext, TraceCommitter, stacked_pcs::StackedPcsData,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest};
use p3_matrix::dense::RowMajorMatrix;

use crate::{
    batch::prove_constraints,
    commit::{PcsData, Stacked},
    packing::{EF, F},
    prove::open_at,
};

type SC = BabyBearPoseidon2Config;
type PB = CpuBackend<SC>;

/// A device that traces in upstream's matrices can be proven on.
pub trait Device<TS>:
    ProverDevice<PB, TS, Error = CpuProverError, DeviceCtx = ()>
    + MultiRapProver<PB, TS, PartialProof = (GkrProof<SC>, BatchConstraintProof<SC>), Artifacts = Vec<EF>>
    + OpeningProver<PB, TS, OpeningProof = (StackingProof<SC>, WhirProof<SC>), OpeningPoints = Vec<EF>>
    + DeviceDataTransporter<SC, PB>
    + Clone
{
    fn of(config: SC) -> Self;
    fn config(&self) -> &SC;
}

impl<TS: FiatShamirTranscript<SC>> Device<TS> for CpuDevice<SC> {
    fn of(config: SC) -> Self {
        Self::new(config)
    }

    fn config(&self) -> &SC {
        self.config()
    }
}

/// Upstream's device with every phase of a proof replaced.
#[derive(Clone)]
pub struct SwirlDevice(CpuDevice<SC>);

impl<TS: FiatShamirTranscript<SC>> Device<TS> for SwirlDevice {
    fn of(config: SC) -> Self {
        Self(CpuDevice::new(config))
    }

    fn config(&self) -> &SC {
        self.0.config()
    }
}

impl<TS: FiatShamirTranscript<SC>> ProverDevice<PB, TS> for SwirlDevice {
    type Error = CpuProverError;
    type DeviceCtx = ();

    fn device_ctx(&self) -> &() {
        &()
    }
}

impl TraceCommitter<PB> for SwirlDevice {
    type Error = CpuProverError;

    fn commit(&self, traces: &[&RowMajorMatrix<F>]) -> Result<(Digest, PcsData), CpuProverError> {
        let stacked = Stacked::commit(self.0.params(), traces)?;
        Ok((stacked.root(), stacked.into_upstream()))
    }
}

impl<TS: FiatShamirTranscript<SC>> MultiRapProver<PB, TS> for SwirlDevice {
    type PartialProof = (GkrProof<SC>, BatchConstraintProof<SC>);
    type Artifacts = Vec<EF>;
    type Error = CpuProverError;

    fn prove_rap_constraints(
        &self,
        transcript: &mut TS,
        pk: &DeviceMultiStarkProvingKey<PB>,
        ctx: &ProvingContext<PB>,
        _common_main: &PcsData,
    ) -> Result<(Self::PartialProof, Self::Artifacts), CpuProverError> {
        let (gkr_proof, batch_proof, r) = prove_constraints(transcript, pk, ctx)?;
        Ok(((gkr_proof, batch_proof), r))
    }
}

impl<TS: FiatShamirTranscript<SC>> OpeningProver<PB, TS> for SwirlDevice {
    type OpeningProof = (StackingProof<SC>, WhirProof<SC>);
    type OpeningPoints = Vec<EF>;
    type Error = CpuProverError;

    fn prove_openings(
        &self,
        transcript: &mut TS,
        pk: &DeviceMultiStarkProvingKey<PB>,
        ctx: ProvingContext<PB>,
        common_main: PcsData,
        r: Vec<EF>,
    ) -> Result<Self::OpeningProof, CpuProverError> {
        open_at(transcript, pk, &ctx, (&common_main).into(), &r)
    }
}

impl DeviceDataTransporter<SC, PB> for SwirlDevice {
    fn transport_pk_to_device(&self, pk: &MultiStarkProvingKey<SC>) -> DeviceMultiStarkProvingKey<PB> {
        self.0.transport_pk_to_device(pk)
    }

    fn transport_matrix_to_device(&self, matrix: &ColMajorMatrix<F>) -> RowMajorMatrix<F> {
        self.0.transport_matrix_to_device(matrix)
    }

    fn transport_pcs_data_to_device(&self, data: &StackedPcsData<F, Digest>) -> PcsData {
        self.0.transport_pcs_data_to_device(data)
    }

    fn transport_matrix_from_device_to_host(&self, matrix: &RowMajorMatrix<F>) -> ColMajorMatrix<F> {
        self.0.transport_matrix_from_device_to_host(matrix)
    }
}
