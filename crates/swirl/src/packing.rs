//! Packed BabyBear and its quartic extension: as many lanes as the machine that this was compiled for has.
//!
//! Plonky3 chooses the vectors at compile time (AVX-512, AVX2, NEON, or one lane); nothing here names any of them.

use p3_baby_bear::BabyBear;
use p3_field::{
    BasedVectorSpace, Field, PackedField, PackedFieldExtension, PackedFieldPow2, PackedValue, PrimeCharacteristicRing,
    extension::{BinomialExtensionField, BinomiallyExtendable, PackedBinomialExtensionField},
};

pub type F = BabyBear;
pub type EF = BinomialExtensionField<F, DEGREE>;
pub type PackedF = <F as Field>::Packing;
pub type PackedEF = PackedBinomialExtensionField<F, PackedF, DEGREE>;

/// Lanes of a packed value.
pub const WIDTH: usize = <PackedF as PackedValue>::WIDTH;
pub const LOG_WIDTH: usize = WIDTH.trailing_zeros() as usize;
/// Coordinates of an extension element.
pub const DEGREE: usize = 4;

/// The widest vectors that this processor has and this program was not compiled for.
pub fn unused_vectors() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if !cfg!(target_feature = "avx512f") && std::arch::is_x86_feature_detected!("avx512f") {
            return Some("AVX-512");
        }
        if !cfg!(target_feature = "avx2") && std::arch::is_x86_feature_detected!("avx2") {
            return Some("AVX2");
        }
    }
    None
}

/// Lane `l` of vector `k` becomes lane `k` of vector `l`.
#[inline(always)]
pub fn transpose(vectors: &mut [PackedF; WIDTH]) {
    let mut block = 1;
    while block < WIDTH {
        for low in (0..WIDTH).filter(|k| k & block == 0) {
            let high = low | block;
            (vectors[low], vectors[high]) = vectors[low].interleave(vectors[high], block);
        }
        block *= 2;
    }
}

/// [`transpose`] of extension elements.
#[inline(always)]
pub fn transpose_ext(vectors: &mut [PackedEF; WIDTH]) {
    let mut by_coordinate = [[PackedF::ZERO; WIDTH]; DEGREE];
    for (d, of_vectors) in by_coordinate.iter_mut().enumerate() {
        for (of_vector, vector) in of_vectors.iter_mut().zip(&*vectors) {
            *of_vector = coordinate(vector, d);
        }
        transpose(of_vectors);
    }
    let [c_0, c_1, c_2, c_3] = by_coordinate;
    for (k, vector) in vectors.iter_mut().enumerate() {
        *vector = element([c_0[k], c_1[k], c_2[k], c_3[k]]);
    }
}

#[inline(always)]
pub fn coordinate(vector: &PackedEF, d: usize) -> PackedF {
    <PackedEF as BasedVectorSpace<PackedF>>::as_basis_coefficients_slice(vector)[d]
}

#[inline(always)]
pub fn lane(vector: &PackedEF, lane: usize) -> EF {
    PackedFieldExtension::<F, EF>::extract(vector, lane)
}

/// The vector whose lanes hold `value(0)`, `value(1)`, ….
#[inline(always)]
pub fn from_lanes(value: impl Fn(usize) -> EF) -> PackedEF {
    let mut coordinates = [PackedF::ZERO; DEGREE];
    for l in 0..WIDTH {
        let value = value(l);
        let value = <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&value);
        coordinates.iter_mut().zip(value).for_each(|(vector, c)| vector.as_slice_mut()[l] = *c);
    }
    element(coordinates)
}

/// The vector with another value in one lane.
pub fn with_lane(vector: &PackedEF, at: usize, value: EF) -> PackedEF {
    let value = <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&value);
    let mut coordinates = coordinates(vector);
    coordinates.iter_mut().zip(value).for_each(|(coordinate, value)| coordinate.as_slice_mut()[at] = *value);
    element(coordinates)
}

/// `Σ_l weights[l] · vector[l]` over the lanes `l`.
pub fn weighted_lanes(vector: &PackedEF, weights: &[EF]) -> EF {
    weights.iter().enumerate().map(|(l, weight)| *weight * lane(vector, l)).sum()
}

/// An extension element to multiply vectors with: `b`, and `W b₁`, `W b₂`, `W b₃` where `X⁴ = W`, so that each coordinate
/// of a product is one dot product of four.
#[derive(Clone, Copy)]
pub struct Multiplier<A> {
    b: [A; DEGREE],
    wb: [A; DEGREE - 1],
}

impl<A: Copy> Multiplier<A> {
    /// What `a₀`, `a₁`, `a₂`, `a₃` meet in each coordinate of the product.
    #[inline(always)]
    fn terms(&self) -> [[A; DEGREE]; DEGREE] {
        let ([b_0, b_1, b_2, b_3], [wb_1, wb_2, wb_3]) = (self.b, self.wb);
        [[b_0, wb_3, wb_2, wb_1], [b_1, b_0, wb_3, wb_2], [b_2, b_1, b_0, wb_3], [b_3, b_2, b_1, b_0]]
    }
}

impl Multiplier<F> {
    pub fn new(b: EF) -> Self {
        let b = <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&b);
        Self { b: [b[0], b[1], b[2], b[3]], wb: [b[1] * W, b[2] * W, b[3] * W] }
    }
}

