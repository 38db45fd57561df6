//! The internal rounds.
//!
//! One round takes `s₀` to its seventh power, and then `s_i` to `d_i s_i + σ`, where `σ` is the sum of all. Five pairs of
//! the `d_i` differ in their sign. Of such a pair `u' = d u + σ`, `v' = -d v + σ` this keeps the half sum
//! `α = (u + v) / 2` and its predecessor: `α` is followed by `d (u - v) / 2 + σ`, that by `d² α + σ'`. So a round costs one
//! product of a pair, and `u`, `v` are `α ± d` times the predecessor.
//!
//! Sums are below `2 P`. The elements and half sums that meet a fraction are reduced in each round, to below `4 P` (the one
//! that is raised: `6 P`). The others grow in six rounds from `2³⁸` to below `2⁴⁶` at most: `s₂` by 6 bits, `α` by a factor
//! `d² ≤ 16` every other round. So the tail, the sum of all but `s₀`, is below `2⁴⁸`.

use super::{
    constants::INTERNAL,
    external::{Bases, folded_squares},
    lanes::{Factor, Lanes, MINUS_P, P, add, constant, each, high, in_order, low, reduced, sub},
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
/// The pairs with `d² ≤ 16`, reduced every six rounds.
const SMALL: usize = 2;

/// `sum + d s` modulo `P`, for `s` below `2⁵²`: from `sum + raise P` to below `sum + (raise + 2) P`, as the quotient of
/// `d s` by `P` is at most 1 too small before it is lowered by `raise`.
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
    /// The sum of the last round, which the others are still to be updated with.
    sum: [Lanes; N],
}

impl<const N: usize> State<N> {
    /// The sum of all but the first.
    #[inline(always)]
    fn tail(&self, pairs: &[[Lanes; N]; 5]) -> [Lanes; N] {
        each(|n| {
            let halves = add(add(add(pairs[0][n], pairs[1][n]), add(pairs[2][n], pairs[3][n])), pairs[4][n]);
            let singles = add(add(add(self.s_1[n], self.s_2[n]), add(self.s_10[n], self.s_11[n])), self.s_14[n]);
            add(add(singles, halves), halves)
        })
    }

    /// The end of a round: the first element is at least zero, as one of those in the tail is raised by `2 P`.
    #[inline(always)]
    fn finish(&mut self, tail: [Lanes; N], powers: [Lanes; N]) {
        self.s_0 = each(|n| sub(tail[n], powers[n]));
        self.sum = each(|n| reduced(add(tail[n], powers[n])));
    }

    #[inline(always)]
    fn update_singles(&mut self) {
        self.s_1 = each(|n| add(self.s_1[n], self.sum[n]));
        self.s_2 = each(|n| low(self.sum[n], self.s_2[n], constant(2)));
        self.s_10 = in_order(each(|n| scaled(self.sum[n], self.s_10[n], const { Factor::inverse(4) }, 0)));
        self.s_11 = in_order(each(|n| scaled(self.sum[n], self.s_11[n], const { Factor::inverse(8) }, 0)));
        self.s_14 = in_order(each(|n| scaled(self.sum[n], self.s_14[n], const { Factor::inverse(16).minus() }, 2)));
    }

    #[inline(always)]
    fn update_pair(&self, p: usize, pair: &mut [Lanes; N]) {
        *pair = in_order(each(|n| {
            if p < SMALL {
                low(self.sum[n], pair[n], constant(PAIRS[p].square.k))
            } else {
                scaled(self.sum[n], pair[n], PAIRS[p].square, 0)
            }
        }));
    }

    /// One round, and first the update that is due; `pairs` go from predecessors to successors.
    #[inline(always)]
    fn round(&mut self, pairs: &mut [[Lanes; N]; 5], bias: u64) {
        let bases = Bases::new(self.s_0, [constant(bias); N]);
        self.update_singles();
        let squares = in_order(bases.squares());
        self.update_pair(0, &mut pairs[0]);
        self.update_pair(1, &mut pairs[1]);
        self.update_pair(2, &mut pairs[2]);
        let cubes = in_order(bases.times(squares));
        self.update_pair(3, &mut pairs[3]);
        self.update_pair(4, &mut pairs[4]);
        let sixth = in_order(folded_squares(cubes));
        let tail = in_order(self.tail(pairs));
        let powers = bases.times(sixth);
        self.finish(tail, powers);
    }
}

