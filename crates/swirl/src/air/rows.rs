//! A trace's parts, read row by row in memory and column by column in vectors.

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::prover::{AirProvingContext, DeviceStarkProvingKey};
use openvm_stark_sdk::config::baby_bear_poseidon2::BabyBearPoseidon2Config;
use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_matrix::{Matrix, dense::RowMajorMatrix};

use crate::packing::{F, PackedF, WIDTH, transpose};

type PB = CpuBackend<BabyBearPoseidon2Config>;

/// The selectors of a row, in this order: is it the first, does another follow, is it the last.
pub const SELECTORS: usize = 3;

/// The matrices that a row of one AIR is made of: preprocessed if there is one, cached, common.
pub struct Parts<'a> {
    pub matrices: Vec<&'a RowMajorMatrix<F>>,
    pub height: usize,
    pub has_preprocessed: bool,
}

impl<'a> Parts<'a> {
    pub fn new(pk: &'a DeviceStarkProvingKey<PB>, trace: &'a AirProvingContext<PB>) -> Self {
        let preprocessed = pk.preprocessed_data.as_ref().map(|data| &data.trace);
        let cached = trace.cached_mains.iter().map(|data| &data.trace);
        let matrices = preprocessed.into_iter().chain(cached).chain([&trace.common_main]).collect();
        Self { matrices, height: trace.common_main.height(), has_preprocessed: preprocessed.is_some() }
    }

    /// Columns of all parts together.
    pub fn width(&self) -> usize {
        self.matrices.iter().map(|matrix| matrix.width).sum()
    }

    /// Where a part's columns begin among all.
    pub fn offset(&self, part: usize) -> usize {
        self.matrices[..part].iter().map(|matrix| matrix.width).sum()
    }

    /// Every column at the rows `rows`, one per lane; `columns` holds one vector for each column.
    #[inline(always)]
    pub fn gather(&self, rows: &[usize; WIDTH], columns: &mut [PackedF]) {
        let mut rest = columns;
        for matrix in &self.matrices {
            let (columns, others) = rest.split_at_mut(matrix.width);
            gather(matrix, rows, columns);
            rest = others;
        }
    }
}

/// Every column at the rows `rows`, one per lane.
#[inline(always)]
fn gather(matrix: &RowMajorMatrix<F>, rows: &[usize; WIDTH], columns: &mut [PackedF]) {
    let width = matrix.width;
    let tiles = width / WIDTH;
    let mut tile = [PackedF::ZERO; WIDTH];
    for (t, columns) in columns[..tiles * WIDTH].chunks_exact_mut(WIDTH).enumerate() {
        for (vector, row) in tile.iter_mut().zip(rows) {
            *vector = *PackedF::from_slice(&matrix.values[row * width + t * WIDTH..][..WIDTH]);
        }
        transpose(&mut tile);
        columns.copy_from_slice(&tile);
    }
    if width >= WIDTH && tiles * WIDTH < width {
        // The last columns, with some of the tile before them.
        for (vector, row) in tile.iter_mut().zip(rows) {
            *vector = *PackedF::from_slice(&matrix.values[row * width + width - WIDTH..][..WIDTH]);
        }
        transpose(&mut tile);
        columns[width - WIDTH..].copy_from_slice(&tile);
    } else {
        for (column, vector) in columns.iter_mut().enumerate().skip(tiles * WIDTH) {
            *vector = PackedF::from_fn(|l| matrix.values[rows[l] * width + column]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_any_width_are_gathered_from_any_rows() {
        for width in [1, 3, WIDTH, WIDTH + 1, 2 * WIDTH, 2 * WIDTH + 5] {
            let value = |row: usize, column: usize| F::from_usize(row * 1000 + column);
            let values = (0..40 * width).map(|i| value(i / width, i % width)).collect();
            let matrix = RowMajorMatrix::new(values, width);
            let rows = std::array::from_fn(|l| (7 * l + 3) % 40);
            let mut columns = vec![PackedF::ZERO; width];
            gather(&matrix, &rows, &mut columns);
            for (column, vector) in columns.iter().enumerate() {
                assert!((0..WIDTH).all(|l| vector.as_slice()[l] == value(rows[l], column)));
            }
        }
    }
}
