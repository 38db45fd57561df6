//! The prove task: one segment, from its checkpoint to a verified STARK proof.

use openvm_circuit::arch::interpreter_preflight::PreflightInterpretedInstance;
use openvm_sdk::{F, SC};
use openvm_sdk_config::SdkVmCpuBuilder;
use openvm_stark_backend::{StarkEngine, keygen::types::MultiStarkVerifyingKey, prover::DeviceDataTransporter};
use phalanx_claim::ArtifactKind;

use super::{
    backend::{Committed, Device, Executor, Proof, Prover, Vm},
    catch,
    keys::ProvingKeys,
    program::LoadedProgram,
    segment::Segment,
};
use crate::{Fault, Inputs, RunContext, TaskError, stdin::Stdin};

/// A VM with the proving key and one program loaded.
pub(super) struct SegmentProver {
    prover: Prover,
    vm: Vm,
    interpreter: PreflightInterpretedInstance<F, Executor>,
}

impl SegmentProver {
    /// A VM with the key, and `program` loaded.
    pub fn new(
        prover: Prover,
        keys: &ProvingKeys,
        program: &LoadedProgram,
        committed: &Committed,
    ) -> Result<Self, TaskError> {
        let key = &keys.app().app_vm_pk;
        let engine = Device::new(key.vm_pk.params.clone());
        let device_key = engine.device().transport_pk_to_device(&*key.vm_pk);
        let mut vm = Vm::new(engine, SdkVmCpuBuilder, key.vm_config.clone(), device_key)
            .map_err(|error| TaskError::Retry(error.to_string()))?;
        vm.load_program(Committed {
            commitment: committed.commitment,
            trace: committed.trace.clone(),
            data: committed.data.clone(),
        });
        let interpreter = vm.preflight_interpreter(&program.exe).map_err(|error| Fault::BadElf(error.to_string()))?;
        Ok(Self { prover, vm, interpreter })
    }

    /// Proves a segment of the loaded program.
    pub fn prove(
        &mut self,
        program: &LoadedProgram,
        segment: &Segment,
        inputs: &Inputs<'_>,
        verifying_key: &MultiStarkVerifyingKey<SC>,
        ctx: &RunContext<'_>,
    ) -> Result<Proof, TaskError> {
        let stdin = Stdin::decode(&inputs.source.get(&segment.stdin, ArtifactKind::Stdin)?)
            .map_err(|error| Fault::BadArtifact { what: "stdin", reason: error.to_string() })?;
        if segment.heights.len() != self.vm.num_airs() {
            let reason = format!("{} trace heights, the VM has {} AIRs", segment.heights.len(), self.vm.num_airs());
            return Err(Fault::BadArtifact { what: "segment", reason }.into());
        }
        let memory = &self.vm.config().as_ref().memory_config;
        let state = segment.start.restore(&program.exe, memory, segment.memory_bytes, &stdin, inputs.source)?;
        check(ctx)?;
        let proof = catch::panics(|| {
            self.vm.transport_init_memory_to_device(&state.memory);
            let run = self
                .vm
                .execute_preflight(&mut self.interpreter, state, Some(segment.cycles), &segment.heights)
                .map_err(|error| TaskError::Retry(error.to_string()))?;
            check(ctx)?;
            let traces = self
                .vm
                .generate_proving_ctx(run.system_records, run.record_arenas)
                .map_err(|error| TaskError::Retry(error.to_string()))?;
            drop(run.to_state);
            check(ctx)?;
            self.prover.prove(self.vm.pk(), traces).map_err(TaskError::Retry)
        })
        .map_err(|panic| TaskError::Retry(format!("the prover panicked: {panic}")))??;
        check(ctx)?;
        self.vm
            .engine
            .verify(verifying_key, &proof)
            .map_err(|error| TaskError::RetryElsewhere(format!("segment proof: {error}")))?;
        Ok(proof)
    }
}

/// Stops the task between two phases when it was cancelled.
pub(super) fn check(ctx: &RunContext<'_>) -> Result<(), TaskError> {
    if ctx.cancel.is_cancelled() { Err(TaskError::Cancelled) } else { Ok(()) }
}
