//! What a sumcheck over one layer keeps per point: the two children of a parent, batched by `λ`.

use p3_field::{Algebra, PrimeCharacteristicRing};

use crate::packing::EF;

/// `[p₀, q₀, p₁ + λ q₁, q₁]`: with `p₁` so batched, the parent's `p + λ q` costs two products, not three.
pub type Quad<A> = [A; 4];

/// `p + λ q` of the parent, that is of `p₀/q₀ + p₁/q₁`.
#[inline(always)]
pub fn parent<A: PrimeCharacteristicRing + Copy>(quad: &Quad<A>) -> A {
    quad[0] * quad[3] + quad[2] * quad[1]
}

/// The quad at `X = r` between those at `X = 0` and at `X = 1`.
#[inline(always)]
pub fn fold<A: PrimeCharacteristicRing + Copy>(low: &Quad<A>, high: &Quad<A>, r: A) -> Quad<A> {
    std::array::from_fn(|i| low[i] + (high[i] - low[i]) * r)
}

/// Adds `weight` times the parent's value at `X = 0` and its coefficient of `X²`.
#[inline(always)]
pub fn accumulate<A: Algebra<EF> + Copy>(sums: &mut [A; 2], low: &Quad<A>, high: &Quad<A>, weight: EF) {
    let slope = std::array::from_fn(|i| high[i] - low[i]);
    sums[0] += parent(low) * weight;
    sums[1] += parent(&slope) * weight;
}
