//! Reed-Solomon codewords: for each column of coefficients its values on a subgroup, in bit-reversed order.
//!
//! With blow-up `2^b` the values on each of the `2^b` cosets of the message's own subgroup stand together, so that a
//! codeword is `2^b` transforms of the message's size and none of zeros.

use p3_field::{PrimeCharacteristicRing, TwoAdicField};
use p3_util::{log2_strict_usize, reverse_bits_len};
use rayon::prelude::*;

use super::dft::{dif, shift, shifted};
use crate::packing::F;

pub struct Codeword {
    /// Column after column.
    pub values: Vec<F>,
    pub height: usize,
}

impl Codeword {
    /// Encodes `width` columns of `2^log_message` coefficients, each written by `coefficients`.
    pub fn encode(
        width: usize,
        log_message: usize,
        log_blowup: usize,
        coefficients: impl Fn(usize, &mut [F]) + Sync,
    ) -> Self {
        let height = 1 << (log_message + log_blowup);
        let mut values = F::zero_vec(width * height);
        values.par_chunks_exact_mut(height).enumerate().for_each(|(column, codeword)| {
            // The last coset's place holds the coefficients until its turn comes.
            let (cosets, last) = codeword.split_at_mut(height - (1 << log_message));
            coefficients(column, last);
            let shift_of = |coset: usize| {
                F::two_adic_generator(log_message + log_blowup).exp_u64(reverse_bits_len(coset, log_blowup) as u64)
            };
            cosets.par_chunks_exact_mut(last.len()).enumerate().for_each(|(coset, values)| {
                shifted(last, shift_of(coset), values);
                dif(values);
            });
            shift(last, shift_of((1 << log_blowup) - 1));
            dif(last);
        });
        Self { values, height }
    }

    pub fn width(&self) -> usize {
        self.values.len() / self.height
    }

    /// Row `i` of the codeword, counted in the order of its subgroup.
    pub fn row(&self, i: usize) -> Vec<F> {
        let position = reverse_bits_len(i, log2_strict_usize(self.height));
        self.values.chunks_exact(self.height).map(|column| column[position]).collect()
    }
}

#[cfg(test)]
mod tests {
    use p3_dft::{Radix2Dit, TwoAdicSubgroupDft};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn rows_are_values_of_the_padded_coefficients() {
        let mut rng = StdRng::seed_from_u64(1);
        for (log_message, log_blowup) in [(0, 0), (0, 2), (3, 1), (5, 4), (9, 3), (10, 0)] {
            let message: Vec<Vec<F>> = (0..3).map(|_| (0..1 << log_message).map(|_| rng.random()).collect()).collect();
            let codeword = Codeword::encode(3, log_message, log_blowup, |c, out| out.copy_from_slice(&message[c]));
            let expected: Vec<Vec<F>> = message
                .iter()
                .map(|message| {
                    let mut padded = message.clone();
                    padded.resize(codeword.height, F::ZERO);
                    Radix2Dit::default().dft(padded)
                })
                .collect();
            for i in 0..codeword.height {
                let row: Vec<F> = expected.iter().map(|column| column[i]).collect();
                assert_eq!(codeword.row(i), row, "row {i} of 2^{log_message} at blow-up 2^{log_blowup}");
            }
        }
    }
}
