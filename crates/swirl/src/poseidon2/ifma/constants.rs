//! The round constants, as biases.

use p3_baby_bear::{BABYBEAR_RC16_EXTERNAL_FINAL, BABYBEAR_RC16_EXTERNAL_INITIAL, BABYBEAR_RC16_INTERNAL, BabyBear};

use super::lanes::{Factor, P, bias};

/// What an S-box multiplies with: `2³²` to the power of `-6 / 7`. So the seventh power of a Montgomery form is one.
pub const SCALE: Factor = {
    let seventh = (6 * (P - 1) + 1) / 7;
    assert!(seventh * 7 % (P - 1) == 1);
    Factor::new((1 << 32) % P).power(P - 1 - 6 * seventh % (P - 1))
};

pub static INITIAL: [[u64; 16]; 4] = external(BABYBEAR_RC16_EXTERNAL_INITIAL);
pub static TERMINAL: [[u64; 16]; 4] = external(BABYBEAR_RC16_EXTERNAL_FINAL);
pub static INTERNAL: [u64; 13] = biases(BABYBEAR_RC16_INTERNAL);

const fn biases<const N: usize>(constants: [BabyBear; N]) -> [u64; N] {
    let mut biases = [0; N];
    let mut i = 0;
    while i < N {
        // SAFETY: a `BabyBear` is a `u32`, its Montgomery form, in a transparent wrapper.
        let form: u32 = unsafe { std::mem::transmute(constants[i]) };
        biases[i] = bias(SCALE.times(Factor::new(form as u64)).k);
        i += 1;
    }
    biases
}

const fn external([a, b, c, d]: [[BabyBear; 16]; 4]) -> [[u64; 16]; 4] {
    [biases(a), biases(b), biases(c), biases(d)]
}
