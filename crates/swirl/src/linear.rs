//! Multilinear polynomials given by their values: what a round of a sumcheck over a product of two of them takes.

use std::ops::AddAssign;

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use crate::packing::EF;

/// Pairs of points that one parallel task takes.
const PAIRS: usize = 1 << 11;

/// `Σ_y f(X, y) g(X, y)` at `X = 1, 2`.
pub fn product_sums(f: &[EF], g: &[EF]) -> [EF; 2] {
    let sums = f.par_chunks(2 * PAIRS).zip(g.par_chunks(2 * PAIRS)).map(|(f, g)| {
        let mut sums = [EF::ZERO; 2];
        for (f, g) in f.as_chunks::<2>().0.iter().zip(g.as_chunks::<2>().0) {
            sums[0] += f[1] * g[1];
            sums[1] += (f[1].double() - f[0]) * (g[1].double() - g[0]);
        }
        sums
    });
    sums.reduce(|| [EF::ZERO; 2], |a, b| [a[0] + b[0], a[1] + b[1]])
}

/// Binds the lowest variable to `r`.
pub fn fold(values: &[EF], r: EF) -> Vec<EF> {
    let pairs = values.as_chunks::<2>().0.par_iter().with_min_len(PAIRS);
    pairs.map(|[low, high]| *low + (*high - *low) * r).collect()
}

/// `Σ_i coefficients_i z^i`.
pub fn evaluate(coefficients: &[EF], z: EF) -> EF {
    let horner = |coefficients: &[EF], z: EF| coefficients.iter().rfold(EF::ZERO, |value, c| value * z + *c);
    let blocks: Vec<EF> = coefficients.par_chunks(PAIRS).map(|coefficients| horner(coefficients, z)).collect();
    horner(&blocks, z.exp_u64(PAIRS as u64))
}

/// Binds the lowest variable to `r` in coefficients.
pub fn fold_coefficients(coefficients: &[EF], r: EF) -> Vec<EF> {
    let pairs = coefficients.as_chunks::<2>().0.par_iter().with_min_len(PAIRS);
    pairs.map(|[low, high]| *low + *high * r).collect()
}

/// From coefficients to values: of each index the sum over all indices whose bits are among its own.
pub fn subset_sums(values: &mut [EF]) {
    let block = (2 * PAIRS).min(values.len());
    values.par_chunks_exact_mut(block).for_each(subset_sums_of_block);
    let mut half = block;
    while half < values.len() {
        for pair in values.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            low.par_iter().zip(high).with_min_len(PAIRS).for_each(|(low, high)| *high += *low);
        }
        half *= 2;
    }
}

/// [`subset_sums`] on one thread, of whatever can be added.
#[inline(always)]
pub fn subset_sums_of_block<A: Copy + AddAssign>(values: &mut [A]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            low.iter().zip(high).for_each(|(low, high)| *high += *low);
        }
        half *= 2;
    }
}
