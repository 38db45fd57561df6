//! The Reed-Solomon code: from values on `D × {0,1}^n` to coefficients, and from those to the values of the codeword.
//!
//! Each column's values over `D` are interpolated; the monomials of `Z` become, bit by bit, the variables of a multilinear
//! polynomial, whose values are the coefficients of the message.

use std::sync::LazyLock;

use openvm_stark_backend::prover::{ColMajorMatrix, MatrixDimensions};
use p3_dft::{Radix2DitParallel, TwoAdicSubgroupDft};
use p3_field::{Field, PackedValue, PrimeCharacteristicRing};
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use rayon::prelude::*;

use crate::{
    packing::{F, PackedF, WIDTH, transpose},
    skip_domain::SkipDomain,
};

/// Keeps its tables of roots from proof to proof.
static DFT: LazyLock<Radix2DitParallel<F>> = LazyLock::new(Radix2DitParallel::default);

pub fn encode(stacked: &ColMajorMatrix<F>, l_skip: usize, log_blowup: usize) -> RowMajorMatrix<F> {
    let (height, width) = (stacked.height(), stacked.width());
    let domain = SkipDomain::new(l_skip, 1);
    let rows_of_task = domain.len().max(WIDTH).min(height);
    let mut message = F::zero_vec((height << log_blowup) * width);
    let tasks = message[..height * width].par_chunks_exact_mut(rows_of_task * width).enumerate();
    tasks.for_each(|(task, rows)| coefficients(stacked, &domain, task * rows_of_task, rows));
    dft(message, width)
}

/// The values of each column's polynomial on the subgroup of the matrix's height.
pub fn dft(coefficients: Vec<F>, width: usize) -> RowMajorMatrix<F> {
    DFT.dft_batch(RowMajorMatrix::new(coefficients, width)).to_row_major_matrix()
}

/// Row-major coefficients from column-major values, for the rows from `first` on; lanes are columns.
fn coefficients(stacked: &ColMajorMatrix<F>, domain: &SkipDomain, first: usize, rows: &mut [F]) {
    let (height, width) = (stacked.height(), stacked.width());
    let scale = F::from_usize(domain.len()).inverse();
    let count = rows.len() / width;
    let mut vectors = vec![PackedF::ZERO; count];
    for column in (0..width).step_by(WIDTH) {
        let lanes = WIDTH.min(width - column);
        if count.is_multiple_of(WIDTH) {
            for (k, tile) in vectors.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
                for (l, vector) in tile.iter_mut().enumerate() {
                    // Lanes beyond the last column repeat it, and are not written.
                    let start = (column + l.min(lanes - 1)) * height + first + k * WIDTH;
                    *vector = *PackedF::from_slice(&stacked.values[start..start + WIDTH]);
                }
                transpose(tile);
            }
        } else {
            for (z, vector) in vectors.iter_mut().enumerate() {
                *vector = PackedF::from_fn(|l| stacked.values[(column + l.min(lanes - 1)) * height + first + z]);
            }
        }
        for block in vectors.chunks_exact_mut(domain.len()) {
            domain.interpolate(block);
            subset_sums(block);
        }
        for (row, cells) in rows.chunks_exact_mut(width).enumerate() {
            // Interpolation leaves coefficients in bit-reversed order; subset sums keep it.
            let vector = vectors[row / domain.len() * domain.len() + domain.reversed(row % domain.len())] * scale;
            cells[column..column + lanes].copy_from_slice(&vector.as_slice()[..lanes]);
        }
    }
}

/// Of each index the sum over all indices whose bits are among its own.
#[inline(always)]
fn subset_sums(values: &mut [PackedF]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            low.iter().zip(high).for_each(|(low, high)| *high += *low);
        }
        half *= 2;
    }
}
