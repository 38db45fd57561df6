//! The Merkle tree over a codeword's rows: as many rows, or pairs of digests, hashed at once as there are lanes.

use openvm_cpu_backend::merkle::CpuMerkleTree;
use openvm_stark_backend::p3_symmetric::{
    CryptographicHasher, PaddingFreeSponge, PseudoCompressionFunction, TruncatedPermutation,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{DIGEST_SIZE, Digest, poseidon2_perm};
use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use rayon::prelude::*;

use crate::{
    air::gather,
    packing::{F, PackedF, WIDTH},
};

type PackedDigest = [PackedF; DIGEST_SIZE];

/// A leaf is the digest of `rows_per_query` rows, those whose indices are equal modulo the number of leaves.
pub fn merkle_tree(codeword: RowMajorMatrix<F>, rows_per_query: usize) -> CpuMerkleTree<F, Digest> {
    let mut layer = row_digests(&codeword);
    let leaves = layer.len() / rows_per_query;
    while layer.len() > leaves {
        layer = compressed(&layer, layer.len() / 2, |i| {
            let (query, rest) = (i % leaves, i / leaves);
            [2 * rest * leaves + query, (2 * rest + 1) * leaves + query]
        });
    }
    let mut layers = vec![layer];
    while let Some(below) = layers.last().filter(|layer| layer.len() > 1) {
        layers.push(compressed(below, below.len() / 2, |i| [2 * i, 2 * i + 1]));
    }
    // SAFETY: not about memory. The layers are the digests of these rows and their compressions up to the one root.
    unsafe { CpuMerkleTree::from_raw_parts(codeword, layers, rows_per_query) }
}

fn row_digests(codeword: &RowMajorMatrix<F>) -> Vec<Digest> {
    let sponge = PaddingFreeSponge::<_, 16, DIGEST_SIZE, DIGEST_SIZE>::new(poseidon2_perm().clone());
    let mut digests = vec![[F::ZERO; DIGEST_SIZE]; codeword.height()];
    let height = codeword.height();
    digests.par_chunks_mut(WIDTH).enumerate().for_each_init(
        || vec![PackedF::ZERO; codeword.width],
        |columns, (i, digests)| {
            gather(codeword, &std::array::from_fn(|l| (i * WIDTH + l).min(height - 1)), columns);
            write(&sponge.hash_slice(columns), digests);
        },
    );
    digests
}

/// The digests of `len` pairs in `layer`.
fn compressed(layer: &[Digest], len: usize, pair: impl Fn(usize) -> [usize; 2] + Sync) -> Vec<Digest> {
    let compression = TruncatedPermutation::<_, 2, DIGEST_SIZE, 16>::new(poseidon2_perm().clone());
    let mut digests = vec![[F::ZERO; DIGEST_SIZE]; len];
    digests.par_chunks_mut(WIDTH).enumerate().for_each(|(i, digests)| {
        let mut inputs: [PackedDigest; 2] = [[PackedF::ZERO; DIGEST_SIZE]; 2];
        for l in 0..digests.len() {
            for (input, at) in inputs.iter_mut().zip(pair(i * WIDTH + l)) {
                input.iter_mut().zip(&layer[at]).for_each(|(vector, value)| vector.as_slice_mut()[l] = *value);
            }
        }
        write(&compression.compress(inputs), digests);
    });
    digests
}

/// One digest from each lane, as far as there are any to be written.
fn write(vectors: &PackedDigest, digests: &mut [Digest]) {
    for (l, digest) in digests.iter_mut().enumerate() {
        digest.iter_mut().zip(vectors).for_each(|(value, vector)| *value = vector.as_slice()[l]);
    }
}
