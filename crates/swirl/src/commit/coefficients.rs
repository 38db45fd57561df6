//! What is encoded: from values on `D × {0,1}^n` to coefficients.
//!
//! Each block of values over `D` is interpolated; the monomials of `Z` become, bit by bit, the variables of a multilinear
//! polynomial, whose values are the coefficients of the message.

use p3_field::{Field, PackedValue, PrimeCharacteristicRing};
use rayon::prelude::*;

use crate::{
    linear::subset_sums_of_block,
    packing::{F, LOG_WIDTH, PackedF, WIDTH, transpose},
    skip_domain::SkipDomain,
};

/// Tiles that one parallel task takes.
const TILES_OF_TASK: usize = 16;

/// A run of values, one row of it in each lane: vector `i` holds value `i` of every row.
///
/// Rows are whole blocks over `D`, so that a block is consecutive vectors. Fewer values than a tile has make tiles of one
/// lane.
#[derive(Clone, Copy)]
pub struct Tiling {
    pub log_row: usize,
    pub lanes: usize,
}

impl Tiling {
    /// Rows of at least `2^log_row_min` values, as far as there are as many.
    pub fn new(log_len: usize, log_row_min: usize) -> Self {
        let log_row = log_row_min.max(LOG_WIDTH);
        match log_len >= log_row + LOG_WIDTH {
            true => Self { log_row, lanes: WIDTH },
            false => Self { log_row: log_row_min, lanes: 1 },
        }
    }

    /// Vectors of a tile.
    pub fn row(&self) -> usize {
        1 << self.log_row
    }

    /// Values of a tile.
    pub fn len(&self) -> usize {
        self.row() * self.lanes
    }

    /// Reads a tile.
    #[inline(always)]
    pub fn load(&self, values: &[F], vectors: &mut [PackedF]) {
        if self.lanes == 1 {
            vectors.iter_mut().zip(values).for_each(|(vector, value)| *vector = PackedF::from(*value));
            return;
        }
        for (part, tile) in vectors.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
            for (vector, row) in tile.iter_mut().zip(values.chunks_exact(self.row())) {
                *vector = *PackedF::from_slice(&row[part * WIDTH..(part + 1) * WIDTH]);
            }
            transpose(tile);
        }
    }

    /// Writes a tile.
    #[inline(always)]
    fn store(&self, vectors: &mut [PackedF], values: &mut [F]) {
        if self.lanes == 1 {
            values.iter_mut().zip(vectors).for_each(|(value, vector)| *value = vector.as_slice()[0]);
            return;
        }
        for (part, tile) in vectors.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
            transpose(tile);
            for (vector, row) in tile.iter().zip(values.chunks_exact_mut(self.row())) {
                row[part * WIDTH..(part + 1) * WIDTH].copy_from_slice(vector.as_slice());
            }
        }
    }
}

/// From values over `D` to coefficients, block by block.
pub struct ToCoefficients {
    pub domain: SkipDomain,
    scale: F,
}

impl ToCoefficients {
    pub fn new(l_skip: usize) -> Self {
        let domain = SkipDomain::new(l_skip, 1);
        Self { scale: F::from_usize(domain.len()).inverse(), domain }
    }

    /// Replaces the values in `vectors`; as much room in `scratch`.
    #[inline(always)]
    pub fn of_blocks(&self, vectors: &mut [PackedF], scratch: &mut [PackedF]) {
        let len = self.domain.len();
        for (block, scratch) in vectors.chunks_exact_mut(len).zip(scratch.chunks_exact_mut(len)) {
            self.domain.interpolate(block);
            subset_sums_of_block(block);
            // Interpolation leaves coefficients in bit-reversed order; subset sums keep it.
            scratch.copy_from_slice(block);
            for (i, vector) in block.iter_mut().enumerate() {
                *vector = scratch[self.domain.reversed(i)] * self.scale;
            }
        }
    }

    /// The coefficients of a whole column.
    pub fn of_column(&self, values: &[F], coefficients: &mut [F]) {
        let tiling = Tiling::new(values.len().trailing_zeros() as usize, self.domain.log_len);
        let len = (tiling.len() * TILES_OF_TASK).min(values.len());
        values.par_chunks(len).zip(coefficients.par_chunks_mut(len)).for_each(|(values, coefficients)| {
            let mut vectors = vec![PackedF::ZERO; tiling.row()];
            let mut scratch = vectors.clone();
            for (values, out) in values.chunks_exact(tiling.len()).zip(coefficients.chunks_exact_mut(tiling.len())) {
                tiling.load(values, &mut vectors);
                self.of_blocks(&mut vectors, &mut scratch);
                tiling.store(&mut vectors, out);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use openvm_stark_backend::prover::poly::eval_to_coeff_rs_message;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn coefficients_are_upstreams_at_every_size() {
        let mut rng = StdRng::seed_from_u64(1);
        for l_skip in 0..=6 {
            for log_len in l_skip..=14 {
                let values: Vec<F> = (0..1 << log_len).map(|_| rng.random()).collect();
                let mut coefficients = F::zero_vec(values.len());
                ToCoefficients::new(l_skip).of_column(&values, &mut coefficients);
                assert!(coefficients == eval_to_coeff_rs_message(l_skip, &values), "2^{log_len}, skipping 2^{l_skip}");
            }
        }
    }
}
