//! What a receipt says about itself, for people; nothing of it is verified.

use phalanx_claim::{Claim, EngineId};
use serde::Serialize;

use crate::{Provenance, Receipt, Rejected, Sizes, claim_of};

/// A receipt in words and numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReceiptInfo {
    /// Which verifier it is for.
    pub engine: EngineId,
    /// What it says.
    pub claim: Claim,
    /// Whether the claim is the one that the proof makes. Whether the proof holds is for [`verify`](crate::verify).
    pub claim_matches_proof: bool,
    /// Security of the proof in bits.
    pub security_bits: u32,
    /// Size of the proof in bytes.
    pub proof_bytes: usize,
    /// Size of each part of the proof in bytes.
    pub parts: Sizes,
    /// How it was made. Not proven.
    pub provenance: Provenance,
}

impl Receipt {
    /// Describes the receipt; fails if its proof cannot be read.
    pub fn info(&self) -> Result<ReceiptInfo, Rejected> {
        let (claim, parts) = claim_of(&self.proof)?;
        Ok(ReceiptInfo {
            engine: self.engine.clone(),
            claim_matches_proof: claim == self.claim,
            claim: self.claim.clone(),
            security_bits: self.security_bits,
            proof_bytes: self.proof.len(),
            parts,
            provenance: self.provenance.clone(),
        })
    }
}
