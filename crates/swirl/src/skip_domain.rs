//! The domain `D = ⟨ω⟩` that the first round skips over: transforms of vectors to its cosets `g^c D`, and its Lagrange basis.

use p3_field::{Field, PrimeCharacteristicRing, TwoAdicField, batch_multiplicative_inverse};

use crate::packing::{EF, F, PackedF};

pub struct SkipDomain {
    pub log_len: usize,
    pub omega_powers: Vec<F>,
    inverse_powers: Vec<F>,
    /// For each coset but `D` itself: what the coefficients, in bit-reversed order, are multiplied with.
    twists: Vec<Vec<F>>,
    /// For each coset its shift.
    pub shifts: Vec<F>,
}

impl SkipDomain {
    /// With the cosets `D`, `g D`, …, `g^(cosets - 1) D`.
    pub fn new(log_len: usize, cosets: usize) -> Self {
        let len = 1 << log_len;
        let omega = F::two_adic_generator(log_len);
        let shifts: Vec<F> = F::GENERATOR.powers().take(cosets).collect();
        let scale = F::from_usize(len).inverse();
        let twist = |shift: &F| (0..len).map(|i| shift.exp_u64(reversed(i, log_len) as u64) * scale).collect();
        Self {
            log_len,
            omega_powers: omega.powers().take(len).collect(),
            inverse_powers: omega.inverse().powers().take(len).collect(),
            twists: shifts.iter().map(twist).collect(),
            shifts,
        }
    }

    pub fn len(&self) -> usize {
        1 << self.log_len
    }

    /// Index `i` with its bits in reverse order.
    pub fn reversed(&self, i: usize) -> usize {
        reversed(i, self.log_len)
    }

    /// From values on `D` to coefficients, unscaled and in bit-reversed order.
    #[inline(always)]
    pub fn interpolate(&self, values: &mut [PackedF]) {
        let mut half = self.len() / 2;
        while half > 0 {
            let stride = self.len() / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (j, (low, high)) in low.iter_mut().zip(high).enumerate() {
                    let difference = *low - *high;
                    *low += *high;
                    *high = if j == 0 { difference } else { difference * self.inverse_powers[j * stride] };
                }
            }
            half /= 2;
        }
    }

    /// From [`Self::interpolate`]'s coefficients to values on coset `c`.
    #[inline(always)]
    pub fn evaluate(&self, coefficients: &[PackedF], c: usize, values: &mut [PackedF]) {
        for ((value, coefficient), twist) in values.iter_mut().zip(coefficients).zip(&self.twists[c]) {
            *value = *coefficient * *twist;
        }
        let mut half = 1;
        while half < self.len() {
            let stride = self.len() / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (j, (low, high)) in low.iter_mut().zip(high).enumerate() {
                    let twisted = if j == 0 { *high } else { *high * self.omega_powers[j * stride] };
                    *high = *low - twisted;
                    *low += twisted;
                }
            }
            half *= 2;
        }
    }

    /// `L_i(x)`: one at `ω^i`, zero on the rest of `D`.
    pub fn lagrange(&self, i: usize, x: F) -> F {
        let at = self.omega_powers[i];
        match (x - at).try_inverse() {
            Some(inverse) => {
                (x.exp_power_of_2(self.log_len) - F::ONE) * at * inverse * F::from_usize(self.len()).inverse()
            }
            None => F::ONE,
        }
    }

    /// `L_i(r)` for every `i`.
    pub fn lagrange_at(&self, r: EF) -> Vec<EF> {
        let differences: Vec<EF> = self.omega_powers.iter().map(|at| r - *at).collect();
        let scale = (r.exp_power_of_2(self.log_len) - EF::ONE) * F::from_usize(self.len()).inverse();
        let inverses = batch_multiplicative_inverse(&differences);
        inverses.into_iter().zip(&self.omega_powers).map(|(inverse, at)| inverse * *at * scale).collect()
    }

    /// The indices in `D` that row `row` of a trace of `height` rows, repeated, stands at in the block that holds it.
    pub fn indices_of(&self, row: usize, height: usize) -> impl Iterator<Item = usize> {
        (row % self.len()..self.len()).step_by(height)
    }
}

fn reversed(i: usize, bits: usize) -> usize {
    if bits == 0 { 0 } else { i.reverse_bits() >> (usize::BITS as usize - bits) }
}

#[cfg(test)]
mod tests {
    use p3_field::PackedValue;

    use super::*;

    #[test]
    fn values_on_cosets_are_those_of_the_interpolating_polynomial() {
        for log_len in 0..5 {
            let domain = SkipDomain::new(log_len, 3);
            let on_d: Vec<F> = (0..domain.len()).map(|i| F::from_usize(i * i + 5)).collect();
            let mut coefficients: Vec<PackedF> = on_d.iter().map(|value| PackedF::from(*value)).collect();
            domain.interpolate(&mut coefficients);
            for c in 0..3 {
                let mut values = coefficients.clone();
                domain.evaluate(&coefficients, c, &mut values);
                for (i, value) in values.iter().enumerate() {
                    let x = domain.shifts[c] * domain.omega_powers[i];
                    let expected: F = (0..domain.len()).map(|j| on_d[j] * domain.lagrange(j, x)).sum();
                    assert_eq!(value.as_slice()[0], expected);
                }
            }
        }
    }
}
