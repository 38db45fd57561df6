//! What a round's samples add to the weights: `eq` at the powers of two of each sample.
//!
//! `eq` is a product of a factor for the low bits of an index and one for the high bits, so the sum over all samples is a
//! product of two matrices, and no sample needs a table of the full length.

use openvm_stark_backend::{poly_common::Squarable, prover::poly::evals_eq_hypercube};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_util::log2_strict_usize;
use rayon::prelude::*;

use crate::packing::{EF, F, Four, PackedEF, WIDTH, lane, vector};

const LOG_LOW: usize = 8;

/// `w += γ eq(z_0, ·) + Σ_q γ^(q + 2) eq(z_q, ·)`, each `z` standing for its powers of two.
pub fn add_eq_of_powers(w: &mut [EF], z_0: EF, zs: &[F], gamma: EF) {
    let variables = log2_strict_usize(w.len());
    let low_variables = variables.min(LOG_LOW);
    let [low_0, high_0] = tables(z_0, variables, low_variables);
    let tables: Vec<[Vec<F>; 2]> = zs.iter().map(|z| tables(*z, variables, low_variables)).collect();
    let powers: Vec<EF> = gamma.powers().skip(2).take(zs.len()).collect();

    w.par_chunks_exact_mut(1 << low_variables).enumerate().for_each(|(high, w)| {
        let factor = gamma * high_0[high];
        w.iter_mut().zip(&low_0).for_each(|(w, low)| *w += factor * *low);
        let mut sums = vec![PackedEF::ZERO; w.len().div_ceil(WIDTH)];
        for (samples, powers) in tables.chunks(4).zip(powers.chunks(4)) {
            let factors = Four::new(samples.iter().zip(powers).map(|([_, of_high], power)| *power * of_high[high]));
            for (v, sum) in sums.iter_mut().enumerate() {
                let at = |k: usize| vector(&samples[k.min(samples.len() - 1)][0], v);
                *sum += factors.combine(&[at(0), at(1), at(2), at(3)]);
            }
        }
        w.iter_mut().enumerate().for_each(|(i, w)| *w += lane(&sums[i / WIDTH], i % WIDTH));
    });
}

/// `eq` at the powers of two of `z`, over the low bits of an index and over the high ones.
fn tables<A: Field>(z: A, variables: usize, low_variables: usize) -> [Vec<A>; 2] {
    let powers: Vec<A> = z.exp_powers_of_2().take(variables).collect();
    [evals_eq_hypercube(&powers[..low_variables]), evals_eq_hypercube(&powers[low_variables..])]
}
