//! Stacking: the columns of all traces one after another in columns of one height, transposed as they are copied.

use openvm_stark_backend::prover::{ColMajorMatrix, error::StackedPcsError, stacked_pcs::StackedLayout};
use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use p3_util::log2_strict_usize;
use rayon::prelude::*;

use crate::packing::{F, PackedF, WIDTH, transpose};

pub fn stack(
    l_skip: usize,
    n_stack: usize,
    traces: &[&RowMajorMatrix<F>],
) -> Result<(ColMajorMatrix<F>, StackedLayout), StackedPcsError> {
    let shapes = traces.iter().map(|trace| (trace.width, log2_strict_usize(trace.height()))).collect();
    let layout = StackedLayout::new(l_skip, l_skip + n_stack, shapes)?;
    let lifted = |trace: &RowMajorMatrix<F>| trace.height().max(1 << l_skip);
    let height = 1usize << (l_skip + n_stack);
    let cells: usize = traces.iter().map(|trace| lifted(trace) * trace.width).sum();
    let width = cells.div_ceil(height);
    let total = width.checked_mul(height).ok_or(StackedPcsError::StackedMatrixOverflow)?;

    let mut values = F::zero_vec(total);
    let mut rest = &mut values[..];
    let mut tasks = Vec::new();
    for trace in traces {
        let (columns, others) = rest.split_at_mut(lifted(trace) * trace.width);
        rest = others;
        let groups = columns.chunks_mut(lifted(trace) * WIDTH).enumerate();
        tasks.extend(groups.map(|(group, columns)| (*trace, group * WIDTH, columns)));
    }
    tasks.into_par_iter().for_each(|(trace, first, columns)| copy_columns(trace, first, lifted(trace), columns));
    Ok((ColMajorMatrix::new(values, width), layout))
}

/// Copies columns `first ..` of the trace, each to `len` cells, of which a short trace takes some at equal distances.
fn copy_columns(trace: &RowMajorMatrix<F>, first: usize, len: usize, columns: &mut [F]) {
    let (height, width) = (trace.height(), trace.width);
    let count = columns.len() / len;
    if height < WIDTH || height < len || count < WIDTH {
        let stride = len / height;
        for (c, column) in columns.chunks_exact_mut(len).enumerate() {
            for (row, cell) in column.iter_mut().step_by(stride).enumerate() {
                *cell = trace.values[row * width + first + c];
            }
        }
        return;
    }
    let mut tile = [PackedF::ZERO; WIDTH];
    for row in (0..height).step_by(WIDTH) {
        for (k, vector) in tile.iter_mut().enumerate() {
            *vector = *PackedF::from_slice(&trace.values[(row + k) * width + first..][..WIDTH]);
        }
        transpose(&mut tile);
        for (c, vector) in tile.iter().enumerate() {
            columns[c * len + row..][..WIDTH].copy_from_slice(vector.as_slice());
        }
    }
}
