//! Arithmetic modulo `2⁵²` in eight 64-bit lanes, and residues of BabyBear in it.
//!
//! A vector holds in each lane an integer in `[0, 2⁵²)`, its value; the twelve bits above it are arbitrary. Additions,
//! subtractions and the two halves of a product leave it so: the multiplier reads 52 bits of either factor, and what it
//! adds to is only ever read modulo `2⁵²`. Field elements are such values modulo `P`, so that sums need no reduction as
//! long as they are below `2⁵²`.

use std::{
    arch::{
        asm,
        x86_64::{
            __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps,
            _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_moveldup_ps, _mm512_mul_epu32, _mm512_set1_epi64,
            _mm512_srli_epi64, _mm512_sub_epi64,
        },
    },
    array,
    mem::transmute,
};

use crate::packing::PackedF;

pub type Lanes = __m512i;

pub const P: u64 = 0x7800_0001;
pub const BITS: u32 = 52;
/// `-P` modulo `2⁵²`.
pub const MINUS_P: u64 = (1 << BITS) - P;

/// A constant factor `k` in `[0, P)`, to multiply values below `2⁵²` with.
#[derive(Clone, Copy)]
pub struct Factor {
    pub k: u64,
    /// The first 52 bits of `k / P` after the point, rounded down.
    pub high: u64,
    /// The 52 bits after them, rounded up.
    pub low: u64,
}

impl Factor {
    pub const fn new(k: u64) -> Self {
        assert!(k < P);
        let (k, p) = (k as u128, P as u128);
        let (high, rest) = ((k << BITS) / p, (k << BITS) % p);
        Self { k: k as u64, high: high as u64, low: (rest << BITS).div_ceil(p) as u64 }
    }

    pub const ONE: Self = Self::new(1);

    pub const fn power(self, mut exponent: u64) -> Self {
        let (mut power, mut base) = (1, self.k);
        while exponent > 0 {
            if exponent % 2 == 1 {
                power = power * base % P;
            }
            (base, exponent) = (base * base % P, exponent / 2);
        }
        Self::new(power)
    }

    /// `1 / k`.
    pub const fn inverse(k: u64) -> Self {
        Self::new(k).power(P - 2)
    }

    pub const fn times(self, other: Self) -> Self {
        Self::new(self.k * other.k % P)
    }

    pub const fn minus(self) -> Self {
        Self::new((P - self.k) % P)
    }
}

/// What [`fraction`] starts from to add a constant: `2⁵² c / P` rounded up, and one more.
pub const fn bias(c: u64) -> u64 {
    assert!(c < P);
    (((c as u128) << BITS).div_ceil(P as u128) + 1) as u64
}

#[inline(always)]
pub fn constant(value: u64) -> Lanes {
    // SAFETY: this is compiled only where AVX-512 F is enabled for the whole crate.
    unsafe { _mm512_set1_epi64(value.cast_signed()) }
}

/// A constant from memory, each time anew: copies of a register would take the place of arithmetic.
#[inline(always)]
pub fn loaded(value: &'static u64) -> Lanes {
    let lanes;
    // SAFETY: it reads the value that is referred to and writes the register; AVX-512 F, as above.
    unsafe {
        asm!(
            "vpbroadcastq {lanes}, qword ptr [{value}]",
            lanes = lateout(zmm_reg) lanes,
            value = in(reg) value,
            options(readonly, nostack, preserves_flags),
        );
    }
    lanes
}

#[inline(always)]
pub fn add(a: Lanes, b: Lanes) -> Lanes {
    // SAFETY: as above.
    unsafe { _mm512_add_epi64(a, b) }
}

#[inline(always)]
pub fn sub(a: Lanes, b: Lanes) -> Lanes {
    // SAFETY: as above.
    unsafe { _mm512_sub_epi64(a, b) }
}

/// `sum + a b mod 2⁵²`.
#[inline(always)]
pub fn low(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    // SAFETY: this is compiled only where AVX-512 IFMA is enabled for the whole crate.
    unsafe { _mm512_madd52lo_epu64(sum, a, b) }
}

/// `sum + ⌊a b / 2⁵²⌋`.
#[inline(always)]
pub fn high(sum: Lanes, a: Lanes, b: Lanes) -> Lanes {
    // SAFETY: as above.
    unsafe { _mm512_madd52hi_epu64(sum, a, b) }
}

/// The square of a value below `2³²`, all 64 bits of it.
#[inline(always)]
pub fn wide_square(a: Lanes) -> Lanes {
    // SAFETY: AVX-512 F, as above.
    unsafe { _mm512_mul_epu32(a, a) }
}

/// All 64 bits, shifted.
#[inline(always)]
pub fn shift_right<const N: u32>(a: Lanes) -> Lanes {
    // SAFETY: as above.
    unsafe { _mm512_srli_epi64::<N>(a) }
}

