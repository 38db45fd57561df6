//! Poseidon2 hashing of as many inputs at once as there are lanes.

use openvm_stark_backend::p3_symmetric::{
    CryptographicHasher, PaddingFreeSponge, PseudoCompressionFunction, TruncatedPermutation,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{DIGEST_SIZE, poseidon2_perm};

use crate::packing::PackedF;

/// A digest in each lane.
pub type PackedDigest = [PackedF; DIGEST_SIZE];

/// The digest of two.
pub fn compress(left: &PackedDigest, right: &PackedDigest) -> PackedDigest {
    TruncatedPermutation::<_, 2, DIGEST_SIZE, 16>::new(poseidon2_perm().clone()).compress([*left, *right])
}

/// The digest of a row.
pub fn hash(values: &[PackedF]) -> PackedDigest {
    PaddingFreeSponge::<_, 16, DIGEST_SIZE, DIGEST_SIZE>::new(poseidon2_perm().clone()).hash_slice(values)
}
