//! The verifier: what must hold for a receipt to be believed.
//!
//! In: a receipt from anyone. Out: its claim, or the first check that fails. The cheap checks come first, so that a receipt
//! for something else is told from a false one; a claim is returned only after all of them and the STARK hold. The same
//! checks as OpenVM's `verify_vm_stark_proof`, which indexes into the proof's public values before it knows their number.

mod deferral;
mod exposed;
mod folds;
mod hash;
mod memory;

use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, default_duplex_sponge};
use phalanx_claim::Claim;

use crate::{
    Receipt, Rejected, SECURITY_BITS, VerifyingKey, engine_id,
    proof::{ExecutionProof, Sizes},
};
use exposed::Exposed;

/// Believes the receipt or says why not.
pub fn verify(receipt: &Receipt) -> Result<&Claim, Rejected> {
    let expected = engine_id();
    if receipt.engine != expected {
        return Err(Rejected::Engine { got: Box::new(receipt.engine.clone()), expected: Box::new(expected) });
    }
    if receipt.security_bits != SECURITY_BITS {
        return Err(Rejected::SecurityBits { got: receipt.security_bits, expected: SECURITY_BITS });
    }
    let key = VerifyingKey::embedded()?;
    let proof = ExecutionProof::decode(&receipt.proof)?;
    let exposed = Exposed::read(&proof.stark, key)?;
    check_claim(&receipt.claim, &claimed(&proof, &exposed)?)?;
    check(key, &proof, &exposed)?;
    Ok(&receipt.claim)
}

/// The claim that a proof makes, and the sizes of its parts. The proof is read, not verified.
pub fn claim_of(proof: &[u8]) -> Result<(Claim, Sizes), Rejected> {
    let proof = ExecutionProof::decode(proof)?;
    let exposed = Exposed::read(&proof.stark, VerifyingKey::embedded()?)?;
    Ok((claimed(&proof, &exposed)?, proof.sizes))
}

fn claimed(proof: &ExecutionProof, exposed: &Exposed) -> Result<Claim, Rejected> {
    Ok(Claim {
        program: exposed.vm.program(),
        exit_code: exposed.vm.exit_code(),
        public_values: memory::bytes(&proof.revealed.values)?,
    })
}

fn check_claim(claim: &Claim, proven: &Claim) -> Result<(), Rejected> {
    if claim.program != proven.program {
        return Err(Rejected::Program { claimed: claim.program, proven: proven.program });
    }
    if claim.exit_code != proven.exit_code {
        return Err(Rejected::ExitCode { claimed: claim.exit_code, proven: proven.exit_code });
    }
    if claim.public_values != proven.public_values {
        return Err(Rejected::PublicValues {
            claimed: claim.public_values.clone(),
            proven: proven.public_values.clone(),
        });
    }
    Ok(())
}

fn check(key: &VerifyingKey, proof: &ExecutionProof, exposed: &Exposed) -> Result<(), Rejected> {
    exposed.vm.check_ended_well()?;
    memory::check_revealed(key, &proof.revealed, &exposed.vm.final_root)?;
    folds::check(key, &exposed.folds, &exposed.child_circuit)?;
    deferral::check(key, exposed, &proof.deferral)?;
    // Upstream checks the proof's whole shape against the key before anything else, and divides only by powers of a root of
    // unity and by constants; it was read for panics. `ExecutionProof::decode` has bounded the memory.
    let config = BabyBearPoseidon2Config::default_from_params(key.stark.inner.params.clone());
    openvm_stark_backend::verifier::verify(&config, &key.stark, &proof.stark, &mut default_duplex_sponge())?;
    Ok(())
}

#[cfg(test)]
mod tests;