/// All internal rounds, from values below `2³⁸` to values below `2⁴⁸`.
#[inline(never)]
pub fn internal_rounds<const N: usize>(states: &mut [[Lanes; 16]; N]) {
    let of = |states: &[[Lanes; 16]; N], i: usize| each::<N>(|n| states[n][i]);
    let zero = constant(0);
    let mut pairs = [[[zero; N]; 5]; 2];
    for (p, pair) in PAIRS.iter().enumerate() {
        for n in 0..N {
            let (u, v) = (states[n][pair.plus], states[n][pair.minus]);
            pairs[1][p][n] = scaled(zero, add(u, v), const { Factor::inverse(2) }, 2);
            pairs[0][p][n] = scaled(zero, sub(add(u, constant(P << 8)), v), pair.half, 0);
        }
    }
    let mut state = State {
        s_0: of(states, 0),
        s_1: of(states, 1),
        s_2: of(states, 2),
        s_10: of(states, 10),
        s_11: of(states, 11),
        s_14: of(states, 14),
        sum: [zero; N],
    };
    let (first, blocks) = INTERNAL.split_at(1);
    let bases = Bases::new(state.s_0, [constant(first[0]); N]);
    let cubes = bases.times(bases.squares());
    state.finish(state.tail(&pairs[1]), bases.times(folded_squares(cubes)));
    for block in blocks.chunks_exact(6) {
        for (r, bias) in block.iter().enumerate() {
            state.round(&mut pairs[r % 2], *bias);
        }
        state.s_2 = state.s_2.map(reduced);
        for pair in pairs.iter_mut().flat_map(|pairs| &mut pairs[..SMALL]) {
            *pair = each(|n| reduced(pair[n]));
        }
    }
    let [mut last, before] = pairs;
    state.update_singles();
    for (p, pair) in last.iter_mut().enumerate() {
        state.update_pair(p, pair);
    }
    for n in 0..N {
        states[n][0] = state.s_0[n];
        states[n][1] = state.s_1[n];
        states[n][2] = state.s_2[n];
        states[n][10] = state.s_10[n];
        states[n][11] = state.s_11[n];
        states[n][14] = state.s_14[n];
        for (p, pair) in PAIRS.iter().enumerate() {
            let difference = scaled(zero, before[p][n], pair.d, 0);
            states[n][pair.plus] = add(last[p][n], difference);
            states[n][pair.minus] = sub(add(last[p][n], constant(2 * P)), difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            constants::SCALE,
            lanes::{
                BITS,
                tests::{edges, values},
            },
        },
        *,
    };

    /// The rounds as they are defined, on residues.
    fn defined(mut state: [u64; 16]) -> [u64; 16] {
        let [half, quarter, eighth, d_9] = [2, 4, 8, 1 << 8].map(|k| Factor::inverse(k).k);
        let d_14 = Factor::inverse(16).minus().k;
        let diagonal =
            [P - 2, 1, 2, half, 3, 4, P - half, P - 3, P - 4, d_9, quarter, eighth, P - 15, P - d_9, d_14, 15];
        for bias in INTERNAL {
            // The bias of `c` is `2⁵² c / P` and less than 2.
            let c = (((bias - 1) as u128 * P as u128) >> BITS) as u64;
            state[0] = Factor::new((SCALE.times(Factor::new(state[0])).k + c) % P).power(7).k;
            let sum = state.iter().sum::<u64>();
            for (s, d) in state.iter_mut().zip(diagonal) {
                *s = (*s * d + sum) % P;
            }
        }
        state
    }

    #[test]
    fn rounds_keep_to_their_definition_at_the_bounds() {
        let edges = [0, 1, P - 1, P, 2 * P - 1, 35 * P, 35 * (2 * P - 1), (1 << 38) - 1];
        for first in edges {
            for others in edges {
                let mut state = [others; 16];
                state[0] = first;
                for other in edges {
                    state[4] = other;
                    let mut lanes = [state.map(constant), state.map(constant)];
                    internal_rounds(&mut lanes);
                    let expected = defined(state.map(|s| s % P));
                    for (value, expected) in lanes[1].iter().map(|s| values(*s)[0]).zip(expected) {
                        assert!(value < 1 << 48 && value % P == expected);
                    }
                }
            }
        }
    }

    #[test]
    fn scaled_values_are_within_their_bounds() {
        for d in [1, 2, 225, P / 2, P - 1].map(Factor::new) {
            for raise in [0, 2] {
                for s in edges(1 << 52) {
                    let value = values(scaled(constant(7), constant(s), d, raise))[0] - 7;
                    assert!((raise * P..(raise + 2) * P).contains(&value));
                    assert_eq!(value % P, d.times(Factor::new(s % P)).k);
                }
            }
        }
    }
}
