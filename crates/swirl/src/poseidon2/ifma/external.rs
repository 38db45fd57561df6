//! The S-box, the external linear layer, and the rounds that apply both to all sixteen elements.

use super::{
    constants::SCALE,
    lanes::{Lanes, MINUS_P, P, add, canonical, constant, each, fraction, high, low, shift_right, wide_square},
};

/// Where the sixth power is cut: `2⁴⁷ mod P` is below `2²⁷`.
const CUT: u32 = 47;
/// `(2⁴⁷ mod P) - 2⁴⁷` modulo `2⁵²`.
const FOLD: u64 = (1 << 52) - (1 << CUT) + (1 << CUT) % P;

/// `(k s + c)⁷` in `[0, 2 P)`, where `k` is the scale, for `s` below `2⁵²` and the bias of `c`.
///
/// With `x` in `[0, P)` and its fraction, `x b - ⌊fraction b / 2⁵²⌋ P` is in `[-P, P)` as long as `3 b < 2⁵²`: the quotient
/// is not too small and at most 1 too large. Each such product is raised by `P`.
#[inline(always)]
pub fn seventh_powers<const N: usize>(s: [Lanes; N], biases: [Lanes; N]) -> [Lanes; N] {
    let (p, minus_p) = (constant(P), constant(MINUS_P));
    let fractions = each::<N>(|n| fraction(s[n], SCALE, biases[n]));
    let x = each::<N>(|n| canonical(fractions[n]));
    let times_x = |b: [Lanes; N]| {
        let quotients = each::<N>(|n| high(constant(0), fractions[n], b[n]));
        let products = each::<N>(|n| low(p, x[n], b[n]));
        each::<N>(|n| low(products[n], quotients[n], minus_p))
    };
    // In [0, 2 P), below 2³².
    let cubes = times_x(times_x(x));
    // Below 2⁶⁴. Of a high part h < 2¹⁷ and a low part, l + h (2⁴⁷ mod P) < 2⁴⁷ + 2⁴⁴.
    let squares = each::<N>(|n| wide_square(cubes[n]));
    let above = each::<N>(|n| shift_right::<CUT>(squares[n]));
    let sixth = each::<N>(|n| low(squares[n], above[n], constant(FOLD)));
    times_x(sixth)
}

/// The external linear layer: 35 times the largest of the values, at most.
#[inline(always)]
pub fn external_layer(state: &mut [Lanes; 16]) {
    let two = constant(2);
    let mut sums = [state[0], state[1], state[2], state[3]];
    for j in 0..4 {
        let [a, b, c, d] = [state[4 * j], state[4 * j + 1], state[4 * j + 2], state[4 * j + 3]];
        let (ab, cd) = (add(a, b), add(c, d));
        let all = add(ab, cd);
        let (all_b, all_d) = (add(all, b), add(all, d));
        let rows = [add(all_b, ab), low(all_b, c, two), add(all_d, cd), low(all_d, a, two)];
        for i in 0..4 {
            sums[i] = if j == 0 { rows[i] } else { add(sums[i], rows[i]) };
            state[4 * j + i] = rows[i];
        }
    }
    for (i, s) in state.iter_mut().enumerate() {
        *s = add(*s, sums[i % 4]);
    }
}

/// Rounds on values below `2⁵²`; the results are below `2³⁸`.
#[inline(never)]
pub fn external_rounds<const N: usize>(states: &mut [[Lanes; 16]; N], rounds: &[[u64; 16]; 4]) {
    for biases in rounds {
        for state in &mut *states {
            for j in 0..4 {
                let s: [Lanes; 4] = each(|i| state[4 * j + i]);
                let powers = seventh_powers(s, each(|i| constant(biases[4 * j + i])));
                state[4 * j..4 * j + 4].copy_from_slice(&powers);
            }
            external_layer(state);
        }
    }
}
