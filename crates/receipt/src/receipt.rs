//! What a receipt holds.

use phalanx_claim::{Claim, EngineId};
use serde::{Deserialize, Serialize};

use crate::{SECURITY_BITS, engine_id};

/// The final proof with its claim. Nothing in it is to be believed before [`verify`](crate::verify) says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Which verifier it is for.
    pub engine: EngineId,
    /// What it says.
    pub claim: Claim,
    /// Security of the proof in bits; the verifier accepts only what its key gives.
    pub security_bits: u32,
    /// How it was made. Not proven.
    pub provenance: Provenance,
    /// OpenVM's encoding of a `VmStarkProof`, not compressed.
    pub proof: Vec<u8>,
}

/// How a receipt was made, in the words of whoever made it. The proof says nothing of it, so anyone may have changed it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Provenance {
    /// Instructions executed.
    pub cycles: u64,
    /// Segments the execution was cut into.
    pub segments: u32,
    /// Version of Phalanx that sealed it.
    pub made_by: String,
}

impl Receipt {
    /// A receipt of this version's engine.
    pub fn new(claim: Claim, provenance: Provenance, proof: Vec<u8>) -> Self {
        Self { engine: engine_id(), claim, security_bits: SECURITY_BITS, provenance, proof }
    }
}
