//! The seal task: the last fold becomes a receipt.
//!
//! One more recursive fold of a single proof makes it small. Then come the Merkle proofs that connect it with memory: the
//! public values in the final one, and the deferral accumulators, untouched here, in the initial and the final one.

use std::borrow::Borrow;

use openvm_circuit::{
    arch::{MemoryConfig, hasher::poseidon2::vm_poseidon2_hasher},
    system::memory::{
        AddressMap,
        merkle::{MerkleTree, public_values::UserPublicValuesProof},
    },
};
use openvm_sdk::{F, prover::compute_deferral_merkle_proofs};
use openvm_stark_backend::{codec::Encode, p3_field::PrimeField32};
use openvm_verify_stark_host::{
    VmStarkProof,
    pvs::{DEF_PVS_AIR_ID, DeferralPvs},
};
use phalanx_claim::{ArtifactKind, Claim, ProgramId};
use phalanx_receipt::{Provenance, Receipt};

use super::{catch, fold::Folder, program::LoadedProgram, proof, prove::check, segment::Final};
use crate::{Execution, Fault, Inputs, RunContext, TaskError, stdin::Stdin};

/// Recursive layers start here; every one takes proofs of itself.
const RECURSIVE_LAYER: u32 = 3;

/// Seals the proof in `inputs`, which is at `depth`.
pub(super) fn seal(
    folder: &Folder<'_>,
    program: &LoadedProgram,
    id: ProgramId,
    memory: &MemoryConfig,
    inputs: &Inputs<'_>,
    ctx: &RunContext<'_>,
) -> Result<Vec<u8>, TaskError> {
    let [_, execution, folded] = inputs.digests else {
        let reason = format!("it takes 3 inputs, got {}", inputs.digests.len());
        return Err(Fault::BadArtifact { what: "seal", reason }.into());
    };
    let execution = Execution::decode(&inputs.source.get(execution, ArtifactKind::Execution)?).map_err(Fault::from)?;
    let end = Final::decode(&execution.state)?;
    let bytes = inputs.source.get(folded, ArtifactKind::Proof)?;
    let depth = proof::depth(&bytes)?.max(RECURSIVE_LAYER);
    let inner = folder.fold_proofs(RECURSIVE_LAYER, &[proof::decode(&bytes, depth)?])?;
    check(ctx)?;

    let stdin = Stdin::decode(&inputs.source.get(&end.stdin, ArtifactKind::Stdin)?)
        .map_err(|error| Fault::BadArtifact { what: "stdin", reason: error.to_string() })?;
    let state = end.end.restore(&program.exe, memory, end.memory_bytes, &stdin, inputs.source)?;
    let mut initial = AddressMap::new(state.memory.memory.config.clone());
    initial.set_from_sparse(&program.exe.init_memory);
    let stark = catch::panics(|| {
        let hasher = vm_poseidon2_hasher::<F>();
        let dimensions = memory.memory_dimensions();
        let final_memory = &state.memory.memory;
        let [initial, end] = [&initial, final_memory].map(|map| MerkleTree::from_memory(map, &dimensions, &hasher));
        let user_pvs_proof = UserPublicValuesProof::compute(
            dimensions,
            execution.public_values.len(),
            &hasher,
            final_memory,
            &end.top_tree(dimensions.addr_space_height),
        );
        let deferral: &DeferralPvs<F> = inner.public_values[DEF_PVS_AIR_ID].as_slice().borrow();
        let subtree = deferral.depth.as_canonical_u32() as usize;
        let deferral_merkle_proofs = Some(compute_deferral_merkle_proofs(dimensions, &initial, &end, subtree));
        VmStarkProof { inner, user_pvs_proof, deferral_merkle_proofs }.encode_to_vec()
    })
    .map_err(|panic| TaskError::Retry(format!("sealing panicked: {panic}")))?
    .map_err(|error| TaskError::Retry(error.to_string()))?;

    let claim = Claim { program: id, exit_code: execution.exit_code, public_values: execution.public_values };
    let provenance = Provenance {
        cycles: execution.cycles,
        segments: execution.segments.len() as u32,
        made_by: concat!("phalanx ", env!("CARGO_PKG_VERSION")).into(),
    };
    let receipt = Receipt::new(claim, provenance, stark);
    phalanx_receipt::verify(&receipt).map_err(|rejected| TaskError::RetryElsewhere(format!("receipt: {rejected}")))?;
    receipt.encode().map_err(|error| TaskError::Retry(error.to_string()))
}
