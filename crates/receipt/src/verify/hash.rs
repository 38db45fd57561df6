//! Poseidon2 as OpenVM's memory tree uses it, and commitments as bytes.

use openvm_stark_backend::p3_field::{PrimeCharacteristicRing as _, PrimeField32 as _};
use openvm_stark_sdk::config::baby_bear_poseidon2::{
    DIGEST_SIZE, Digest as Commit, F, poseidon2_compress_with_capacity,
};
use phalanx_claim::{Digest, ProgramId};

pub(super) const ZERO: Commit = [F::ZERO; DIGEST_SIZE];

/// Two nodes to their parent; a leaf's hash is its compression with [`ZERO`].
pub(super) fn compress(left: &Commit, right: &Commit) -> Commit {
    poseidon2_compress_with_capacity(*left, *right).0
}

/// A commitment as a digest that can be printed.
pub(super) fn digest(commit: &Commit) -> Digest {
    Digest::new(bytes(commit))
}

/// A program's commitment as its name.
pub(super) fn program_id(commit: &Commit) -> ProgramId {
    ProgramId::new(bytes(commit))
}

/// Each element as four little-endian bytes.
fn bytes(commit: &Commit) -> [u8; 4 * DIGEST_SIZE] {
    let mut bytes = [0; 4 * DIGEST_SIZE];
    for (chunk, element) in bytes.chunks_exact_mut(4).zip(commit) {
        chunk.copy_from_slice(&element.as_canonical_u32().to_le_bytes());
    }
    bytes
}
