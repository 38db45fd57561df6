//! Our verifier and upstream's believe the same proofs: the golden ones, and none of those with one exposed value changed.

use openvm_circuit::system::memory::dimensions::MemoryDimensions;
use openvm_stark_backend::{
    codec::{Decode as _, Encode as _},
    p3_field::PrimeCharacteristicRing as _,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{Digest as Commit, F};
use openvm_verify_stark_host::{
    VmStarkProof,
    pvs::VkCommit,
    verify_vm_stark_proof_decoded, verify_vm_stark_proof_pvs,
    vk::{VerificationBaseline, VmStarkVerifyingKey},
};
use phalanx_claim::ProgramId;
use phalanx_receipt::{CircuitCommit, Receipt, Rejected, VerifyingKey, claim_of, verify};

const GOLDEN: &[u8] = include_bytes!("../../../receipt/tests/golden/fibonacci-20.receipt");

fn golden() -> (Receipt, VmStarkProof) {
    let receipt = Receipt::decode(GOLDEN).unwrap();
    let proof = VmStarkProof::decode_from_bytes(&receipt.proof).unwrap();
    (receipt, proof)
}

/// Upstream's form of our key, for one program.
fn upstream_key(program: ProgramId) -> VmStarkVerifyingKey {
    let key = VerifyingKey::embedded().unwrap();
    let commit = |commit: CircuitCommit| VkCommit { cached_commit: commit.constraints, vk_pre_hash: commit.key };
    let words = program.as_bytes().as_chunks::<4>().0;
    let app_exe_commit: Commit = std::array::from_fn(|i| F::from_u32(u32::from_le_bytes(words[i])));
    VmStarkVerifyingKey {
        mvk: key.stark.clone(),
        baseline: VerificationBaseline {
            app_exe_commit,
            memory_dimensions: MemoryDimensions::new(
                key.memory.addr_space_height as usize,
                key.memory.address_height as usize,
            ),
            num_user_pvs: key.public_values as usize,
            app_vk_commit: commit(key.app),
            leaf_vk_commit: commit(key.leaf),
            internal_for_leaf_vk_commit: commit(key.internal_for_leaf),
            internal_recursive_vk_commit: commit(key.internal_recursive),
            expected_def_hook_commit: Some(key.deferral_hook),
        },
    }
}

#[test]
fn both_believe_the_golden_receipt() {
    let (receipt, proof) = golden();
    verify(&receipt).unwrap();
    verify_vm_stark_proof_decoded(&upstream_key(receipt.claim.program), &proof).unwrap();
}

#[test]
fn both_read_and_write_the_same_bytes() {
    let (receipt, proof) = golden();
    assert_eq!(proof.encode_to_vec().unwrap(), receipt.proof);
}

#[test]
fn both_refuse_every_changed_exposed_value_without_help_of_the_stark() {
    let (receipt, honest) = golden();
    let key = upstream_key(receipt.claim.program);
    for circuit in 0..3 {
        for at in 0..honest.inner.public_values[circuit].len() {
            let mut proof = honest.clone();
            proof.inner.public_values[circuit][at] += F::ONE;
            let upstream = verify_vm_stark_proof_pvs(&key, &proof);
            let forged = Receipt { proof: proof.encode_to_vec().unwrap(), ..receipt.clone() };
            let ours = verify(&forged).unwrap_err();
            // What upstream leaves to the STARK (the final pc), we leave to it too.
            let left_to_the_stark = matches!(ours, Rejected::Stark(_));
            assert_eq!(upstream.is_ok(), left_to_the_stark, "circuit {circuit}, value {at}: {upstream:?}, {ours}");
        }
    }
}

#[test]
fn both_refuse_changed_memory_paths() {
    let (receipt, honest) = golden();
    let key = upstream_key(receipt.claim.program);
    let lies: [fn(&mut VmStarkProof); 5] = [
        |p| p.user_pvs_proof.public_values[31] += F::ONE,
        |p| p.user_pvs_proof.proof[0][7] += F::ONE,
        |p| p.user_pvs_proof.public_values_commit[3] += F::ONE,
        |p| p.deferral_merkle_proofs.as_mut().unwrap().initial_merkle_proof[28][0] += F::ONE,
        |p| p.deferral_merkle_proofs.as_mut().unwrap().final_merkle_proof[0][0] += F::ONE,
    ];
    for (number, lie) in lies.iter().enumerate() {
        let mut proof = honest.clone();
        lie(&mut proof);
        assert!(verify_vm_stark_proof_pvs(&key, &proof).is_err(), "lie {number}");
        let bytes = proof.encode_to_vec().unwrap();
        // A claim made to fit, so that the path and not the claim is what fails.
        let claim = claim_of(&bytes).unwrap().0;
        let ours = verify(&Receipt { proof: bytes, claim, ..receipt.clone() }).unwrap_err();
        assert!(!matches!(ours, Rejected::Stark(_)), "lie {number}: {ours}");
    }
}
