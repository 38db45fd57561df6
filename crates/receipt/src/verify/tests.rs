//! Forged proofs: each check of the verifier is shown the smallest lie that only it can find.
//!
//! The lies are told about the exposed values, which the STARK binds too; the checks are run before it, so each must find
//! its own lie without its help.

use openvm_stark_backend::p3_field::PrimeCharacteristicRing as _;
use openvm_stark_sdk::config::baby_bear_poseidon2::F;

use super::*;
use crate::proof::ExecutionProof;

const GOLDEN: &[u8] = include_bytes!("../../tests/golden/fibonacci-20.receipt");

fn golden() -> ExecutionProof {
    ExecutionProof::decode(&Receipt::decode(GOLDEN).unwrap().proof).unwrap()
}

/// All checks up to the STARK, whose turn comes last.
fn verdict(proof: &ExecutionProof) -> Result<(), Rejected> {
    let key = VerifyingKey::embedded()?;
    let exposed = Exposed::read(&proof.stark, key)?;
    claimed(proof, &exposed)?;
    check(key, proof, &exposed)
}

/// What is said of the golden proof after `lie` changed it.
fn caught(lie: impl FnOnce(&mut ExecutionProof)) -> Rejected {
    let mut proof = golden();
    lie(&mut proof);
    verdict(&proof).unwrap_err()
}

macro_rules! finds {
    ($name:ident, $caught:pat, $lie:expr) => {
        #[test]
        fn $name() {
            let rejected = caught($lie);
            assert!(matches!(rejected, $caught), "{rejected}");
        }
    };
}

// Offsets of the exposed values, from OpenVM's `pvs.rs`.
const LAYER: usize = 0;
const APP: usize = 1;
const LEAF: usize = 17;
const INTERNAL_FOR_LEAF: usize = 33;
const DEPTH: usize = 49;
const RECURSIVE: usize = 50;
const FLAG: usize = 66;
const HOOK: usize = 67;
const EXIT_CODE: usize = 10;
const ENDED: usize = 11;
const FINAL_ROOT: usize = 20;
const NODE: usize = 17;

fn bump(proof: &mut ExecutionProof, circuit: usize, at: usize) {
    proof.stark.public_values[circuit][at] += F::ONE;
}

#[test]
fn the_golden_proof_passes_every_check() {
    verdict(&golden()).unwrap();
}

finds!(a_proof_that_exposes_nothing, Rejected::Exposed { circuit: 0, got: 0, .. }, |p| p.stark.public_values[0]
    .clear());
