//! The arithmetics that a program runs in: blocks of base vectors, extension vectors, single extension elements.

use p3_field::PrimeCharacteristicRing;

use crate::packing::{EF, F, Multiplier, PackedEF, PackedF, product};

/// Operations on values `V`. (A trait of marker types: the vectors' own types are one type on a machine without vectors.)
pub trait Arithmetic {
    type V: Copy + Send + Sync;
    const ZERO: Self::V;
    fn add(a: &Self::V, b: &Self::V) -> Self::V;
    fn sub(a: &Self::V, b: &Self::V) -> Self::V;
    fn mul(a: &Self::V, b: &Self::V) -> Self::V;
    fn neg(a: &Self::V) -> Self::V;
    fn add_constant(a: &Self::V, c: F) -> Self::V;
    fn mul_constant(a: &Self::V, c: F) -> Self::V;
    fn constant(c: F) -> Self::V;
}

/// Base vectors that one instruction works on: enough to hide the time it takes to find out which instruction it is.
pub const BLOCK: usize = 4;

/// Blocks of base vectors.
pub struct Blocks;

/// Extension vectors.
pub struct Vectors;

/// Extension elements.
pub struct Points;

#[inline(always)]
fn each(a: &[PackedF; BLOCK], f: impl Fn(PackedF) -> PackedF) -> [PackedF; BLOCK] {
    [f(a[0]), f(a[1]), f(a[2]), f(a[3])]
}

#[inline(always)]
fn both(a: &[PackedF; BLOCK], b: &[PackedF; BLOCK], f: impl Fn(PackedF, PackedF) -> PackedF) -> [PackedF; BLOCK] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Arithmetic for Blocks {
    type V = [PackedF; BLOCK];
    const ZERO: Self::V = [PackedF::ZERO; BLOCK];

    #[inline(always)]
    fn add(a: &Self::V, b: &Self::V) -> Self::V {
        both(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(a: &Self::V, b: &Self::V) -> Self::V {
        both(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(a: &Self::V, b: &Self::V) -> Self::V {
        both(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn neg(a: &Self::V) -> Self::V {
        each(a, |a| -a)
    }
    #[inline(always)]
    fn add_constant(a: &Self::V, c: F) -> Self::V {
        let c = PackedF::from(c);
        each(a, |a| a + c)
    }
    #[inline(always)]
    fn mul_constant(a: &Self::V, c: F) -> Self::V {
        let c = PackedF::from(c);
        each(a, |a| a * c)
    }
    #[inline(always)]
    fn constant(c: F) -> Self::V {
        [PackedF::from(c); BLOCK]
    }
}

impl Arithmetic for Vectors {
    type V = PackedEF;
    const ZERO: PackedEF = PackedEF::ZERO;

    #[inline(always)]
    fn add(a: &PackedEF, b: &PackedEF) -> PackedEF {
        *a + *b
    }
    #[inline(always)]
    fn sub(a: &PackedEF, b: &PackedEF) -> PackedEF {
        *a - *b
    }
    #[inline(always)]
    fn mul(a: &PackedEF, b: &PackedEF) -> PackedEF {
        product(a, &Multiplier::packed(b))
    }
    #[inline(always)]
    fn neg(a: &PackedEF) -> PackedEF {
        -*a
    }
    #[inline(always)]
    fn add_constant(a: &PackedEF, c: F) -> PackedEF {
        *a + PackedF::from(c)
    }
    #[inline(always)]
    fn mul_constant(a: &PackedEF, c: F) -> PackedEF {
        *a * PackedF::from(c)
    }
    #[inline(always)]
    fn constant(c: F) -> PackedEF {
        PackedF::from(c).into()
    }
}

impl Arithmetic for Points {
    type V = EF;
    const ZERO: EF = EF::ZERO;

    fn add(a: &EF, b: &EF) -> EF {
        *a + *b
    }
    fn sub(a: &EF, b: &EF) -> EF {
        *a - *b
    }
    fn mul(a: &EF, b: &EF) -> EF {
        *a * *b
    }
    fn neg(a: &EF) -> EF {
        -*a
    }
    fn add_constant(a: &EF, c: F) -> EF {
        *a + c
    }
    fn mul_constant(a: &EF, c: F) -> EF {
        *a * c
    }
    fn constant(c: F) -> EF {
        c.into()
    }
}
