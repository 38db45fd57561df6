//! A commitment as upstream holds it: rows and digests in the natural order. The values are the same.

use openvm_cpu_backend::merkle::CpuMerkleTree;
use openvm_stark_sdk::config::baby_bear_poseidon2::Digest;
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use p3_util::{log2_strict_usize, reverse_bits_len};
use rayon::prelude::*;

use super::{PcsData, Stacked, codeword::Codeword, merkle::MerkleTree};
use crate::packing::F;

/// Rows, or nodes, that one parallel task moves.
const OF_TASK: usize = 1 << 10;

impl Stacked {
    /// What upstream's prover opens.
    pub fn into_upstream(self) -> PcsData {
        PcsData::new(self.layout, self.matrix, natural_tree(&self.tree))
    }
}

fn natural_tree(tree: &MerkleTree) -> CpuMerkleTree<F, Digest> {
    let layers = (0..tree.layers()).map(|layer| {
        let len = 1_usize << (tree.layers() - 1 - layer);
        (0..len).into_par_iter().with_min_len(OF_TASK).map(|i| tree.node(layer, i)).collect()
    });
    // SAFETY: not about memory. The layers are the digests of these rows and their compressions up to the one root.
    unsafe { CpuMerkleTree::from_raw_parts(natural_rows(&tree.codeword), layers.collect(), tree.rows_per_query()) }
}

fn natural_rows(codeword: &Codeword) -> RowMajorMatrix<F> {
    let (width, log_height) = (codeword.width(), log2_strict_usize(codeword.height));
    let mut values = F::zero_vec(codeword.values.len());
    values.par_chunks_mut(OF_TASK * width).enumerate().for_each(|(task, rows)| {
        for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let position = reverse_bits_len(task * OF_TASK + i, log_height);
            let columns = codeword.values.chunks_exact(codeword.height);
            row.iter_mut().zip(columns).for_each(|(value, column)| *value = column[position]);
        }
    });
    RowMajorMatrix::new(values, width)
}

#[cfg(test)]
mod tests {
    use openvm_cpu_backend::CpuDevice;
    use openvm_stark_backend::{prover::TraceCommitter, test_utils::test_system_params_small};
    use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn commitments_are_upstreams() {
        let mut rng = StdRng::seed_from_u64(1);
        for (l_skip, n_stack, k) in [(2, 8, 3), (4, 8, 4), (0, 5, 2)] {
            let params = test_system_params_small(l_skip, n_stack, k);
            let device = CpuDevice::new(BabyBearPoseidon2Config::default_from_params(params.clone()));
            let traces: Vec<_> = [(3, 5), (20, 5), (1, 2), (2, 0)]
                .map(|(width, log_height)| {
                    RowMajorMatrix::new((0..width << log_height).map(|_| rng.random()).collect::<Vec<F>>(), width)
                })
                .into();
            let traces: Vec<_> = traces.iter().collect();
            let (root, expected) = device.commit(&traces).unwrap();
            let stacked = Stacked::commit(&params, &traces).unwrap();
            assert_eq!(stacked.root(), root);
            let data = stacked.into_upstream();
            assert_eq!(data.matrix.values, expected.matrix.values);
            assert_eq!(data.tree.backing_matrix(), expected.tree.backing_matrix());
            assert_eq!(data.tree.digest_layers(), expected.tree.digest_layers());
            assert_eq!(data.tree.rows_per_query(), expected.tree.rows_per_query());
        }
    }
}