impl Multiplier<PackedF> {
    #[inline(always)]
    pub fn packed(b: &PackedEF) -> Self {
        let b = coordinates(b);
        Self { b, wb: [b[1] * W, b[2] * W, b[3] * W] }
    }

    /// The element itself.
    #[inline(always)]
    pub fn element(&self) -> PackedEF {
        element(self.b)
    }
}

const W: F = <F as BinomiallyExtendable<DEGREE>>::W;

#[inline(always)]
pub fn coordinates(vector: &PackedEF) -> [PackedF; DEGREE] {
    let a = <PackedEF as BasedVectorSpace<PackedF>>::as_basis_coefficients_slice(vector);
    [a[0], a[1], a[2], a[3]]
}

#[inline(always)]
pub fn element(coordinates: [PackedF; DEGREE]) -> PackedEF {
    PackedEF::from_basis_coefficients_fn(|d| coordinates[d])
}

/// `a b`, lane by lane.
#[inline(always)]
pub fn product(a: &PackedEF, b: &Multiplier<PackedF>) -> PackedEF {
    let (a, [t_0, t_1, t_2, t_3]) = (coordinates(a), b.terms());
    let dot = PackedF::dot_product::<DEGREE>;
    element([dot(&a, &t_0), dot(&a, &t_1), dot(&a, &t_2), dot(&a, &t_3)])
}

/// `a b` with the same `b` in every lane.
#[inline(always)]
pub fn scaled(a: &PackedEF, b: &Multiplier<F>) -> PackedEF {
    let (a, [t_0, t_1, t_2, t_3]) = (coordinates(a), b.terms());
    let dot = PackedF::packed_linear_combination::<DEGREE>;
    element([dot(&t_0, &a), dot(&t_1, &a), dot(&t_2, &a), dot(&t_3, &a)])
}

/// `a b` for `a` of the base field and the same `b` in every lane.
#[inline(always)]
pub fn scaled_base(a: PackedF, b: &Multiplier<F>) -> PackedEF {
    element([a * b.b[0], a * b.b[1], a * b.b[2], a * b.b[3]])
}

/// Four constants, coordinate by coordinate, to combine four base vectors with.
#[derive(Clone, Copy)]
pub struct Four([[F; 4]; DEGREE]);

impl Four {
    /// The constants that are given, and zero for those that are not.
    pub fn new(constants: impl IntoIterator<Item = EF>) -> Self {
        let mut by_coordinate = [[F::ZERO; 4]; DEGREE];
        for (k, constant) in constants.into_iter().take(4).enumerate() {
            for (d, c) in <EF as BasedVectorSpace<F>>::as_basis_coefficients_slice(&constant).iter().enumerate() {
                by_coordinate[d][k] = *c;
            }
        }
        Self(by_coordinate)
    }

    /// `Σ_k c_k v_k`.
    #[inline(always)]
    pub fn combine(&self, v: &[PackedF; 4]) -> PackedEF {
        let dot = |d: usize| PackedF::packed_linear_combination::<4>(&self.0[d], v);
        element([dot(0), dot(1), dot(2), dot(3)])
    }
}

/// Values `WIDTH · v ..`, with zeros where there are fewer.
#[inline(always)]
pub fn vector(values: &[F], v: usize) -> PackedF {
    match values.get(v * WIDTH..(v + 1) * WIDTH) {
        Some(values) => *PackedF::from_slice(values),
        None => PackedF::from_fn(|l| values.get(v * WIDTH + l).copied().unwrap_or(F::ZERO)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_lanes() {
        let element =
            |seed: usize| EF::from_basis_coefficients_fn(|d| F::from_usize(seed * 1_000_003 + d * 77_777_777));
        let a = PackedEF::from_ext_slice(&std::array::from_fn::<_, WIDTH, _>(|l| element(l + 3)));
        let b = PackedEF::from_ext_slice(&std::array::from_fn::<_, WIDTH, _>(|l| element(7 * l + 11)));
        let constant = element(1_999_999);
        let (by_vector, by_constant) = (product(&a, &Multiplier::packed(&b)), scaled(&a, &Multiplier::new(constant)));
        for l in 0..WIDTH {
            assert_eq!(lane(&by_vector, l), lane(&a, l) * lane(&b, l));
            assert_eq!(lane(&by_constant, l), lane(&a, l) * constant);
        }
    }

    #[test]
    fn transposing_moves_lanes_as_indexing_does() {
        let entry = |k: usize, l: usize| F::from_usize(WIDTH * k + l);
        let mut vectors: [PackedF; WIDTH] = std::array::from_fn(|k| PackedF::from_fn(|l| entry(k, l)));
        transpose(&mut vectors);
        for (k, vector) in vectors.iter().enumerate() {
            for (l, value) in vector.as_slice().iter().enumerate() {
                assert_eq!(*value, entry(l, k));
            }
        }
    }

    #[test]
    fn transposing_extension_elements_moves_each_coordinate() {
        let entry = |k: usize, l: usize, d: usize| F::from_usize((WIDTH * k + l) * DEGREE + d);
        let mut vectors: [PackedEF; WIDTH] =
            std::array::from_fn(|k| PackedEF::from_basis_coefficients_fn(|d| PackedF::from_fn(|l| entry(k, l, d))));
        transpose_ext(&mut vectors);
        for (k, vector) in vectors.iter().enumerate() {
            for l in 0..WIDTH {
                assert_eq!(lane(vector, l), EF::from_basis_coefficients_fn(|d| entry(l, k, d)));
            }
        }
    }
}
