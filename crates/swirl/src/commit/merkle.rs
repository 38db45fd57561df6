//! The Merkle tree over a codeword's rows, in the codeword's order: bit-reversed.
//!
//! What are neighbours in the natural order are then first and second half: rows of one leaf lie side by side, and every
//! layer but the last few is hashed from two runs of vectors, with no value moved across lanes.

use openvm_stark_backend::prover::error::StackedPcsError;
use openvm_stark_sdk::config::baby_bear_poseidon2::{DIGEST_SIZE, Digest};
use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_util::{log2_strict_usize, reverse_bits_len};
use rayon::prelude::*;

use super::codeword::Codeword;
use crate::{
    packing::{F, PackedF, WIDTH, transpose},
    poseidon2::{PackedDigest, compress, hash},
};

/// Vectors that one parallel task hashes.
const VECTORS_OF_TASK: usize = 16;

pub struct MerkleTree {
    pub codeword: Codeword,
    rows_per_query: usize,
    /// From the leaves to the root. Lane `l` of vector `v` is node `WIDTH · v + l`; a layer of fewer fills the front of one.
    layers: Vec<Vec<PackedDigest>>,
    leaves: usize,
}

impl MerkleTree {
    /// A leaf is the digest of `rows_per_query` rows, those whose indices are equal modulo the number of leaves.
    pub fn new(codeword: Codeword, rows_per_query: usize) -> Self {
        let leaves = codeword.height / rows_per_query;
        let mut layers = vec![leaf_layer(&codeword, rows_per_query, leaves)];
        for log_len in (0..log2_strict_usize(leaves)).rev() {
            layers.push(parents(&layers[layers.len() - 1], 1 << log_len));
        }
        Self { codeword, rows_per_query, layers, leaves }
    }

    pub fn root(&self) -> Digest {
        self.node(self.layers.len() - 1, 0)
    }

    pub fn rows_per_query(&self) -> usize {
        self.rows_per_query
    }

    /// From that of the leaves to that of the root.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The rows of a leaf.
    pub fn opened_rows(&self, query: usize) -> Result<Vec<Vec<F>>, StackedPcsError> {
        if query >= self.leaves {
            return Err(StackedPcsError::MerkleTreeOpenedRowsOutOfBounds { index: query, query_stride: self.leaves });
        }
        Ok((0..self.rows_per_query).map(|t| self.codeword.row(t * self.leaves + query)).collect())
    }

    /// The siblings on the way from a leaf to the root.
    pub fn path(&self, query: usize) -> Vec<Digest> {
        (0..self.layers.len() - 1).map(|layer| self.node(layer, query >> layer ^ 1)).collect()
    }

    /// Node `i` of a layer, counted in the natural order.
    pub fn node(&self, layer: usize, i: usize) -> Digest {
        let position = reverse_bits_len(i, self.layers.len() - 1 - layer);
        lane_of(&self.layers[layer][position / WIDTH], position % WIDTH)
    }
}

fn leaf_layer(codeword: &Codeword, rows_per_query: usize, leaves: usize) -> Vec<PackedDigest> {
    let mut layer = vec![[PackedF::ZERO; DIGEST_SIZE]; leaves.div_ceil(WIDTH)];
    layer.par_chunks_mut(VECTORS_OF_TASK).enumerate().for_each(|(task, layer)| {
        // The rows of as many leaves as there are lanes: row `s` of each, column by column.
        let width = codeword.width();
        let mut rows = vec![PackedF::ZERO; rows_per_query * width];
        let mut digests = vec![[PackedF::ZERO; DIGEST_SIZE]; rows_per_query];
        for (v, leaf) in layer.iter_mut().enumerate() {
            let first = (task * VECTORS_OF_TASK + v) * WIDTH;
            for (c, column) in codeword.values.chunks_exact(codeword.height).enumerate() {
                read_leaves(column, first, rows_per_query, |s, vector| rows[s * width + c] = vector);
            }
            for (digest, row) in digests.iter_mut().zip(rows.chunks_exact(width)) {
                *digest = hash(row);
            }
            let mut half = rows_per_query / 2;
            while half > 0 {
                for s in 0..half {
                    digests[s] = compress(&digests[s], &digests[s + half]);
                }
                half /= 2;
            }
            *leaf = digests[0];
        }
    });
    layer
}

