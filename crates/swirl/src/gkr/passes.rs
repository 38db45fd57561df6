//! The passes of a packed sumcheck over a layer's memory: the sums of one round, or a fold with the next round's sums.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use super::{
    layer::{Layer, Node, Nodes, TILE, empty_tile},
    quads::{Quad, Values, accumulate, fold, parent},
};
use crate::{
    buffer::{Chunk, refill},
    eq::SplitEq,
    packing::{EF, F, Multiplier, PackedEF, product},
};

/// `Σ eq · parent` at `X = 0`, and its coefficient of `X²`, lane by lane.
type Sums = [PackedEF; 2];

const NO_SUMS: Sums = [PackedEF::ZERO; 2];

/// The first round's sums.
pub fn first_sums<N: Nodes>(nodes: &N, lambda: EF, eq: &SplitEq) -> [EF; 2] {
    const PAIRS: usize = TILE / 4;
    let lambda = Multiplier::new(lambda);
    let tiles = eq.inner.len() / PAIRS;
    let sums = eq.outer.par_iter().enumerate().map(|(task, outer)| {
        let (mut sums, mut scratch) = (NO_SUMS, empty_tile());
        for (s, weights) in eq.inner.chunks_exact(PAIRS).enumerate() {
            nodes.with_tile(tiles * task + s, &mut scratch, |tile| {
                for ([a, b, c, d], weight) in tile.as_chunks().0.iter().zip(weights) {
                    let leading = batched_parent::<N>(slope::<N>(a, c), slope::<N>(b, d), &lambda);
                    sums[0] += batched_parent::<N>(*a, *b, &lambda).scaled(weight);
                    sums[1] += leading.scaled(weight);
                }
            });
        }
        scaled(sums, outer)
    });
    over_lanes(sums.reduce_with(add), eq)
}

#[inline(always)]
fn slope<N: Nodes>(low: &Node<N::P>, high: &Node<N::P>) -> Node<N::P> {
    Node { p: high.p - low.p, q: high.q - low.q }
}

/// `p + λ q` of the parent of two nodes.
#[inline(always)]
fn batched_parent<N: Nodes>(left: Node<N::P>, right: Node<N::P>, lambda: &Multiplier<F>) -> PackedEF {
    let p_1 = right.q.scaled(lambda) + N::ext(right.p);
    N::product(left.p, &Multiplier::packed(&right.q)) + product(&p_1, &Multiplier::packed(&left.q))
}

/// Folds nodes at `X = r` into `quads`; the sums of the round that follows.
pub fn fold_nodes<N: Nodes>(nodes: &N, lambda: EF, r: EF, quads: &mut Vec<Quad<PackedEF>>, eq: &SplitEq) -> [EF; 2] {
    let (lambda, r) = (Multiplier::new(lambda), Multiplier::new(r));
    let tiles = 8 * eq.inner.len() / TILE;
    let sums = |task: usize, quads: &mut Chunk<'_, _>| {
        let (mut sums, mut scratch) = (NO_SUMS, empty_tile());
        for (s, weights) in eq.inner.chunks_exact(TILE / 8).enumerate() {
            nodes.with_tile(tiles * task + s, &mut scratch, |tile| {
                for ([low, high], weight) in tile.as_chunks().0.as_chunks().0.iter().zip(weights) {
                    let (low, high) = (fold_four::<N>(low, &lambda, &r), fold_four::<N>(high, &lambda, &r));
                    accumulate(&mut sums, &low, &high, weight);
                    quads.push(low);
                    quads.push(high);
                }
            });
        }
        scaled(sums, &eq.outer[task])
    };
    over_lanes(refill(quads, eq.outer.len(), 2 * eq.inner.len(), sums, add), eq)
}

/// The quad at `X = r` from the two children at `X = 0` and those at `X = 1`.
#[inline(always)]
fn fold_four<N: Nodes>(nodes: &[Node<N::P>; 4], lambda: &Multiplier<F>, r: &Multiplier<F>) -> Quad<PackedEF> {
    let [a, b, c, d] = nodes;
    let q_1 = Layer::fold(b.q, d.q, r);
    [N::fold(a.p, c.p, r), Layer::fold(a.q, c.q, r), N::fold(b.p, d.p, r) + q_1.scaled(lambda), q_1]
}

/// Folds quads at `X = r`; the sums of the round that follows.
pub fn fold_quads(quads: &[Quad<PackedEF>], r: EF, folded: &mut Vec<Quad<PackedEF>>, eq: &SplitEq) -> [EF; 2] {
    let r = Multiplier::new(r);
    let len = 2 * eq.inner.len();
    let sums = |task: usize, folded: &mut Chunk<'_, _>| {
        let mut sums = NO_SUMS;
        for ([a, b, c, d], weight) in quads[2 * len * task..].as_chunks().0.iter().zip(&eq.inner) {
            let (low, high) = (fold(a, b, &r), fold(c, d, &r));
            accumulate(&mut sums, &low, &high, weight);
            folded.push(low);
            folded.push(high);
        }
        scaled(sums, &eq.outer[task])
    };
    over_lanes(refill(folded, eq.outer.len(), len, sums, add), eq)
}

/// `Σ eq · parent` over whole quads: a round's value at `X = 1` once folded there.
pub fn sum_of_parents(quads: &[Quad<PackedEF>], eq: &SplitEq) -> EF {
    let sums = quads.chunks_exact(eq.inner.len()).zip(&eq.outer).map(|(quads, outer)| {
        let inner: PackedEF = quads.iter().zip(&eq.inner).map(|(quad, weight)| parent(quad).scaled(weight)).sum();
        inner.scaled(outer)
    });
    eq.over_lanes(&sums.sum())
}

#[inline(always)]
fn scaled(sums: Sums, by: &Multiplier<F>) -> Sums {
    [sums[0].scaled(by), sums[1].scaled(by)]
}

#[inline(always)]
fn add(a: Sums, b: Sums) -> Sums {
    [a[0] + b[0], a[1] + b[1]]
}

fn over_lanes(sums: Option<Sums>, eq: &SplitEq) -> [EF; 2] {
    sums.unwrap_or(NO_SUMS).map(|sum| eq.over_lanes(&sum))
}