/// The Montgomery forms in the even and in the odd lanes, all in `[0, P)`.
#[inline(always)]
pub fn split(packed: PackedF) -> [Lanes; 2] {
    // SAFETY: `PackedF` is sixteen `u32` in a transparent wrapper, the size of a vector; AVX-512 F, as above.
    unsafe {
        let packed: Lanes = transmute(packed);
        [_mm512_and_si512(packed, _mm512_set1_epi64(0xffff_ffff)), _mm512_srli_epi64::<32>(packed)]
    }
}

/// The elements whose Montgomery forms the two vectors hold.
///
/// # Safety
///
/// All 64 bits of each lane must be in `[0, P)`.
#[inline(always)]
pub unsafe fn join([even, odd]: [Lanes; 2]) -> PackedF {
    // SAFETY: the caller's lanes are canonical; `PackedF` is as in `split`; AVX-512 F, as above.
    unsafe {
        let joined =
            _mm512_mask_moveldup_ps(_mm512_castsi512_ps(even), 0b1010_1010_1010_1010, _mm512_castsi512_ps(odd));
        transmute(_mm512_castps_si512(joined))
    }
}

/// The fraction of `x = (k s + c) mod P`, from `s` below `2⁵²` and the bias of `c`: at least `2⁵² x / P`, and less than 3
/// above it.
///
/// `2⁵² k s / P` is `s high + s low / 2⁵²` less at most `s / 2⁵² < 1`. Rounding the second product down takes less than 1
/// from it, and the bias adds from 1 to 2. What is dropped above `2⁵²` is the quotient by `P`. As `2⁵² x / P` is at most
/// `2⁵² - 2²¹`, the excess does not wrap.
#[inline(always)]
pub fn fraction(s: Lanes, k: Factor, bias: Lanes) -> Lanes {
    low(high(bias, s, constant(k.low)), s, constant(k.high))
}

/// `x` in `[0, P)` from its [`fraction`]: `(2⁵² x / P + e) P / 2⁵²` is `x + e P / 2⁵² < x + 1`.
#[inline(always)]
pub fn canonical(fraction: Lanes) -> Lanes {
    high(constant(0), fraction, constant(P))
}

/// `s` modulo `P`, in `[0, 2 P)`: the quotient is at most `1 + s / 2⁵² (2⁵² / P - ⌊2⁵² / P⌋)` too small.
#[inline(always)]
pub fn reduced(s: Lanes) -> Lanes {
    low(s, high(constant(0), s, constant(Factor::ONE.high)), constant(MINUS_P))
}

/// The same values. Vectors that pass here are computed in the order in which they do: the compiler would rather compute
/// one chain of products after the other, and the processor looks ahead for less than that.
#[inline(always)]
pub fn in_order<const N: usize>(vectors: [Lanes; N]) -> [Lanes; N] {
    vectors.map(|mut lanes| {
        // SAFETY: a comment, with no instruction in it.
        unsafe { asm!("/* {0} */", inout(zmm_reg) lanes, options(nomem, nostack, preserves_flags)) };
        lanes
    })
}

#[inline(always)]
pub fn each<const N: usize>(f: impl FnMut(usize) -> Lanes) -> [Lanes; N] {
    array::from_fn(f)
}

#[cfg(test)]
pub mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    const MASK: u64 = (1 << BITS) - 1;

    pub fn values(lanes: Lanes) -> [u64; 8] {
        // SAFETY: a vector is eight `u64`.
        unsafe { transmute::<Lanes, [u64; 8]>(lanes) }.map(|value| value & MASK)
    }

    /// Zero, multiples of `P` and their neighbours, powers of two and their neighbours, and random ones, below the limit.
    pub fn edges(limit: u64) -> Vec<u64> {
        let mut rng = StdRng::seed_from_u64(limit);
        let near = |v: u64| [v.wrapping_sub(1), v, v + 1];
        let multiples = [0, 1, 2, 3, 35, limit / P / 2, limit / P].map(|m| m * P);
        let mut edges: Vec<u64> = multiples.into_iter().chain((0..BITS).map(|b| 1 << b)).flat_map(near).collect();
        edges.extend((0..1000).map(|_| rng.random_range(0..limit)));
        edges.push(limit - 1);
        edges.retain(|edge| *edge < limit);
        edges
    }

    #[test]
    fn fractions_lead_to_canonical_values() {
        for k in [0, 1, 2, P / 2, P - 1, (1 << 32) % P] {
            for c in [0, 1, P / 2, P - 1] {
                for s in edges(1 << BITS) {
                    let x = (k as u128 * s as u128 + c as u128) % P as u128;
                    let fraction = fraction(constant(s), Factor::new(k), constant(bias(c)));
                    let excess = ((values(fraction)[0] as u128 * P as u128) as i128) - ((x << BITS) as i128);
                    assert!((0..3 * P as i128).contains(&excess), "{k} {c} {s}");
                    assert_eq!(values(canonical(fraction))[0] as u128, x);
                }
            }
        }
    }

    #[test]
    fn reduced_values_are_below_twice_the_modulus() {
        for s in edges(1 << BITS) {
            let value = values(reduced(constant(s)))[0];
            assert!(value < 2 * P && value % P == s % P);
        }
    }
}
