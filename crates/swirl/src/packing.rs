//! Packed BabyBear and its quartic extension: as many lanes as the machine that this was compiled for has.
//!
//! Plonky3 chooses the vectors at compile time (AVX-512, AVX2, NEON, or one lane); nothing here names any of them.

use p3_baby_bear::BabyBear;
use p3_field::{
    BasedVectorSpace, ExtensionField, Field, PackedFieldExtension, PackedFieldPow2, PackedValue,
    extension::BinomialExtensionField,
};

pub type F = BabyBear;
pub type EF = BinomialExtensionField<BabyBear, 4>;
pub type PackedF = <F as Field>::Packing;
pub type PackedEF = <EF as ExtensionField<F>>::ExtensionPacking;

/// Lanes of a packed value.
pub const WIDTH: usize = <PackedF as PackedValue>::WIDTH;
pub const LOG_WIDTH: usize = WIDTH.trailing_zeros() as usize;
/// Coordinates of an extension element.
pub const DEGREE: usize = <EF as BasedVectorSpace<F>>::DIMENSION;

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
    let coordinates: [[PackedF; WIDTH]; DEGREE] = std::array::from_fn(|d| {
        let mut coordinate = std::array::from_fn(|k| coordinate(&vectors[k], d));
        transpose(&mut coordinate);
        coordinate
    });
    for (k, vector) in vectors.iter_mut().enumerate() {
        *vector = PackedEF::from_basis_coefficients_fn(|d| coordinates[d][k]);
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

/// `Σ_l weights[l] · vector[l]` over the lanes `l`.
pub fn weighted_lanes(vector: &PackedEF, weights: &[EF]) -> EF {
    weights.iter().enumerate().map(|(l, weight)| *weight * lane(vector, l)).sum()
}

#[cfg(test)]
mod tests {
    use p3_field::PrimeCharacteristicRing;

    use super::*;

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
        let mut vectors: [PackedEF; WIDTH] = std::array::from_fn(|k| {
            PackedEF::from_basis_coefficients_fn(|d| PackedF::from_fn(|l| entry(k, l, d)))
        });
        transpose_ext(&mut vectors);
        for (k, vector) in vectors.iter().enumerate() {
            for l in 0..WIDTH {
                assert_eq!(lane(vector, l), EF::from_basis_coefficients_fn(|d| entry(l, k, d)));
            }
        }
    }
}
