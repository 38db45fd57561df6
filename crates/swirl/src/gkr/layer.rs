//! Layers of the fraction tree, and how one is built from the layer below.
//!
//! A node's lane is the top bits of its index and its vector the rest, so that siblings, and the two values of each
//! variable but the last few, sit in neighbouring vectors: no round moves data across lanes.

use p3_field::PrimeCharacteristicRing;

use super::Leaves;
use crate::{
    buffer::filled,
    packing::{F, LOG_WIDTH, Multiplier, PackedEF, PackedF, WIDTH, product, scaled, scaled_base},
};

/// Vectors read at once: enough that a fold of them is a pair of quads, and whole transpositions.
pub const TILE: usize = if WIDTH > 8 { WIDTH } else { 8 };

/// The fewest nodes, as a logarithm, that are worth packing.
pub const LOG_LEN_MIN: usize = LOG_WIDTH + TILE.trailing_zeros() as usize;

/// Tiles that one parallel task adds up.
const TILES_OF_TASK: usize = 64;

/// A vector of fractions.
#[derive(Clone, Copy)]
pub struct Node<P> {
    pub p: P,
    pub q: PackedEF,
}

/// Lane `l` of vector `t` of `n` is node `l n + t`.
pub struct Layer(pub Vec<Node<PackedEF>>);

/// Fractions in the order of [`Layer`]; at the leaves with numerators in the base field.
pub trait Nodes: Sync + Sized {
    type P: PrimeCharacteristicRing + Copy;
    /// Vectors of nodes.
    fn vectors(&self) -> usize;
    /// Hands vectors `TILE · s ..` to `f`, by way of `scratch` where they lie otherwise in memory.
    fn with_tile<R>(&self, s: usize, scratch: &mut Tile<Self::P>, f: impl FnOnce(&Tile<Self::P>) -> R) -> R;
    fn product(p: Self::P, q: &Multiplier<PackedF>) -> PackedEF;
    fn ext(p: Self::P) -> PackedEF;
    /// `low + (high - low) r`.
    fn fold(low: Self::P, high: Self::P, r: &Multiplier<F>) -> PackedEF;
}

pub type Tile<P> = [Node<P>; TILE];

pub fn empty_tile<P: PrimeCharacteristicRing + Copy>() -> Tile<P> {
    [Node { p: P::ZERO, q: PackedEF::ZERO }; TILE]
}

impl Nodes for Layer {
    type P = PackedEF;

    fn vectors(&self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn with_tile<R>(&self, s: usize, _: &mut Tile<PackedEF>, f: impl FnOnce(&Tile<PackedEF>) -> R) -> R {
        f(&self.0.as_chunks().0[s])
    }

    #[inline(always)]
    fn product(p: PackedEF, q: &Multiplier<PackedF>) -> PackedEF {
        product(&p, q)
    }

    #[inline(always)]
    fn ext(p: PackedEF) -> PackedEF {
        p
    }

    #[inline(always)]
    fn fold(low: PackedEF, high: PackedEF, r: &Multiplier<F>) -> PackedEF {
        low + scaled(&(high - low), r)
    }
}

impl Nodes for Leaves {
    type P = PackedF;

    fn vectors(&self) -> usize {
        self.p.len()
    }

    #[inline(always)]
    fn with_tile<R>(&self, s: usize, tile: &mut Tile<PackedF>, f: impl FnOnce(&Tile<PackedF>) -> R) -> R {
        const PARTS: usize = TILE / WIDTH;
        for (part, nodes) in tile.as_chunks_mut::<WIDTH>().0.iter_mut().enumerate() {
            let (p, q) = self.transposed(PARTS * s + part);
            for (node, (p, q)) in nodes.iter_mut().zip(p.into_iter().zip(q)) {
                *node = Node { p, q };
            }
        }
        f(tile)
    }

    #[inline(always)]
    fn product(p: PackedF, q: &Multiplier<PackedF>) -> PackedEF {
        q.element() * p
    }

    #[inline(always)]
    fn ext(p: PackedF) -> PackedEF {
        p.into()
    }

    #[inline(always)]
    fn fold(low: PackedF, high: PackedF, r: &Multiplier<F>) -> PackedEF {
        scaled_base(high - low, r) + low
    }
}

/// The parents' layer: `p₀/q₀ + p₁/q₁` of neighbouring vectors.
pub fn parents<N: Nodes>(nodes: &N) -> Layer {
    let tiles = (nodes.vectors() / TILE).min(TILES_OF_TASK);
    let tasks = nodes.vectors() / (TILE * tiles);
    Layer(filled(tasks, tiles * TILE / 2, |task, parents| {
        let mut scratch = empty_tile();
        for s in 0..tiles {
            nodes.with_tile(task * tiles + s, &mut scratch, |tile| {
                for [left, right] in tile.as_chunks::<2>().0 {
                    let (by_left, by_right) = (Multiplier::packed(&left.q), Multiplier::packed(&right.q));
                    let p = N::product(left.p, &by_right) + N::product(right.p, &by_left);
                    parents.push(Node { p, q: product(&left.q, &by_right) });
                }
            });
        }
    }))
}
