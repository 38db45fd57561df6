//! The kernels that open a column, and its rotation, at `r`: polynomials in `Z` for columns of each height.

use openvm_stark_backend::poly_common::{eval_eq_uni, eval_eq_uni_at_one, eval_in_uni};
use p3_field::{PrimeCharacteristicRing, TwoAdicField};

use crate::{
    packing::{EF, F},
    skip_domain::SkipDomain,
};

#[derive(Clone, Copy)]
pub struct Kernels<'a> {
    pub domain: &'a SkipDomain,
    pub r: &'a [EF],
    omega: F,
    at_one: EF,
}

/// At a point `Z`, the factors of `eq(r, x)` for the column; of the same for its rotation; and, for the rotation, of
/// `eq(r, x - 1) - eq(r, x)`, as the last row of a block is followed by the first of the next.
pub struct Factors {
    pub column: EF,
    pub rotation: EF,
    pub carry: EF,
}

impl<'a> Kernels<'a> {
    pub fn new(domain: &'a SkipDomain, r: &'a [EF]) -> Self {
        let omega = F::two_adic_generator(domain.log_len);
        Self { domain, r, omega, at_one: eval_eq_uni_at_one(domain.log_len, r[0] * omega) }
    }

    /// For columns of height `2^(l_skip + n)`.
    pub fn factors(&self, n: isize, z: EF) -> Factors {
        let l_skip = self.domain.log_len;
        let short = n.min(0).unsigned_abs();
        let (l, omega, r) = (l_skip - short, self.omega.exp_power_of_2(short), self.r[0].exp_power_of_2(short));
        let repeated = eval_in_uni(l_skip, n, z);
        Factors {
            column: eval_eq_uni(l, z, r) * repeated,
            rotation: eval_eq_uni(l, z, r * omega) * repeated,
            carry: self.at_one * eval_eq_uni_at_one(l_skip, z) * repeated,
        }
    }
}
