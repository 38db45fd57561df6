//! The S-box, the external linear layer, and the rounds that apply both to all sixteen elements.

use super::{
    constants::SCALE,
    lanes::{Lanes, MINUS_P, P, add, canonical, constant, each, fraction, high, loaded, low, shift_right, wide_square},
};

/// Where the sixth power is cut: `2⁴⁷ mod P` is below `2²⁷`.
const CUT: u32 = 47;
/// `(2⁴⁷ mod P) - 2⁴⁷` modulo `2⁵²`.
const FOLD: u64 = (1 << 52) - (1 << CUT) + (1 << CUT) % P;

/// What goes into S-boxes: `x = (k s + c) mod P` in `[0, P)`, where `k` is the scale, and its fraction.
pub struct Bases<const N: usize> {
    x: [Lanes; N],
    fractions: [Lanes; N],
}

impl<const N: usize> Bases<N> {
    /// For `s` below `2⁵²` and the biases of `c`.
    #[inline(always)]
    pub fn new(s: [Lanes; N], biases: [Lanes; N]) -> Self {
        let fractions = each(|n| fraction(s[n], SCALE, biases[n]));
        Self { x: each(|n| canonical(fractions[n])), fractions }
    }

    /// `x b mod P` in `[0, 2 P)`, for `b` below `2⁵⁰`.
    ///
    /// The quotient `⌊fraction b / 2⁵²⌋` is not too small, and at most 1 too large as `3 b < 2⁵²`. So the difference is in
    /// `[-P, P)`; it is raised by `P`.
    #[inline(always)]
    pub fn times(&self, b: [Lanes; N]) -> [Lanes; N] {
        let quotients = each::<N>(|n| high(constant(0), self.fractions[n], b[n]));
        let products = each::<N>(|n| low(loaded(&P), self.x[n], b[n]));
        each(|n| low(products[n], quotients[n], constant(MINUS_P)))
    }

    #[inline(always)]
    pub fn squares(&self) -> [Lanes; N] {
        self.times(self.x)
    }
}

/// The squares of values below `2³²`, modulo `P` and below `2⁴⁸`: of a high part `h < 2¹⁷` and a low part `l`, the sum
/// `l + h (2⁴⁷ mod P)` is below `2⁴⁷ + 2⁴⁴`.
#[inline(always)]
pub fn folded_squares<const N: usize>(values: [Lanes; N]) -> [Lanes; N] {
    let squares = each::<N>(|n| wide_square(values[n]));
    let above = each::<N>(|n| shift_right::<CUT>(squares[n]));
    each(|n| low(squares[n], above[n], constant(FOLD)))
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
            for j in 0..2 {
                let s: [Lanes; 8] = each(|i| state[8 * j + i]);
                let bases = Bases::new(s, each(|i| constant(biases[8 * j + i])));
                let cubes = bases.times(bases.squares());
                let powers = bases.times(folded_squares(cubes));
                state[8 * j..8 * j + 8].copy_from_slice(&powers);
            }
            external_layer(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::lanes::{
            Factor, bias,
            tests::{edges, values},
        },
        *,
    };

    #[test]
    fn products_are_below_twice_the_modulus() {
        for s in [0, 1, 2, P - 1, P, (1 << 52) - 1] {
            let bases = Bases::new([constant(s)], [constant(bias(0))]);
            let x = SCALE.times(Factor::new(s % P)).k;
            for b in edges(1 << 50) {
                let [product] = bases.times([constant(b)]).map(|product| values(product)[0]);
                assert!(product < 2 * P);
                assert_eq!(product as u128 % P as u128, x as u128 * b as u128 % P as u128);
            }
        }
    }

    #[test]
    fn folded_squares_are_small() {
        for value in edges(1 << 32) {
            let [square] = folded_squares([constant(value)]).map(|square| values(square)[0]);
            assert!(square < 1 << 48);
            assert_eq!(square % P, (value as u128 * value as u128 % P as u128) as u64);
        }
    }
}
