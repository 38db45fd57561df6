//! The commitment to traces: stacked, encoded at the rate of the parameters, hashed row by row.
//!
//! In: upstream's row-major traces, tallest first. Out: what opening them takes, and the root.

mod codeword;
mod coefficients;
mod dft;
mod merkle;
mod stack;
mod upstream;

use openvm_cpu_backend::{CpuBackend, merkle::CpuMerkleTree};
use openvm_stark_backend::{
    SystemParams,
    prover::{ColMajorMatrix, MatrixDimensions, ProverBackend, error::StackedPcsError, stacked_pcs::StackedLayout},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest};
use p3_matrix::dense::RowMajorMatrix;
use p3_util::log2_strict_usize;
use tracing::{info_span, instrument};

use self::stack::stack;
pub use self::{
    codeword::Codeword,
    coefficients::{Tiling, ToCoefficients},
    merkle::MerkleTree,
};
use crate::packing::F;

/// Upstream's data for opening a commitment.
pub type PcsData = <CpuBackend<BabyBearPoseidon2Config> as ProverBackend>::PcsData;

/// The stacked columns, where each came from, and the tree over their codewords.
pub struct Stacked {
    layout: StackedLayout,
    matrix: ColMajorMatrix<F>,
    tree: MerkleTree,
}

impl Stacked {
    #[instrument(name = "commit", level = "info", skip_all)]
    pub fn commit(params: &SystemParams, traces: &[&RowMajorMatrix<F>]) -> Result<Self, StackedPcsError> {
        let (matrix, layout) = info_span!("stack").in_scope(|| stack(params.l_skip, params.n_stack, traces))?;
        let codeword = info_span!("encode").in_scope(|| {
            let to_coefficients = ToCoefficients::new(params.l_skip);
            Codeword::encode(matrix.width(), log2_strict_usize(matrix.height()), params.log_blowup, |column, out| {
                to_coefficients.of_column(matrix.column(column), out);
            })
        });
        let tree = info_span!("merkle_tree").in_scope(|| MerkleTree::new(codeword, 1 << params.k_whir()));
        Ok(Self { layout, matrix, tree })
    }

    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    pub fn committed(&self) -> Committed<'_> {
        Committed { layout: &self.layout, matrix: &self.matrix, tree: Tree::Ours(&self.tree) }
    }
}

/// What was committed to, by whichever prover.
#[derive(Clone, Copy)]
pub struct Committed<'a> {
    pub layout: &'a StackedLayout,
    pub matrix: &'a ColMajorMatrix<F>,
    pub tree: Tree<'a>,
}

impl<'a> From<&'a PcsData> for Committed<'a> {
    fn from(data: &'a PcsData) -> Self {
        Self { layout: &data.layout, matrix: &data.matrix, tree: Tree::Upstream(&data.tree) }
    }
}

/// A Merkle tree, in either order.
#[derive(Clone, Copy)]
pub enum Tree<'a> {
    Ours(&'a MerkleTree),
    Upstream(&'a CpuMerkleTree<F, Digest>),
}

impl Tree<'_> {
    /// Rows of the codeword.
    pub fn height(&self) -> usize {
        match self {
            Self::Ours(tree) => tree.codeword.height,
            Self::Upstream(tree) => MatrixDimensions::height(tree.backing_matrix()),
        }
    }

    /// The rows of a leaf, and the siblings on the way from it to the root.
    pub fn answer(&self, query: usize) -> Result<(Vec<Vec<F>>, Vec<Digest>), StackedPcsError> {
        Ok(match self {
            Self::Ours(tree) => (tree.opened_rows(query)?, tree.path(query)),
            Self::Upstream(tree) => (tree.get_opened_rows(query)?, tree.query_merkle_proof(query)?),
        })
    }
}
