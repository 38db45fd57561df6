//! The fractions at the leaves: numerators in the base field, in the order of their indices.

use p3_field::{PackedValue, PrimeCharacteristicRing};

use crate::packing::{EF, F, LOG_WIDTH, PackedEF, PackedF, WIDTH, lane, transpose, transpose_ext};

/// Lane `l` of vector `v` is leaf `WIDTH · v + l`. Fewer leaves than lanes fill the front of one vector.
pub struct Leaves {
    pub log_len: usize,
    pub p: Vec<PackedF>,
    pub q: Vec<PackedEF>,
}

impl Leaves {
    /// Vectors that `2^log_len` leaves take.
    pub fn vectors(log_len: usize) -> usize {
        1 << log_len.saturating_sub(LOG_WIDTH)
    }

    pub fn get(&self, i: usize) -> (F, EF) {
        (self.p[i / WIDTH].as_slice()[i % WIDTH], lane(&self.q[i / WIDTH], i % WIDTH))
    }

    /// Vectors `WIDTH · s ..` of the leaves in the order of `Layer`, whose lanes hold the top bits.
    #[inline(always)]
    pub fn transposed(&self, s: usize) -> ([PackedF; WIDTH], [PackedEF; WIDTH]) {
        let stride = self.p.len() / WIDTH;
        let (mut p, mut q) = ([PackedF::ZERO; WIDTH], [PackedEF::ZERO; WIDTH]);
        for l in 0..WIDTH {
            p[l] = self.p[l * stride + s];
            q[l] = self.q[l * stride + s];
        }
        transpose(&mut p);
        transpose_ext(&mut q);
        (p, q)
    }
}
