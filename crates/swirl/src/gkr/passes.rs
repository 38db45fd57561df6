//! The passes of a packed sumcheck over a layer's memory: the sums of one round, or a fold with the next round's sums.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use super::{
    layer::{Layer, Nodes, TILE, Tile},
    quads::{Quad, accumulate, fold, parent},
};
use crate::{
    eq::SplitEq,
    packing::{EF, PackedEF},
};

type Sums = [PackedEF; 2];

/// The first round's sums: `Σ eq · parent` at `X = 0`, and its coefficient of `X²`.
pub fn first_sums<N: Nodes>(nodes: &N, lambda: EF, eq: &SplitEq) -> [EF; 2] {
    const PAIRS: usize = TILE / 4;
    let lambda = PackedEF::from(lambda);
    let tiles = eq.inner.len() / PAIRS;
    let sums = eq.outer.par_iter().enumerate().map(|(task, outer)| {
        let (mut sums, mut tile) = ([PackedEF::ZERO; 2], Tile::zero());
        for (s, weights) in eq.inner.chunks_exact(PAIRS).enumerate() {
            nodes.read(tiles * task + s, &mut tile);
            let (p, q) = (tile.p.as_chunks::<4>().0, tile.q.as_chunks::<4>().0);
            for ((p, q), weight) in p.iter().zip(q).zip(weights) {
                let slope = ([p[2] - p[0], p[3] - p[1]], [q[2] - q[0], q[3] - q[1]]);
                sums[0] += batched_parent::<N>([p[0], p[1]], [q[0], q[1]], lambda) * *weight;
                sums[1] += batched_parent::<N>(slope.0, slope.1, lambda) * *weight;
            }
        }
        sums.map(|sum| sum * *outer)
    });
    over_lanes(sums.reduce(|| [PackedEF::ZERO; 2], add), eq)
}

/// `p + λ q` of the parent of two nodes.
#[inline(always)]
fn batched_parent<N: Nodes>(p: [N::P; 2], q: [PackedEF; 2], lambda: PackedEF) -> PackedEF {
    N::product(p[0], q[1]) + (q[1] * lambda + N::ext(p[1])) * q[0]
}

/// Folds nodes at `X = r` into `quads`; the sums of the round that follows.
pub fn fold_nodes<N: Nodes>(nodes: &N, lambda: EF, r: EF, quads: &mut [Quad<PackedEF>], eq: &SplitEq) -> [EF; 2] {
    let (lambda, r) = (PackedEF::from(lambda), PackedEF::from(r));
    let tiles = 8 * eq.inner.len() / TILE;
    let tasks = quads.par_chunks_exact_mut(2 * eq.inner.len()).zip(&eq.outer).enumerate();
    let sums = tasks.map(|(task, (quads, outer))| {
        let (mut sums, mut tile) = ([PackedEF::ZERO; 2], Tile::zero());
        let of_tiles = quads.chunks_exact_mut(TILE / 4).zip(eq.inner.chunks_exact(TILE / 8));
        for (s, (quads, weights)) in of_tiles.enumerate() {
            nodes.read(tiles * task + s, &mut tile);
            for (k, (pair, weight)) in quads.as_chunks_mut::<2>().0.iter_mut().zip(weights).enumerate() {
                *pair = [8 * k, 8 * k + 4].map(|first| fold_four::<N>(&tile, first, lambda, r));
                accumulate(&mut sums, &pair[0], &pair[1], *weight);
            }
        }
        sums.map(|sum| sum * *outer)
    });
    over_lanes(sums.reduce(|| [PackedEF::ZERO; 2], add), eq)
}

/// The quad at `X = r` from its two children at `X = 0` and those at `X = 1`.
#[inline(always)]
fn fold_four<N: Nodes>(tile: &Tile<N::P>, first: usize, lambda: PackedEF, r: PackedEF) -> Quad<PackedEF> {
    let p = |child: usize| N::fold(tile.p[first + child], tile.p[first + 2 + child], r);
    let q = |child: usize| Layer::fold(tile.q[first + child], tile.q[first + 2 + child], r);
    let q_1 = q(1);
    [p(0), q(0), p(1) + q_1 * lambda, q_1]
}

/// Folds quads at `X = r`; the sums of the round that follows.
pub fn fold_quads(quads: &[Quad<PackedEF>], r: EF, folded: &mut [Quad<PackedEF>], eq: &SplitEq) -> [EF; 2] {
    let r = PackedEF::from(r);
    let len = 2 * eq.inner.len();
    let tasks = folded.par_chunks_exact_mut(len).zip(quads.par_chunks_exact(2 * len)).zip(&eq.outer);
    let sums = tasks.map(|((folded, quads), outer)| {
        let mut sums = [PackedEF::ZERO; 2];
        let pairs = folded.as_chunks_mut::<2>().0.iter_mut().zip(quads.as_chunks::<4>().0);
        for ((pair, four), weight) in pairs.zip(&eq.inner) {
            *pair = [fold(&four[0], &four[1], r), fold(&four[2], &four[3], r)];
            accumulate(&mut sums, &pair[0], &pair[1], *weight);
        }
        sums.map(|sum| sum * *outer)
    });
    over_lanes(sums.reduce(|| [PackedEF::ZERO; 2], add), eq)
}

/// `Σ eq · parent` over whole quads: a round's value at `X = 1` once folded there.
pub fn sum_of_parents(quads: &[Quad<PackedEF>], eq: &SplitEq) -> EF {
    let sums = quads.chunks_exact(eq.inner.len()).zip(&eq.outer).map(|(quads, outer)| {
        let inner: PackedEF = quads.iter().zip(&eq.inner).map(|(quad, weight)| parent(quad) * *weight).sum();
        inner * *outer
    });
    eq.over_lanes(&sums.sum())
}

#[inline(always)]
fn add(a: Sums, b: Sums) -> Sums {
    [a[0] + b[0], a[1] + b[1]]
}

fn over_lanes(sums: Sums, eq: &SplitEq) -> [EF; 2] {
    sums.map(|sum| eq.over_lanes(&sum))
}
