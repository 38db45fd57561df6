//! The permutation in AVX-512 IFMA: eight states in 64-bit lanes of the even elements of packed values, eight of the odd.

mod constants;
mod external;
mod internal;
mod lanes;

use std::array;

use constants::{INITIAL, TERMINAL};
use external::{external_layer, external_rounds};
use internal::internal_rounds;
use lanes::{Factor, Lanes, bias, canonical, constant, fraction, join, split};

use super::STATE;
use crate::packing::PackedF;

/// Montgomery forms modulo `P`, below `2³⁸`.
pub struct State {
    halves: [[Lanes; STATE]; 2],
}

impl Default for State {
    #[inline(always)]
    fn default() -> Self {
        Self { halves: [[constant(0); STATE]; 2] }
    }
}

impl State {
    #[inline(always)]
    pub fn overwrite(&mut self, from: usize, values: &[PackedF]) {
        for (i, value) in values.iter().enumerate() {
            [self.halves[0][from + i], self.halves[1][from + i]] = split(*value);
        }
    }

    #[inline(always)]
    pub fn permute(&mut self) {
        self.halves.iter_mut().for_each(external_layer);
        external_rounds(&mut self.halves, &INITIAL);
        internal_rounds(&mut self.halves);
        external_rounds(&mut self.halves, &TERMINAL);
    }

    #[inline(always)]
    pub fn first<const N: usize>(&self) -> [PackedF; N] {
        let bias = constant(bias(0));
        array::from_fn(|i| {
            let forms = self.halves.each_ref().map(|half| canonical(fraction(half[i], Factor::ONE, bias)));
            // SAFETY: `canonical` leaves values in [0, P), and nothing above them.
            unsafe { join(forms) }
        })
    }
}