finds!(a_value_too_few, Rejected::Exposed { circuit: 1, got: 27, expected: 28 }, |p| {
    p.stark.public_values[1].pop();
});
finds!(a_value_too_many, Rejected::Exposed { circuit: 2, got: 19, expected: 18 }, |p| {
    p.stark.public_values[2].push(F::ZERO);
});
finds!(a_circuit_too_few, Rejected::Circuits { .. }, |p| {
    p.stark.public_values.pop();
});
finds!(a_trace_too_many, Rejected::Circuits { .. }, |p| p.stark.trace_vdata.push(None));
finds!(no_child_circuit, Rejected::NoChildCircuit, |p| p.stark.trace_vdata[3] = None);
finds!(an_execution_without_end, Rejected::NotEnded, |p| p.stark.public_values[1][ENDED] = F::ZERO);
finds!(a_failed_execution, Rejected::Failed { got: 1 }, |p| bump(p, 1, EXIT_CODE));
finds!(a_proof_of_another_layer, Rejected::Layer { got: 3 }, |p| bump(p, 0, LAYER));
finds!(another_vm, Rejected::Circuit { layer: "segment", part: "constraints", .. }, |p| bump(p, 0, APP));
finds!(another_vm_key, Rejected::Circuit { layer: "segment", part: "key", .. }, |p| bump(p, 0, APP + 8));
finds!(another_leaf, Rejected::Circuit { layer: "leaf", .. }, |p| bump(p, 0, LEAF));
finds!(another_internal, Rejected::Circuit { layer: "internal-for-leaf", .. }, |p| bump(p, 0, INTERNAL_FOR_LEAF));
finds!(another_recursive, Rejected::Circuit { layer: "internal-recursive", .. }, |p| bump(p, 0, RECURSIVE));
finds!(another_recursive_key, Rejected::Circuit { layer: "internal-recursive", part: "key", .. }, |p| {
    bump(p, 0, RECURSIVE + 8)
});
finds!(no_depth, Rejected::Depth { got: 0, .. }, |p| p.stark.public_values[0][DEPTH] = F::ZERO);
finds!(too_deep, Rejected::Depth { got: 257, .. }, |p| p.stark.public_values[0][DEPTH] = F::from_u32(257));
finds!(a_first_fold_that_knows_itself, Rejected::Circuit { layer: "internal-recursive", .. }, |p| {
    p.stark.public_values[0][DEPTH] = F::ONE;
});
finds!(a_first_fold_of_another_layer, Rejected::Circuit { layer: "verified", .. }, |p| {
    p.stark.public_values[0][DEPTH] = F::ONE;
    p.stark.public_values[0][RECURSIVE..FLAG].fill(F::ZERO);
});
finds!(another_child, Rejected::Circuit { layer: "verified", .. }, |p| {
    p.stark.trace_vdata[3].as_mut().unwrap().cached_commitments[0][0] += F::ONE;
});
finds!(a_public_value_that_is_no_byte, Rejected::NotAByte { at: 3, got: 256 }, |p| {
    p.revealed.values[3] = F::from_u32(256);
});
finds!(another_public_value, Rejected::PublicValuesRoot { .. }, |p| p.revealed.values[0] += F::ONE);
finds!(a_public_value_too_few, Rejected::PublicValuesCount { got: 31, expected: 32 }, |p| {
    p.revealed.values.pop();
});
finds!(no_public_values, Rejected::PublicValuesCount { got: 0, .. }, |p| p.revealed.values.clear());
finds!(another_root_of_public_values, Rejected::PublicValuesRoot { .. }, |p| p.revealed.root[0] += F::ONE);
finds!(a_short_path, Rejected::PathLength { what: "the public values", .. }, |p| {
    p.revealed.path.pop();
});
finds!(another_path, Rejected::MemoryRoot { what: "the public values", .. }, |p| p.revealed.path[5][0] += F::ONE);
finds!(another_final_memory, Rejected::MemoryRoot { what: "the public values", .. }, |p| bump(p, 1, FINAL_ROOT));
finds!(a_half_joined_deferral, Rejected::DeferralFlag { got: 1 }, |p| bump(p, 0, FLAG));
finds!(a_deferral_through_another_hook, Rejected::DeferralHook { .. }, |p| {
    p.stark.public_values[0][FLAG] = F::TWO;
});
finds!(a_hook_without_deferral, Rejected::DeferralSet { what: "hook" }, |p| bump(p, 0, HOOK));
finds!(an_initial_accumulator, Rejected::DeferralSet { what: "initial accumulator" }, |p| bump(p, 2, 0));
finds!(a_final_accumulator, Rejected::DeferralSet { what: "final accumulator" }, |p| bump(p, 2, 8));
finds!(a_deferral_depth, Rejected::DeferralSet { what: "depth" }, |p| bump(p, 2, 16));
finds!(a_deferral_node, Rejected::DeferralNode { got: 1 }, |p| bump(p, 2, NODE));
finds!(a_deferral_too_deep, Rejected::DeferralDepth { got: 27, max: 26 }, |p| {
    p.stark.public_values[0][FLAG] = F::TWO;
    let hook = VerifyingKey::embedded().unwrap().deferral_hook;
    p.stark.public_values[0][HOOK..HOOK + 8].copy_from_slice(&hook);
    p.stark.public_values[2][16] = F::from_u32(27);
});
finds!(a_short_deferral_path, Rejected::PathLength { what: "the initial deferral accumulator", .. }, |p| {
    p.deferral.initial.pop();
});
finds!(a_short_final_deferral_path, Rejected::PathLength { what: "the final deferral accumulator", .. }, |p| {
    p.deferral.last.pop();
});
finds!(changed_deferral_memory, Rejected::DeferralSibling { level: 4 }, |p| p.deferral.last[4][0] += F::ONE);
finds!(another_initial_deferral, Rejected::MemoryRoot { what: "the initial deferral accumulator", .. }, |p| {
    p.deferral.initial[27][0] += F::ONE;
});
finds!(another_final_deferral, Rejected::MemoryRoot { what: "the final deferral accumulator", .. }, |p| {
    p.deferral.last[27][0] += F::ONE;
});
// What no other check binds, the STARK does.
finds!(another_commitment, Rejected::Stark(_), |p| p.stark.common_main_commit[0] += F::ONE);
finds!(another_opening, Rejected::Stark(_), |p| p.stark.whir_proof.final_poly[0] += F::ONE);

#[test]
fn another_program_is_another_name() {
    let key = VerifyingKey::embedded().unwrap();
    let named = |proof: &ExecutionProof| Exposed::read(&proof.stark, key).unwrap().vm.program();
    for at in [0, 8, 12] {
        let mut proof = golden();
        bump(&mut proof, 1, at);
        assert_ne!(named(&proof), named(&golden()), "value {at}");
    }
}
