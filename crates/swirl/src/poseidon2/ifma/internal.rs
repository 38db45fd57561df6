//! The internal rounds.
//!
//! One round takes `s₀` to its seventh power, and then `s_i` to `d_i s_i + σ`, where `σ` is the sum of all. Five pairs of
//! the `d_i` differ in their sign. Of such a pair `u' = d u + σ`, `v' = -d v + σ` this keeps the half sum
//! `α = (u + v) / 2` and its predecessor: `α` is followed by `d (u - v) / 2 + σ`, that by `d² α + σ'`. So a round costs one
//! product of a pair, and `u`, `v` are `α ± d` times the predecessor.

use super::{
    constants::INTERNAL,
    external::seventh_powers,
    lanes::{Factor, Lanes, MINUS_P, P, add, constant, each, high, low, reduced, sub},
};

/// Two elements, `d` at the first and `-d` at the second.
struct Pair {
    plus: usize,
    minus: usize,
    d: Factor,
    square: Factor,
    /// `1 / 2 d`.
    half: Factor,
}

impl Pair {
    const fn new(plus: usize, minus: usize, d: Factor) -> Self {
        Self { plus, minus, d, square: d.times(d), half: Factor::inverse(2 * d.k % P) }
    }
}

const PAIRS: [Pair; 5] = [
    Pair::new(4, 7, Factor::new(3)),
    Pair::new(5, 8, Factor::new(4)),
    Pair::new(15, 12, Factor::new(15)),
    Pair::new(3, 6, Factor::inverse(2)),
    Pair::new(9, 13, Factor::inverse(1 << 8)),
];
/// The pairs whose `d²` is small.
const SMALL: usize = 2;

/// `sum + d s` modulo `P`, above `sum` by `raise P ..= (raise + 2) P`.
#[inline(always)]
fn scaled(sum: Lanes, s: Lanes, d: Factor, raise: u64) -> Lanes {
    let quotient = high(constant(raise.wrapping_neg()), s, constant(d.high));
    low(low(sum, s, constant(d.k)), quotient, constant(MINUS_P))
}

struct State<const N: usize> {
    s_0: [Lanes; N],
    s_1: [Lanes; N],
    s_2: [Lanes; N],
    s_10: [Lanes; N],
    s_11: [Lanes; N],
    s_14: [Lanes; N],
}

impl<const N: usize> State<N> {
    /// One round; `pairs` are the half sums, and `after` goes from their predecessors to their successors.
    #[inline(always)]
    fn round(&mut self, pairs: &[[Lanes; N]; 5], after: &mut [[Lanes; N]; 5], bias: u64) {
        let powers = seventh_powers(self.s_0, [constant(bias); N]);
        for n in 0..N {
            let halves = add(add(add(pairs[0][n], pairs[1][n]), add(pairs[2][n], pairs[3][n])), pairs[4][n]);
            let singles = add(add(add(self.s_1[n], self.s_2[n]), add(self.s_10[n], self.s_11[n])), self.s_14[n]);
            let tail = add(add(singles, halves), halves);
            let sum = reduced(add(tail, powers[n]));
            self.s_0[n] = sub(tail, powers[n]);
            self.s_1[n] = add(self.s_1[n], sum);
            self.s_2[n] = low(sum, self.s_2[n], constant(2));
            self.s_10[n] = scaled(sum, self.s_10[n], const { Factor::inverse(4) }, 0);
            self.s_11[n] = scaled(sum, self.s_11[n], const { Factor::inverse(8) }, 0);
            self.s_14[n] = scaled(sum, self.s_14[n], const { Factor::inverse(16).minus() }, 2);
            for (p, pair) in PAIRS.iter().enumerate() {
                after[p][n] = if p < SMALL {
                    low(sum, after[p][n], constant(pair.square.k))
                } else {
                    scaled(sum, after[p][n], pair.square, 0)
                };
            }
        }
    }
}

/// All internal rounds, from values below `2³⁸` to values below `2⁵²`.
#[inline(never)]
pub fn internal_rounds<const N: usize>(states: &mut [[Lanes; 16]; N]) {
    let of = |states: &[[Lanes; 16]; N], i: usize| each::<N>(|n| states[n][i]);
    let zero = constant(0);
    let (mut now, mut other) = ([[zero; N]; 5], [[zero; N]; 5]);
    for (p, pair) in PAIRS.iter().enumerate() {
        for n in 0..N {
            let (u, v) = (states[n][pair.plus], states[n][pair.minus]);
            now[p][n] = scaled(zero, add(u, v), const { Factor::inverse(2) }, 2);
            other[p][n] = scaled(zero, sub(add(u, constant(P << 8)), v), pair.half, 0);
        }
    }
    let mut state = State {
        s_0: of(states, 0),
        s_1: of(states, 1),
        s_2: of(states, 2),
        s_10: of(states, 10),
        s_11: of(states, 11),
        s_14: of(states, 14),
    };
    let (blocks, last) = INTERNAL.split_at(12);
    for block in blocks.chunks_exact(6) {
        for biases in block.chunks_exact(2) {
            state.round(&now, &mut other, biases[0]);
            state.round(&other, &mut now, biases[1]);
        }
        state.s_2 = state.s_2.map(reduced);
        for p in 0..SMALL {
            (now[p], other[p]) = (now[p].map(reduced), other[p].map(reduced));
        }
    }
    state.round(&now, &mut other, last[0]);
    for n in 0..N {
        let singles = [(0, state.s_0), (1, state.s_1), (2, state.s_2), (10, state.s_10), (11, state.s_11)];
        singles.iter().for_each(|(i, s)| states[n][*i] = s[n]);
        states[n][14] = state.s_14[n];
        for (p, pair) in PAIRS.iter().enumerate() {
            let difference = scaled(zero, now[p][n], pair.d, 0);
            states[n][pair.plus] = add(other[p][n], difference);
            states[n][pair.minus] = sub(add(other[p][n], constant(2 * P)), difference);
        }
    }
}
