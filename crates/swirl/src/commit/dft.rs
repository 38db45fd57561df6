//! The transform by decimation in frequency: coefficients in their order in, values in bit-reversed order out.
//!
//! Blocks too large for the cache are quartered first, two steps of the transform in one pass over memory, with the roots
//! computed as they are needed; what is left is Plonky3's.

use std::sync::LazyLock;

use p3_baby_bear::BabyBear;
use p3_field::{PackedValue, PrimeCharacteristicRing, TwoAdicField};
use p3_util::log2_strict_usize;
use rayon::prelude::*;

use crate::packing::{F, PackedF, WIDTH};

/// Values of the largest block that is transformed in one piece, as a logarithm: with its roots it fits a second-level cache.
const LOG_BLOCK_MAX: usize = 16;

/// Vectors that one parallel task takes.
const VECTORS_OF_TASK: usize = 1 << 9;

/// For each size up to the largest block the roots of unity that a step multiplies with.
static ROOTS: LazyLock<Vec<Vec<F>>> = LazyLock::new(|| BabyBear::roots_of_unity_table(1 << LOG_BLOCK_MAX));

/// Value `rev(i)` becomes `Σ_j values_j ω^(i j)`, where `ω` generates the group of the slice's length.
pub fn dif(values: &mut [F]) {
    let log_len = log2_strict_usize(values.len());
    if log_len > LOG_BLOCK_MAX {
        quarter(values, F::two_adic_generator(log_len));
        values.par_chunks_exact_mut(values.len() / 4).for_each(dif);
    } else if log_len > 0 {
        BabyBear::forward_fft(values, &ROOTS[..log_len - 1]);
    }
}

/// Two steps: four blocks whose transforms are those at indices 0, 2, 1 and 3 modulo 4.
fn quarter(values: &mut [F], omega: F) {
    let quarter = values.len() / 4;
    let imaginary = PackedF::from(F::two_adic_generator(2));
    let mut quarters = PackedF::pack_slice_mut(values).chunks_exact_mut(quarter / WIDTH);
    let mut next = || quarters.next().unwrap_or_default().par_chunks_mut(VECTORS_OF_TASK);
    let (a, b, c, d) = (next(), next(), next(), next());
    a.zip(b).zip(c).zip(d).enumerate().for_each(|(task, (((a, b), c), d))| {
        let (mut root, step) = powers(omega, task * VECTORS_OF_TASK * WIDTH);
        for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
            let (root_2, even, odd) = (root.square(), *a + *c, *a - *c);
            let (even_rest, odd_rest) = (*b + *d, (*b - *d) * imaginary);
            *a = even + even_rest;
            *b = (even - even_rest) * root_2;
            *c = (odd + odd_rest) * root;
            *d = (odd - odd_rest) * (root * root_2);
            root *= step;
        }
    });
}

/// Coefficient `j` times `shift^j`, in place: what takes evaluations to a coset.
pub fn shift(coefficients: &mut [F], shift: F) {
    let tasks = coefficients.par_chunks_mut(VECTORS_OF_TASK * WIDTH).enumerate();
    tasks.for_each(|(task, coefficients)| multiply_by_powers(coefficients, shift, task * VECTORS_OF_TASK * WIDTH));
}

/// [`shift`] to another place.
pub fn shifted(coefficients: &[F], shift: F, out: &mut [F]) {
    let len = VECTORS_OF_TASK * WIDTH;
    out.par_chunks_mut(len).zip(coefficients.par_chunks(len)).enumerate().for_each(|(task, (out, coefficients))| {
        out.copy_from_slice(coefficients);
        multiply_by_powers(out, shift, task * len);
    });
}

fn multiply_by_powers(values: &mut [F], base: F, from: usize) {
    if values.len() < WIDTH {
        let powers = base.shifted_powers(base.exp_u64(from as u64));
        values.iter_mut().zip(powers).for_each(|(value, power)| *value *= power);
        return;
    }
    let (mut power, step) = powers(base, from);
    for value in PackedF::pack_slice_mut(values) {
        *value *= power;
        power *= step;
    }
}

/// `base^from`, and on in the other lanes; and what takes these to the next vector.
fn powers(base: F, from: usize) -> (PackedF, PackedF) {
    let mut powers = base.shifted_powers(base.exp_u64(from as u64));
    let first = PackedF::from_fn(|_| powers.next().unwrap_or(F::ZERO));
    (first, PackedF::from(base.exp_u64(WIDTH as u64)))
}

#[cfg(test)]
mod tests {
    use p3_dft::{Radix2Dit, TwoAdicSubgroupDft};
    use p3_field::Field;
    use p3_util::reverse_slice_index_bits;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn values_are_those_of_plonky3_in_bit_reversed_order() {
        let mut rng = StdRng::seed_from_u64(1);
        for log_len in (0..=12).chain([LOG_BLOCK_MAX, LOG_BLOCK_MAX + 1, LOG_BLOCK_MAX + 2, LOG_BLOCK_MAX + 3]) {
            let coefficients: Vec<F> = (0..1 << log_len).map(|_| rng.random()).collect();
            let mut expected = Radix2Dit::default().dft(coefficients.clone());
            reverse_slice_index_bits(&mut expected);
            let mut values = coefficients;
            dif(&mut values);
            assert!(values == expected, "2^{log_len} values");
        }
    }

    #[test]
    fn shifting_multiplies_with_powers() {
        let by = F::GENERATOR;
        for log_len in [0, 2, 4, 7, 15] {
            let coefficients: Vec<F> = (0..1 << log_len).map(|i| F::from_u32(i + 9)).collect();
            let mut out = F::zero_vec(coefficients.len());
            shifted(&coefficients, by, &mut out);
            for (j, (out, c)) in out.iter().zip(&coefficients).enumerate() {
                assert_eq!(*out, *c * by.exp_u64(j as u64), "coefficient {j} of 2^{log_len}");
            }
            let mut in_place = coefficients;
            shift(&mut in_place, by);
            assert_eq!(in_place, out);
        }
    }
}
