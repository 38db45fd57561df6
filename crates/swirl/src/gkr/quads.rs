//! What a sumcheck over one layer keeps per point: the two children of a parent, batched by `λ`.

use std::ops::{Add, AddAssign, Sub};

use crate::packing::{EF, F, Multiplier, PackedEF, product, scaled};

/// `[p₀, q₀, p₁ + λ q₁, q₁]`: with `p₁` so batched, the parent's `p + λ q` costs two products, not three.
pub type Quad<A> = [A; 4];

/// Values of the extension, one or a vector of them, in the operations that the sumcheck needs.
pub trait Values: Copy + Add<Output = Self> + Sub<Output = Self> + AddAssign {
    /// A constant, made ready to multiply with.
    type Constant;
    /// `a b + c d`.
    fn sum_of_products(a: Self, b: Self, c: Self, d: Self) -> Self;
    fn scaled(self, by: &Self::Constant) -> Self;
}

impl Values for EF {
    type Constant = EF;

    fn sum_of_products(a: Self, b: Self, c: Self, d: Self) -> Self {
        a * b + c * d
    }

    fn scaled(self, by: &EF) -> Self {
        self * *by
    }
}

impl Values for PackedEF {
    type Constant = Multiplier<F>;

    #[inline(always)]
    fn sum_of_products(a: Self, b: Self, c: Self, d: Self) -> Self {
        product(&a, &Multiplier::packed(&b)) + product(&c, &Multiplier::packed(&d))
    }

    #[inline(always)]
    fn scaled(self, by: &Multiplier<F>) -> Self {
        scaled(&self, by)
    }
}

/// `p + λ q` of the parent, that is of `p₀/q₀ + p₁/q₁`.
#[inline(always)]
pub fn parent<A: Values>(quad: &Quad<A>) -> A {
    A::sum_of_products(quad[0], quad[3], quad[2], quad[1])
}

#[inline(always)]
fn slope<A: Values>(low: &Quad<A>, high: &Quad<A>) -> Quad<A> {
    [high[0] - low[0], high[1] - low[1], high[2] - low[2], high[3] - low[3]]
}

/// The quad at `X = r` between those at `X = 0` and at `X = 1`.
#[inline(always)]
pub fn fold<A: Values>(low: &Quad<A>, high: &Quad<A>, r: &A::Constant) -> Quad<A> {
    let [a, b, c, d] = slope(low, high);
    [low[0] + a.scaled(r), low[1] + b.scaled(r), low[2] + c.scaled(r), low[3] + d.scaled(r)]
}

/// Adds `weight` times the parent's value at `X = 0` and its coefficient of `X²`.
#[inline(always)]
pub fn accumulate<A: Values>(sums: &mut [A; 2], low: &Quad<A>, high: &Quad<A>, weight: &A::Constant) {
    sums[0] += parent(low).scaled(weight);
    sums[1] += parent(&slope(low, high)).scaled(weight);
}
