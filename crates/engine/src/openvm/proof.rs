//! The proof artifact: one STARK proof and which layer made it.

use openvm_sdk::SC;
use openvm_stark_backend::{
    codec::{Decode, Encode},
    proof::Proof as StarkProof,
};

use super::{backend::Proof, catch};
use crate::Fault;

const MAGIC: &[u8; 6] = b"PHprf\x01";
/// Longest proof that is decoded, in bytes; a segment proof has under two megabytes.
const PROOF_BYTES_MAX: usize = 64 << 20;

/// Which layer made a proof: 0 for a segment proof, `l + 1` for a fold of layer `l`.
pub(super) type Depth = u32;

/// The bytes of a proof artifact.
pub(super) fn encode(depth: Depth, proof: &Proof) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(depth.to_le_bytes());
    proof.encode(&mut bytes).expect("a vector takes every byte");
    bytes
}

/// Reads a proof artifact that must be of `depth`.
pub(super) fn decode(bytes: &[u8], depth: Depth) -> Result<Proof, Fault> {
    let bad = |reason: String| Fault::BadArtifact { what: "proof", reason };
    if bytes.len() > PROOF_BYTES_MAX {
        return Err(bad(format!("{} bytes, at most {PROOF_BYTES_MAX} are accepted", bytes.len())));
    }
    let body = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("another format or version of it".into()))?;
    let (made_at, body) = body.split_first_chunk().ok_or_else(|| bad("cut short".into()))?;
    let made_at = u32::from_le_bytes(*made_at);
    if made_at != depth {
        return Err(bad(format!("it was made at depth {made_at}, expected depth {depth}")));
    }
    catch::panics(|| StarkProof::<SC>::decode_from_bytes(body)).map_err(bad)?.map_err(|error| bad(error.to_string()))
}

/// At which depth a proof artifact was made.
pub(super) fn depth(bytes: &[u8]) -> Result<Depth, Fault> {
    let depth = bytes.strip_prefix(MAGIC).and_then(|body| body.first_chunk());
    depth
        .map(|depth| u32::from_le_bytes(*depth))
        .ok_or_else(|| Fault::BadArtifact { what: "proof", reason: "another format or version of it".into() })
}
