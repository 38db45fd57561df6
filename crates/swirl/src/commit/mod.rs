//! The commitment to the common main traces: stacked, encoded at the rate of the parameters, hashed row by row.
//!
//! In: upstream's row-major traces, tallest first. Out: upstream's data for opening them, and the root.

mod encode;
mod merkle;
mod stack;

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::{
    SystemParams,
    prover::{ProverBackend, error::StackedPcsError},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config, Digest};
use p3_matrix::dense::RowMajorMatrix;
use tracing::{info_span, instrument};

pub use self::{encode::dft, merkle::merkle_tree};
use self::{encode::encode, stack::stack};
use crate::packing::F;

/// The stacked columns, where each came from, and the Merkle tree over their codewords.
pub type PcsData = <CpuBackend<BabyBearPoseidon2Config> as ProverBackend>::PcsData;

#[instrument(level = "info", skip_all)]
pub fn commit(params: &SystemParams, traces: &[&RowMajorMatrix<F>]) -> Result<(Digest, PcsData), StackedPcsError> {
    let (stacked, layout) = info_span!("stack").in_scope(|| stack(params.l_skip, params.n_stack, traces))?;
    let codeword = info_span!("encode").in_scope(|| encode(&stacked, params.l_skip, params.log_blowup));
    let tree = info_span!("merkle_tree").in_scope(|| merkle_tree(codeword, 1 << params.k_whir()));
    let root = tree.root()?;
    Ok((root, PcsData::new(layout, stacked, tree)))
}