/// Row `s` of the leaves `first ..`, one in each lane, for all `s`. Lanes beyond the last leaf repeat it.
#[inline(always)]
fn read_leaves(column: &[F], first: usize, rows_per_query: usize, mut write: impl FnMut(usize, PackedF)) {
    if rows_per_query == WIDTH && first * WIDTH + WIDTH * WIDTH <= column.len() {
        let mut tile: [PackedF; WIDTH] =
            std::array::from_fn(|l| *PackedF::from_slice(&column[(first + l) * WIDTH..(first + l + 1) * WIDTH]));
        transpose(&mut tile);
        tile.into_iter().enumerate().for_each(|(s, vector)| write(s, vector));
        return;
    }
    let last = column.len() / rows_per_query - 1;
    for s in 0..rows_per_query {
        write(s, PackedF::from_fn(|l| column[(first + l).min(last) * rows_per_query + s]));
    }
}

/// A layer of `len` nodes from the one below: its first half compressed with its second.
fn parents(below: &[PackedDigest], len: usize) -> Vec<PackedDigest> {
    if len < WIDTH {
        let all = &below[0];
        let second = all.map(|vector| PackedF::from_fn(|l| vector.as_slice()[(len + l) % WIDTH]));
        return vec![compress(all, &second)];
    }
    let (first, second) = below.split_at(below.len() / 2);
    let mut layer = vec![[PackedF::ZERO; DIGEST_SIZE]; first.len()];
    layer.par_iter_mut().with_min_len(VECTORS_OF_TASK).zip(first.par_iter().zip(second)).for_each(
        |(node, (first, second))| {
            *node = compress(first, second);
        },
    );
    layer
}

fn lane_of(digest: &PackedDigest, lane: usize) -> Digest {
    std::array::from_fn(|i| digest[i].as_slice()[lane])
}

#[cfg(test)]
mod tests {
    use openvm_stark_backend::{
        StarkProtocolConfig,
        prover::{ColMajorMatrix, stacked_pcs::MerkleTree as Upstream},
        test_utils::test_system_params_small,
    };
    use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
    use p3_util::reverse_slice_index_bits;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn root_rows_and_paths_are_upstreams() {
        let config = BabyBearPoseidon2Config::default_from_params(test_system_params_small(2, 8, 3));
        let mut rng = StdRng::seed_from_u64(1);
        for (log_height, log_rows) in [(0, 0), (3, 3), (3, 1), (5, 2), (7, 0), (8, 4), (11, 4), (12, 3), (10, 5)] {
            for width in [1, 3, 8, 9, 20] {
                let height = 1 << log_height;
                let natural: Vec<F> = (0..width * height).map(|_| rng.random()).collect();
                let mut values = natural.clone();
                values.chunks_exact_mut(height).for_each(reverse_slice_index_bits);
                let matrix = ColMajorMatrix::new(natural, width);
                let expected = Upstream::new(config.hasher(), matrix, 1 << log_rows).unwrap();
                let tree = MerkleTree::new(Codeword { values, height }, 1 << log_rows);
                let what = format!("{width} columns of 2^{log_height}, 2^{log_rows} rows to a leaf");
                assert_eq!(tree.root(), expected.root().unwrap(), "{what}");
                for query in 0..height >> log_rows {
                    assert_eq!(tree.path(query), expected.query_merkle_proof(query).unwrap(), "{what}");
                    assert_eq!(tree.opened_rows(query).unwrap(), expected.get_opened_rows(query).unwrap(), "{what}");
                }
                assert!(tree.opened_rows(height >> log_rows).is_err());
            }
        }
    }
}
