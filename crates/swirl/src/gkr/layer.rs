//! Layers of the fraction tree as structures of arrays, and how one is built from the layer below.
//!
//! A node's lane is the top bits of its index and its vector the rest, so that siblings, and the two values of each
//! variable but the last few, sit in neighbouring vectors: no round moves data across lanes.

use p3_field::PrimeCharacteristicRing;
use rayon::prelude::*;

use super::Leaves;
use crate::packing::{LOG_WIDTH, PackedEF, PackedF, WIDTH};

/// Vectors that [`Nodes::tile`] yields at once: enough that a fold of them is a pair of quads, and whole transpositions.
pub const TILE: usize = if WIDTH > 8 { WIDTH } else { 8 };

/// The fewest nodes, as a logarithm, that are worth packing.
pub const LOG_LEN_MIN: usize = LOG_WIDTH + TILE.trailing_zeros() as usize;

/// `2^(log_len)` fractions; lane `l` of vector `t` is node `l · p.len() + t`.
pub struct Layer {
    pub p: Vec<PackedEF>,
    pub q: Vec<PackedEF>,
}

/// Fractions in the order of [`Layer`], read by tiles; at the leaves with numerators in the base field.
pub trait Nodes: Sync {
    type P: PrimeCharacteristicRing + Copy;
    /// Vectors of nodes.
    fn vectors(&self) -> usize;
    /// Copies vectors `TILE · s ..`.
    fn read(&self, s: usize, tile: &mut Tile<Self::P>);
    fn product(p: Self::P, q: PackedEF) -> PackedEF;
    fn ext(p: Self::P) -> PackedEF;
    /// `low + (high - low) r`.
    fn fold(low: Self::P, high: Self::P, r: PackedEF) -> PackedEF;
}

/// `TILE` neighbouring vectors of nodes.
pub struct Tile<P> {
    pub p: [P; TILE],
    pub q: [PackedEF; TILE],
}

impl<P: PrimeCharacteristicRing + Copy> Tile<P> {
    pub fn zero() -> Self {
        Self { p: [P::ZERO; TILE], q: [PackedEF::ZERO; TILE] }
    }
}

impl Nodes for Layer {
    type P = PackedEF;

    fn vectors(&self) -> usize {
        self.p.len()
    }

    #[inline(always)]
    fn read(&self, s: usize, tile: &mut Tile<PackedEF>) {
        tile.p.copy_from_slice(&self.p[TILE * s..][..TILE]);
        tile.q.copy_from_slice(&self.q[TILE * s..][..TILE]);
    }

    #[inline(always)]
    fn product(p: PackedEF, q: PackedEF) -> PackedEF {
        p * q
    }

    #[inline(always)]
    fn ext(p: PackedEF) -> PackedEF {
        p
    }

    #[inline(always)]
    fn fold(low: PackedEF, high: PackedEF, r: PackedEF) -> PackedEF {
        low + (high - low) * r
    }
}

impl Nodes for Leaves {
    type P = PackedF;

    fn vectors(&self) -> usize {
        self.p.len()
    }

    #[inline(always)]
    fn read(&self, s: usize, tile: &mut Tile<PackedF>) {
        const PARTS: usize = TILE / WIDTH;
        for part in 0..PARTS {
            let (p, q) = self.transposed(PARTS * s + part);
            tile.p[part * WIDTH..][..WIDTH].copy_from_slice(&p);
            tile.q[part * WIDTH..][..WIDTH].copy_from_slice(&q);
        }
    }

    #[inline(always)]
    fn product(p: PackedF, q: PackedEF) -> PackedEF {
        q * p
    }

    #[inline(always)]
    fn ext(p: PackedF) -> PackedEF {
        p.into()
    }

    #[inline(always)]
    fn fold(low: PackedF, high: PackedF, r: PackedEF) -> PackedEF {
        r * (high - low) + low
    }
}

/// The parents' layer: `p₀/q₀ + p₁/q₁` of neighbouring vectors.
pub fn parents<N: Nodes>(nodes: &N) -> Layer {
    let half = nodes.vectors() / 2;
    let mut layer = Layer { p: PackedEF::zero_vec(half), q: PackedEF::zero_vec(half) };
    let tiles_of_task = tiles_of_task(nodes.vectors());
    let len = tiles_of_task * TILE / 2;
    layer.p.par_chunks_mut(len).zip(layer.q.par_chunks_mut(len)).enumerate().for_each(|(task, (p, q))| {
        let mut tile = Tile::zero();
        let tiles = p.chunks_exact_mut(TILE / 2).zip(q.chunks_exact_mut(TILE / 2));
        for (s, (p, q)) in tiles.enumerate() {
            nodes.read(task * tiles_of_task + s, &mut tile);
            for (k, (p, q)) in p.iter_mut().zip(q).enumerate() {
                let (left, right) = (2 * k, 2 * k + 1);
                *p = N::product(tile.p[left], tile.q[right]) + N::product(tile.p[right], tile.q[left]);
                *q = tile.q[left] * tile.q[right];
            }
        }
    });
    layer
}

/// Tiles of one parallel task, of `vectors` vectors in all.
fn tiles_of_task(vectors: usize) -> usize {
    (vectors / TILE).min(64)
}
