//! The polynomial that WHIR starts from: the stacked columns batched by `μ`, then taken from values to what was encoded.
//!
//! All of it is linear, so that the transforms are of one column in the extension and not of every column.

use openvm_stark_backend::prover::{MatrixDimensions, poly::eval_to_coeff_rs_message};
use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use crate::{
    buffer::filled,
    commit::PcsData,
    packing::{EF, F, Four, PackedEF, WIDTH, lane, vector},
};

/// Vectors of rows that one parallel task batches.
const VECTORS_OF_TASK: usize = 64;

pub fn batched_message(committed: &[&PcsData], mu: EF, l_skip: usize) -> Vec<EF> {
    let mut message = eval_to_coeff_rs_message(l_skip, &batched(committed, mu));
    subset_sums(&mut message);
    message
}

/// `Σ_j μ^j q_j`.
fn batched(committed: &[&PcsData], mu: EF) -> Vec<EF> {
    let height = committed.first().map_or(1, |data| data.matrix.height());
    let columns: Vec<&[F]> = committed.iter().flat_map(|data| data.matrix.values.chunks_exact(height)).collect();
    let powers: Vec<EF> = mu.powers().take(columns.len()).collect();
    let groups: Vec<_> =
        columns.chunks(4).zip(powers.chunks(4)).map(|(q, mu)| (q, Four::new(mu.iter().copied()))).collect();
    let rows = height.min(VECTORS_OF_TASK * WIDTH);
    let vectors = rows.div_ceil(WIDTH);
    filled(height / rows, rows, |task, batched| {
        let mut sums = vec![PackedEF::ZERO; vectors];
        for (q, powers) in &groups {
            for (v, sum) in sums.iter_mut().enumerate() {
                let at = |k: usize| vector(q[k.min(q.len() - 1)], task * vectors + v);
                *sum += powers.combine(&[at(0), at(1), at(2), at(3)]);
            }
        }
        (0..rows).for_each(|row| batched.push(lane(&sums[row / WIDTH], row % WIDTH)));
    })
}

/// Values that a task sums up among themselves before tasks meet.
const BLOCK: usize = 1 << 12;

/// Of each index the sum over all indices whose bits are among its own.
fn subset_sums(values: &mut [EF]) {
    let block = BLOCK.min(values.len());
    values.par_chunks_exact_mut(block).for_each(|values| {
        let mut half = 1;
        while half < values.len() {
            for pair in values.chunks_exact_mut(2 * half) {
                let (low, high) = pair.split_at_mut(half);
                low.iter().zip(high).for_each(|(low, high)| *high += *low);
            }
            half *= 2;
        }
    });
    let mut half = block;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            low.par_iter().zip(high).with_min_len(BLOCK).for_each(|(low, high)| *high += *low);
        }
        half *= 2;
    }
}
