//! Poseidon2 over BabyBear, sixteen elements wide, on as many states at once as a packed value has lanes.
//!
//! The results are those of Plonky3's `default_babybear_poseidon2_16`. Where the processor multiplies 52-bit integers in
//! vectors (AVX-512 IFMA) this computes them in such, and elsewhere it calls Plonky3.

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512ifma"))]
mod ifma;
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512ifma")))]
mod plonky3;

#[cfg(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512ifma"))]
use ifma::State;
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx512f", target_feature = "avx512ifma")))]
use plonky3::State;

use crate::packing::PackedF;

/// Elements of a digest, and those that a sponge overwrites at a time.
pub const CHUNK: usize = 8;
pub const STATE: usize = 2 * CHUNK;

/// A digest in each lane.
pub type PackedDigest = [PackedF; CHUNK];

pub fn permute(values: &mut [PackedF; STATE]) {
    let mut state = State::default();
    state.overwrite(0, values);
    state.permute();
    *values = state.first();
}

/// What `TruncatedPermutation<_, 2, CHUNK, STATE>` makes of two digests.
pub fn compress(left: &PackedDigest, right: &PackedDigest) -> PackedDigest {
    let mut state = State::default();
    state.overwrite(0, left);
    state.overwrite(CHUNK, right);
    state.permute();
    state.first()
}

/// What `PaddingFreeSponge<_, STATE, CHUNK, CHUNK>` makes of the values.
pub fn hash(values: &[PackedF]) -> PackedDigest {
    let mut state = State::default();
    for chunk in values.chunks(CHUNK) {
        state.overwrite(0, chunk);
        state.permute();
    }
    state.first()
}

#[cfg(test)]
mod tests {
    use std::array;

    use openvm_stark_backend::p3_symmetric::{
        CryptographicHasher, PaddingFreeSponge, Permutation, PseudoCompressionFunction, TruncatedPermutation,
    };
    use openvm_stark_sdk::config::baby_bear_poseidon2::poseidon2_perm;
    use p3_field::{Field, PackedValue, PrimeCharacteristicRing, PrimeField32};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::packing::F;

    fn random(rng: &mut StdRng) -> PackedF {
        PackedF::from_fn(|_| F::from_u32(rng.random_range(0..F::ORDER_U32)))
    }

    fn assert_permuted(state: [PackedF; STATE]) {
        let (mut expected, mut permuted) = (state, state);
        poseidon2_perm().permute_mut(&mut expected);
        permute(&mut permuted);
        assert_eq!(permuted, expected);
    }

    #[test]
    fn permutes_random_states_as_plonky3_does() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..4000 {
            assert_permuted(array::from_fn(|_| random(&mut rng)));
        }
    }

    #[test]
    fn permutes_the_edges_of_the_field_as_plonky3_does() {
        // Both as values and as Montgomery forms, so that every range is met at either end.
        let form = F::from_u64(1 << 32).inverse();
        let edges = [F::ZERO, F::ONE, F::NEG_ONE, form, -form, F::ONE.halve(), F::TWO];
        for edge in edges {
            assert_permuted([edge.into(); STATE]);
            for i in 0..STATE {
                let mut state = [PackedF::ZERO; STATE];
                state[i] = edge.into();
                assert_permuted(state);
                state = [PackedF::NEG_ONE; STATE];
                state[i] = edge.into();
                assert_permuted(state);
            }
        }
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..4000 {
            assert_permuted(array::from_fn(|_| PackedF::from_fn(|_| edges[rng.random_range(0..edges.len())])));
        }
    }

    #[test]
    fn compresses_as_a_truncated_permutation() {
        let compression = TruncatedPermutation::<_, 2, CHUNK, STATE>::new(poseidon2_perm().clone());
        let mut rng = StdRng::seed_from_u64(3);
        for _ in 0..100 {
            let [left, right] = array::from_fn(|_| array::from_fn(|_| random(&mut rng)));
            assert_eq!(compress(&left, &right), compression.compress([left, right]));
        }
    }

    #[test]
    fn hashes_as_a_padding_free_sponge() {
        let sponge = PaddingFreeSponge::<_, STATE, CHUNK, CHUNK>::new(poseidon2_perm().clone());
        let mut rng = StdRng::seed_from_u64(4);
        for len in 0..=40 {
            let values: Vec<PackedF> = (0..len).map(|_| random(&mut rng)).collect();
            assert_eq!(hash(&values), sponge.hash_slice(&values));
        }
    }
}
